//! Which protocol a request speaks, from its head.

use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};

/// Whether a head belongs to gRPC or gRPC-Web, whose clients take no JSON for an answer.
///
/// `application/grpc`, alone or followed by `+`, `-` or a parameter; not `application/grpcx`.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let Some(media_type) = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes) else {
        return false;
    };
    match media_type.split_at_checked(GRPC.len()) {
        Some((start, rest)) => {
            start.eq_ignore_ascii_case(GRPC)
                && matches!(rest.first(), None | Some(b'+' | b'-' | b';' | b' '))
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_known_by_its_media_type_alone() {
        let cases = [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/GRPC;v=1", true),
            ("application/grpc-web", true),
            ("application/grpc-web-text+proto", true),
            ("application/grpcx", false),
            ("application/json", false),
            ("", false),
        ];
        for (media_type, expected) in cases {
            let value = HeaderValue::from_static(media_type);
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, value)]);
            assert_eq!(is_grpc(&headers), expected, "{media_type}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
