//! HTTP/2: one connection of hyper's client for each conversation.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::{Instant, timeout};

use crate::conformance::{
    answer::{Answer, End, Trouble, Version},
    ask::{Answers, Ask, Manner, Message, USER_AGENT},
    transport::{Connection, MAX_BODY, REQUEST_LIMIT},
};

/// Streams that are open at once; most servers take 100 or 128.
const MAX_STREAMS: usize = 100;

type Sender = SendRequest<Full<Bytes>>;

/// Sends the requests of `ask` on `connection` and reads the answers.
pub(super) async fn converse(connection: Connection, origin: &str, ask: &Ask) -> Answers {
    let all = ask.messages.len();
    let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(connection));
    let (sender, driver) = match timeout(REQUEST_LIMIT, shaken).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return vec![Err(Trouble::Closed(told(&error))); all],
        Err(_) => return vec![Err(Trouble::Late(REQUEST_LIMIT)); all],
    };
    // Ends with the last clone of the sender.
    let driver = tokio::spawn(driver);
    let at_once = if ask.manner == Manner::AtOnce { MAX_STREAMS } else { 1 };
    let each = stream::iter(&ask.messages).map(|message| one(sender.clone(), origin, message));
    let answers = each.buffered(at_once).collect().await;
    drop(sender);
    driver.abort();
    answers
}

async fn one(mut sender: Sender, origin: &str, message: &Message) -> Result<Answer, Trouble> {
    let request = request(origin, message)?;
    let start = Instant::now();
    let answer = async {
        sender.ready().await.map_err(|error| Trouble::Closed(told(&error)))?;
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| Trouble::Closed(told(&error)))?;
        let took = start.elapsed();
        let (head, body) = response.into_parts();
        let (body, trailers, end) = read(body).await;
        Ok(Answer {
            version: Version::Http2,
            status: head.status.as_u16(),
            fields: lines(&head.headers),
            body,
            end,
            trailers,
            surplus: 0,
            interim: Vec::new(),
            took,
        })
    };
    match timeout(REQUEST_LIMIT, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Trouble::Late(REQUEST_LIMIT)),
    }
}

fn request(origin: &str, message: &Message) -> Result<Request<Full<Bytes>>, Trouble> {
    let broken = |error: http::Error| Trouble::Unsent(error.to_string());
    let origin = match (message.field("host"), origin.split_once("://")) {
        (Some(host), Some((scheme, _))) => format!("{scheme}://{host}"),
        _ => origin.to_owned(),
    };
    let uri = Uri::try_from(format!("{origin}{}", message.target));
    let mut request = Request::builder()
        .method(message.method.as_str())
        .uri(uri.map_err(|error| broken(error.into()))?)
        .header("user-agent", USER_AGENT);
    for (name, value) in message.fields.iter().filter(|(name, _)| name != "host") {
        request = request.header(name.as_str(), value.as_bytes());
    }
    let body = Full::from(message.body.clone().unwrap_or_default());
    request.body(body).map_err(broken)
}

/// The content as far as it comes, its trailers, and how it ended.
async fn read(mut body: Incoming) -> (Vec<u8>, Vec<(String, String)>, End) {
    let (mut content, mut trailers) = (Vec::new(), Vec::new());
    loop {
        match body.frame().await {
            None => return (content, trailers, End::Complete),
            Some(Err(error)) => return (content, trailers, End::Broken(told(&error))),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => content.extend_from_slice(&data),
                Err(frame) => trailers.extend(frame.trailers_ref().map(lines).unwrap_or_default()),
            },
        }
        if content.len() > MAX_BODY {
            return (content, trailers, End::TooLarge);
        }
    }
}

fn lines(fields: &http::HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    fields.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// An error with what is behind it: hyper's own words for HTTP/2 say nothing.
fn told(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}

/// How long an HTTP/2 connection may take to say that it is one.
pub(super) const PROBE_LIMIT: Duration = Duration::from_secs(3);
