//! How much of a body that the service wrote is read: the frames, the bounds, and what ends it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use tower::{BoxError, Layer};
use tower_contract::{Envelope, ErrorBodyLayer};

use crate::support::{Script, Step, answering, ask, contract, response, sentence};

/// The description that a 404 becomes whose text comes in these frames.
#[track_caller]
fn described(frames: &[&'static [u8]]) -> String {
    let frames = frames.to_vec();
    let service = ErrorBodyLayer::new().layer(answering(move |_| {
        let body = Script::new(frames.iter().map(|frame| Step::Data(frame)));
        let response = Response::builder().status(404).header("content-type", "text/plain");
        response.body(body).unwrap()
    }));
    decoded(ask(service, "GET /x").body()).description
}

#[track_caller]
fn decoded(content: &[u8]) -> Envelope {
    serde_json::from_slice(content).unwrap()
}

#[test]
fn a_text_in_several_frames_is_read_whole() {
    assert_eq!(described(&[b"there is ", b"", b"no such ", b"thing"]), "there is no such thing");
    assert_eq!(described(&[b"", b"there is ", b"none"]), "there is none");
}

#[test]
fn a_text_is_read_up_to_8_kib_in_one_frame_or_in_several() {
    static TEXT: [u8; 8 * 1024 + 1] = [b'a'; 8 * 1024 + 1];
    let (half, rest) = TEXT.split_at(4 * 1024);
    let fits = &TEXT[1..];
    assert!(described(&[fits]).starts_with("aaa"));
    assert!(described(&[half, half]).starts_with("aaa"));
    assert_eq!(described(&[&TEXT]), sentence(404));
    assert_eq!(described(&[half, rest]), sentence(404));
    assert_eq!(described(&[half, half, b"a"]), sentence(404));
}

#[test]
fn json_is_read_up_to_64_kib() {
    let inner = |length: usize| {
        let json = r#"{"http_method":"","title":"t","description":"own words","code":1,"uri":"#;
        let filler = "a".repeat(length - json.len() - 3);
        let content = format!("{json}\"{filler}\"}}");
        assert_eq!(content.len(), length);
        let response = Response::builder().status(400).header("content-type", "application/json");
        response.body(Full::<Bytes>::from(content)).unwrap()
    };
    for (length, description) in [(64 * 1024, "own words"), (64 * 1024 + 1, &*sentence(400))] {
        let service = ErrorBodyLayer::new().layer(answering(move |_| inner(length)));
        assert_eq!(decoded(ask(service, "GET /x").body()).description, description, "{length}");
    }
}

/// Says of itself that it is longer than it is.
struct Hinted(Full<Bytes>, u64);

impl Body for Hinted {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.0).poll_frame(cx).map_err(|never| match never {})
    }

    fn size_hint(&self) -> SizeHint {
        assert_ne!(self.1, u64::MAX, "a hint that panics");
        let mut hint = SizeHint::new();
        hint.set_lower(self.1);
        hint
    }
}

#[test]
fn a_body_that_says_it_is_too_long_is_not_read_and_one_that_panics_when_asked_is() {
    for (hint, description) in
        [(8 * 1024, "text"), (8 * 1024 + 1, &*sentence(404)), (u64::MAX, "text")]
    {
        let service = ErrorBodyLayer::new().layer(answering(move |_| {
            let response = Response::builder().status(404).header("content-type", "text/plain");
            response.body(Hinted(Full::from("text"), hint)).unwrap()
        }));
        let sent = ask(service, "GET /x");
        assert_eq!(sent.status(), StatusCode::NOT_FOUND);
        assert_eq!(decoded(sent.body()).description, description, "{hint}");
    }
}

#[test]
fn an_arabic_letter_mark_becomes_a_space() {
    assert_eq!(described(&["a\u{61c}b".as_bytes()]), "a b");
}

#[test]
fn a_title_is_cut_at_128_characters_and_a_description_at_512() {
    for (length, cut) in [(128, (false, false)), (129, (true, false)), (513, (true, true))] {
        let text = "é".repeat(length);
        let error = tower_contract::ApiError::bad_request();
        let error = error.with_title(text.clone()).with_description(text);
        let inner = answering(move |_| error.clone().into_http::<Full<Bytes>>());
        let said = decoded(ask(contract().layer(inner), "GET /x").body());
        assert_eq!((said.title.ends_with('…'), said.description.ends_with('…')), cut);
        assert_eq!(said.title.chars().count(), 128);
        assert_eq!(said.description.chars().count(), length.min(512));
    }
}

#[test]
fn a_method_is_cut_at_32_bytes_and_a_uri_at_2048() {
    for (method, path) in [(32, 2048), (33, 2049)] {
        let asked = format!("{} /{}", "M".repeat(method), "a".repeat(path - 1));
        let said = decoded(ask(contract().layer(answering(|_| response("404"))), &asked).body());
        assert_eq!((said.http_method.len(), said.uri.len()), (32, 2048));
    }
}
