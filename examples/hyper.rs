//! The contract without a framework: hyper, and the layers around one async function.
//!
//! ```text
//! cargo run --example hyper
//! ```

use std::{
    error::Error,
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    signal,
    time::sleep,
};
use tower::{ServiceBuilder, service_fn};
use tower_contract::{ApiError, ContractLayer, CorsPolicy, MethodGuardLayer, TimeoutLayer};

/// How long a client may take to send the head of a request.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let contract = contract()?;
    let listener = TcpListener::bind(address()?).await?;
    // Nobody may be reading: a closed standard output is no reason to stop.
    let _ = writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?);

    let connections = GracefulShutdown::new();
    loop {
        tokio::select! {
            stream = accept(&listener) => serve(stream, &contract, &connections),
            stop = signal::ctrl_c() => {
                stop?;
                break;
            }
        }
    }
    // Requests in flight finish, on connections that take no further ones.
    drop(listener);
    connections.shutdown().await;
    Ok(())
}

/// What every response promises, whatever happens in [`hello`].
fn contract() -> Result<ContractLayer, Box<dyn Error>> {
    let policy = CorsPolicy::builder(["http://localhost:3000"]).build()?;
    Ok(ContractLayer::new(policy)
        .public_url("http://localhost:8080".parse()?)
        .methods(MethodGuardLayer::by_path([("/hello", [Method::GET]), ("/echo", [Method::POST])])?)
        .timeout(TimeoutLayer::new(Duration::from_secs(2))))
}

/// The application: any function from a request to a response, or to an error.
async fn hello(request: Request<Incoming>) -> Result<Response<Content>, ApiError> {
    match request.uri().path() {
        "/hello" => Ok(Response::new(Either::Left(Full::from("hello\n")))),
        // What comes in goes out, piece by piece.
        "/echo" => Ok(Response::new(Either::Right(request.into_body()))),
        path => Err(ApiError::not_found().with_description(format!("There is nothing at {path}."))),
    }
}

/// Any body whose data is `Bytes` will do; it need not be one that can be made empty.
type Content = Either<Full<Bytes>, Incoming>;

/// Serves one connection, HTTP/1.1 or HTTP/2, in a task of its own.
fn serve(stream: TcpStream, contract: &ContractLayer, connections: &GracefulShutdown) {
    // Without it, the last bytes of an answer can wait for 40 ms.
    let _ = stream.set_nodelay(true);
    let service = ServiceBuilder::new().layer(contract.clone()).service(service_fn(hello));
    let connection = http()
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .into_owned();
    let connection = connections.watch(connection);
    tokio::spawn(async {
        // Ends with an error when the client breaks off, and when a body that has begun fails.
        let _ = connection.await;
    });
}

/// hyper reads heads for ever unless it is given a limit, and a limit does nothing without a timer.
fn http() -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_READ_TIMEOUT);
    http.http2().timer(TokioTimer::new());
    http
}

/// The next connection. A failure to accept one is not the end: often files have run out, for now.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                eprintln!("cannot accept a connection: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// `--listen ADDR`, or port 8080.
fn address() -> Result<SocketAddr, Box<dyn Error>> {
    let options: Vec<_> = std::env::args().skip(1).collect();
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    match options.as_slice() {
        [] => Ok(SocketAddr::from(([127, 0, 0, 1], 8080))),
        ["--listen", address] => Ok(address.parse()?),
        _ => Err("usage: hyper [--listen ADDR]".into()),
    }
}
