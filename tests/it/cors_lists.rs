//! The bounds of a policy's configuration, each name that its lists refuse, and what is removed.

use std::time::Duration;

use tower::Layer;
use tower_contract::{
    CorsContractLayer, CorsPolicy, CorsPolicyProblem, CorsPolicyProblemKind as Kind,
    ErrorBodyLayer, PublicUrl,
};

use crate::support::{FRONT_END, all, answering, ask, policy, response};

/// What is wrong with a policy whose lists have these names beside the contract's.
fn kinds(headers: &[&str], exposed: &[&str]) -> Vec<Kind> {
    let headers = ["Authorization", "Origin"].iter().chain(headers);
    let builder = CorsPolicy::builder([FRONT_END]).allow_headers(headers);
    match builder.expose_headers(exposed).build() {
        Ok(_) => vec![],
        Err(error) => error.problems().iter().map(CorsPolicyProblem::kind).collect(),
    }
}

#[test]
fn every_request_header_that_fetch_forbids_is_refused() {
    for name in [
        "accept-charset",
        "accept-encoding",
        "access-control-request-headers",
        "access-control-request-local-network",
        "access-control-request-method",
        "access-control-request-private-network",
        "connection",
        "content-length",
        "cookie",
        "cookie2",
        "date",
        "dnt",
        "expect",
        "host",
        "keep-alive",
        "referer",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "proxy-x",
        "sec-x",
        "Cookie",
        "Sec-X",
    ] {
        assert!(kinds(&[name], &[]).contains(&Kind::Forbidden), "{name}");
    }
}

#[test]
fn every_field_that_goes_the_other_way_is_refused() {
    for name in [
        "accept-ranges",
        "access-control-allow-origin",
        "age",
        "location",
        "retry-after",
        "server",
        "vary",
        "www-authenticate",
    ] {
        assert_eq!(kinds(&[name], &[]), [Kind::WrongDirection], "{name}");
    }
    for name in ["origin", "access-control-allow-origin", "Access-Control-X"] {
        assert_eq!(kinds(&[], &[name]), [Kind::WrongDirection], "{name}");
    }
    for name in ["set-cookie", "Set-Cookie2"] {
        assert_eq!(kinds(&[], &[name]), [Kind::Forbidden], "{name}");
    }
}

#[test]
fn the_longest_host_and_the_longest_label_are_taken_and_no_longer_ones() {
    let label = "a".repeat(63);
    let host = format!("{label}.{label}.{label}.{}", "a".repeat(61));
    assert_eq!(host.len(), 253);
    let longest = format!("https://{host}:65535");
    assert!(CorsPolicy::builder([longest]).build().is_ok());
    for longer in [format!("https://a{host}:65535"), format!("https://a{label}.example")] {
        assert!(CorsPolicy::builder([longer.as_str()]).build().is_err(), "{longer}");
    }
    for (port, is_taken) in [("1", true), ("65535", true), ("0", false), ("65536", false)] {
        let built = CorsPolicy::builder([format!("https://a.example:{port}")]).build();
        assert_eq!(built.is_ok(), is_taken, "{port}");
    }
}

#[test]
fn the_longest_public_url_is_taken_and_no_longer_one() {
    let url = |length: usize| format!("https://a.example/{}", "a".repeat(length - 18));
    assert!(url(1024).parse::<PublicUrl>().is_ok());
    assert!(url(1025).parse::<PublicUrl>().is_err());
    // So that the path of a request has room behind it.
    let layer = ErrorBodyLayer::new().public_url(url(1024).parse().unwrap());
    let sent = ask(layer.layer(answering(|_| response("404"))), "GET /there");
    assert!(String::from_utf8_lossy(sent.body()).contains("a/there\""));
}

#[test]
fn the_longest_max_age_is_a_day() {
    let max_age = |age| CorsPolicy::builder([FRONT_END]).max_age(age).build();
    let day = Duration::from_secs(86_400);
    assert!(max_age(day).is_ok());
    assert!(max_age(day + Duration::from_secs(1)).is_err());
    assert!(max_age(Duration::from_millis(1_500)).is_err());
}

#[test]
fn a_long_value_is_cut_in_the_text_of_its_problem() {
    let error = CorsPolicy::builder(["x".repeat(10_000)]).build().unwrap_err();
    assert!(error.to_string().len() < 1_000);
}

#[test]
fn what_the_service_says_of_cors_is_removed_whatever_its_name() {
    let layer = CorsContractLayer::new(policy());
    let bare = ask(layer.layer(answering(|_| response("200"))), "GET /x");
    for name in [
        "access-control-allow-credentials",
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-allow-origin",
        "access-control-allow-origins",
        "access-control-allow-private-network",
        "access-control-expose-headers",
        "access-control-max-age",
        "access-control-",
        "access-control-of-tomorrow",
    ] {
        let inner = format!("200\n{name}: a\n{name}: b\nx-kept: c");
        let sent = ask(layer.layer(answering(move |_| response(&inner))), "GET /x");
        assert_eq!(all(&sent, name), all(&bare, name), "{name}");
        assert_eq!(all(&sent, "x-kept"), ["c"], "{name}");
    }
}
