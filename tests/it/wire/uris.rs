//! Request targets as they stand on the wire, and the `uri` member that tells them.

use tower::{Layer, service_fn};
use tower_contract::{Envelope, PublicUrl};

use super::{Wire, application, ask, http2, serve, stack, text};

/// Asks over HTTP/1.1 and gives the envelope, as text and as a value.
async fn told(address: std::net::SocketAddr, line: &str) -> (String, Envelope) {
    let mut wire = Wire::to(address).await;
    wire.send(&format!("{line} HTTP/1.1\nhost: spoofed.example\n\n")).await;
    let (_, content) = wire.response().await;
    let envelope = serde_json::from_str(&content).expect(line);
    (content, envelope)
}

#[tokio::test]
async fn the_uri_is_the_path_of_every_form_of_target() {
    let address = serve(stack().layer(service_fn(application))).await;
    for (line, uri) in [
        ("GET /x?token=secret", "/x"),
        // absolute_form_evil
        ("GET http://u:p@evil.example/x", "/x"),
        ("GET http://evil.example", "/"),
        ("GET //evil.example/x", "/.//evil.example/x"),
        // asterisk_and_connect
        ("OPTIONS *", "*"),
        ("CONNECT h:443", "/"),
        // path_encoding
        ("GET /a\"b/é/%2Fc%0d%0a", "/a%22b/%C3%A9/%2Fc%0d%0a"),
        ("GET /a/../b/./%2e%2e;jsessionid=1", "/a/../b/./%2e%2e;jsessionid=1"),
    ] {
        let (content, envelope) = told(address, line).await;
        assert_eq!(envelope.uri, uri, "{line}");
        for secret in ["u:p", "secret", "spoofed", "\"evil"] {
            assert!(!content.contains(secret), "{content}");
        }
    }
}

#[tokio::test]
async fn a_method_of_its_own_is_repeated_up_to_32_bytes() {
    let address = serve(stack().layer(service_fn(application))).await;
    let (_, envelope) = told(address, "FOOBAR /status/405").await;
    assert_eq!(envelope.http_method, "FOOBAR");
    let (_, envelope) = told(address, &format!("{} /x", "M".repeat(200))).await;
    assert_eq!(envelope.http_method, "M".repeat(32));
    assert_eq!(envelope.code, 501);
}

#[tokio::test]
async fn both_versions_of_http_tell_the_same_uri() {
    let public: PublicUrl = "https://api.example.com/v1".parse().unwrap();
    for stack in [stack(), stack().public_url(public)] {
        let address = serve(stack.layer(service_fn(application))).await;
        let mut client = http2(address).await;
        for path in ["/x", "/x?y=z", "//x", "/%C3%A9", "/panic", "/fail"] {
            let (content, _) = told(address, &format!("GET {path}")).await;
            let answer = ask(&mut client, "GET", &format!("http://{address}{path}")).await;
            assert_eq!(text(answer).await, content);
        }
    }
}
