//! `recordings.v1.Diagnostics`: calls that fail to order, and for real; and two that echo.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use tokio::time::sleep;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming, codec::CompressionEncoding::Gzip};

use crate::recordings::generated::{
    Chunk, Nothing,
    diagnostics_server::{Diagnostics, DiagnosticsServer},
};

/// The largest message that is echoed.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

pub fn service() -> DiagnosticsServer<Failures> {
    DiagnosticsServer::new(Failures)
        .accept_compressed(Gzip)
        .send_compressed(Gzip)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE)
}

#[derive(Debug)]
pub struct Failures;

#[tonic::async_trait]
impl Diagnostics for Failures {
    async fn echo(&self, request: Request<Chunk>) -> Result<Response<Chunk>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    type EchoAllStream = Streaming<Chunk>;

    async fn echo_all(
        &self,
        request: Request<Streaming<Chunk>>,
    ) -> Result<Response<Self::EchoAllStream>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn panic(&self, _: Request<Nothing>) -> Result<Response<Nothing>, Status> {
        panic!("a client asked for it, and must not read this");
    }

    type PanicInStreamStream = Pin<Box<dyn Stream<Item = Result<Chunk, Status>> + Send>>;

    async fn panic_in_stream(
        &self,
        _: Request<Nothing>,
    ) -> Result<Response<Self::PanicInStreamStream>, Status> {
        Ok(Response::new(Box::pin(two_and_a_panic().map(|data| Ok(Chunk { data })))))
    }

    async fn sleep(&self, _: Request<Nothing>) -> Result<Response<Nothing>, Status> {
        sleep(Duration::from_secs(60)).await;
        Ok(Response::new(Nothing {}))
    }

    async fn overload(&self, _: Request<Nothing>) -> Result<Response<Nothing>, Status> {
        Err(Status::internal("a layer outside answers this call"))
    }

    async fn ask_upstream(&self, _: Request<Nothing>) -> Result<Response<Nothing>, Status> {
        Err(Status::internal("a layer outside answers this call"))
    }

    async fn own_status(&self, _: Request<Nothing>) -> Result<Response<Nothing>, Status> {
        Err(Status::failed_precondition("the archive is locked: 100 %"))
    }
}

/// Two pieces, time for them to be sent, and a panic.
pub fn two_and_a_panic() -> impl Stream<Item = Bytes> + Send {
    tokio_stream::iter(["one", "two", "three"]).then(async |piece| {
        if piece == "three" {
            sleep(Duration::from_millis(50)).await;
            panic!("a client asked for it, and must not read this");
        }
        Bytes::from_static(piece.as_bytes())
    })
}
