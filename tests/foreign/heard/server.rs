//! A server that answers before it reads, under `axum::serve`, hyper alone, and hyper over TLS.
//!
//! ```text
//! cargo run --example heard -- CERTIFICATE [drain] [linger]
//! ```
//!
//! It writes the certificate for its TLS there, and a line for each server: its name and URL.

use std::{env, fs, sync::Arc};

use axum::{Router, body};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::{TlsAcceptor, rustls};
use tower::{BoxError, ServiceBuilder, service_fn};
use tower_contract::{
    ApiError, ContractLayer, CorsPolicy, DrainRequestLayer, Linger, Lingering, LingeringListener,
    MethodGuardLayer,
};

/// Which of the two cures are on; off, their limits are zero.
#[derive(Clone, Debug)]
struct Cures {
    drain: bool,
    linger: Linger,
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let mut options = env::args().skip(1);
    let certificate = options.next().ok_or("usage: heard CERTIFICATE [drain] [linger]")?;
    let cures: Vec<_> = options.collect();
    let on = |name: &str| cures.iter().any(|cure| cure == name);
    let linger = if on("linger") { Linger::new() } else { Linger::new().max_sockets(0) };
    let cures = Cures { drain: on("drain"), linger };

    let tls = acceptor(&certificate)?;
    let (axum, hyper, over_tls) = (bind().await?, bind().await?, bind().await?);
    for (name, scheme, listener) in
        [("axum", "http", &axum), ("hyper", "http", &hyper), ("tls", "https", &over_tls)]
    {
        println!("{name} {scheme}://127.0.0.1:{}", listener.local_addr()?.port());
    }
    tokio::spawn(serve_hyper(hyper, None, cures.clone()));
    tokio::spawn(serve_hyper(over_tls, Some(tls), cures.clone()));
    serve_axum(axum, cures).await
}

async fn bind() -> Result<TcpListener, BoxError> {
    Ok(TcpListener::bind("127.0.0.1:0").await?)
}

/// The application: its path says what it does.
async fn application<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, ApiError>
where
    B: Body<Data = Bytes>,
{
    match request.uri().path() {
        "/ok" => {
            let content = request.into_body().collect().await;
            let content = content.map_err(|_| ApiError::bad_request())?;
            Ok(Response::new(content.to_bytes().len().to_string().into()))
        }
        "/401" => Err(ApiError::new(StatusCode::UNAUTHORIZED)),
        "/413" => Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE)),
        "/panic" => panic!("no such luck"),
        _ => Err(ApiError::not_found()),
    }
}

fn contract() -> Result<ContractLayer, BoxError> {
    let policy = CorsPolicy::builder(["http://localhost:3000"]).build()?;
    Ok(ContractLayer::new(policy).methods(MethodGuardLayer::new([Method::GET, Method::POST])))
}

async fn serve_axum(listener: TcpListener, cures: Cures) -> Result<(), BoxError> {
    let mut app = Router::new().fallback(application::<body::Body>).layer(contract()?);
    if cures.drain {
        app = app.layer(DrainRequestLayer::new());
    }
    let listener = LingeringListener::new(listener).with_linger(cures.linger);
    Ok(axum::serve(listener, app).await?)
}

async fn serve_hyper(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    cures: Cures,
) -> Result<(), BoxError> {
    let contract = contract()?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        // Under TLS: what is discarded is not deciphered.
        let socket = Lingering::new(socket, &cures.linger);
        let (tls, contract, drain) = (tls.clone(), contract.clone(), cures.drain);
        tokio::spawn(async move {
            match tls {
                Some(tls) => serve(tls.accept(socket).await?, contract, drain).await,
                None => serve(socket, contract, drain).await,
            }
        });
    }
}

async fn serve<T>(socket: T, contract: ContractLayer, drain: bool) -> Result<(), BoxError>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let server = auto::Builder::new(TokioExecutor::new());
    let socket = TokioIo::new(socket);
    let stack = ServiceBuilder::new();
    if drain {
        let stack = stack.layer(DrainRequestLayer::new()).layer(contract);
        let service = TowerToHyperService::new(stack.service(service_fn(application)));
        server.serve_connection(socket, service).await
    } else {
        let stack = stack.layer(contract).service(service_fn(application));
        server.serve_connection(socket, TowerToHyperService::new(stack)).await
    }
}

/// TLS with a certificate of its own, which is written to a file for the clients.
fn acceptor(certificate: &str) -> Result<TlsAcceptor, BoxError> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    fs::write(certificate, pem(made.cert.der()))?;
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The certificate as text.
fn pem(der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
