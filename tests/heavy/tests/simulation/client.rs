//! Clients that ask over HTTP/1.1 and HTTP/2, and some that break off or close their half early.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{sleep, timeout},
};
use tower_contract::Envelope;
use turmoil::net::TcpStream;

use crate::{
    Log, Outcome, Record,
    faults::Random,
    server::{FRONT_END, PORT},
};

/// How many requests each client makes.
pub(crate) const REQUESTS: usize = 60;

/// Longer than a link is held, so that only a lost server ends it.
const PATIENCE: Duration = Duration::from_secs(20);

const CONTENT: &str = "content of a request";

/// What is asked, and what a server that lives answers.
const ASKED: [(&str, Outcome); 9] = [
    ("GET /ok", Outcome::Answered(200)),
    ("POST /echo", Outcome::Answered(200)),
    ("GET /long", Outcome::Answered(200)),
    ("GET /nowhere", Outcome::Answered(404)),
    ("DELETE /ok", Outcome::Answered(405)),
    ("GET /panic", Outcome::Answered(500)),
    ("GET /fail", Outcome::Answered(500)),
    ("GET /slow", Outcome::Answered(503)),
    ("GET /panic-in-body", Outcome::Failed),
];

/// One of the clients, and what it has asked so far.
struct Client {
    number: usize,
    asked: usize,
    random: Random,
    log: Log,
}

pub(crate) async fn run(number: usize, random: Random, log: Log) -> turmoil::Result {
    let mut client = Client { number, asked: 0, random, log };
    while client.asked < REQUESTS {
        sleep(client.random.millis(400)).await;
        match client.random.below(6) {
            0 => client.resets().await,
            1 => client.closes_its_half().await,
            2 | 3 => client.asks_over_http2().await,
            _ => client.asks_over_http1().await,
        }
    }
    Ok(())
}

/// A request that is about to be made.
#[derive(Clone)]
struct Asked {
    id: String,
    line: &'static str,
    expected: Outcome,
}

impl Asked {
    fn instead(self, line: &'static str, status: u16) -> Self {
        Self { line, expected: Outcome::Answered(status), ..self }
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let (method, path) = self.line.split_once(' ').unwrap();
        let content = if method == "POST" { CONTENT } else { "" };
        let uri = format!("http://server{path}");
        let request = Request::builder().method(method).uri(uri).header("x-id", &self.id);
        request.header("host", "server").body(Full::from(content)).unwrap()
    }

    /// The same as bytes of HTTP/1.1, for the last request of a connection.
    fn text(&self) -> String {
        let (method, path) = self.line.split_once(' ').unwrap();
        let content = if method == "POST" { CONTENT } else { "" };
        format!(
            "{method} {path} HTTP/1.1\r\nhost: server\r\nx-id: {}\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{content}",
            self.id,
            content.len()
        )
    }
}

impl Client {
    /// The next request, while there is one left.
    fn next(&mut self) -> Option<Asked> {
        if self.asked == REQUESTS {
            return None;
        }
        let id = format!("{}-{}", self.number, self.asked);
        self.asked += 1;
        let (line, expected) = self.random.one_of(&ASKED).clone();
        Some(Asked { id, line, expected })
    }

    fn record(&self, way: &str, asked: Asked, since: Duration, outcome: Outcome) {
        let Asked { id, line, expected } = asked;
        let (asked, ended) = (format!("{way}: {line}"), now());
        self.log.records.lock().unwrap().push(Record {
            id,
            asked,
            expected,
            outcome,
            since,
            ended,
        });
    }

    /// Up to three requests, one after the other, on a connection that stays open.
    async fn asks_over_http1(&mut self) {
        let since = now();
        let sender = async {
            let stream = connect().await?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
            tokio::spawn(connection);
            Some(sender)
        };
        let mut sender = sender.await;
        for _ in 0..3 {
            let Some(asked) = self.next() else { return };
            let outcome = match &mut sender {
                Some(sender) => {
                    patient(async {
                        sender.ready().await.ok()?;
                        Some(outcome(sender.send_request(asked.request()).await.ok()?).await)
                    })
                    .await
                }
                None => Outcome::Failed,
            };
            let goes_on = matches!(outcome, Outcome::Answered(_));
            self.record("HTTP/1.1", asked, since, outcome);
            if !goes_on {
                return;
            }
        }
    }

    /// Four requests at once on one connection.
    async fn asks_over_http2(&mut self) {
        let since = now();
        let sender = async {
            let stream = connect().await?;
            let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
            let (sender, connection) = timeout(PATIENCE, handshake).await.ok()?.ok()?;
            tokio::spawn(connection);
            Some(sender)
        };
        let sender = sender.await;
        let mut running = Vec::new();
        for _ in 0..4 {
            let Some(asked) = self.next() else { break };
            let (sender, request) = (sender.clone(), asked.request());
            let answer = tokio::spawn(patient(async {
                let mut sender = sender?;
                sender.ready().await.ok()?;
                Some(outcome(sender.send_request(request).await.ok()?).await)
            }));
            running.push((asked, answer));
        }
        for (asked, answer) in running {
            let outcome = answer.await.unwrap();
            self.record("HTTP/2", asked, since, outcome);
        }
    }

    /// Asks, closes its half, and reads to the end: one answer.
    ///
    /// The service answers later than the end of the half arrives: this network answers an end that
    /// comes after the server has closed with a reset, which overtakes the answer. A refusal waits for
    /// nothing, and is left out.
    async fn closes_its_half(&mut self) {
        let Some(asked) = self.next() else { return };
        let since = now();
        let is_refused = asked.expected == Outcome::Answered(405);
        let asked = if is_refused { asked.instead("GET /ok", 200) } else { asked };
        let text = asked.text().replacen("\r\n", "\r\nx-wait: 300\r\n", 1);
        let outcome = patient(async {
            let mut stream = connect().await?;
            stream.write_all(text.as_bytes()).await.ok()?;
            stream.shutdown().await.ok()?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.ok()?;
            Some(outcome_of_text(&String::from_utf8(answer).unwrap()))
        })
        .await;
        self.record("half closed", asked, since, outcome);
    }

    /// Sends a part of a request, or all of it, and drops the connection.
    async fn resets(&mut self) {
        let Some(asked) = self.next() else { return };
        let since = now();
        let text = asked.text();
        let length = text.len() / 2 * usize::try_from(1 + self.random.below(2)).unwrap();
        let pause = self.random.millis(300);
        if let Some(mut stream) = connect().await {
            let _ = stream.write_all(&text.as_bytes()[..length]).await;
            sleep(pause).await;
        }
        // It is the fault itself: nothing else is expected.
        self.record("reset", Asked { expected: Outcome::Failed, ..asked }, since, Outcome::Failed);
    }
}

fn now() -> Duration {
    turmoil::sim_elapsed().unwrap()
}

async fn connect() -> Option<TcpStream> {
    timeout(PATIENCE, TcpStream::connect(("server", PORT))).await.ok()?.ok()
}

/// What comes within the client's patience.
async fn patient(answer: impl Future<Output = Option<Outcome>>) -> Outcome {
    timeout(PATIENCE, answer).await.ok().flatten().unwrap_or(Outcome::Failed)
}

/// Reads the whole answer, and fails the test unless it keeps the contract.
async fn outcome(response: Response<Incoming>) -> Outcome {
    let (head, body) = response.into_parts();
    assert_eq!(head.headers["access-control-allow-origin"], FRONT_END);
    let Ok(content) = body.collect().await else { return Outcome::Failed };
    checked(head.status.as_u16(), &content.to_bytes())
}

fn checked(status: u16, content: &[u8]) -> Outcome {
    if status >= 400 {
        let envelope: Envelope = serde_json::from_slice(content).unwrap();
        assert_eq!(envelope.code, u32::from(status));
    }
    Outcome::Answered(status)
}

/// The same of an answer's bytes up to the end of the connection.
fn outcome_of_text(answer: &str) -> Outcome {
    let Some((head, content)) = answer.split_once("\r\n\r\n") else { return Outcome::Failed };
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert!(head.contains(&format!("access-control-allow-origin: {FRONT_END}")), "{head}");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let is_whole = match head.split_once("content-length: ") {
        Some((_, length)) => length.lines().next().unwrap().parse() == Ok(content.len()),
        None => content.ends_with("\r\n0\r\n\r\n"),
    };
    if is_whole { checked(status, content.as_bytes()) } else { Outcome::Failed }
}
