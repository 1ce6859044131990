//! A deadline, and the timer that waits for it.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

pin_project! {
    /// A deadline whose timer is made only once something is seen pending.
    #[project = ClockProj]
    #[derive(Debug)]
    pub(crate) enum Clock {
        // No limit, or none any more.
        Off,
        Set { deadline: Instant },
        // Since something was first seen pending.
        Running { #[pin] timer: Sleep },
    }
}

impl Clock {
    /// A clock that passes at `deadline`; off without one.
    #[inline]
    pub(crate) fn until(deadline: Option<Instant>) -> Self {
        deadline.map_or(Self::Off, |deadline| Self::Set { deadline })
    }

    /// A clock that passes after `limit`; off without one, or with one that ends beyond the clock.
    pub(crate) fn after(limit: Option<Duration>) -> Self {
        Self::until(limit.and_then(deadline_after))
    }

    pub(crate) const fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }

    /// Whether the deadline has passed, for who may be always ready: a timer fires only once the
    /// task has yielded.
    pub(crate) fn has_passed(&self) -> bool {
        let deadline = match self {
            Self::Off => return false,
            Self::Set { deadline } => *deadline,
            Self::Running { timer } => timer.deadline(),
        };
        deadline <= Instant::now()
    }

    /// Ready once the deadline has passed. Registers the timer when first asked before that.
    pub(crate) fn poll_passed(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Set { deadline } = *self {
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            self.set(Self::Running { timer: sleep_until(deadline) });
        }
        match self.project() {
            ClockProj::Running { timer } => timer.poll(cx),
            ClockProj::Off | ClockProj::Set { .. } => Poll::Pending,
        }
    }
}

/// When `limit` has passed, `None` if that is beyond the clock.
///
/// Far before the clock's end too: the timer rounds a deadline up to its next millisecond, and
/// panics where there is none.
#[inline]
pub(crate) fn deadline_after(limit: Duration) -> Option<Instant> {
    /// More than thirty thousand years.
    const FAR: u64 = 1 << 40;
    if limit.as_secs() < FAR { Instant::now().checked_add(limit) } else { None }
}
