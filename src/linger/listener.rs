//! A listener whose sockets linger.

use std::io;

use axum::serve::Listener;

use super::{Linger, Lingering};

/// A listener for `axum::serve` whose sockets linger.
///
/// Layers, limits and promises are those of [`Lingering`].
///
/// `ConnectInfo<SocketAddr>` asks for a `tap_io`, because axum implements it for its own listeners:
///
/// ```no_run
/// use std::net::SocketAddr;
///
/// use axum::{Router, extract::ConnectInfo, routing::get, serve::ListenerExt};
/// use tokio::net::TcpListener;
/// use tower_contract::{DrainRequestLayer, LingeringListener};
///
/// # async fn serve() -> std::io::Result<()> {
/// let client = async |ConnectInfo(address): ConnectInfo<SocketAddr>| address.to_string();
/// let app = Router::new().route("/", get(client)).layer(DrainRequestLayer::new());
///
/// let listener = TcpListener::bind("127.0.0.1:3000").await?.tap_io(|socket| {
///     // Without it, the last bytes of an answer can wait for 40 ms.
///     let _ = socket.set_nodelay(true);
/// });
/// let listener = LingeringListener::new(listener).tap_io(|_| {});
/// axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct LingeringListener<L> {
    listener: L,
    linger: Linger,
}

impl<L> LingeringListener<L> {
    /// Creates a listener whose sockets linger with the usual limits, counted together.
    pub fn new(listener: L) -> Self {
        Self { listener, linger: Linger::new() }
    }

    /// Sets the limits, and the count that its sockets share: those of several listeners together,
    /// where each gets a clone.
    pub fn with_linger(mut self, linger: Linger) -> Self {
        self.linger = linger;
        self
    }
}

impl<L: Listener> Listener for LingeringListener<L> {
    type Io = Lingering<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (socket, address) = self.listener.accept().await;
        (Lingering::new(socket, &self.linger), address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
