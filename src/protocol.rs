//! Which protocol a request speaks, and how long its client waits, from its head.
//!
//! A pure function of the head: whoever asks twice is told the same, and nothing is stored in the
//! request. The layers know the protocols by their wire alone, without a gRPC library.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header::CONTENT_TYPE};

/// A protocol of calls over HTTP whose clients take no HTTP error for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// gRPC over HTTP/2: `application/grpc`, `application/grpc+proto`.
    Grpc,
    /// gRPC-Web: `application/grpc-web+proto`; in base64: `application/grpc-web-text`.
    GrpcWeb { text: bool },
    /// A Connect call of one message each way: its content is the message.
    ConnectUnary,
    /// A Connect stream: `application/connect+proto`.
    ConnectStream,
}

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const CONNECT_TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");
const CONNECT_VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");

impl Protocol {
    /// The protocol of `request`, `None` for HTTP itself: by its media type; Connect's unary calls
    /// by the version that they tell, in a header or in the query of a GET.
    ///
    /// A request without content costs one look at its headers.
    #[inline]
    pub(crate) fn of<B>(request: &Request<B>) -> Option<Self> {
        let media_type = request.headers().get(CONTENT_TYPE);
        media_type
            .and_then(|media_type| Self::with_content(media_type, request.headers()))
            .or_else(|| Self::without_content(request.method(), request.uri()))
    }

    /// The protocol that the media type alone names, of a request or of a response.
    pub(crate) fn of_media_type(headers: &HeaderMap) -> Option<Self> {
        Self::of_subtype(application_subtype(headers.get(CONTENT_TYPE)?)?)
    }

    fn with_content(media_type: &HeaderValue, headers: &HeaderMap) -> Option<Self> {
        let subtype = application_subtype(media_type)?;
        Self::of_subtype(subtype)
            .or_else(|| is_connect_version_1(headers).then_some(Self::ConnectUnary))
    }

    fn of_subtype(subtype: &[u8]) -> Option<Self> {
        let mut parts = subtype.splitn(2, |byte| *byte == b'+');
        let (name, codec) = (parts.next()?, parts.next());
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("grpc") {
            Some(Self::Grpc)
        } else if is("grpc-web") {
            Some(Self::GrpcWeb { text: false })
        } else if is("grpc-web-text") {
            Some(Self::GrpcWeb { text: true })
        } else {
            (is("connect") && codec.is_some()).then_some(Self::ConnectStream)
        }
    }

    /// Connect's unary calls without side effects may be GET: `?connect=v1&encoding=..&message=..`.
    #[inline]
    fn without_content(method: &Method, uri: &Uri) -> Option<Self> {
        // Nothing for a query that is shorter: every GET is asked.
        let is_long = |query: &&str| query.len() >= VERSION_1.len();
        let query = uri.query().filter(is_long).filter(|_| *method == Method::GET)?;
        has_version_1(query.as_bytes()).then_some(Self::ConnectUnary)
    }

    /// Whether a call may have this method: POST, and GET in Connect's unary calls.
    pub(crate) fn allows(self, method: &Method) -> bool {
        match self {
            Self::ConnectUnary => *method == Method::POST || *method == Method::GET,
            Self::Grpc | Self::GrpcWeb { .. } | Self::ConnectStream => *method == Method::POST,
        }
    }
}

/// How the query of a GET tells Connect's version.
const VERSION_1: &[u8] = b"connect=v1";

fn has_version_1(query: &[u8]) -> bool {
    query.split(|byte| *byte == b'&').any(|pair| pair == VERSION_1)
}

/// What follows `application/` in the content type, without parameters.
fn application_subtype(media_type: &HeaderValue) -> Option<&[u8]> {
    const APPLICATION: &[u8] = b"application/";
    let (start, rest) = media_type.as_bytes().split_at_checked(APPLICATION.len())?;
    let mut parts = rest.split(|byte| b"; \t".contains(byte));
    parts.next().filter(|_| start.eq_ignore_ascii_case(APPLICATION))
}

/// A unary call's content may be of any codec, as `application/json`: its version names Connect.
fn is_connect_version_1(headers: &HeaderMap) -> bool {
    headers.get(CONNECT_VERSION).is_some_and(|version| version == "1")
}

/// How long the client of a call waits for its end, from now on; `None` if it does not say.
///
/// `grpc-timeout` (gRPC over HTTP2, Requests: at most 8 digits and a unit) or `connect-timeout-ms`
/// (Connect, Unary-Request: at most 10 digits), on one line. What is malformed is ignored.
pub(crate) fn client_timeout<B>(request: &Request<B>) -> Option<Duration> {
    let protocol = match *request.method() {
        Method::POST => Protocol::of(request),
        ref method => Protocol::without_content(method, request.uri()),
    };
    let headers = request.headers();
    match protocol? {
        Protocol::Grpc | Protocol::GrpcWeb { .. } => grpc_timeout(only(headers, GRPC_TIMEOUT)?),
        Protocol::ConnectUnary | Protocol::ConnectStream => {
            connect_timeout(only(headers, CONNECT_TIMEOUT)?)
        }
    }
}

/// The value of a header that stands on one line.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&[u8]> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next()?;
    lines.next().is_none().then_some(line.as_bytes())
}

/// `^[0-9]{1,8}[HMSmun]$`. The longest, 99,999,999 hours, is far from what a `Duration` holds.
fn grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    let amount = number(digits, 8)?;
    Some(match unit {
        b'H' => Duration::from_secs(amount * 60 * 60),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// `^[0-9]{1,10}$`
fn connect_timeout(value: &[u8]) -> Option<Duration> {
    number(value, 10).map(Duration::from_millis)
}

/// A number of one to `most` digits.
fn number(digits: &[u8], most: usize) -> Option<u64> {
    let is_number = (1..=most).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| {
        let add = |number, digit: &u8| number * 10 + u64::from(digit - b'0');
        digits.iter().fold(0, add)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request in one line: method, target, headers.
    fn request(line: &str) -> Request<()> {
        let (target, headers) = line.split_once(" | ").unwrap_or((line, ""));
        let (method, uri) = target.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(uri);
        for header in headers.split(" | ").filter(|header| !header.is_empty()) {
            let (name, value) = header.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn the_protocol_is_known_by_the_head() {
        const GRPC: Option<Protocol> = Some(Protocol::Grpc);
        const WEB: Option<Protocol> = Some(Protocol::GrpcWeb { text: false });
        const WEB_TEXT: Option<Protocol> = Some(Protocol::GrpcWeb { text: true });
        const UNARY: Option<Protocol> = Some(Protocol::ConnectUnary);
        const STREAM: Option<Protocol> = Some(Protocol::ConnectStream);
        let cases = [
            ("POST / | content-type: application/grpc", GRPC),
            ("POST / | content-type: application/grpc+proto", GRPC),
            ("POST / | content-type: Application/GRPC;v=1", GRPC),
            ("POST / | content-type: application/grpc ;v=1", GRPC),
            ("GET / | content-type: application/grpc", GRPC),
            ("POST / | content-type: application/grpc-web", WEB),
            ("POST / | content-type: application/grpc-web+proto", WEB),
            ("POST / | content-type: application/grpc-web-text", WEB_TEXT),
            ("POST / | content-type: application/grpc-web-text+proto; x=y", WEB_TEXT),
            ("POST / | content-type: application/grpcx", None),
            ("POST / | content-type: application/grpc-webx", None),
            ("POST / | content-type: application/grpc,text/html", None),
            ("POST / | content-type: text/grpc", None),
            ("POST / | content-type: application/connect+proto", STREAM),
            ("POST / | content-type: application/connect+json", STREAM),
            ("POST / | content-type: application/connect", None),
            ("POST / | content-type: application/json", None),
            ("POST / | content-type: application/json | connect-protocol-version: 1", UNARY),
            ("PUT / | content-type: application/proto | connect-protocol-version: 1", UNARY),
            ("POST / | content-type: application/json | connect-protocol-version: 2", None),
            ("POST / | content-type: text/plain | connect-protocol-version: 1", None),
            ("POST / | content-type: application/grpc | connect-protocol-version: 1", GRPC),
            ("GET /?message=e30&connect=v1&encoding=json", UNARY),
            ("GET /?connect=v1 | content-type: application/json", UNARY),
            ("GET /?connect=v12", None),
            ("GET /?xconnect=v1", None),
            ("GET /connect=v1", None),
            ("POST /?connect=v1", None),
            ("GET /", None),
            ("POST / | content-type: ", None),
        ];
        for (line, expected) in cases {
            assert_eq!(Protocol::of(&request(line)), expected, "{line}");
        }
    }

    #[test]
    fn a_call_is_a_post_or_in_connect_a_get() {
        for (protocol, get) in [
            (Protocol::Grpc, false),
            (Protocol::GrpcWeb { text: true }, false),
            (Protocol::ConnectUnary, true),
            (Protocol::ConnectStream, false),
        ] {
            assert!(protocol.allows(&Method::POST), "{protocol:?}");
            assert_eq!(protocol.allows(&Method::GET), get, "{protocol:?}");
            assert!(!protocol.allows(&Method::PUT), "{protocol:?}");
        }
    }

    #[test]
    fn a_client_says_how_long_it_waits_strictly_or_not_at_all() {
        let grpc = |value: &str| {
            let head = "POST / | content-type: application/grpc-web | grpc-timeout: ";
            client_timeout(&request(&format!("{head}{value}")))
        };
        for (value, expected) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("4m", Some(Duration::from_millis(4))),
            ("5u", Some(Duration::from_micros(5))),
            ("6n", Some(Duration::from_nanos(6))),
            ("0n", Some(Duration::ZERO)),
            ("00000007S", Some(Duration::from_secs(7))),
            ("99999999H", Some(Duration::from_secs(359_999_996_400))),
            ("100000000n", None),
            ("", None),
            ("S", None),
            ("1", None),
            ("1s", None),
            ("1 S", None),
            ("+1S", None),
            ("-1S", None),
            ("1.5S", None),
            ("1SS", None),
            ("1S | grpc-timeout: 1S", None),
        ] {
            assert_eq!(grpc(value), expected, "{value}");
        }
        let connect = |value: &str| {
            let head = "POST / | content-type: application/connect+json | connect-timeout-ms: ";
            client_timeout(&request(&format!("{head}{value}")))
        };
        for (value, expected) in [
            ("0", Some(Duration::ZERO)),
            ("1500", Some(Duration::from_millis(1500))),
            ("9999999999", Some(Duration::from_millis(9_999_999_999))),
            ("10000000000", None),
            ("", None),
            ("1S", None),
            ("-1", None),
        ] {
            assert_eq!(connect(value), expected, "{value}");
        }
    }

    #[test]
    fn only_a_call_has_a_client_that_says_how_long_it_waits() {
        let wait = |head: &str| {
            let timeouts = "grpc-timeout: 1S | connect-timeout-ms: 2000";
            client_timeout(&request(&format!("{head} | {timeouts}")))
        };
        let (one, two) = (Duration::from_secs(1), Duration::from_secs(2));
        assert_eq!(wait("POST / | content-type: application/grpc"), Some(one));
        assert_eq!(wait("GET / | content-type: application/grpc"), None);
        assert_eq!(wait("POST / | content-type: application/json"), None);
        assert_eq!(wait("GET /?connect=v1"), Some(two));
        assert_eq!(wait("GET /"), None);
    }
}
