//! A server that people can copy: HTTP/1.1 and HTTP/2 without TLS on one port, and every limit
//! that a server needs to survive its clients.

use std::{
    error::Error,
    fmt::Display,
    future::ready,
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version, header::CONNECTION};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, watch},
    time::sleep,
};
use tower::{Service, ServiceExt};
use tower_contract::{Linger, Lingering};
use tracing::{info, warn};

use super::{
    places::{InFlight, Places},
    signals::StopSignals,
    socket::Socket,
};

type BoxError = Box<dyn Error + Send + Sync>;

/// After a signal, a client that keeps its connection is told with its next response that this was
/// the last one. A connection that has no request within this time is closed.
const LAST_REQUEST: Duration = Duration::from_millis(250);

/// A client of HTTP/2 that is gone without a word is noticed by this, twice.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// How a server treats its connections.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Connections")]
pub struct Limits {
    /// How long a client may take to send the head of a request
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = humantime::parse_duration)]
    head_timeout: Duration,

    /// How long requests in flight may take to finish after Ctrl-C or SIGTERM
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = humantime::parse_duration)]
    stop_within: Duration,

    /// The most connections at a time [default: half of the files that the process may open, at most 1000]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    max_connections: Option<u32>,
}

/// Serves on one listener or several until the first signal, then until the requests in flight have
/// finished, until the time for it is over, or until the second signal.
#[derive(Debug)]
pub struct Server {
    signals: StopSignals,
    stop_within: Duration,
    places: Places,
    linger: Linger,
    http: auto::Builder<TokioExecutor>,
    head_timeout: Duration,
    stopping: watch::Sender<bool>,
}

impl Server {
    /// Creates a server; signals are caught from here on.
    pub fn new(limits: &Limits) -> io::Result<Self> {
        let places = limits.max_connections.unwrap_or_else(half_of_the_descriptors);
        Ok(Self {
            signals: StopSignals::listen()?,
            stop_within: limits.stop_within,
            places: Places::new(places),
            linger: Linger::new(),
            http: http(limits.head_timeout),
            head_timeout: limits.head_timeout,
            stopping: watch::Sender::new(false),
        })
    }

    /// Accepts connections in a task of its own; `service` makes the service of each client.
    pub fn accept<S, B>(
        &self,
        listener: TcpListener,
        mut service: impl FnMut(SocketAddr) -> S + Send + 'static,
    ) where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let mut door = Door {
            listener,
            places: self.places.clone(),
            linger: self.linger.clone(),
            http: self.http.clone(),
            head_timeout: self.head_timeout,
            stopping: self.stopping.subscribe(),
        };
        tokio::spawn(async move {
            while let Some((stream, client)) = door.next().await {
                let place = door.places.take().await;
                door.serve(stream, place, service(client));
            }
        });
    }

    /// Waits for a signal, and then for the end of all requests, but not for ever.
    pub async fn until_stopped(mut self) {
        self.signals.next().await;
        let time = humantime::format_duration(self.stop_within);
        info!("stopping; requests in flight have {time} to finish, a second Ctrl-C ends them");
        self.stopping.send_replace(true);
        tokio::select! {
            // A socket may outlive its connection: as a tunnel, or while it waits for the client.
            () = self.places.all_free() => {}
            () = sleep(self.stop_within) => {
                warn!("closed {} connections that were open after {time}", self.places.taken());
            }
            () = self.signals.next() => {}
        }
    }
}

/// hyper reads heads for ever unless it is given a limit, and a limit does nothing without a timer.
fn http(head_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(head_timeout);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL);
    http
}

/// The other half is for what requests open: files, and connections to other servers.
fn half_of_the_descriptors() -> u32 {
    const MOST: u64 = 1000;
    #[cfg(unix)]
    let open = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    let open = None;
    let half = open.map_or(MOST, |open| (open / 2).clamp(1, MOST));
    u32::try_from(half).unwrap_or(u32::MAX)
}

// ===== where connections come in =====

struct Door {
    listener: TcpListener,
    places: Places,
    linger: Linger,
    http: auto::Builder<TokioExecutor>,
    head_timeout: Duration,
    stopping: watch::Receiver<bool>,
}

impl Door {
    /// The next connection. After a signal only those that the system has accepted already, and
    /// then none.
    async fn next(&mut self) -> Option<(TcpStream, SocketAddr)> {
        loop {
            let stopping = *self.stopping.borrow_and_update();
            let accepted = tokio::select! {
                biased;
                accepted = self.listener.accept() => accepted,
                told = self.stopping.changed(), if !stopping => match told {
                    Ok(()) => continue,
                    Err(_) => return None,
                },
                () = ready(()), if stopping => return None,
            };
            match accepted {
                Ok(connection) => return Some(connection),
                // Not the end: often descriptors have run out, for now.
                Err(error) => {
                    warn!("cannot accept a connection: {error}");
                    self.places.wait_for_descriptor().await;
                }
            }
        }
    }

    /// Serves one connection in a task of its own.
    fn serve<S, B>(&self, stream: TcpStream, place: OwnedSemaphorePermit, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let guest = self.places.enter();
        // Inside what lingers, so that a socket keeps its place until its client has heard.
        let socket = Socket::new(stream, Arc::clone(&guest), place);
        let socket = Lingering::new(socket, &self.linger);
        let (http, head_timeout) = (self.http.clone(), self.head_timeout);
        let mut stopping = self.stopping.clone();
        let (asked, told) = (Arc::clone(&guest), stopping.clone());
        let requests = service_fn(move |request: Request<Incoming>| {
            let in_flight = asked.request();
            let is_http1 = request.version() <= Version::HTTP_11;
            let response = service.clone().oneshot(request);
            let told = told.clone();
            async move {
                let response = response.await?;
                let is_last = is_http1 && *told.borrow();
                Ok::<_, S::Error>(held(in_flight, response, is_last))
            }
        });
        let connection = http.serve_connection_with_upgrades(TokioIo::new(socket), requests);
        let mut connection = Box::pin(connection.into_owned());
        let last_request_is_over = async move {
            let _ = stopping.wait_for(|stopping| *stopping).await;
            sleep(LAST_REQUEST).await;
        };
        tokio::spawn(async move {
            tokio::select! {
                // Ends with an error when the client breaks off, and when a body that has begun fails.
                _ = connection.as_mut() => {}
                () = last_request_is_over => {
                    guest.refuse_if_silent();
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        biased;
                        _ = connection.as_mut() => {}
                        // hyper would go on to wait for the other half of a head.
                        () = guest.waits_for(LAST_REQUEST) => guest.refuse(),
                    }
                }
                () = guest.told_to_leave() => guest.refuse(),
                // hyper's limit begins with the first byte; until then it waits for ever.
                () = guest.silent_for(head_timeout) => guest.refuse(),
            }
        });
    }
}

/// The response, which holds `in_flight` until its body is dropped.
fn held<B: Body>(
    in_flight: InFlight,
    mut response: Response<B>,
    is_last: bool,
) -> Response<impl Body<Data = B::Data, Error = B::Error>> {
    if is_last && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body| {
        body.map_err(move |error| {
            let _held = &in_flight;
            error
        })
    })
}

// ===== the start =====

/// Binds the address, or says which one could not be had.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| io::Error::other(format!("cannot listen on {address}: {error}")))
}

/// Prints to standard output. Nobody may be reading: that is no reason to stop.
pub fn announce(text: impl Display) {
    let _ = writeln!(io::stdout(), "{text}");
}
