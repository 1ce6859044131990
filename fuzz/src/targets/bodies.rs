//! Error bodies that someone else wrote, of any type, in any frames.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use tower::{BoxError, Layer, ServiceExt, service_fn};

use super::{Input, SECRET, assert_envelope, block_on, collected, contract};

const MEDIA: [&str; 8] = [
    "",
    "text/plain",
    "text/plain; charset=utf-8",
    "text/html",
    "application/json",
    "application/problem+json",
    "application/octet-stream",
    "APPLICATION/JSON ; a=b",
];

/// What a frame does, by the byte before it.
#[derive(Debug, Clone)]
enum Step {
    Data(Bytes),
    Wait,
    Fail,
    Panic,
}

#[derive(Debug, Clone)]
struct Foreign(VecDeque<Step>);

impl Body for Foreign {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.0.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Fail) => Poll::Ready(Some(Err(SECRET.into()))),
            Some(Step::Panic) => panic!("{SECRET}"),
        }
    }
}

pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let status = 400 + (u16::from(input.byte()) * 2 + u16::from(input.byte() & 1)) % 200;
    let status = StatusCode::from_u16(status).unwrap();
    let media = input.one_of(&MEDIA);
    let is_encoded = input.byte() == 1;
    let mut steps = VecDeque::new();
    while !input.is_empty() {
        steps.push_back(match input.byte() {
            1 => Step::Wait,
            2 => Step::Fail,
            3 => Step::Panic,
            _ => Step::Data(Bytes::copy_from_slice(input.piece())),
        });
    }
    let sent = answer(status, media, is_encoded, Foreign(steps));
    let envelope = assert_envelope(status, &sent.0, &sent.1);
    assert_eq!((&*envelope.http_method, &*envelope.uri), ("GET", "/x"));
    assert!(!sent.0.contains_key("content-encoding"));
    if status.is_server_error() || is_encoded {
        let silent = answer(status, "", false, Foreign(VecDeque::new()));
        assert_eq!(sent, silent, "nothing of it is sent");
    }
}

fn answer(
    status: StatusCode,
    media: &str,
    is_encoded: bool,
    body: Foreign,
) -> (http::HeaderMap, Bytes) {
    let service = contract().layer(service_fn(async |_: Request<()>| {
        let mut response = Response::builder().status(status);
        if !media.is_empty() {
            response = response.header("content-type", media);
        }
        if is_encoded {
            response = response.header("content-encoding", "gzip");
        }
        Ok::<_, Infallible>(response.body(body.clone()).unwrap())
    }));
    let request = Request::builder().uri("/x").body(()).unwrap();
    block_on(async {
        let response = service.oneshot(request).await.unwrap();
        let (sent, headers, content, is_whole) = collected(response).await;
        assert!(is_whole && sent == status);
        (headers, content)
    })
}
