//! Twice as many requests as the service has capacity for, over loopback, for `SECONDS` (30): a queue
//! in front of the service, and the contract with `load_shed` inside. Each request has its time, and
//! is late if it is sent late. The refusals must not cost the answers anything, and must come at once.

#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a measurement that cannot go on stops; figures are rounded"
)]

use std::{env, net::SocketAddr, process::exit, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout_at},
};
use tower::{BoxError, Service, ServiceBuilder, limit::GlobalConcurrencyLimitLayer, service_fn};
use tower_contract::{ContractLayer, CorsPolicy, Envelope};

/// Requests that the service works at at once, and for how long at each.
const PLACES: usize = 64;
const WORK: Duration = Duration::from_millis(100);
/// Twice what 64 places can do in a second.
const RATE: u32 = 1280;
const CONNECTIONS: usize = 16;

const GOODPUT: f64 = 0.95;
const REFUSED_WITHIN: Duration = Duration::from_millis(10);

async fn work(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, BoxError> {
    sleep(WORK).await;
    Ok(Response::new(Full::from("hello")))
}

fn main() {
    let seconds = env::var("SECONDS").map_or(30, |seconds| seconds.parse().unwrap());
    let time = Duration::from_secs(seconds);
    let run = |refuses| {
        // Of its own, so that nothing of one run goes on in the next.
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let run = runtime.block_on(async { load(serve(refuses).await, time).await });
        runtime.shutdown_background();
        run
    };
    let (queue, contract) = (run(false), run(true));
    queue.print("a queue", time);
    contract.print("the contract and load_shed", time);
    let share = contract.answered.len() as f64 / queue.answered.len() as f64;
    let refused = percentile(&contract.refused, 99);
    println!("goodput, of a queue's: {share:.3}; p99 of the refusals: {refused:.1?}");
    let is_good = share >= GOODPUT && refused <= REFUSED_WITHIN && contract.wrong == 0;
    exit(i32::from(!is_good));
}

// ===== the server =====

async fn serve(refuses: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limit = GlobalConcurrencyLimitLayer::new(PLACES);
    let policy = CorsPolicy::builder(["https://app.example.com"]).build().unwrap();
    if refuses {
        let layers = ServiceBuilder::new().layer(ContractLayer::new(policy)).load_shed();
        tokio::spawn(accept(listener, layers.layer(limit).service(service_fn(work))));
    } else {
        let layers = ServiceBuilder::new().layer(limit);
        tokio::spawn(accept(listener, layers.service(service_fn(work))));
    }
    address
}

async fn accept<S, B>(listener: TcpListener, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let mut server = auto::Builder::new(TokioExecutor::new());
            server.http2().max_concurrent_streams(100_000);
            let _ = server.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

// ===== the load =====

#[derive(Default)]
struct Run {
    /// From the time that each was due, those answered within the run's time.
    answered: Vec<Duration>,
    refused: Vec<Duration>,
    wrong: usize,
}

enum Outcome {
    Answered(Duration),
    Refused(Duration),
    Wrong,
}

async fn load(address: SocketAddr, time: Duration) -> Run {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let client = http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(socket));
        let (sender, connection) = client.await.unwrap();
        tokio::spawn(connection);
        connections.push(sender);
    }
    let (outcomes, mut seen) = mpsc::unbounded_channel();
    let begun = Instant::now();
    let end = begun + time;
    let sending = tokio::spawn(async move {
        for (n, sender) in (0..).zip(connections.iter().cycle()) {
            let due = begun + Duration::from_secs(1) * n / RATE;
            if due >= end {
                return;
            }
            sleep_until(due).await;
            let (sender, outcomes) = (sender.clone(), outcomes.clone());
            tokio::spawn(async move { outcomes.send(ask(sender, due).await) });
        }
    });
    let mut run = Run::default();
    while let Ok(Some(outcome)) = timeout_at(end, seen.recv()).await {
        match outcome {
            Outcome::Answered(after) => run.answered.push(after),
            Outcome::Refused(after) => run.refused.push(after),
            Outcome::Wrong => run.wrong += 1,
        }
    }
    sending.abort();
    run.answered.sort_unstable();
    run.refused.sort_unstable();
    run
}

async fn ask(mut sender: http2::SendRequest<Empty<Bytes>>, due: Instant) -> Outcome {
    let request = Request::get("http://a.example/").body(Empty::new()).unwrap();
    let Ok(response) = sender.send_request(request).await else { return Outcome::Wrong };
    let (head, body) = response.into_parts();
    let Ok(content) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return Outcome::Wrong;
    };
    let is_refusal = head.headers.contains_key("access-control-allow-origin")
        && serde_json::from_slice::<Envelope>(&content).is_ok_and(|envelope| envelope.code == 503);
    match head.status.as_u16() {
        200 => Outcome::Answered(due.elapsed()),
        503 if is_refusal => Outcome::Refused(due.elapsed()),
        _ => Outcome::Wrong,
    }
}

// ===== the report =====

impl Run {
    fn print(&self, name: &str, time: Duration) {
        println!(
            "{name:27} {:5.0} answered a second, p50 {:.1?}, p99 {:.1?}; {} refused, p50 {:.1?}, \
             p99 {:.1?}; {} wrong",
            self.answered.len() as f64 / time.as_secs_f64(),
            percentile(&self.answered, 50),
            percentile(&self.answered, 99),
            self.refused.len(),
            percentile(&self.refused, 50),
            percentile(&self.refused, 99),
            self.wrong
        );
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or_default()
}
