//! Reads what a body that someone else wrote says, to its end or not at all.

use std::{
    pin::Pin,
    sync::atomic::Ordering,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{Response, response::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::runtime::Handle;

use super::{
    Settings,
    foreign::{Foreign, MAX_JSON, Media},
};
use crate::{
    clock::Clock,
    unwind::{Panic, catch},
};

/// Most empty frames: a body of them that are always ready would never end.
const MAX_EMPTY_FRAMES: u16 = 256;

pin_project! {
    /// An error response of the service's own, while its content is read.
    #[derive(Debug)]
    pub(crate) struct Reading<B> {
        // `None` once it was taken.
        head: Option<Parts>,
        #[pin]
        body: B,
        content: Content,
        media: Media,
        empty_frames: u16,
    }
}

impl<B> Reading<B> {
    pub(crate) fn new(response: Response<B>, media: Media) -> Self {
        let (head, body) = response.into_parts();
        Self { head: Some(head), body, content: Content::default(), media, empty_frames: 0 }
    }

    pub(crate) fn take_head(self: Pin<&mut Self>) -> Option<Parts> {
        self.project().head.take()
    }
}

impl<B: Body<Data = Bytes>> Reading<B> {
    /// The whole content, `None` if it is too long or broken off. Trailers are dropped.
    fn poll_content(
        self: Pin<&mut Self>,
        max_len: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Bytes>> {
        let mut this = self.project();
        loop {
            let data = match ready!(this.body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(_)) => return Poll::Ready(None),
                None => return Poll::Ready(Some(std::mem::take(this.content).into_bytes())),
            };
            *this.empty_frames += u16::from(data.is_empty());
            this.content.push(data);
            let is_endless = *this.empty_frames > MAX_EMPTY_FRAMES;
            if is_endless || this.content.len() > max_len {
                return Poll::Ready(None);
            }
        }
    }
}

impl<F> Settings<F> {
    /// What the content says, once it has ended or its time is up; a panic of the body is its
    /// `Err`.
    pub(crate) fn poll_read<B: Body<Data = Bytes>>(
        &self,
        mut reading: Pin<&mut Reading<B>>,
        clock: Pin<&mut Clock>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Foreign, Panic>> {
        let media = reading.media;
        let max_len = self.max_len(media);
        let said = match catch(|| reading.as_mut().poll_content(max_len, cx)) {
            Err(panic) => return Poll::Ready(Err(panic)),
            Ok(Poll::Ready(content)) => {
                content.and_then(|content| self.parse(media, reading.head.as_ref(), content))
            }
            Ok(Poll::Pending) => {
                if media.is_waited_for() || self.understands(media) {
                    ready!(self.poll_time_up(clock, cx));
                }
                None
            }
        };
        Poll::Ready(Ok(said.unwrap_or(Foreign::Nothing)))
    }

    /// The longest content of this kind that is read.
    pub(super) fn max_len(&self, media: Media) -> usize {
        if self.understands(media) { MAX_JSON } else { media.max_len() }
    }

    /// Whether the application is asked what content of this kind says.
    fn understands(&self, media: Media) -> bool {
        self.others.understand.is_set() && media != Media::Connect
    }

    /// What the whole content says, first by the application's own rule.
    fn parse(&self, media: Media, head: Option<&Parts>, content: Bytes) -> Option<Foreign> {
        let Some(head) = head.filter(|_| self.understands(media)) else {
            return media.parse(content);
        };
        let understood = self
            .others
            .understand
            .run(|understand| understand(head.status, &head.headers, &content));
        match understood.flatten() {
            Some(error) => Some(Foreign::Understood(Box::new(error))),
            None if content.len() > media.max_len() => None,
            None => media.parse(content),
        }
    }

    /// Ready once nothing more is waited for. Without a timer nothing is waited for.
    fn poll_time_up(&self, mut clock: Pin<&mut Clock>, cx: &mut Context<'_>) -> Poll<()> {
        if clock.is_off() {
            let has_timer = !self.has_no_timer.load(Ordering::Relaxed);
            if self.others.read_time.is_zero() || !has_timer || Handle::try_current().is_err() {
                return Poll::Ready(());
            }
            clock.set(Clock::after(Some(self.others.read_time)));
        }
        // A runtime without time panics; it is not asked again.
        catch(|| clock.as_mut().poll_passed(cx)).unwrap_or_else(|_| {
            self.has_no_timer.store(true, Ordering::Relaxed);
            Poll::Ready(())
        })
    }
}

/// Collected content; the usual single frame is not copied.
#[derive(Debug, Default)]
struct Content {
    first: Bytes,
    joined: BytesMut,
}

impl Content {
    fn push(&mut self, data: Bytes) {
        if self.first.is_empty() {
            self.first = data;
        } else if !data.is_empty() {
            if self.joined.is_empty() {
                self.joined.extend_from_slice(&self.first);
            }
            self.joined.extend_from_slice(&data);
        }
    }

    fn len(&self) -> usize {
        self.first.len().max(self.joined.len())
    }

    fn into_bytes(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.freeze() }
    }
}
