//! The example for Lambda, against a stand-in of the runtime API that speaks its protocol: next
//! invocation, response, error.

use std::{
    collections::VecDeque,
    convert::Infallible,
    process::Stdio,
    sync::{Arc, Mutex},
};

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use expect_test::{Expect, expect};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt,
    net::TcpListener,
    process::Child,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use crate::example::{Folder, command, run, soon};

/// What the function has posted: the end of the path, the mode, the content.
type Posted = (String, String, Bytes);

/// A function that has got these events, one after the other.
struct Function {
    child: Child,
    posted: UnboundedReceiver<Posted>,
    _folder: Folder,
}

impl Function {
    async fn start(events: impl IntoIterator<Item = String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let events: VecDeque<String> = events.into_iter().collect();
        let (sender, posted) = unbounded_channel();
        tokio::spawn(runtime_api(listener, Arc::new(Mutex::new(events)), sender));
        let folder = Folder::new();
        let child = command("lambda", &[], &folder)
            .env("AWS_LAMBDA_FUNCTION_NAME", "recordings")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, posted, _folder: folder }
    }

    async fn posted(&mut self) -> Posted {
        soon("a post", self.posted.recv()).await.unwrap()
    }

    /// The next answer: its head in JSON, eight zero bytes, its content.
    async fn answer(&mut self) -> (Value, String) {
        let (path, mode, content) = self.posted().await;
        assert_eq!((path.as_str(), mode.as_str()), ("/response", "streaming"));
        let at = content.windows(8).position(|bytes| bytes == [0; 8]).unwrap();
        let head = serde_json::from_slice(&content[..at]).unwrap();
        (head, String::from_utf8(content[at + 8..].to_vec()).unwrap())
    }

    async fn check(&mut self, expected: Expect) {
        let (head, content) = self.answer().await;
        let header = |name: &str| head["headers"][name].as_str();
        assert_eq!(header("access-control-allow-origin"), Some("https://app.example.com"));
        let kind = header("content-type").unwrap_or_default();
        expected.assert_eq(&format!("{} {kind}\n{content}", head["statusCode"]));
    }

    /// Kills it, and returns its log.
    async fn into_log(mut self) -> String {
        self.child.kill().await.unwrap();
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut log).await.unwrap();
        log
    }
}

/// Hands the events out, and reports what is posted. When there are none left, `next` waits, as in
/// Lambda.
async fn runtime_api(
    listener: TcpListener,
    events: Arc<Mutex<VecDeque<String>>>,
    posted: UnboundedSender<Posted>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (events, posted) = (Arc::clone(&events), posted.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (events, posted) = (Arc::clone(&events), posted.clone());
            async move { Ok::<_, Infallible>(one_call(request, &events, &posted).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn one_call(
    request: Request<Incoming>,
    events: &Mutex<VecDeque<String>>,
    posted: &UnboundedSender<Posted>,
) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let path = path.strip_prefix("/2018-06-01/runtime/invocation/").unwrap();
    if path == "next" {
        let event = events.lock().unwrap().pop_front();
        let Some(event) = event else {
            return std::future::pending().await;
        };
        return Response::builder()
            .header("lambda-runtime-aws-request-id", "call-1")
            .header("lambda-runtime-deadline-ms", "4102444800000")
            .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:1:function:f")
            .body(Full::from(event))
            .unwrap();
    }
    let end = path.strip_prefix("call-1").unwrap().to_owned();
    let mode = request.headers().get("lambda-runtime-function-response-mode");
    let mode = mode.map_or("", |mode| mode.to_str().unwrap()).to_owned();
    let content = request.into_body().collect().await.unwrap().to_bytes();
    posted.send((end, mode, content)).unwrap();
    let mut accepted = Response::new(Full::default());
    *accepted.status_mut() = StatusCode::ACCEPTED;
    accepted
}

/// An event of an HTTP API, payload format 2.0.
fn event(method: &str, query: &str, headers: Value) -> String {
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/recordings",
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "1",
            "apiId": "a",
            "domainName": "a.execute-api.eu-west-1.amazonaws.com",
            "http": {
                "method": method,
                "path": "/recordings",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "test"
            },
            "requestId": "r",
            "stage": "$default",
            "time": "12/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1_583_348_638_390_i64
        },
        "isBase64Encoded": false
    })
    .to_string()
}

#[tokio::test]
async fn every_answer_to_an_invocation_keeps_the_contract() {
    let get = |query: &str| event("GET", query, json!({"host": "api.example.com"}));
    let preflight = json!({
        "origin": "https://app.example.com",
        "access-control-request-method": "POST"
    });
    let mut function = Function::start([
        get("id=1"),
        get("id=7"),
        get(""),
        get("id=panic"),
        event("OPTIONS", "", preflight),
        get("id=1"),
    ])
    .await;
    function
        .check(expect![[r#"
        200 application/octet-stream
        recording 1
    "#]])
        .await;
    function.check(expect![[r#"
        404 application/json
        {"http_method":"GET","title":"Not Found","description":"There is no recording 7.","code":404,"uri":"https://api.example.com/recordings"}"#]]).await;
    function.check(expect![[r#"
        400 application/json
        {"http_method":"GET","title":"Bad Request","description":"The parameter \"id\" is missing.","code":400,"uri":"https://api.example.com/recordings"}"#]]).await;
    function.check(expect![[r#"
        500 application/json
        {"http_method":"GET","title":"Internal Server Error","description":"The server met an unexpected condition.","code":500,"uri":"https://api.example.com/recordings"}"#]]).await;
    function
        .check(expect![[r#"
        200 application/octet-stream
    "#]])
        .await;
    function
        .check(expect![[r#"
        200 application/octet-stream
        recording 1
    "#]])
        .await;
    let log = function.into_log().await;
    assert!(log.contains("panic: a bug that only this recording meets\n"), "{log}");
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_end_the_function() {
    let get = |query: &str| event("GET", query, json!({}));
    let mut function = Function::start([get("id=broken"), get("id=1")]).await;
    // What the runtime makes of it: two lines after the content.
    let (head, content) = function.answer().await;
    assert_eq!(head["statusCode"], 200);
    let (content, error) = content.split_once("Lambda-Runtime-Function-Error-Type: ").unwrap();
    assert_eq!(content, "recording ");
    let error = error.split_once("Error-Body: ").unwrap().1.trim_end();
    let error = BASE64_STANDARD.decode(error).unwrap();
    expect!["the response body failed"].assert_eq(&String::from_utf8(error).unwrap());
    assert_eq!(function.answer().await.1, "recording 1\n");
}

#[tokio::test]
async fn an_event_that_is_no_request_is_reported_as_an_error() {
    let get = event("GET", "id=1", json!({}));
    let mut function = Function::start(["{\"no\": 1}".to_owned(), get]).await;
    let (path, _, content) = function.posted().await;
    assert_eq!(path, "/error", "{content:?}");
    assert_eq!(function.answer().await.1, "recording 1\n");
}

#[tokio::test]
async fn without_lambda_it_says_what_is_missing() {
    let (code, stdout, stderr) = run("lambda", &[]).await;
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    expect![[r#"
        error: not on Lambda, it sets AWS_LAMBDA_FUNCTION_NAME, AWS_LAMBDA_FUNCTION_MEMORY_SIZE, AWS_LAMBDA_FUNCTION_VERSION, AWS_LAMBDA_RUNTIME_API
    "#]].assert_eq(&stderr);
}
