//! What is said about a value that is no origin, and that the advice works when it is followed.

use expect_test::{Expect, expect};
use proptest::{
    prelude::{ProptestConfig, Strategy, proptest},
    sample::select,
};
use tower_contract::{CorsPolicy, CorsPolicyBuilder, CorsPolicyError};

fn check(urls: &[&str], expected: Expect) {
    let error = CorsPolicy::builder(urls.iter().copied()).build().unwrap_err();
    expected.assert_eq(&format!("{error}\n"));
}

#[test]
fn a_value_with_two_faults_has_two_lines_and_the_advice_is_accepted() {
    check(
        &["http://app.example.com/"],
        expect![[r#"
        2 problems with the CORS policy:
        - server_urls: "http://app.example.com/" has more than scheme, host and port; use "https://app.example.com"
        - server_urls: "http://app.example.com/" is http and not loopback
    "#]],
    );
    check(
        &["http://app.internal/"],
        expect![[r#"
        2 problems with the CORS policy:
        - server_urls: "http://app.internal/" has more than scheme, host and port; use "http://app.internal"
        - server_urls: "http://app.internal/" is http and not loopback; over plain http in a private network it is allowed by dangerously_allow_insecure_origins
    "#]],
    );
}

#[test]
fn plain_http_in_a_private_network_is_told_of_the_setter_that_allows_it() {
    check(
        &[
            "http://192.168.1.20",
            "http://10.0.0.1:8080",
            "http://100.64.0.1",
            "http://[fd00::1]",
            "http://intranet",
            "http://nas.local",
        ],
        expect![[r#"
            6 problems with the CORS policy:
            - server_urls: "http://192.168.1.20" is http and not loopback; over plain http in a private network it is allowed by dangerously_allow_insecure_origins
            - server_urls: "http://10.0.0.1:8080" is http and not loopback; over plain http in a private network it is allowed by dangerously_allow_insecure_origins
            - server_urls: "http://100.64.0.1" is http and not loopback; over plain http in a private network it is allowed by dangerously_allow_insecure_origins
            - server_urls: "http://[fd00::1]" is http and not loopback; over plain http in a private network it is allowed by dangerously_allow_insecure_origins
            - server_urls: "http://intranet" is http and not loopback; over plain http in a private network it is allowed by dangerously_allow_insecure_origins
            - server_urls: "http://nas.local" is http and not loopback; over plain http in a private network it is allowed by dangerously_allow_insecure_origins
        "#]],
    );
}

#[test]
fn a_pattern_is_told_what_there_is_instead() {
    check(
        &["http://localhost:*", "https://*.example.com", "https://*", "*.example.com", "*"],
        expect![[r#"
            5 problems with the CORS policy:
            - server_urls: "http://localhost:*" has no valid port; a pattern is no origin: write each origin, or see subdomains_of for all hosts below one and any_loopback_port for local ports
            - server_urls: "https://*.example.com" has no valid host name; a pattern is no origin: write each origin, or see subdomains_of for all hosts below one and any_loopback_port for local ports
            - server_urls: "https://*" has no valid host name; a pattern is no origin: write each origin, or see subdomains_of for all hosts below one and any_loopback_port for local ports
            - server_urls: "*.example.com" is not of the form scheme://host; a pattern is no origin: write each origin, or see subdomains_of for all hosts below one and any_loopback_port for local ports
            - server_urls: "*" means nothing where credentials are included; list the values; a pattern is no origin: for every page, without credentials, there is CorsPolicy::public()
        "#]],
    );
}

#[test]
fn a_text_without_a_scheme_gets_one() {
    check(
        &["app.example.com", "localhost:3000", "//app.example.com/login", "127.0.0.1"],
        expect![[r#"
            4 problems with the CORS policy:
            - server_urls: "app.example.com" is not of the form scheme://host; use "https://app.example.com"
            - server_urls: "localhost:3000" is not of the form scheme://host; use "http://localhost:3000"
            - server_urls: "//app.example.com/login" is not of the form scheme://host; use "https://app.example.com"
            - server_urls: "127.0.0.1" is not of the form scheme://host; use "http://127.0.0.1"
        "#]],
    );
}

#[test]
fn an_empty_value_is_shown_and_so_is_one_that_nobody_can_allow() {
    check(
        &[""],
        expect![[r#"
        1 problem with the CORS policy:
        - server_urls: "" is not of the form scheme://host
    "#]],
    );
    check(
        &["null", "file:///index.html", "tauri://localhost", "ftp://a.example"],
        expect![[r#"
            4 problems with the CORS policy:
            - server_urls: "null" is the origin of every sandboxed frame; such pages share one origin with everyone: serve the page over https, or over http on loopback
            - server_urls: "file:///index.html" has a scheme that is not allowed here; such pages share one origin with everyone: serve the page over https, or over http on loopback
            - server_urls: "tauri://localhost" has a scheme that is not allowed here; app_origins takes the origins of app pages
            - server_urls: "ftp://a.example" has a scheme that is not allowed here; such pages share one origin with everyone: serve the page over https, or over http on loopback
        "#]],
    );
}

#[test]
fn an_app_origin_and_a_base_of_subdomains_are_told_what_is_wrong_with_them() {
    let error = CorsPolicy::builder(["https://app.example.com"])
        .app_origins(["tauri://localhost/", "https://a.example", "tauri://*", "null"])
        .subdomains_of([
            "https://github.io",
            "https://amazonaws.com",
            "https://192.0.2.1",
            "https://intranet",
            "https://*.example.com",
            "https://preview.example.com/",
        ])
        .build()
        .unwrap_err();
    expect![[r#"
        10 problems with the CORS policy:
        - app_origins: "tauri://localhost/" has more than scheme, host and port; use "tauri://localhost"
        - app_origins: "https://a.example" has a scheme that is not allowed here; the origins of web pages are server urls
        - app_origins: "tauri://*" has no valid host name; a pattern is no origin: write each origin
        - app_origins: "null" is the origin of every sandboxed frame; such pages share one origin with everyone: serve the page over https, or over http on loopback
        - subdomains_of: "https://github.io" has subdomains that belong to others; write a host that is yours alone, with all below it, or list the origins
        - subdomains_of: "https://amazonaws.com" has subdomains that belong to others; write a host that is yours alone, with all below it, or list the origins
        - subdomains_of: "https://192.0.2.1" has subdomains that belong to others; write a host that is yours alone, with all below it, or list the origins
        - subdomains_of: "https://intranet" has subdomains that belong to others; write a host that is yours alone, with all below it, or list the origins
        - subdomains_of: "https://*.example.com" has no valid host name; a pattern is no origin: write the host below which all are allowed
        - subdomains_of: "https://preview.example.com/" has more than scheme, host and port; use "https://preview.example.com"
    "#]].assert_eq(&format!("{error}\n"));
}

// ===== the advice =====

/// A value as operators write it: nearly an origin.
fn value() -> impl Strategy<Value = String> {
    const SCHEMES: [&str; 9] = [
        "https://",
        "http://",
        "HTTPS://",
        "https:/",
        "//",
        "",
        "tauri://",
        "file://",
        " https://",
    ];
    const HOSTS: [&str; 16] = [
        "app.example.com",
        "App.Example.com",
        "bücher.example",
        "localhost",
        "127.1",
        "192.168.1.20",
        "[2001:DB8::1]",
        "[::ffff:127.0.0.1]",
        "intranet",
        "app.internal",
        "*.example.com",
        "app.example.com.",
        "user:pw@app.example.com",
        "a_b.example.com",
        "",
        "a..b",
    ];
    const ENDS: [&str; 9] = ["", "/", ":443", ":80", ":08443", ":3000", ":*", "/a?b#c", "\" "];
    (select(&SCHEMES[..]), select(&HOSTS[..]), select(&ENDS[..]), select(&["", ", ", ";"][..]))
        .prop_map(|(scheme, host, end, more)| match more {
            "" => format!("{scheme}{host}{end}"),
            more => format!("{scheme}{host}{end}{more}https://other.example/"),
        })
}

/// The same list with every correction in the place of its value.
fn corrected(urls: &[String], error: &CorsPolicyError) -> Vec<String> {
    let correct = |url: &String| {
        let mut of_url = error.problems().iter().filter(|problem| problem.value() == url);
        match of_url.find(|problem| !problem.corrected().is_empty()) {
            Some(problem) => problem.corrected().to_vec(),
            None => vec![url.clone()],
        }
    };
    urls.iter().flat_map(correct).collect()
}

#[test]
fn every_advice_that_is_followed_leads_to_a_policy_or_says_what_else_is_needed() {
    const OPT_IN: &str = "dangerously_allow_insecure_origins";
    let told = std::cell::RefCell::new([0; 3]);
    let follow = |urls: Vec<String>| {
        let builder = |urls: &[String]| CorsPolicy::builder(urls.iter().cloned());
        let Err(error) = builder(&urls).build() else { return };
        let of = |url: &String| {
            let of_url = error.problems().iter().filter(|problem| problem.value() == url);
            of_url.collect::<Vec<_>>()
        };
        // What is neither corrected nor advised says in its words what an origin has to have.
        let is_corrected = |url: &String| {
            let of_url = of(url);
            of_url.iter().any(|p| !p.corrected().is_empty())
                || of_url.iter().all(|p| p.advice().is_some_and(|advice| advice.contains(OPT_IN)))
        };
        if !urls.iter().all(is_corrected) {
            told.borrow_mut()[0] += 1;
            return;
        }
        let better: CorsPolicyBuilder = builder(&corrected(&urls, &error));
        if error.to_string().contains(OPT_IN) {
            assert!(
                better.dangerously_allow_insecure_origins().build().is_ok(),
                "{urls:?}: {error}"
            );
            told.borrow_mut()[1] += 1;
        } else {
            let built = better.build();
            assert!(built.is_ok(), "{urls:?}: {error}: {}", built.unwrap_err());
            told.borrow_mut()[2] += 1;
        }
    };
    proptest!(ProptestConfig::with_cases(4_000), |(urls in proptest::collection::vec(value(), 1..3))| {
        follow(urls);
    });
    let told = told.into_inner();
    assert!(told.iter().all(|count| *count > 30), "{told:?}");
}
