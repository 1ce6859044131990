//! How long a dropped socket lingers, on a paused clock.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex},
    time::{Instant, sleep},
};
use tower_contract::{Linger, Lingering};

use crate::support::block_on;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// The client's end of a socket that was dropped after its answer.
async fn answered(linger: &Linger) -> DuplexStream {
    let (client, server) = duplex(1000);
    Lingering::new(server, linger).write_all(b"413").await.unwrap();
    client
}

/// Waits until no socket lingers.
async fn ended(linger: &Linger) {
    while linger.sockets() > 0 {
        sleep(MS).await;
    }
}

/// Fails unless `time` is `expected`, to the milliseconds in which it is looked at.
#[track_caller]
fn assert_about(time: Duration, expected: Duration) {
    assert!(time >= expected && time <= expected + 10 * MS, "{time:?}");
}

#[test]
fn what_the_client_still_sends_is_read_and_it_hears_the_answer() {
    block_on(async {
        let linger = Linger::new();
        let mut client = answered(&linger).await;
        client.write_all(&vec![0; 1_000_000]).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!((answer.as_str(), linger.sockets()), ("413", 1));
        let begun = Instant::now();
        drop(client);
        ended(&linger).await;
        assert_about(begun.elapsed(), Duration::ZERO);
    });
}

#[test]
fn a_silent_client_is_waited_for_a_second() {
    block_on(async {
        for (linger, silence) in
            [(Linger::new(), SECOND), (Linger::new().max_silence(3 * SECOND), 3 * SECOND)]
        {
            let begun = Instant::now();
            let mut client = answered(&linger).await;
            ended(&linger).await;
            assert_about(begun.elapsed(), silence);
            assert_eq!(client.write(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        }
    });
}

#[test]
fn a_client_that_trickles_is_waited_for_ten_seconds() {
    block_on(async {
        let usual = (Linger::new(), 10 * SECOND);
        let short = (Linger::new().max_time(3 * SECOND), 3 * SECOND);
        for (linger, most) in
            [usual, short, (Linger::new().max_silence(Duration::MAX), 10 * SECOND)]
        {
            let begun = Instant::now();
            let mut client = answered(&linger).await;
            while client.write_all(b"x").await.is_ok() {
                sleep(SECOND * 9 / 10).await;
            }
            let time = begun.elapsed();
            assert!(time >= most && time <= most + SECOND, "{time:?}");
        }
    });
}

#[test]
fn an_endless_sender_is_ended_at_the_cap() {
    block_on(async {
        let most = 64 * 1024 * 1024;
        for (linger, most) in [(Linger::new(), most), (Linger::new().max_bytes(5000), 5000)] {
            let mut client = answered(&linger).await;
            let (mut sent, bytes) = (0, [0; 1000]);
            while let Ok(length) = client.write(&bytes).await {
                sent += length;
            }
            // Beyond the cap: what the pipe holds, and one read.
            assert!(sent > most && sent <= most + 1000 + 8 * 1024, "{sent}");
        }
    });
}

#[test]
fn only_so_many_sockets_linger_at_once() {
    block_on(async {
        for (linger, most) in [(Linger::new(), 64), (Linger::new().max_sockets(2), 2)] {
            let mut clients = Vec::new();
            for _ in 0..most {
                clients.push(answered(&linger).await);
            }
            let mut one_more = answered(&linger).await;
            assert_eq!(linger.sockets(), most);
            assert!(one_more.write(b"x").await.is_err(), "closed at once");
            // An end makes room.
            drop(clients.pop());
            sleep(MS).await;
            let mut heard = answered(&linger.clone()).await;
            assert_eq!(linger.sockets(), most);
            assert!(heard.write(b"x").await.is_ok());
        }
    });
}

#[test]
fn a_peer_that_has_ended_or_failed_is_not_waited_for() {
    block_on(async {
        let linger = Linger::new();
        let (mut client, server) = duplex(1000);
        let mut server = Lingering::new(server, &linger);
        client.write_all(b"GET").await.unwrap();
        client.shutdown().await.unwrap();
        let mut asked = String::new();
        server.read_to_string(&mut asked).await.unwrap();
        drop(server);
        assert_eq!((asked.as_str(), linger.sockets()), ("GET", 0));

        let (_, pipe) = duplex(1000);
        let socket = Socket { fails: true, pipe, _permit: Arc::default() };
        let mut failed = Lingering::new(socket, &linger);
        assert!(failed.read(&mut [0; 1]).await.is_err());
        drop(failed);
        assert_eq!(linger.sockets(), 0);
    });
}

#[test]
fn a_read_without_room_is_no_end() {
    block_on(async {
        let linger = Linger::new();
        let (mut client, server) = duplex(1000);
        client.write_all(b"GET").await.unwrap();
        let mut server = Lingering::new(server, &linger);
        let mut none = ReadBuf::new(&mut []);
        std::future::poll_fn(|cx| Pin::new(&mut server).poll_read(cx, &mut none)).await.unwrap();
        drop(server);
        assert_eq!(linger.sockets(), 1);
    });
}

#[test]
fn without_a_runtime_a_socket_is_closed_at_once() {
    let linger = Linger::new();
    let (_client, server) = duplex(1000);
    drop(Lingering::new(server, &linger));
    assert_eq!(linger.sockets(), 0);
}

#[test]
fn what_the_socket_holds_lives_until_the_lingering_has_ended() {
    block_on(async {
        let (linger, permit) = (Linger::new(), Arc::new(()));
        let (mut client, pipe) = duplex(1000);
        let socket = Socket { fails: false, pipe, _permit: Arc::clone(&permit) };
        drop(Lingering::new(socket, &linger));
        client.write_all(b"still sending").await.unwrap();
        assert_eq!(Arc::strong_count(&permit), 2);
        drop(client);
        ended(&linger).await;
        assert_eq!(Arc::strong_count(&permit), 1);
    });
}

#[test]
fn vectored_writes_and_the_shutdown_are_the_sockets_own() {
    block_on(async {
        let linger = Linger::new();
        let (mut client, socket) = duplex(1000);
        let mut server = Lingering::new(socket, &linger);
        assert!(server.is_write_vectored());
        let slices = [IoSlice::new(b"one "), IoSlice::new(b"write")];
        assert_eq!(server.write_vectored(&slices).await.unwrap(), 9);
        server.flush().await.unwrap();
        server.shutdown().await.unwrap();
        let mut read = String::new();
        client.read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "one write");
    });
}

/// A socket that may fail, with something that is given back when it is dropped.
struct Socket {
    fails: bool,
    pipe: DuplexStream,
    _permit: Arc<()>,
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.fails {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.pipe).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}
