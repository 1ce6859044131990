//! What is said on one stream, in both directions.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::sync::{Mutex, mpsc};
use tokio_stream::Stream;
use tonic::{Status, Streaming};

use super::generated::{ProcessingRequest, ProcessingResponse};

/// Envoy has ended the stream, or has said what it cannot say now: nobody waits for an answer.
#[derive(Debug)]
pub struct Unanswered;

/// The processor's end of a stream.
#[derive(Clone, Debug)]
pub struct Conversation {
    messages: Arc<Mutex<Streaming<ProcessingRequest>>>,
    replies: mpsc::Sender<Reply>,
}

impl Conversation {
    /// A conversation, and what it says.
    pub fn new(messages: Streaming<ProcessingRequest>) -> (Self, Replies) {
        let (replies, receiver) = mpsc::channel(2);
        let conversation = Self { messages: Arc::new(Mutex::new(messages)), replies };
        (conversation, Replies { receiver, is_over: false })
    }

    /// The next message.
    ///
    /// # Errors
    ///
    /// There is none: the stream has ended or failed.
    pub async fn hear(&self) -> Result<ProcessingRequest, Unanswered> {
        self.messages.lock().await.message().await.ok().flatten().ok_or(Unanswered)
    }

    /// Replies to a message; Envoy has more to say.
    pub async fn say(&self, message: ProcessingResponse) -> Result<(), Unanswered> {
        self.replies.send(Reply::More(message)).await.map_err(|_| Unanswered)
    }

    /// Replies to the last message: nothing is left to be said.
    pub async fn end(self, message: ProcessingResponse) -> Result<(), Unanswered> {
        self.replies.send(Reply::Last(message)).await.map_err(|_| Unanswered)
    }

    /// Resolves when Envoy has reset the stream: its client is gone.
    pub async fn reset(self) {
        self.replies.closed().await;
    }
}

#[derive(Debug)]
enum Reply {
    More(ProcessingResponse),
    Last(ProcessingResponse),
}

/// The messages to Envoy. Where the conversation is dropped before its end, they end with an error.
///
/// A stream that ends well without a reply lets the raw response pass, even where the filter says
/// `failure_mode_allow: false`.
#[derive(Debug)]
pub struct Replies {
    receiver: mpsc::Receiver<Reply>,
    is_over: bool,
}

impl Stream for Replies {
    type Item = Result<ProcessingResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let reply = ready!(self.receiver.poll_recv(cx));
        self.is_over = !matches!(reply, Some(Reply::More(_)));
        Poll::Ready(Some(match reply {
            Some(Reply::More(message) | Reply::Last(message)) => Ok(message),
            None => Err(Status::unavailable("the exchange ended without an answer")),
        }))
    }
}
