//! Connections to the upstream on which an answer that comes early is heard.
//!
//! An upstream that has seen enough of a request (413, 401) may answer and close while the content is
//! still being sent. The next write then fails, and hyper gives the request up, though the answer lies
//! in the socket already. Here a write to a closed connection is no error: hyper reads on, and finds
//! the answer, or the end.

use std::{
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection, HttpConnector},
    rt::TokioIo,
};
use tokio::net::TcpStream;
use tower::util::MapResponse;

/// Opens such connections.
pub type Connector = MapResponse<HttpConnector, fn(TokioIo<TcpStream>) -> UpstreamIo>;

pub fn connector(connector: HttpConnector) -> Connector {
    MapResponse::new(connector, |io| UpstreamIo { io, is_closed: false })
}

/// A connection to the upstream.
#[derive(Debug)]
pub struct UpstreamIo {
    io: TokioIo<TcpStream>,
    /// Whether the upstream takes no more; what is written then is discarded.
    is_closed: bool,
}

impl UpstreamIo {
    fn written(&mut self, outcome: io::Result<usize>, length: usize) -> io::Result<usize> {
        let is_closed = |error: &io::Error| {
            let kinds =
                [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset, ErrorKind::ConnectionAborted];
            kinds.contains(&error.kind())
        };
        match outcome {
            Err(error) if is_closed(&error) => {
                self.is_closed = true;
                Ok(length)
            }
            outcome => outcome,
        }
    }
}

impl Read for UpstreamIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for UpstreamIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_closed {
            return Poll::Ready(Ok(bytes.len()));
        }
        let outcome = ready!(Pin::new(&mut self.io).poll_write(cx, bytes));
        Poll::Ready(self.written(outcome, bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = pieces.iter().map(|piece| piece.len()).sum();
        if self.is_closed {
            return Poll::Ready(Ok(length));
        }
        let outcome = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, pieces));
        Poll::Ready(self.written(outcome, length))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_closed {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl Connection for UpstreamIo {
    fn connected(&self) -> Connected {
        self.io.connected()
    }
}
