//! The targets: each takes bytes, and panics where the library breaks a promise.

pub mod bodies;
pub mod calls;
pub mod envelopes;
pub mod logs;
pub mod policies;
pub mod wire;

use std::{panic, sync::Once};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use tower_contract::{ContractLayer, CorsPolicy, Envelope};

/// What is run with each input.
pub type Target = fn(&[u8]);

/// All targets by name: their corpus is in `fuzz/corpus/` under it.
pub const TARGETS: [(&str, Target); 6] = [
    ("bodies", bodies::run),
    ("calls", calls::run),
    ("envelopes", envelopes::run),
    ("logs", logs::run),
    ("policies", policies::run),
    ("wire", wire::run),
];

/// Stands in what no client may see, and in each panic that a service is asked for.
pub const SECRET: &str = "s3cret-canary";

pub const FRONT_END: &str = "https://app.example.com";

/// Lets panics that a target asks for pass in silence; libFuzzer's own hook would end the process.
pub fn hush() {
    static HUSHED: Once = Once::new();
    HUSHED.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let text = info.payload().downcast_ref::<&'static str>().copied();
            let text = text.or_else(|| info.payload().downcast_ref::<String>().map(String::as_str));
            if !text.unwrap_or_default().contains(SECRET) {
                loud(info);
            }
        }));
    });
}

fn contract() -> ContractLayer {
    ContractLayer::new(CorsPolicy::builder([FRONT_END]).build().unwrap())
}

/// Runs on a paused clock, on which waiting takes no time.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
}

/// The head and the content of a response; an error of the body ends it.
async fn collected<B>(response: Response<B>) -> (StatusCode, HeaderMap, Bytes, bool)
where
    B: Body<Data = Bytes>,
{
    let (head, body) = response.into_parts();
    let mut body = std::pin::pin!(body);
    let mut content = Vec::new();
    loop {
        match body.frame().await {
            None => return (head.status, head.headers, content.into(), true),
            Some(Err(_)) => return (head.status, head.headers, content.into(), false),
            Some(Ok(frame)) => content.extend_from_slice(&frame.into_data().unwrap_or_default()),
        }
    }
}

/// Fails unless this is a whole error response that keeps the contract.
fn assert_envelope(status: StatusCode, headers: &HeaderMap, content: &[u8]) -> Envelope {
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["content-length"], content.len().to_string().as_str());
    assert!(content.len() <= 8 * 1024, "{} bytes", content.len());
    let envelope: Envelope = serde_json::from_slice(content).unwrap();
    for text in [&envelope.title, &envelope.description] {
        assert!(!text.is_empty() && !text.contains(char::is_control), "{status}: {text:?}");
    }
    assert!(envelope.title.chars().count() <= 128 && envelope.description.chars().count() <= 512);
    assert!(envelope.uri.len() <= 2048 && envelope.uri.is_ascii());
    envelope
}

/// Bytes that are read from the front.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// One of these, by the next byte.
    fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[usize::from(self.byte()) % items.len()]
    }

    /// The bytes up to the next 0xFF, which is in no text.
    fn piece(&mut self) -> &'a [u8] {
        let mut pieces = self.0.splitn(2, |byte| *byte == 0xFF);
        let piece = pieces.next().unwrap_or_default();
        self.0 = pieces.next().unwrap_or_default();
        piece
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(self.piece()).into_owned()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
