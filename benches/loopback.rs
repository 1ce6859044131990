//! axum over loopback: the server's own CPU time for one request, and its rate; bare, with the
//! contract's five lines set by hand, with the stack, with the equal-work peer. Each is a process of
//! its own, all driven by this one. A run is a fixed number of requests on a few connections that stay
//! open; the runs are interleaved, and compared in pairs, so that a busy machine is busy for all. The
//! CPU time is what Linux says in `/proc`.

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

use axum::{
    Router,
    middleware::from_fn,
    response::{IntoResponse, Response as AxumResponse},
    routing::get,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::Instant,
};
use tower::{ServiceBuilder, util::MapResponseLayer};
use tower_http::catch_panic::CatchPanicLayer;

const BARE: usize = 0;
const LINES_BY_LAYER: usize = 3;
const OURS: usize = 4;
const KINDS: [&str; 6] = [
    "bare",
    "a handler that sets the lines",
    "an empty layer",
    "a layer that sets the lines",
    "ours",
    "equal-work peer",
];
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
    let json = async || ([(header::CONTENT_TYPE, "application/json")], paths::JSON);
    let json_and_lines = async || {
        let json = ([(header::CONTENT_TYPE, "application/json")], paths::JSON);
        let mut response = json.into_response();
        set_lines(response.headers_mut());
        response
    };
    let router = Router::new();
    let app = match kind {
        "a handler that sets the lines" => router.route("/recordings/{id}", get(json_and_lines)),
        _ => router.route("/recordings/{id}", get(json)),
    };
    match kind {
        "an empty layer" => app.layer(MapResponseLayer::new(wrapped)),
        "a layer that sets the lines" => app.layer(MapResponseLayer::new(with_lines)),
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

/// The body has another type, as that of every layer that guards it: axum then boxes it once more.
fn wrapped(
    response: AxumResponse,
) -> http::Response<impl http_body::Body<Data = Bytes, Error = axum::Error>> {
    response.map(|body| body.map_err(|error| error))
}

fn with_lines(
    mut response: AxumResponse,
) -> http::Response<impl http_body::Body<Data = Bytes, Error = axum::Error>> {
    set_lines(response.headers_mut());
    wrapped(response)
}

/// The contract's five lines, in the cheapest way there is.
fn set_lines(headers: &mut HeaderMap) {
    headers.reserve(5);
    let lines = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, paths::ORIGIN),
        (HeaderName::from_static("access-control-allow-origins"), paths::ORIGIN),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Origin"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
    ];
    for (name, value) in lines {
        headers.insert(name, HeaderValue::from_static(value));
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

/// Nanoseconds that a server was on a CPU; `None` where the system does not tell.
fn on_cpu(server: &Server) -> Option<f64> {
    let mut total = 0.0;
    for task in fs::read_dir(format!("/proc/{}/task", server.child.id())).ok()? {
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        total += text.split(' ').next()?.parse::<f64>().ok()?;
    }
    Some(total)
}

// ===== the report =====

/// What the runs of one server told.
#[derive(Default)]
struct Runs {
    rates: Vec<f64>,
    /// Nanoseconds for one request.
    cpu: Vec<f64>,
}

fn compare(runtime: &tokio::runtime::Runtime) {
    let servers = KINDS.map(Server::start);
    let mut runs: [Runs; KINDS.len()] = Default::default();
    for round in 0..=ROUNDS {
        // Who is first changes with each round.
        for turn in 0..servers.len() {
            let at = (round + turn) % servers.len();
            let before = on_cpu(&servers[at]);
            let rate = runtime.block_on(run(servers[at].port));
            let used = before.zip(on_cpu(&servers[at])).map(|(before, after)| after - before);
            if round > 0 {
                runs[at].rates.push(rate);
                runs[at].cpu.extend(used.map(|used| used / (CONNECTIONS * REQUESTS) as f64));
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    print(&runs);
}

fn print(runs: &[Runs; KINDS.len()]) {
    let mut table = String::new();
    println!(
        "{:<32}{:>12}{:>12}{:>12}{:>24}",
        "", "requests/s", "CPU ns", "above bare", "quartiles"
    );
    for (kind, run) in KINDS.iter().zip(runs) {
        let [_, rate, _] = quartiles(run.rates.clone());
        let [_, cpu, _] = quartiles(run.cpu.clone());
        let above = run.cpu.iter().zip(&runs[BARE].cpu).map(|(cpu, bare)| cpu - bare);
        let [low, above, high] = quartiles(above.collect());
        let spread = format!("{low:.0} .. {high:.0}");
        println!("{kind:<32}{rate:>12.0}{cpu:>12.0}{above:>12.0}{spread:>24}");
        writeln!(table, "{kind}\t{rate:.0}\t{cpu:.0}\t{above:.0}").unwrap();
    }
    println!("\nCPU, ours to each, in pairs");
    for (kind, run) in KINDS.iter().zip(runs) {
        let pairs = runs[OURS].cpu.iter().zip(&run.cpu);
        let [low, median, high] = quartiles(pairs.map(|(ours, other)| ours / other).collect());
        println!("{kind:<32}{median:>12.3}  ({low:.3} .. {high:.3})");
    }
    let share = runs[LINES_BY_LAYER].cpu.iter().zip(&runs[OURS].cpu).zip(&runs[BARE].cpu);
    let share = share.map(|((lines, ours), bare)| (lines - bare) / (ours - bare)).collect();
    let [low, median, high] = quartiles(share);
    println!(
        "\nof what ours costs, a layer that sets the lines costs {median:.2} ({low:.2} .. {high:.2})"
    );
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("loopback.tsv");
    fs::write(file, table).unwrap();
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values.get(values.len() * quarter / 4).copied().unwrap_or(f64::NAN))
}
