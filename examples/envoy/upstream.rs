//! The service under the contract: what is behind Envoy, as Envoy tells of it.

use std::{
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, timeout_at};

use super::{
    conversation::{Conversation, Unanswered},
    from_envoy,
    generated::{HttpHeaders, processing_request::Request as Kind},
    to_envoy,
};

/// How long the content of an error may take, from its head on.
const READ_TIME: Duration = Duration::from_secs(1);

/// The way to the upstream, in the place of a request's body.
#[derive(Debug)]
pub struct Upstream {
    pub conversation: Conversation,
    /// The head of the response, if Envoy has it already.
    pub head: Option<HttpHeaders>,
    /// Past this, reading on would cost the client the response.
    pub read_until: Instant,
}

/// What a response was before the stack; it travels in the response's extensions.
#[derive(Clone, Debug)]
pub enum Original {
    /// Its body stays with Envoy.
    WithEnvoy(OriginalHead),
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
    /// Whether no layer has dropped the body, which then goes on from Envoy.
    pub fn has_its_body(&self) -> bool {
        self.body.strong_count() > 0
    }
}

/// Waits for the upstream's response, and for its content where this can say something.
///
/// The request goes on to the upstream as soon as this is called: no layer has refused it.
pub async fn response(request: Request<Upstream>) -> Response<UpstreamBody> {
    let is_head = request.method() == Method::HEAD;
    let is_connect = request.headers().contains_key("connect-protocol-version");
    let upstream = request.into_body();
    match upstream.response(is_head, is_connect).await {
        Ok(response) => response,
        Err(Unanswered) => {
            let mut response = Response::new(UpstreamBody::content(Bytes::new()));
            response.extensions_mut().insert(Original::Gone);
            response
        }
    }
}

impl Upstream {
    async fn response(
        mut self,
        is_head: bool,
        is_connect: bool,
    ) -> Result<Response<UpstreamBody>, Unanswered> {
        let head = match self.head.take() {
            Some(head) => head,
            None => self.pass_request().await?,
        };
        let mut response = from_envoy::response(&head);
        if is_head || !from_envoy::says_something(&response, is_connect) {
            let alive = Arc::new(());
            let headers = response.headers().clone();
            from_envoy::remove_unseen(response.headers_mut());
            let head = OriginalHead { headers, body: Arc::downgrade(&alive) };
            response.extensions_mut().insert(Original::WithEnvoy(head));
            return Ok(response.map(|()| UpstreamBody::with_envoy(alive)));
        }
        from_envoy::remove_unseen(response.headers_mut());
        if head.end_of_stream {
            return Ok(response.map(|()| UpstreamBody::content(Bytes::new())));
        }
        let content = self.content().await?;
        Ok(response.map(|()| content.map_or_else(UpstreamBody::broken, UpstreamBody::content)))
    }

    async fn pass_request(&self) -> Result<HttpHeaders, Unanswered> {
        self.conversation.say(to_envoy::pass_request()).await?;
        match self.conversation.hear().await?.request {
            Some(Kind::ResponseHeaders(head)) => Ok(head),
            _ => Err(Unanswered),
        }
    }

    /// The whole content, if it comes in time and Envoy has room for it.
    async fn content(&self) -> Result<Option<Bytes>, Unanswered> {
        self.conversation.say(to_envoy::ask_for_content()).await?;
        let until = self.read_until.min(Instant::now() + READ_TIME);
        let Ok(message) = timeout_at(until, self.conversation.hear()).await else {
            return Ok(None);
        };
        match message?.request {
            Some(Kind::ResponseBody(content)) => Ok(content.end_of_stream.then_some(content.body)),
            _ => Err(Unanswered),
        }
    }
}

/// The body of the upstream's response.
#[derive(Debug)]
pub struct UpstreamBody(Place);

#[derive(Debug)]
enum Place {
    /// It was asked for, and came.
    Here(Bytes),
    /// It was asked for, and did not come whole.
    Broken,
    /// It was not asked for: it fails if someone wants to read it.
    WithEnvoy { _alive: Arc<()> },
}

impl UpstreamBody {
    fn content(content: Bytes) -> Self {
        Self(Place::Here(content))
    }

    fn broken() -> Self {
        Self(Place::Broken)
    }

    fn with_envoy(alive: Arc<()>) -> Self {
        Self(Place::WithEnvoy { _alive: alive })
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Ready(match &mut self.0 {
            Place::Here(content) if content.is_empty() => None,
            Place::Here(content) => Some(Ok(Frame::data(std::mem::take(content)))),
            Place::Broken => Some(Err("the content did not come whole")),
            Place::WithEnvoy { .. } => Some(Err("the content is with Envoy")),
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Place::Here(content) if content.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Place::Here(content) => SizeHint::with_exact(content.len() as u64),
            Place::Broken | Place::WithEnvoy { .. } => SizeHint::default(),
        }
    }
}
