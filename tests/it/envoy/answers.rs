//! Responses whose requests the processor did not see: it has them from beside the response.

use expect_test::expect;

use super::talk::{Talk, content, response, response_to};
use crate::support::block_on;

const GET: [(&str, &str); 3] = [
    ("request.method", "GET"),
    ("request.path", "/text404?token=secret"),
    ("request.headers['origin']", "https://admin.example.com"),
];

#[test]
fn an_error_is_told_with_what_envoy_knows_of_the_request() {
    block_on(async {
        let mut talk = Talk::begin().await;
        talk.says(response_to(&GET, "404\ncontent-type: text/plain")).await;
        talk.hears_that(expect![[r#"
            the content is asked for
        "#]])
            .await;
        talk.says(content("There is none.", true)).await;
        talk.hears_that(expect![[r#"
            answer 404 (contract)
            content-type = application/json
            x-content-type-options = nosniff
            cache-control = no-store
            access-control-allow-origin = https://admin.example.com
            vary = Origin

            {"http_method":"GET","title":"Not Found","description":"There is none.","code":404,"uri":"http://localhost:8080/text404"}
        "#]]).await;
    });
}

#[test]
fn a_request_that_no_filter_saw_is_told_in_headers_that_do_not_go_on() {
    let unseen = "x-contract-method: OPTIONS\nx-contract-path: *\n\
                  x-contract-origin: https://admin.example.com";
    block_on(async {
        let mut talk = Talk::begin().await;
        talk.says(response(&format!("404\n{unseen}"))).await;
        talk.hears_that(expect![[r#"
            the content is asked for
        "#]])
            .await;
        let mut talk = Talk::begin().await;
        talk.says(response(&format!("200\n{unseen}"))).await;
        talk.hears_that(expect![[r#"
            the response goes on
            access-control-allow-origin = https://admin.example.com
            vary = Origin
            - x-contract-method
            - x-contract-path
            - x-contract-origin
        "#]])
            .await;
    });
}

#[test]
fn an_upstream_cannot_forge_the_request() {
    block_on(async {
        let mut talk = Talk::begin().await;
        let forged = "x-contract-method: PUT\nx-contract-path: /forged\nx-contract-origin: null";
        talk.says(response_to(&GET, &format!("500\n{forged}"))).await;
        talk.hears_that(expect![[r#"
            answer 500 (contract)
            content-type = application/json
            x-content-type-options = nosniff
            cache-control = no-store
            access-control-allow-origin = https://admin.example.com
            vary = Origin

            {"http_method":"GET","title":"Internal Server Error","description":"The server met an unexpected condition.","code":500,"uri":"http://localhost:8080/text404"}
        "#]]).await;
    });
}

#[test]
fn a_method_that_envoy_refused_is_refused_as_the_contract_says() {
    block_on(async {
        for method in ["DELETE", "BREW"] {
            let mut talk = Talk::begin().await;
            let told = [
                ("request.method", method),
                ("request.path", "/server/mode"),
                ("xds.route_name", "contract-guard"),
            ];
            talk.says(response_to(&told, "405")).await;
            talk.hears_that(if method == "BREW" { expect![[r#"
                answer 501 (contract)
                allow = POST, OPTIONS
                content-type = application/json
                x-content-type-options = nosniff
                cache-control = no-store
                access-control-allow-origin = https://app.example.com
                vary = Origin

                {"http_method":"BREW","title":"Not Implemented","description":"The server does not know the request method.","code":501,"uri":"http://localhost:8080/server/mode"}
            "#]] } else { expect![[r#"
                answer 405 (contract)
                allow = POST, OPTIONS
                content-type = application/json
                x-content-type-options = nosniff
                cache-control = no-store
                access-control-allow-origin = https://app.example.com
                vary = Origin

                {"http_method":"DELETE","title":"Method Not Allowed","description":"This resource does not support the request method.","code":405,"uri":"http://localhost:8080/server/mode"}
            "#]] }).await;
        }
    });
}

#[test]
fn a_method_that_envoy_did_not_refuse_is_not_refused_after_the_fact() {
    block_on(async {
        let mut talk = Talk::begin().await;
        let told = [("request.method", "DELETE"), ("request.path", "/server/mode")];
        talk.says(response_to(&told, "429")).await;
        talk.hears_that(expect![[r#"
            the content is asked for
        "#]])
            .await;
    });
}

#[test]
fn a_refused_head_stays_in_its_place() {
    block_on(async {
        let mut talk = Talk::begin().await;
        let told = [
            ("request.method", "HEAD"),
            ("request.path", "/server/mode"),
            ("xds.route_name", "contract-guard"),
        ];
        talk.says(response_to(&told, "405")).await;
        talk.hears_that(expect![[r#"
            the response goes on
            allow = POST, OPTIONS
            content-type = application/json
            x-content-type-options = nosniff
            cache-control = no-store
            access-control-allow-origin = https://app.example.com
            vary = Origin
        "#]])
            .await;
    });
}
