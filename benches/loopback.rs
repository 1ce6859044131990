//! axum over loopback: bare, with the stack, with the equal-work peer; each a process of its own, all
//! driven by this one. A run is a fixed number of requests on a few connections that stay open; the
//! runs are interleaved, and compared in pairs, so that a busy machine is busy for all.

#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    dead_code,
    reason = "a measurement that cannot go on stops; figures are rounded; the paths are shared"
)]

mod fused;
mod paths;

use std::{
    env,
    fmt::Write,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use axum::{Router, middleware::from_fn, routing::get};
use http::header::CONTENT_TYPE;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::Instant,
};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

const KINDS: [&str; 3] = ["bare", "ours", "equal-work peer"];
const ROUNDS: usize = 21;
const CONNECTIONS: usize = 4;
const REQUESTS: usize = 2_000;
const SERVE: &str = "--serve";

const REQUEST: &[u8] = b"GET /recordings/7?part=1 HTTP/1.1\r\nhost: localhost\r\n\
    origin: https://tenant-0000.example.com\r\naccept: application/json\r\n\r\n";

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    let mut arguments = env::args().skip_while(|argument| argument != SERVE);
    match (arguments.next(), arguments.next()) {
        (Some(_), Some(kind)) => runtime.block_on(serve(&kind)),
        _ => compare(&runtime),
    }
}

// ===== the servers =====

fn app(kind: &str) -> Router {
    let json = async || ([(CONTENT_TYPE, "application/json")], paths::JSON);
    let app = Router::new().route("/recordings/{id}", get(json));
    match kind {
        "ours" => app.layer(paths::contract(1)),
        "equal-work peer" => app.layer(
            ServiceBuilder::new()
                .layer(paths::peer_cors_one())
                .layer(paths::peer_header("access-control-allow-origins", paths::ORIGIN))
                .layer(paths::peer_header("access-control-allow-headers", "Authorization, Origin"))
                .layer(paths::peer_header("access-control-allow-methods", "GET, POST, OPTIONS"))
                .layer(from_fn(paths::render_envelope))
                .layer(CatchPanicLayer::new())
                .layer(paths::peer_timeout()),
        ),
        _ => app,
    }
}

/// Serves until its standard input ends, which is when the parent does.
async fn serve(kind: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    std::thread::spawn(|| {
        let _ = std::io::stdin().lines().count();
        std::process::exit(0);
    });
    axum::serve(listener, app(kind)).await.unwrap();
}

struct Server {
    kind: &'static str,
    child: Child,
    port: u16,
}

impl Server {
    fn start(kind: &'static str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([SERVE, kind])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap();
        Self { kind, child, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

// ===== the load =====

/// Requests per second of one run.
async fn run(port: u16) -> f64 {
    let mut connections = JoinSet::new();
    let begin = Instant::now();
    for _ in 0..CONNECTIONS {
        connections.spawn(ask(port));
    }
    connections.join_all().await;
    (CONNECTIONS * REQUESTS) as f64 / begin.elapsed().as_secs_f64()
}

/// Every answer of a server has the length of its first.
async fn ask(port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answer = Vec::new();
    stream.write_all(REQUEST).await.unwrap();
    while !answer.ends_with(paths::JSON.as_bytes()) {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
    }
    for _ in 1..REQUESTS {
        stream.write_all(REQUEST).await.unwrap();
        stream.read_exact(&mut answer).await.unwrap();
        assert!(answer.ends_with(paths::JSON.as_bytes()));
    }
}

fn compare(runtime: &tokio::runtime::Runtime) {
    let servers = KINDS.map(Server::start);
    let mut rates: [Vec<f64>; 3] = Default::default();
    for round in 0..=ROUNDS {
        // Who is first changes with each round.
        for turn in 0..servers.len() {
            let at = (round + turn) % servers.len();
            let rate = runtime.block_on(run(servers[at].port));
            if round > 0 {
                rates[at].push(rate);
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut table = String::new();
    for (server, rates) in servers.iter().zip(&rates) {
        let [low, median, high] = quartiles(rates.clone());
        println!("{:<20}{median:>10.0} requests/s  ({low:.0} .. {high:.0})", server.kind);
        writeln!(table, "{}\t{low:.0}\t{median:.0}\t{high:.0}", server.kind).unwrap();
    }
    for (name, other, target) in [("ours / bare", 0, 0.95), ("ours / equal-work peer", 2, 1.0)] {
        let pairs = rates[1].iter().zip(&rates[other]);
        let [low, median, high] = quartiles(pairs.map(|(ours, other)| ours / other).collect());
        println!(
            "{name:<24} {median:.3} ({low:.3} .. {high:.3}), target {target:.2}, {ROUNDS} pairs"
        );
        writeln!(table, "{name}\t{low:.3}\t{median:.3}\t{high:.3}").unwrap();
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("loopback.tsv");
    fs::write(file, table).unwrap();
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[values.len() * quarter / 4])
}
