//! Where code that is not this crate's can panic, and what then comes.

use tower_contract::PanicPlace;

/// One place with one kind of panic. Its path is `/Place/Kind`.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub place: Place,
    pub kind: Kind,
}

impl Case {
    pub fn of(path: &str) -> Option<Self> {
        all().find(|case| case.path() == path)
    }

    pub fn path(self) -> String {
        format!("/{:?}/{:?}", self.place, self.kind)
    }
}

pub fn all() -> impl Iterator<Item = Case> {
    let kinds = [Kind::Text, Kind::Other, Kind::PanicsToo];
    let places = EXPECTED.iter().map(|(place, ..)| *place);
    places.flat_map(move |place| kinds.map(|kind| Case { place, kind }))
}

/// What a panic carries.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Text,
    Other,
    /// A value whose own drop panics.
    PanicsToo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Call,
    FutureFirst,
    FutureLater,
    Ready,
    BodyFirst,
    BodyLater,
    BodyAfterWait,
    BodyErrorInto,
    SizeHint,
    IsEndStream,
    SizeHint4xx,
    IsEndStream4xx,
    BodyPoll4xx,
    BodyPoll5xx,
    FutureDropAfterAnswer,
    FutureDropAfterError,
    FutureDropAfterPanic,
    FutureDropAtExpiry,
    FutureDropClientGone,
    BodyDrop,
    BodyDrop4xxRead,
    BodyDrop4xxUnread,
    BodyDrop5xx,
    BodyDropAfterPanic,
    BodyDropAtLimit,
    BodyDropClientGone,
    ErrorDrop,
    AnsweredErrorDrop,
    ReadyErrorDrop,
    Into,
    Display,
    Source,
    Classify,
    Redact,
    Limit,
    PanicHook,
    ErrorHook,
    KeepIf,
    Understand,
    FormatWrite,
    FormatType,
    FormatLanguage,
    Clone,
}

/// What the client sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A complete answer with this status.
    Answer(u16),
    /// A message that breaks off.
    Broken,
    /// The client has gone before anything happened.
    Gone,
}

use Outcome::{Answer, Broken, Gone};
use PanicPlace as Told;

/// What the client sees of a panic at each place, and which places the hook for panics is told.
///
/// Panics of what a layer asks for help (hooks, formats, the texts of an error) and of the drop of
/// an error are contained, and an event tells of them, no hook.
pub const EXPECTED: [(Place, Outcome, &[PanicPlace]); 43] = [
    (Place::Call, Answer(500), &[Told::Call]),
    (Place::FutureFirst, Answer(500), &[Told::Future]),
    (Place::FutureLater, Answer(500), &[Told::Future]),
    (Place::Ready, Answer(500), &[Told::Ready]),
    (Place::BodyFirst, Broken, &[Told::Body]),
    (Place::BodyLater, Broken, &[Told::Body]),
    (Place::BodyAfterWait, Broken, &[Told::Body]),
    (Place::BodyErrorInto, Broken, &[Told::Body]),
    (Place::SizeHint, Answer(200), &[Told::Body]),
    (Place::IsEndStream, Answer(200), &[Told::Body]),
    (Place::SizeHint4xx, Answer(404), &[Told::Body]),
    (Place::IsEndStream4xx, Answer(404), &[Told::Body]),
    (Place::BodyPoll4xx, Answer(404), &[Told::Body]),
    (Place::BodyPoll5xx, Answer(502), &[Told::Body]),
    (Place::FutureDropAfterAnswer, Answer(200), &[Told::Drop]),
    (Place::FutureDropAfterError, Answer(500), &[Told::Drop]),
    (Place::FutureDropAfterPanic, Answer(500), &[Told::Future, Told::Drop]),
    (Place::FutureDropAtExpiry, Answer(503), &[Told::Drop]),
    (Place::FutureDropClientGone, Gone, &[Told::Drop]),
    (Place::BodyDrop, Answer(200), &[Told::Drop]),
    (Place::BodyDrop4xxRead, Answer(404), &[Told::Drop]),
    (Place::BodyDrop4xxUnread, Answer(404), &[Told::Drop]),
    (Place::BodyDrop5xx, Answer(502), &[Told::Drop]),
    (Place::BodyDropAfterPanic, Broken, &[Told::Body, Told::Drop]),
    (Place::BodyDropAtLimit, Broken, &[Told::Drop]),
    (Place::BodyDropClientGone, Gone, &[Told::Drop]),
    (Place::ErrorDrop, Answer(500), &[]),
    (Place::AnsweredErrorDrop, Answer(404), &[]),
    (Place::ReadyErrorDrop, Answer(500), &[]),
    (Place::Into, Answer(500), &[Told::Future]),
    (Place::Display, Answer(500), &[]),
    (Place::Source, Answer(500), &[]),
    (Place::Classify, Answer(500), &[]),
    (Place::Redact, Answer(500), &[]),
    (Place::Limit, Answer(500), &[Told::Call]),
    (Place::PanicHook, Answer(500), &[Told::Future]),
    (Place::ErrorHook, Answer(404), &[]),
    (Place::KeepIf, Answer(404), &[]),
    (Place::Understand, Answer(404), &[]),
    (Place::FormatWrite, Answer(404), &[]),
    (Place::FormatType, Answer(404), &[]),
    (Place::FormatLanguage, Answer(404), &[]),
    // The guard that refuses stands outside of the layer that tells, where the two are alone.
    (Place::Clone, Answer(405), &[Told::Ready]),
];
