//! What holds for every response of a service, however odd.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::Value;
use tower::{Layer, Service};
use tower_contract::{
    ApiError, Envelope, EnvelopeFormat, ErrorBodyLayer, ErrorFormat, ProblemDetailsFormat,
    WrappedEnvelopeFormat,
};

use crate::support::{all, answering, ask, block_on, contract, request};

type Answer = Response<Full<Bytes>>;

const MEDIA: [&str; 7] = [
    "",
    "text/plain",
    "text/plain; charset=utf-8",
    "text/html",
    "application/json",
    "application/problem+json",
    "\u{ff}",
];

/// Headers that speak of a body: those that an error answer of ours does not keep.
const OF_THE_BODY: [&str; 13] = [
    "content-length",
    "content-encoding",
    "content-location",
    "content-disposition",
    "content-range",
    "content-md5",
    "content-digest",
    "repr-digest",
    "accept-ranges",
    "etag",
    "last-modified",
    "transfer-encoding",
    "trailer",
];

const OTHERS: [&str; 10] = [
    "allow",
    "www-authenticate",
    "retry-after",
    "set-cookie",
    "vary",
    "link",
    "location",
    "x-a",
    "x-b",
    "strict-transport-security",
];

/// A body as services and proxies write it, around a text.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![".{0,40}", "[ -~]{0,600}", Just("é\"\\\u{2028}".repeat(400))];
    let texts = text.prop_flat_map(|text| {
        let members = |uri| {
            serde_json::json!({
                "http_method": "PUT", "title": text, "description": text, "code": 7, "uri": uri
            })
        };
        let bare = members("/y");
        let problem = serde_json::json!({"title": text, "detail": text, "code": 7});
        select(vec![
            text.clone().into_bytes(),
            bare.to_string().into_bytes(),
            serde_json::json!({ "error": bare }).to_string().into_bytes(),
            problem.to_string().into_bytes(),
            serde_json::json!([text]).to_string().into_bytes(),
        ])
    });
    prop_oneof![4 => texts, 1 => vec(any::<u8>(), 0..300), 1 => Just(vec![b'['; 9000])]
}

/// Any response of a status in `statuses`, with headers that lie.
fn foreign(statuses: std::ops::RangeInclusive<u16>) -> impl Strategy<Value = Answer> {
    let names = [&OF_THE_BODY[..], &OTHERS[..]].concat();
    let headers = vec((select(names), "[!-~]{0,8}"), 0..12);
    (statuses, select(&MEDIA[..]), headers, content()).prop_map(
        |(status, media, headers, content)| {
            let mut response = Response::new(Full::from(content));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            let lines = response.headers_mut();
            if !media.is_empty() {
                let media = HeaderValue::from_bytes(media.as_bytes()).unwrap();
                lines.insert("content-type", media);
            }
            #[expect(clippy::disallowed_methods, reason = "a service may send several lines")]
            for (name, value) in headers {
                lines.append(name, value.parse().unwrap());
            }
            response
        },
    )
}

fn always(
    inner: &Answer,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Answer,
    Error = std::convert::Infallible,
    Future: Send,
> + Clone
+ use<> {
    let inner = inner.clone();
    answering(move |_| inner.clone())
}

/// The five members, and no others, rightly typed.
#[track_caller]
fn decoded(content: &[u8]) -> Envelope {
    let value: Value = serde_json::from_slice(content).unwrap();
    assert_eq!(value.as_object().unwrap().len(), 5, "{value}");
    serde_json::from_value(value).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn the_status_never_changes(inner in foreign(400..=599), method in select(&["GET", "HEAD"][..])) {
        let sent = ask(contract().layer(always(&inner)), &format!("{method} /x"));
        prop_assert_eq!(sent.status(), inner.status());
        prop_assert_eq!(all(&sent, "content-type"), ["application/json"]);
        if method == "HEAD" {
            prop_assert_eq!(sent.body(), "");
            prop_assert_eq!(all(&sent, "content-length"), [""; 0]);
        } else {
            let envelope = decoded(sent.body());
            prop_assert_eq!((&*envelope.http_method, &*envelope.uri), ("GET", "/x"));
            prop_assert_eq!(all(&sent, "content-length"), [sent.body().len().to_string()]);
            let texts = [&envelope.title, &envelope.description];
            prop_assert!(texts.iter().all(|text| !text.is_empty() && !text.contains(char::is_control)));
            prop_assert!(envelope.title.chars().count() <= 128);
            prop_assert!(envelope.description.chars().count() <= 512);
        }
    }

    #[test]
    fn nothing_of_a_foreign_5xx_is_sent(mut inner in foreign(500..=599), token in "[a-z0-9]{12}") {
        let text = format!("{token} {}", String::from_utf8_lossy(
            &block_on(inner.body().clone().collect()).unwrap().to_bytes(),
        ));
        let name = HeaderName::try_from(format!("x-{token}")).unwrap();
        inner.headers_mut().insert(name, token.parse().unwrap());
        let envelope = serde_json::json!({
            "http_method": token, "title": token, "description": text, "code": 1, "uri": token
        });
        for content in [text, envelope.to_string(), serde_json::json!({"detail": token}).to_string()] {
            *inner.body_mut() = Full::from(content);
            let sent = ask(contract().layer(always(&inner)), "GET /x");
            let said = String::from_utf8(sent.body().to_vec()).unwrap();
            prop_assert!(!said.contains(&token), "{}", said);
        }
    }

    #[test]
    fn several_error_bodies_write_what_the_outermost_writes_alone(inner in foreign(400..=599)) {
        fn check<F: ErrorFormat>(format: &F, inner: &Answer) {
            let layer = || ErrorBodyLayer::new().format(format.clone());
            let once = ask(layer().layer(always(inner)), "GET /x");
            let twice = layer().layer(layer().layer(always(inner)));
            let thrice = layer().layer(twice.clone());
            for more in [ask(twice, "GET /x"), ask(thrice, "GET /x")] {
                assert_eq!(more.body(), once.body());
                let mut names: Vec<_> = once.headers().keys().map(HeaderName::as_str).collect();
                names.sort_unstable();
                assert_eq!(more.headers().keys_len(), names.len());
                for name in names {
                    assert_eq!(all(&more, name), all(&once, name));
                }
            }
        }
        check(&EnvelopeFormat, &inner);
        check(&WrappedEnvelopeFormat, &inner);
        check(&ProblemDetailsFormat::new(), &inner);
    }

    #[test]
    fn headers_that_do_not_speak_of_the_body_are_kept_in_order(inner in foreign(400..=599)) {
        let sent = ask(ErrorBodyLayer::new().layer(always(&inner)), "GET /x");
        for name in OTHERS {
            prop_assert_eq!(all(&sent, name), all(&inner, name), "{}", name);
        }
        for name in OF_THE_BODY {
            let of_the_resource = inner.status() == 416 && ["content-range", "accept-ranges"].contains(&name);
            let expected = match name {
                "content-length" => vec![sent.body().len().to_string()],
                _ if of_the_resource => all(&inner, name),
                _ => vec![],
            };
            prop_assert_eq!(all(&sent, name), expected, "{}", name);
        }
    }

    /// Whatever a text holds, it stays inside its member.
    #[test]
    fn a_text_never_leaves_its_member(
        before in "[ -~é\u{2028}\u{202e}\\\\\"]{0,20}", after in ".{0,20}", code in any::<u32>(),
    ) {
        let canary = format!("{before}\",\"code\":0,\"x\":\"{after}");
        let error = ApiError::bad_request().with_code(code);
        let error = error.with_title(canary.clone()).with_description(canary.clone());
        let typed = error.into_http::<Full<Bytes>>();
        let text = Response::builder().status(400).header("content-type", "text/plain");
        let text = text.body(Full::from(canary)).unwrap();
        for (inner, code) in [(typed, code), (text, 400)] {
            let layer = ErrorBodyLayer::new().keep_query(["k"]);
            let sent = ask(layer.layer(always(&inner)), "GET /a\",\"code\":0,\"x\":\"?k=\'}");
            let envelope = decoded(sent.body());
            prop_assert_eq!(envelope.code, code);
            prop_assert!(envelope.description.contains("\",\"code\":0,\"x\":\""));
            prop_assert!(!envelope.uri.contains('"'));
        }
    }

    #[test]
    fn the_longest_envelope_is_8_kib(
        path in "[a/%é\"]{0,3000}", fill in select(&["\"", "\\", "\u{10ffff}", "é", "</"][..]),
    ) {
        let text = fill.repeat(1_000);
        let error = ApiError::bad_request().with_code(u32::MAX);
        let error = error.with_title(text.clone()).with_description(text);
        let inner = error.into_http::<Full<Bytes>>();
        let asked = format!("{} /{path}?{}", "M".repeat(10_000), "k=%22&".repeat(5_000));
        let layer = ErrorBodyLayer::new().keep_query(["k"]);
        let sent = ask(layer.format(WrappedEnvelopeFormat).layer(always(&inner)), &asked);
        prop_assert!(sent.body().len() <= 8 * 1024, "{}", sent.body().len());
        let envelope: Envelope = serde_json::from_slice(sent.body()).unwrap();
        prop_assert!(envelope.uri.len() <= 2048 && envelope.http_method.len() == 32);
        prop_assert!(envelope.title.ends_with('…') && envelope.description.ends_with('…'));
    }
}

#[test]
fn of_all_statuses_only_400_to_599_is_reshaped() {
    for status in 100..1000 {
        let inner = Response::builder().status(status).header("etag", "\"a\"");
        let inner = inner.body(Full::from("as it is")).unwrap();
        let mut service = ErrorBodyLayer::new().layer(always(&inner));
        let answer = block_on(service.call(request("GET /x"))).unwrap();
        assert_eq!(answer.status(), status);
        let reshaped = (400..600).contains(&status);
        assert_eq!(answer.headers().contains_key("etag"), !reshaped, "{status}");
        let length = answer.body().size_hint().exact();
        assert_eq!(length == Some(8), !reshaped, "{status}");
    }
}
