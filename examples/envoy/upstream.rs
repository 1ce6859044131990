//! The service under the contract: what is behind Envoy, as Envoy tells of it.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header::CONTENT_LENGTH};
use http_body::{Body, Frame, SizeHint};

use super::{
    conversation::{Conversation, Unanswered},
    from_envoy,
    generated::{HttpHeaders, processing_request::Request as Kind},
    to_envoy,
};

/// The way to the upstream, in the place of a request's body.
#[derive(Debug)]
pub struct Upstream {
    pub conversation: Conversation,
    /// The head of the response, if Envoy has it already.
    pub head: Option<HttpHeaders>,
}

/// What a response was before the stack; it travels in the response's extensions.
#[derive(Clone, Debug)]
pub enum Original {
    Head(OriginalHead),
    /// There is none: Envoy has ended the stream, or has said what it cannot say now.
    Gone,
}

/// The headers, and whether the body is still the response's.
#[derive(Clone, Debug)]
pub struct OriginalHead {
    pub headers: HeaderMap,
    body: Weak<()>,
}

impl OriginalHead {
    /// Whether no layer has read or dropped the body, which then goes on from Envoy.
    pub fn has_its_body(&self) -> bool {
        self.body.strong_count() > 0
    }
}

/// Waits for the upstream's response.
///
/// The request goes on to the upstream as soon as this is called: no layer has refused it.
pub async fn response(request: Request<Upstream>) -> Response<UpstreamBody> {
    let Upstream { conversation, head } = request.into_body();
    let head = match head {
        Some(head) => Ok(head),
        None => pass_request(&conversation).await,
    };
    let Ok(head) = head else {
        let mut response = Response::new(UpstreamBody(Place::Nowhere));
        response.extensions_mut().insert(Original::Gone);
        return response;
    };
    let mut response = from_envoy::response(&head);
    let alive = Arc::new(());
    let headers = response.headers().clone();
    let original = OriginalHead { headers, body: Arc::downgrade(&alive) };
    let length = response.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    from_envoy::remove_unseen(response.headers_mut());
    response.extensions_mut().insert(Original::Head(original));
    response.map(|()| {
        let is_empty = head.end_of_stream;
        UpstreamBody(Place::WithEnvoy(Elsewhere { conversation, length, is_empty, _alive: alive }))
    })
}

async fn pass_request(conversation: &Conversation) -> Result<HttpHeaders, Unanswered> {
    conversation.say(to_envoy::pass_request()).await?;
    match conversation.hear().await?.request {
        Some(Kind::ResponseHeaders(head)) => Ok(head),
        _ => Err(Unanswered),
    }
}

/// The whole content, if Envoy has room for it.
async fn content(conversation: Conversation) -> Result<Bytes, Unanswered> {
    conversation.say(to_envoy::ask_for_content()).await?;
    match conversation.hear().await?.request {
        Some(Kind::ResponseBody(content)) if content.end_of_stream => Ok(content.body),
        _ => Err(Unanswered),
    }
}

/// The body of the upstream's response. It is with Envoy, and is asked for when it is first polled.
///
/// Only the body of an error is, whose words the contract may tell: one answer that waits for it.
#[derive(Debug)]
pub struct UpstreamBody(Place);

enum Place {
    WithEnvoy(Elsewhere),
    OnItsWay(Pin<Box<dyn Future<Output = Result<Bytes, Unanswered>> + Send>>),
    Nowhere,
}

struct Elsewhere {
    conversation: Conversation,
    length: Option<u64>,
    is_empty: bool,
    _alive: Arc<()>,
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        let mut asked = match std::mem::replace(&mut self.0, Place::Nowhere) {
            Place::WithEnvoy(Elsewhere { is_empty: true, .. }) | Place::Nowhere => {
                return Poll::Ready(None);
            }
            Place::WithEnvoy(Elsewhere { conversation, .. }) => Box::pin(content(conversation)),
            Place::OnItsWay(asked) => asked,
        };
        match asked.as_mut().poll(cx) {
            Poll::Ready(Ok(content)) => Poll::Ready(Some(Ok(Frame::data(content)))),
            Poll::Ready(Err(Unanswered)) => Poll::Ready(Some(Err("it did not come whole"))),
            Poll::Pending => {
                self.0 = Place::OnItsWay(asked);
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Place::WithEnvoy(Elsewhere { is_empty: true, .. }) | Place::Nowhere)
    }

    fn size_hint(&self) -> SizeHint {
        match self.0 {
            Place::WithEnvoy(Elsewhere { is_empty: true, .. }) | Place::Nowhere => {
                SizeHint::with_exact(0)
            }
            Place::WithEnvoy(Elsewhere { length: Some(length), .. }) => {
                SizeHint::with_exact(length)
            }
            Place::WithEnvoy(_) | Place::OnItsWay(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WithEnvoy(_) => "WithEnvoy",
            Self::OnItsWay(_) => "OnItsWay",
            Self::Nowhere => "Nowhere",
        })
    }
}
