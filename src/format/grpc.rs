//! An error as clients of gRPC, gRPC-Web and Connect read it: a code, a fixed text, and their
//! frames.
//!
//! Not an [`ErrorFormat`](crate::format::ErrorFormat): these clients would lose the code of an
//! error that is written in a format of ours.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::api_error::Cause;

pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
pub(crate) const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The flag of gRPC-Web's frame that holds trailers (gRPC-Web, Message framing).
const TRAILERS: u8 = 0x80;
/// The flag of the envelope that ends a Connect stream (Connect, Streaming-Response).
const END_STREAM: u8 = 0x02;

/// The codes that errors of HTTP become. The numbers are gRPC's, the names Connect's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Unknown = 2,
    DeadlineExceeded = 4,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

impl Code {
    /// What an error is called: by its cause where that says more than the status, else by the
    /// status (gRPC, "HTTP to gRPC Status Code Mapping", and what it leaves open).
    pub(crate) const fn of(cause: Cause, status: StatusCode) -> Self {
        match cause {
            Cause::Panic => Self::Internal,
            Cause::Timeout => Self::DeadlineExceeded,
            Cause::Overload => Self::ResourceExhausted,
            Cause::Upstream => Self::Unavailable,
            Cause::Application | Cause::Method | Cause::Service => Self::of_status(status),
        }
    }

    const fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            400 | 500 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 | 405 | 415 | 501 => Self::Unimplemented,
            408 | 504 => Self::DeadlineExceeded,
            413 | 429 => Self::ResourceExhausted,
            502 | 503 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }

    /// The name in Connect (Connect, Error Codes).
    const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::PermissionDenied => "permission_denied",
            Self::ResourceExhausted => "resource_exhausted",
            Self::Unimplemented => "unimplemented",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::Unauthenticated => "unauthenticated",
        }
    }

    /// One sentence, the same for every error of the code. It is printable ASCII without `%`, and
    /// so its own percent-encoding (gRPC over HTTP2, Status-Message), and its own JSON.
    const fn message(self) -> &'static str {
        match self {
            Self::Unknown => "The request was not accepted.",
            Self::DeadlineExceeded => "The service did not answer in time.",
            Self::PermissionDenied => "This operation is forbidden.",
            Self::ResourceExhausted => "A limit of the service is reached.",
            Self::Unimplemented => "The service does not support this operation.",
            Self::Internal => "The server met an unexpected condition.",
            Self::Unavailable => "The service is unavailable now.",
            Self::Unauthenticated => "Credentials are missing or incorrect.",
        }
    }

    /// The status of a Connect unary call that failed: the protocol's own, where a proxy or a
    /// client decides by it whether to try again; else the one that the error had.
    pub(crate) const fn connect_status(self, status: StatusCode) -> StatusCode {
        match self {
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => status,
        }
    }

    /// Puts `grpc-status` and `grpc-message` into a head or into trailers, where there is room.
    pub(crate) fn write_to(self, headers: &mut HeaderMap) {
        let _ = headers.try_insert(GRPC_STATUS, HeaderValue::from(self as u16));
        let _ = headers.try_insert(GRPC_MESSAGE, HeaderValue::from_static(self.message()));
    }

    /// The trailers as the last frame of a gRPC-Web body.
    pub(crate) fn web_frame(self) -> Bytes {
        let (code, message) = (self as u16, self.message());
        let block = format!("grpc-status:{code}\r\ngrpc-message:{message}\r\n");
        frame(TRAILERS, &block).into()
    }

    /// The same for `application/grpc-web-text`.
    pub(crate) fn web_text_frame(self) -> Bytes {
        base64(&self.web_frame()).into()
    }

    /// The content of a Connect unary call that failed.
    pub(crate) fn connect_error(self) -> Bytes {
        self.connect_json().into()
    }

    /// The envelope that ends a Connect stream that failed.
    pub(crate) fn connect_end(self) -> Bytes {
        let end = format!(r#"{{"error":{}}}"#, self.connect_json());
        frame(END_STREAM, &end).into()
    }

    fn connect_json(self) -> String {
        let (code, message) = (self.name(), self.message());
        format!(r#"{{"code":"{code}","message":"{message}"}}"#)
    }
}

/// Whether `name` is one of the sixteen codes of Connect.
pub(crate) fn is_connect_code(name: &str) -> bool {
    CONNECT_CODES.binary_search(&name).is_ok()
}

/// Connect, Error Codes; sorted.
const CONNECT_CODES: [&str; 16] = [
    "aborted",
    "already_exists",
    "canceled",
    "data_loss",
    "deadline_exceeded",
    "failed_precondition",
    "internal",
    "invalid_argument",
    "not_found",
    "out_of_range",
    "permission_denied",
    "resource_exhausted",
    "unauthenticated",
    "unavailable",
    "unimplemented",
    "unknown",
];

/// A flag byte, the length in four bytes, big endian, and the content: gRPC's framing of messages,
/// and gRPC-Web's and Connect's.
fn frame(flags: u8, content: &str) -> Vec<u8> {
    // The contents are the sentences above: never longer than a few hundred bytes.
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    let mut frame = vec![flags];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(content.as_bytes());
    frame
}

/// Standard base64 with padding (RFC 4648, 4), as `application/grpc-web-text` is encoded.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) as usize & 63;
            let letter = ALPHABET.get(index).filter(|_| digit <= group.len());
            text.push(letter.map_or('=', |letter| char::from(*letter)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, prelude::BASE64_STANDARD};

    const CODES: [Code; 8] = [
        Code::Unknown,
        Code::DeadlineExceeded,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::Unimplemented,
        Code::Internal,
        Code::Unavailable,
        Code::Unauthenticated,
    ];

    #[test]
    fn a_code_is_that_of_the_cause_first_and_then_of_the_status() {
        let of = |cause, status| Code::of(cause, StatusCode::from_u16(status).unwrap()) as u8;
        for (cause, code) in
            [(Cause::Panic, 13), (Cause::Timeout, 4), (Cause::Overload, 8), (Cause::Upstream, 14)]
        {
            for status in 400..600 {
                assert_eq!(of(cause, status), code, "{cause:?} {status}");
            }
        }
        let named = [
            (400, 13),
            (401, 16),
            (403, 7),
            (404, 12),
            (405, 12),
            (408, 4),
            (413, 8),
            (415, 12),
            (429, 8),
            (500, 13),
            (501, 12),
            (502, 14),
            (503, 14),
            (504, 4),
        ];
        for cause in [Cause::Application, Cause::Method, Cause::Service] {
            for status in 400..600 {
                let known = named.iter().find(|(known, _)| *known == status);
                let code = known.map_or(2, |(_, code)| *code);
                assert_eq!(of(cause, status), code, "{cause:?} {status}");
            }
        }
    }

    #[test]
    fn a_connect_call_has_the_status_of_its_code_or_keeps_its_own() {
        for (code, status) in [
            (Code::Internal, 500),
            (Code::DeadlineExceeded, 504),
            (Code::ResourceExhausted, 429),
            (Code::Unavailable, 503),
            (Code::Unknown, 418),
            (Code::PermissionDenied, 418),
            (Code::Unimplemented, 418),
            (Code::Unauthenticated, 418),
        ] {
            let given = code.connect_status(StatusCode::IM_A_TEAPOT);
            assert_eq!(given.as_u16(), status, "{code:?}");
        }
    }

    #[test]
    fn a_message_needs_no_encoding_anywhere() {
        for code in CODES {
            let plain = |byte: u8| matches!(byte, b' '..=b'~') && !b"%\"\\".contains(&byte);
            assert!(code.message().bytes().all(plain), "{code:?}");
            assert!(is_connect_code(code.name()), "{code:?}");
            serde_json::from_slice::<serde_json::Value>(&code.connect_error()).unwrap();
        }
        assert!(CONNECT_CODES.is_sorted());
        assert!(!is_connect_code("13") && !is_connect_code(""));
    }

    #[test]
    fn a_frame_is_a_flag_a_length_and_its_content() {
        assert_eq!(
            Code::Internal.web_frame().as_ref(),
            b"\x80\0\0\0\x46grpc-status:13\r\n\
              grpc-message:The server met an unexpected condition.\r\n"
        );
        assert_eq!(
            Code::Internal.connect_end().as_ref(),
            b"\x02\0\0\0\x51{\"error\":{\"code\":\"internal\",\
              \"message\":\"The server met an unexpected condition.\"}}"
        );
        for code in CODES {
            for frame in [code.web_frame(), code.connect_end()] {
                let (length, content) = frame[1..].split_first_chunk().unwrap();
                assert_eq!(u32::from_be_bytes(*length) as usize, content.len());
            }
        }
    }

    #[test]
    fn text_is_the_same_frame_in_base64() {
        for code in CODES {
            let text = BASE64_STANDARD.encode(code.web_frame());
            assert_eq!(code.web_text_frame(), text);
        }
        for length in 0..20 {
            let bytes: Vec<u8> = (0..length).map(|byte| (byte * 13) ^ 0xa5).collect();
            assert_eq!(base64(&bytes), BASE64_STANDARD.encode(&bytes), "{length}");
        }
    }
}
