//! Many streams to the processor as a process: it keeps nothing of them.

use std::{fs, net::SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::{net::TcpStream, sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::ReceiverStream;

use super::{
    generated::ProcessingRequest,
    talk::{content, request, response},
};
use crate::example::{Example, soon};

type Sender = http2::SendRequest<StreamBody<ReceiverStream<Result<Frame<Bytes>, std::io::Error>>>>;

#[tokio::test]
async fn ten_thousand_streams_leave_no_trace() {
    let options = ["--server-url", "https://app.example.com", "--public-url", "http://localhost"];
    let processor = Example::start("envoy", &options).await;
    let sender = connect(processor.address).await;
    streams(&sender, 2_000).await;
    let before = resident(processor.pid());
    streams(&sender, 10_000).await;
    let grown = resident(processor.pid()).saturating_sub(before);
    assert!(grown < 2_048, "{grown} kB more after 10,000 streams");
}

async fn connect(address: SocketAddr) -> Sender {
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// So many streams, fifty at once.
async fn streams(sender: &Sender, count: usize) {
    let mut running = JoinSet::new();
    for round in 0..count {
        if running.len() == 50 {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(stream(sender.clone(), round));
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}

/// One exchange; of four one is left in the middle, as by a client that goes.
async fn stream(mut sender: Sender, round: usize) {
    let (messages, receiver) = mpsc::channel(4);
    let says = async |message| messages.send(Ok(frame(&message))).await.unwrap();
    says(request("GET /ok")).await;
    let request = Request::post("http://a/envoy.service.ext_proc.v3.ExternalProcessor/Process")
        .header("content-type", "application/grpc")
        .body(StreamBody::new(ReceiverStream::new(receiver)))
        .unwrap();
    sender.ready().await.unwrap();
    let response_head = soon("the stream", sender.send_request(request)).await.unwrap();
    let mut replies = response_head.into_body();
    soon("the request", replies.frame()).await.unwrap().unwrap();
    if round % 4 == 3 {
        return;
    }
    if round % 4 == 2 {
        says(response("404\ncontent-type: text/plain")).await;
        soon("the question", replies.frame()).await.unwrap().unwrap();
        says(content("none", true)).await;
    } else {
        says(response("200")).await;
    }
    drop(messages);
    let rest = soon("the answer", replies.collect()).await.unwrap();
    assert_eq!(rest.trailers().unwrap()["grpc-status"], "0");
}

fn frame(message: &ProcessingRequest) -> Frame<Bytes> {
    let message = message.encode_to_vec();
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(&message);
    Frame::data(frame.freeze())
}

/// Resident memory in kB, where the system tells.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}
