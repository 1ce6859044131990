//! Keeps a socket for a moment when it is dropped, so that the client hears the last answer.

#[cfg(feature = "axum")]
mod listener;

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::Handle,
    time::{Instant, timeout_at},
};

#[cfg(feature = "axum")]
pub use self::listener::LingeringListener;

/// A socket that lingers when it is dropped: what the client still sends is read and discarded, so
/// that it hears the last answer.
///
/// # What it promises
///
/// A socket that is closed with input unread is reset, and the client loses the answer that was
/// sent (RFC 9112, 9.6). A client that writes all before it reads then never sees a 413. When this
/// is dropped before its peer has ended, a task therefore closes the write half and discards input
/// until its end, until 1 s of silence, 10 s or 64 MiB in all; [`Linger`] sets the limits. At most
/// 64 sockets linger at once, further ones are closed at once.
///
/// Until then reads, writes, vectored writes and shutdown are the socket's own. The socket is moved
/// into the task as it is: a permit inside `T` is given back when the lingering has ended.
///
/// # What it leaves alone
///
/// A peer that has ended first. A connection that was upgraded is its owner's, and lingers when the
/// owner drops it. The answer that hyper would not send: an HTTP/1.1 server also wants a
/// [`DrainRequestLayer`], so that connections live on. What a proxy in front does is its own. A
/// runtime that ends takes lingering sockets along.
///
/// [`DrainRequestLayer`]: crate::DrainRequestLayer
///
/// # Where it goes
///
/// Around the socket and under its TLS, if there is any, so that what is discarded is not
/// deciphered; with hyper, inside `hyper_util::rt::TokioIo`. For `axum::serve` there is
/// `LingeringListener`, of feature `axum`.
///
/// # Example
///
/// ```
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tower_contract::{Linger, Lingering};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
/// let linger = Linger::new();
/// let (mut client, socket) = tokio::io::duplex(1000);
/// let mut socket = Lingering::new(socket, &linger);
/// socket.write_all(b"HTTP/1.1 413 Content Too Large\r\n\r\n").await?;
/// drop(socket);
///
/// // Nobody wants the rest of the upload, and yet it can be sent.
/// client.write_all(&[0; 100_000]).await?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).await?;
/// assert!(answer.starts_with("HTTP/1.1 413 "));
///
/// // A client that has ended is not waited for.
/// let (mut client, socket) = tokio::io::duplex(1000);
/// let mut socket = Lingering::new(socket, &linger);
/// client.shutdown().await?;
/// socket.read_to_end(&mut Vec::new()).await?;
/// drop(socket);
/// assert_eq!(client.read(&mut [0; 1]).await?, 0);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Lingering<T>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // `None` only once it is dropped.
    socket: Option<T>,
    linger: Linger,
    /// The peer has ended, or the connection has failed: nothing can get lost.
    peer_ended: bool,
}

/// How sockets linger, and how many do: its clones share one count.
///
/// ```
/// use std::time::Duration;
/// use tower_contract::Linger;
///
/// let linger = Linger::new().max_sockets(1000).max_time(Duration::from_secs(3));
/// assert_eq!(linger.sockets(), 0);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Linger {
    limits: Limits,
    sockets: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    sockets: usize,
    silence: Duration,
    time: Duration,
    bytes: u64,
}

// ===== impl Linger =====

impl Linger {
    /// Creates the usual limits: 64 sockets, each at most 1 s of silence, 10 s and 64 MiB.
    pub fn new() -> Self {
        let (silence, time) = (Duration::from_secs(1), Duration::from_secs(10));
        let limits = Limits { sockets: 64, silence, time, bytes: 64 * 1024 * 1024 };
        Self { limits, sockets: Arc::default() }
    }

    /// Sets how many sockets linger at once, by default 64; each keeps its task and 8 KiB. Zero turns
    /// it off.
    pub const fn max_sockets(mut self, sockets: usize) -> Self {
        self.limits.sockets = sockets;
        self
    }

    /// Sets how long a client may be silent before its socket is closed: by default 1 s.
    pub const fn max_silence(mut self, silence: Duration) -> Self {
        self.limits.silence = silence;
        self
    }

    /// Sets how long a socket lingers in all: by default 10 s, at most a day.
    pub const fn max_time(mut self, time: Duration) -> Self {
        self.limits.time = time;
        self
    }

    /// Sets how many bytes are discarded before a socket is closed: by default 64 MiB.
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.limits.bytes = bytes;
        self
    }

    /// Returns how many sockets linger now, for a metric.
    pub fn sockets(&self) -> usize {
        self.sockets.load(Ordering::Relaxed)
    }

    /// A place among the sockets that linger, if one is free.
    fn place(&self) -> Option<Place> {
        let more = |sockets| (sockets < self.limits.sockets).then_some(sockets + 1);
        let taken = self.sockets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Place(Arc::clone(&self.sockets)))
    }
}

impl Default for Linger {
    fn default() -> Self {
        Self::new()
    }
}

/// A place among the sockets that linger; dropping it makes room for another.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

// ===== the lingering =====

impl Limits {
    /// The clock cannot represent every deadline; one past a day is that of a day.
    const MAX_TIME: Duration = Duration::from_secs(24 * 60 * 60);

    /// Closes the write half, then discards what comes, within the limits. An error ends it too.
    async fn linger<T>(self, mut socket: T) -> io::Result<()>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let end = Instant::now() + self.time.min(Self::MAX_TIME);
        timeout_at(end, poll_fn(|cx| Pin::new(&mut socket).poll_shutdown(cx))).await??;
        let mut left = self.bytes;
        let mut memory = vec![0; 8 * 1024];
        while Instant::now() < end {
            let silent = Instant::now() + self.silence.min(Self::MAX_TIME);
            let read = timeout_at(end.min(silent), read(&mut socket, &mut memory)).await??;
            match left.checked_sub(read) {
                Some(rest) if read > 0 => left = rest,
                _ => break,
            }
        }
        Ok(())
    }
}

/// Reads into `memory`, and returns how much; zero at the end.
async fn read<T: AsyncRead + Unpin>(socket: &mut T, memory: &mut [u8]) -> io::Result<u64> {
    let mut buffer = ReadBuf::new(memory);
    poll_fn(|cx| Pin::new(&mut *socket).poll_read(cx, &mut buffer)).await?;
    Ok(buffer.filled().len() as u64)
}

// ===== impl Lingering =====

impl<T> Lingering<T>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    /// Creates a socket that lingers as `linger` says, and counts among the sockets that do.
    pub fn new(socket: T, linger: &Linger) -> Self {
        Self { socket: Some(socket), linger: linger.clone(), peer_ended: false }
    }

    fn socket(&mut self) -> io::Result<Pin<&mut T>> {
        self.socket.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl<T> Drop for Lingering<T>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    fn drop(&mut self) {
        if self.peer_ended {
            return;
        }
        let Self { socket, linger, .. } = self;
        // Outside a runtime nobody can wait.
        let (Some(socket), Ok(runtime)) = (socket.take(), Handle::try_current()) else {
            return;
        };
        if let Some(place) = linger.place() {
            let limits = linger.limits;
            runtime.spawn(async move {
                // Its errors are the peer's end.
                let _ = limits.linger(socket).await;
                drop(place);
            });
        }
    }
}

impl<T> AsyncRead for Lingering<T>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (filled, room) = (buffer.filled().len(), buffer.remaining());
        let read = ready!(self.socket()?.poll_read(cx, buffer));
        // Nothing where there was room: its end, or an error.
        self.peer_ended |= room > 0 && buffer.filled().len() == filled;
        Poll::Ready(read)
    }
}

impl<T> AsyncWrite for Lingering<T>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.socket()?.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket()?.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket()?.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }
}
