//! The places under tonic where the stack goes, and the example's generated code.

use std::{fs, future::Future, net::SocketAddr, path::Path};

use bytes::Bytes;
use expect_test::{Expect, expect};
use http::{Request, Response};
use http_body_util::BodyExt;
use tonic::{
    body::Body,
    server::NamedService,
    service::{LayerExt, Routes},
    transport::Server,
};
use tonic_web::GrpcWebLayer;
use tower::{BoxError, Layer, Service, ServiceExt};

use crate::support::{block_on, contract};

#[path = "../../examples/recording_grpc/recordings.rs"]
mod recordings;

const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn routes() -> Routes {
    Routes::new(GrpcWebLayer::new().layer(recordings::service()))
}

/// A server that is not started: it compiles.
fn compiles(_: impl Future<Output = Result<(), tonic::transport::Error>> + Send) {}

#[test]
fn the_stack_goes_into_a_server() {
    let mut server = Server::builder().accept_http1(true).layer(contract());
    compiles(server.clone().add_routes(routes()).serve(ADDRESS));
    let service = GrpcWebLayer::new().layer(recordings::service());
    compiles(server.clone().add_service(service).serve(ADDRESS));
    compiles(server.add_service(recordings::service()).serve(ADDRESS));
}

#[test]
fn the_stack_goes_inside_and_outside_of_other_layers_of_a_server() {
    let server = Server::builder().accept_http1(true);
    let outside = server.clone().layer(contract()).layer(GrpcWebLayer::new());
    compiles(outside.clone().add_routes(routes()).serve(ADDRESS));
    let inside = server.layer(GrpcWebLayer::new()).layer(contract());
    compiles(inside.clone().add_routes(routes()).serve(ADDRESS));
}

#[test]
fn one_named_service_may_have_a_stack_of_its_own() {
    fn is_named<S: NamedService>(_: &S) {}
    let service = contract().named_layer(recordings::service());
    is_named(&service);
    compiles(Server::builder().add_service(service.clone()).serve(ADDRESS));
    ask(
        Routes::new(service),
        "/recordings.v1.Recordings/Nope",
        "application/grpc",
        expect![[r#"
            200 application/grpc "12" 
        "#]],
    );
}

/// Asks, and compares status, content type, grpc-status and body.
#[track_caller]
fn ask<S, B>(service: S, path: &str, content_type: &str, expected: Expect)
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: std::fmt::Debug,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError> + std::fmt::Debug>,
{
    let request = Request::post(path).header("content-type", content_type);
    let request = request.body(Body::empty()).unwrap();
    let text = block_on(async {
        let (head, body) = service.oneshot(request).await.unwrap().into_parts();
        let content = body.collect().await.unwrap().to_bytes();
        format!(
            "{} {} {:?} {}\n",
            head.status.as_u16(),
            head.headers["content-type"].to_str().unwrap(),
            head.headers["grpc-status"],
            content.escape_ascii()
        )
    });
    expected.assert_eq(&text);
}

#[test]
fn grpc_web_outside_of_the_stack_and_inside_tell_the_same_code() {
    let other = || Routes::from(axum::Router::new());
    let call = ("/nowhere", "application/grpc-web+proto");
    ask(
        contract().layer(other()),
        call.0,
        call.1,
        expect![[r#"
        200 application/grpc-web+proto "12" \x80\x00\x00\x00Kgrpc-status:12\r\ngrpc-message:The service does not support this operation.\r\n
    "#]],
    );
    let stack = GrpcWebLayer::new().layer(contract().layer(other()));
    ask(
        stack,
        call.0,
        call.1,
        expect![[r#"
        200 application/grpc-web+proto "12" 
    "#]],
    );
}

#[test]
fn the_generated_code_is_made_from_the_proto() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for (example, proto, made) in [
        ("recording_grpc", "recordings.proto", "recordings.v1.rs"),
        ("envoy", "external_processor.proto", "envoy.service.ext_proc.v3.rs"),
    ] {
        let source = fs::read(examples.join(example).join(proto)).unwrap();
        let made = fs::read_to_string(examples.join(example).join("generated").join(made)).unwrap();
        let expected = format!("// From {proto}, {}.", checksum(&source));
        let first = made.lines().next().unwrap();
        assert_eq!(first, expected, "run .ci/generate: see CONTRIBUTING.md");
    }
}

/// FNV-1a, 64 bits, as `.ci/generate` writes it; `.ci/run` compares the whole code.
fn checksum(bytes: &[u8]) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}
