//! What errors of calls have in common with those of HTTP: who is told, and what the head keeps.

use std::sync::{Arc, Mutex};

use tower::Layer;
use tower_contract::ErrorBodyLayer;

use crate::support::{all, answering, ask, contract, response};

const GRPC: &str = "POST /p.S/M\ncontent-type: application/grpc";
const WEB: &str = "POST /p.S/M\ncontent-type: application/grpc-web";
const UNARY: &str = "POST /p.S/M\ncontent-type: application/json\nconnect-protocol-version: 1";
const STREAM: &str = "POST /p.S/M\ncontent-type: application/connect+json";

#[test]
fn the_hook_is_told_of_errors_of_calls_too() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let layer = ErrorBodyLayer::new()
        .on_error(move |report| log.lock().unwrap().push(report.status.as_u16()));
    for call in [GRPC, WEB, UNARY, STREAM] {
        ask(layer.layer(answering(|_| response("404"))), call);
    }
    assert_eq!(*told.lock().unwrap(), [404; 4]);
}

#[test]
fn an_error_of_a_call_has_no_header_of_the_old_body() {
    let inner = "500\ncontent-encoding: gzip\netag: \"a\"\ncontent-length: 3\n\nold";
    for call in [GRPC, WEB, UNARY, STREAM] {
        let sent = ask(contract().layer(answering(move |_| response(inner))), call);
        assert_eq!(all(&sent, "content-encoding"), [""; 0], "{call}");
        assert_eq!(all(&sent, "etag"), [""; 0], "{call}");
        assert_ne!(all(&sent, "content-length"), ["3"], "{call}");
    }
}

#[test]
fn an_encoded_error_of_connect_is_not_read() {
    let inner = |encoding| {
        let own = r#"{"code":"not_found","message":"own words"}"#;
        response(&format!("404\ncontent-type: application/json{encoding}\n\n{own}"))
    };
    let plain = ask(contract().layer(answering(move |_| inner(""))), UNARY);
    assert!(plain.body().starts_with(b"{\"code\":\"not_found\""), "{:?}", plain.body());
    let encoded = move |_| inner("\ncontent-encoding: gzip");
    let encoded = ask(contract().layer(answering(encoded)), UNARY);
    assert!(encoded.body().starts_with(b"{\"code\":\"unimplemented\""), "{:?}", encoded.body());
    assert_eq!(all(&encoded, "content-encoding"), [""; 0]);
}

#[test]
fn what_the_service_says_of_caching_and_sniffing_is_kept() {
    let inner = "404\ncache-control: max-age=60\nx-content-type-options: own";
    for asked in ["GET /x", UNARY] {
        let sent = ask(contract().layer(answering(move |_| response(inner))), asked);
        assert_eq!(all(&sent, "cache-control"), ["max-age=60"], "{asked}");
        assert_eq!(all(&sent, "x-content-type-options"), ["own"], "{asked}");
    }
    for asked in ["GET /x", UNARY] {
        let sent = ask(contract().layer(answering(|_| response("404"))), asked);
        assert_eq!(all(&sent, "cache-control"), ["no-store"], "{asked}");
    }
}
