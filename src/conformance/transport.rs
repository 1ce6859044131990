//! Where the service is: behind a socket, or in this process.

use std::{fmt, path::PathBuf, sync::Arc};

use futures_util::{StreamExt, stream};
use http::Request;
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, duplex},
    net::TcpStream,
    time::{Duration, timeout},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};
use tower_service::Service;

use crate::conformance::{
    answer::{Trouble, Version},
    ask::{Answers, Ask, Manner},
    http1, http2,
};

/// How long one answer may take, its body included.
pub(super) const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// How much of a body is read.
pub(super) const MAX_BODY: usize = 1024 * 1024;

/// Connections that are made at once where a check asks for load.
const MAX_CONNECTIONS: usize = 100;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A connection to the service.
pub(super) type Connection = Box<dyn Io>;

pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Where requests go.
pub(super) enum Place {
    InProcess(Box<dyn Fn() -> DuplexStream + Send + Sync>),
    Socket(Server),
}

/// A server behind a socket.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// Certificates to trust beside those of the system, as PEM files.
    pub(super) trusted: Vec<PathBuf>,
    pub(super) roots: Option<Arc<RootCertStore>>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InProcess(_) => f.write_str("InProcess"),
            Self::Socket(server) => server.fmt(f),
        }
    }
}

impl Place {
    /// A service that hyper's own server serves on connections in memory.
    pub(super) fn in_process<S, B>(service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = http::Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let service = std::sync::Mutex::new(service);
        Self::InProcess(Box::new(move || {
            let (near, far) = duplex(64 * 1024);
            let service = match service.lock() {
                Ok(service) => service.clone(),
                Err(poisoned) => poisoned.into_inner().clone(),
            };
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let service = TowerToHyperService::new(service);
                // It ends with an error where the service breaks a message: that is looked at.
                let _ = server.serve_connection(TokioIo::new(far), service).await;
            });
            near
        }))
    }

    /// The origin of its URLs.
    pub(super) fn origin(&self) -> String {
        match self {
            Self::InProcess(_) => "http://localhost".to_owned(),
            Self::Socket(server) => {
                let scheme = if server.tls { "https" } else { "http" };
                format!("{scheme}://{}", server.authority())
            }
        }
    }

    pub(super) fn authority(&self) -> String {
        match self {
            Self::InProcess(_) => "localhost".to_owned(),
            Self::Socket(server) => server.authority(),
        }
    }

    pub(super) fn is_in_process(&self) -> bool {
        matches!(self, Self::InProcess(_))
    }

    /// Reads the certificates to trust; once, before the first connection.
    pub(super) fn prepare(&mut self) -> Result<(), String> {
        match self {
            Self::Socket(server) if server.tls => server.load_roots(),
            _ => Ok(()),
        }
    }

    /// Sends all requests of `ask`, and gives one answer for each.
    pub(super) async fn converse(&self, ask: &Ask) -> Answers {
        if ask.version == Version::Http1 && ask.manner == Manner::AtOnce {
            let each = stream::iter(&ask.messages).map(|message| async {
                let one = Ask { messages: vec![message.clone()], ..ask.clone() };
                self.on_one_connection(&one).await.pop()
            });
            let answers: Vec<_> = each.buffered(MAX_CONNECTIONS).collect().await;
            return answers.into_iter().flatten().collect();
        }
        self.on_one_connection(ask).await
    }

    async fn on_one_connection(&self, ask: &Ask) -> Answers {
        let connection = match timeout(REQUEST_LIMIT, self.connect(ask.version)).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(why)) => return vec![Err(Trouble::Connect(why)); ask.messages.len()],
            Err(_) => return vec![Err(Trouble::Late(REQUEST_LIMIT)); ask.messages.len()],
        };
        match ask.version {
            Version::Http1 => http1::converse(connection, &self.authority(), ask).await,
            Version::Http2 => http2::converse(connection, &self.origin(), ask).await,
        }
    }

    async fn connect(&self, version: Version) -> Result<Connection, String> {
        match self {
            Self::InProcess(connect) => Ok(Box::new(connect())),
            Self::Socket(server) => server.connect(version).await,
        }
    }
}

impl Server {
    fn authority(&self) -> String {
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }

    fn load_roots(&mut self) -> Result<(), String> {
        let mut roots = RootCertStore::empty();
        // Without the system's own, the given ones may still do.
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        for file in &self.trusted {
            let shown = file.display();
            let unread =
                |error: &dyn fmt::Display| format!("{shown} is no PEM certificate: {error}");
            let certificates = CertificateDer::pem_file_iter(file).map_err(|e| unread(&e))?;
            for certificate in certificates {
                roots.add(certificate.map_err(|e| unread(&e))?).map_err(|e| unread(&e))?;
            }
        }
        self.roots = Some(Arc::new(roots));
        Ok(())
    }

    async fn connect(&self, version: Version) -> Result<Connection, String> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, self.port)).await;
        let stream = stream.map_err(|error| error.to_string())?;
        // Requests are written at once, and none of them should wait for the one before.
        let _ = stream.set_nodelay(true);
        if !self.tls {
            return Ok(Box::new(stream));
        }
        let protocol: &[u8] = match version {
            Version::Http1 => b"http/1.1",
            Version::Http2 => b"h2",
        };
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|error| error.to_string())?;
        let connector = TlsConnector::from(Arc::new(self.tls_settings(protocol)?));
        let stream = connector.connect(name, stream).await.map_err(|error| tls_problem(&error))?;
        let agreed = stream.get_ref().1.alpn_protocol();
        match (version, agreed) {
            (Version::Http2, Some(b"h2")) | (Version::Http1, _) => Ok(Box::new(stream)),
            (Version::Http2, _) => Err("HTTP/2 is not agreed on (ALPN)".to_owned()),
        }
    }

    fn tls_settings(&self, protocol: &[u8]) -> Result<ClientConfig, String> {
        let roots = self.roots.clone().unwrap_or_else(|| Arc::new(RootCertStore::empty()));
        let provider = Arc::new(ring::default_provider());
        let settings = ClientConfig::builder_with_provider(provider);
        let settings = settings.with_safe_default_protocol_versions();
        let settings = settings.map_err(|error| error.to_string())?;
        let mut settings = settings.with_root_certificates(roots).with_no_client_auth();
        settings.alpn_protocols = vec![protocol.to_owned()];
        Ok(settings)
    }
}

fn tls_problem(error: &std::io::Error) -> String {
    let text = error.to_string();
    if text.contains("corrupt message") || text.contains("InvalidContentType") {
        return "it speaks no TLS: use http://".to_owned();
    }
    if text.contains("UnknownIssuer") {
        return format!("{text}: name the authority with --ca FILE");
    }
    text
}
