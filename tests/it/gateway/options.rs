//! What is wrong with the options.

use expect_test::expect;

use crate::example::run;

const RIGHT: [&str; 6] = [
    "--upstream",
    "http://127.0.0.1:9000",
    "--server-url",
    "https://app.example.com",
    "--public-url",
    "https://api.example.com",
];

#[tokio::test]
async fn a_wrong_option_is_told_in_one_line() {
    for (options, line) in [
        (
            ["--timeout", "5"],
            expect![[r#"
                error: --timeout "5": time unit needed, for example 5sec or 5ms
            "#]],
        ),
        (
            ["--timeout", "99999999999999999999m"],
            expect![[r#"
                error: --timeout "99999999999999999999m": number is too large or cannot be represented without a lack of precision (values below 1ns are not supported)
            "#]],
        ),
        (
            ["--listen", "localhost"],
            expect![[r#"
            error: --listen "localhost": invalid socket address syntax
        "#]],
        ),
        (
            ["--allow-method", "put"],
            expect![[r#"
            error: allow_methods: "put" never matches, origins and methods are case-sensitive; use "PUT"
        "#]],
        ),
        (
            ["--max-age", "10m"],
            expect![[r#"
            error: --max-age "10m": write an integer number of seconds, like 600
        "#]],
        ),
        (
            ["--max-age", "86401"],
            expect![[r#"
            error: max_age: "86401s" is not a number of whole seconds from 0 to 86,400
        "#]],
        ),
        (
            ["--colour", "red"],
            expect![[r#"
            error: unexpected argument '--colour' found
        "#]],
        ),
    ] {
        check(&[&RIGHT[..], &options].concat(), line).await;
    }
    for (upstream, line) in [
        (
            "https://127.0.0.1:9000",
            expect![[r#"
            error: --upstream "https://127.0.0.1:9000": write http://, a host, perhaps a port and a path, nothing else
        "#]],
        ),
        (
            "127.0.0.1:9000",
            expect![[r#"
            error: --upstream "127.0.0.1:9000": write http://, a host, perhaps a port and a path, nothing else
        "#]],
        ),
        (
            "http://user@127.0.0.1",
            expect![[r#"
            error: --upstream "http://user@127.0.0.1": write http://, a host, perhaps a port and a path, nothing else
        "#]],
        ),
        (
            "http://127.0.0.1:0",
            expect![[r#"
            error: --upstream "http://127.0.0.1:0": a port is from 1 to 65535
        "#]],
        ),
        (
            "http://127.0.0.1:99999",
            expect![[r#"
            error: --upstream "http://127.0.0.1:99999": a port is from 1 to 65535
        "#]],
        ),
        (
            "http://127.0.0.1/?a",
            expect![[r#"
            error: --upstream "http://127.0.0.1/?a": write http://, a host, perhaps a port and a path, nothing else
        "#]],
        ),
    ] {
        check(&[&["--upstream", upstream], &RIGHT[2..]].concat(), line).await;
    }
    check(
        &RIGHT[..4],
        expect![[r#"
        error: the following required arguments were not provided: --public-url <URL>
    "#]],
    )
    .await;
    check(&[], expect![[r#"
        error: the following required arguments were not provided: --upstream <URL> --server-url <ORIGIN> --public-url <URL>
    "#]]).await;
}

async fn check(options: &[&str], line: expect_test::Expect) {
    let (code, stdout, stderr) = run("gateway", options).await;
    let lines = stderr.lines().count();
    assert_eq!((code, stdout.as_str(), lines), (Some(2), "", 1), "{stderr}");
    line.assert_eq(&stderr);
}

#[tokio::test]
async fn what_is_said_twice_counts_once_and_preflights_are_kept_as_long_as_was_said() {
    let upstream = super::upstream::Scripted::start(&["HTTP/1.1 200 OK\r\n\r\n"]).await;
    let more = ["--allow-method", "GET", "--allow-header", "origin", "--max-age", "600"];
    let url = ["--server-url", "https://app.example.com"];
    let gateway = super::gateway(upstream.address, &[&more[..], &url].concat()).await;
    let preflight = "OPTIONS / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
         origin: https://app.example.com\r\naccess-control-request-method: PUT\r\n\r\n";
    let answer = super::answer(gateway.address, preflight).await;
    expect![[r#"
        HTTP/1.1 200 OK
        access-control-max-age: 600
        connection: close
        content-length: 0


    "#]]
    .assert_eq(&answer);
}

#[tokio::test]
async fn every_problem_is_told() {
    let options = [
        "--upstream",
        "ftp://127.0.0.1",
        "--server-url",
        "https://app.example.com/",
        "--server-url",
        "http://app.example.com",
        "--public-url",
        "https://user@api.example.com?a",
        "--timeout",
        "soon",
        "--listen",
        "8080",
        "--expose-header",
        "*",
    ];
    let (code, stdout, stderr) = run("gateway", &options).await;
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    expect![[r#"
        error: 7 problems with the options:
        - --listen "8080": invalid socket address syntax
        - --upstream "ftp://127.0.0.1": write http://, a host, perhaps a port and a path, nothing else
        - --timeout "soon": expected number at 0
        - public URL "https://***@api.example.com?a": it has userinfo; it has a query; use "https://api.example.com"
        - server_urls: "https://app.example.com/" has more than scheme, host and port; use "https://app.example.com"
        - server_urls: "http://app.example.com" is http and not loopback; use "https://app.example.com"
        - expose_headers: "*" means nothing where credentials are included; list the values
    "#]].assert_eq(&stderr);
}
