//! Each row of the flow of messages: who says what when, and how a stream ends.

use std::time::Duration;

use expect_test::expect;
use tokio::time::Instant;

use super::talk::{LIMIT, Talk, content, request, response};
use crate::support::block_on;

#[test]
fn a_healthy_response_goes_on_with_the_contracts_headers_and_its_body_stays() {
    block_on(async {
        let mut talk = Talk::begin().await;
        talk.says(request("GET /ok\norigin: https://admin.example.com")).await;
        talk.hears_that(expect![[r#"
            the request goes on
        "#]])
            .await;
        talk.says(response("200\ncontent-length: 2\naccess-control-allow-origin: *")).await;
        talk.hears_that(expect![[r#"
            the response goes on
            access-control-allow-origin = https://admin.example.com
            vary = Origin
        "#]])
            .await;
        talk.ends();
    });
}

#[test]
fn every_line_of_a_header_that_changes_is_told() {
    block_on(async {
        let mut talk = Talk::begin().await;
        talk.says(request("GET /ok")).await;
        talk.hears_that(expect![[r#"
            the request goes on
        "#]])
            .await;
        talk.says(response("200\nvary: Accept\nset-cookie: a=1\nset-cookie: b=2")).await;
        talk.hears_that(expect![[r#"
            the response goes on
            vary = Accept, Origin
            access-control-allow-origin = https://app.example.com
        "#]])
            .await;
    });
}

#[test]
fn a_preflight_is_answered_before_the_upstream_is_asked() {
    block_on(async {
        let mut talk = Talk::begin().await;
        let asks = "origin: https://app.example.com\naccess-control-request-method: GET";
        talk.says(request(&format!("OPTIONS /ok\n{asks}"))).await;
        talk.hears_that(expect![[r#"
            answer 200 (contract)
            access-control-allow-origin = https://app.example.com
            vary = Origin


        "#]])
            .await;
    });
}

#[test]
fn a_method_that_is_not_supported_is_refused_before_the_upstream_is_asked() {
    block_on(async {
        let mut talk = Talk::begin().await;
        talk.says(request("GET /server/mode?token=secret")).await;
        talk.hears_that(expect![[r#"
            answer 405 (contract)
            allow = POST, OPTIONS
            content-type = application/json
            x-content-type-options = nosniff
            cache-control = no-store
            access-control-allow-origin = https://app.example.com
            vary = Origin

            {"http_method":"GET","title":"Method Not Allowed","description":"This resource does not support the request method.","code":405,"uri":"http://localhost:8080/server/mode"}
        "#]]).await;
    });
}

#[test]
fn the_words_of_a_4xx_are_asked_for_and_told() {
    block_on(async {
        let mut talk = Talk::begin().await;
        talk.says(request("GET /recordings/7")).await;
        talk.hears_that(expect![[r#"
            the request goes on
        "#]])
            .await;
        let head = "404\ncontent-type: text/plain\nset-cookie: a=1\nset-cookie: b=2\netag: x";
        talk.says(response(head)).await;
        talk.hears_that(expect![[r#"
            the content is asked for
        "#]])
            .await;
        talk.says(content("There is no recording 7.", true)).await;
        talk.hears_that(expect![[r#"
            answer 404 (contract)
            content-type = application/json
            set-cookie = a=1
            set-cookie + b=2
            x-content-type-options = nosniff
            cache-control = no-store
            access-control-allow-origin = https://app.example.com
            vary = Origin

            {"http_method":"GET","title":"Not Found","description":"There is no recording 7.","code":404,"uri":"http://localhost:8080/recordings/7"}
        "#]]).await;
    });
}

#[test]
fn a_content_for_which_envoy_has_no_room_says_nothing() {
    block_on(async {
        let mut talk = Talk::begin().await;
        talk.says(request("GET /big")).await;
        talk.hears().await.unwrap();
        talk.says(response("404\ncontent-type: text/plain")).await;
        talk.hears_that(expect![[r#"
            the content is asked for
        "#]])
            .await;
        talk.says(content("There is", false)).await;
        talk.hears_that(expect![[r#"
            answer 404 (contract)
            content-type = application/json
            x-content-type-options = nosniff
            cache-control = no-store
            access-control-allow-origin = https://app.example.com
            vary = Origin

            {"http_method":"GET","title":"Not Found","description":"No resource exists at this URI.","code":404,"uri":"http://localhost:8080/big"}
        "#]]).await;
    });
}

#[test]
fn a_content_that_is_too_long_is_not_asked_for() {
    block_on(async {
        let mut talk = Talk::begin().await;
        talk.says(request("GET /big")).await;
        talk.hears().await.unwrap();
        talk.says(response("404\ncontent-type: text/plain\ncontent-length: 100000")).await;
        talk.hears_that(expect![[r#"
            answer 404 (contract)
            content-type = application/json
            x-content-type-options = nosniff
            cache-control = no-store
            access-control-allow-origin = https://app.example.com
            vary = Origin

            {"http_method":"GET","title":"Not Found","description":"No resource exists at this URI.","code":404,"uri":"http://localhost:8080/big"}
        "#]]).await;
    });
}

#[test]
fn a_content_that_never_comes_is_waited_for_a_second() {
    block_on(async {
        let mut talk = Talk::begin().await;
        talk.says(request("GET /late")).await;
        talk.hears().await.unwrap();
        talk.says(response("404\ncontent-type: text/plain")).await;
        talk.hears_that(expect![[r#"
            the content is asked for
        "#]])
            .await;
        let asked = Instant::now();
        talk.hears_that(expect![[r#"
            answer 404 (contract)
            content-type = application/json
            x-content-type-options = nosniff
            cache-control = no-store
            access-control-allow-origin = https://app.example.com
            vary = Origin

            {"http_method":"GET","title":"Not Found","description":"No resource exists at this URI.","code":404,"uri":"http://localhost:8080/late"}
        "#]]).await;
        assert_eq!(asked.elapsed().as_secs(), 1);
    });
}

#[test]
fn nothing_of_a_5xx_is_asked_for() {
    block_on(async {
        let mut talk = Talk::begin().await;
        talk.says(request("GET /broken")).await;
        talk.hears().await.unwrap();
        talk.says(response("500\ncontent-type: text/plain\nx-contract-by: envoy")).await;
        talk.hears_that(expect![[r#"
            answer 500 (contract)
            content-type = application/json
            x-contract-by = envoy
            x-content-type-options = nosniff
            cache-control = no-store
            access-control-allow-origin = https://app.example.com
            vary = Origin

            {"http_method":"GET","title":"Internal Server Error","description":"The server met an unexpected condition.","code":500,"uri":"http://localhost:8080/broken"}
        "#]]).await;
    });
}

#[test]
fn a_limit_that_passes_is_answered_without_being_asked() {
    block_on(async {
        let mut talk = Talk::begin().await;
        let began = Instant::now();
        talk.says(request("GET /hang")).await;
        talk.hears_that(expect![[r#"
            the request goes on
        "#]])
            .await;
        talk.hears_that(expect![[r#"
            answer 503 (contract)
            content-type = application/json
            x-content-type-options = nosniff
            cache-control = no-store
            access-control-allow-origin = https://app.example.com
            vary = Origin

            {"http_method":"GET","title":"Service Unavailable","description":"The service cannot process the request now.","code":503,"uri":"http://localhost:8080/hang"}
        "#]]).await;
        assert!(began.elapsed() >= LIMIT && began.elapsed() < LIMIT + Duration::from_millis(50));
    });
}

#[test]
fn the_head_of_an_error_to_head_changes_in_its_place() {
    block_on(async {
        let mut talk = Talk::begin().await;
        talk.says(request("HEAD /recordings/7")).await;
        talk.hears().await.unwrap();
        talk.says(response("404\ncontent-type: text/plain\ncontent-length: 24")).await;
        talk.hears_that(expect![[r#"
            the response goes on
            content-type = application/json
            x-content-type-options = nosniff
            cache-control = no-store
            access-control-allow-origin = https://app.example.com
            vary = Origin
            - content-length
        "#]])
            .await;
    });
}

#[test]
fn a_refused_head_is_answered_in_the_place_of_a_response_of_envoys_own() {
    block_on(async {
        let mut talk = Talk::begin().await;
        talk.says(request("HEAD /server/mode")).await;
        talk.hears_that(expect![[r#"
            the request goes on
            x-contract-refused = 405
            is routed again
        "#]])
            .await;
        talk.says(response("405")).await;
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

#[test]
fn a_grpc_call_is_answered_in_its_own_protocol() {
    block_on(async {
        let mut talk = Talk::begin().await;
        talk.says(request("POST /a.B/C\ncontent-type: application/grpc")).await;
        talk.hears().await.unwrap();
        talk.says(response("502\ncontent-type: text/html")).await;
        talk.hears_that(expect![[r#"
            answer 200 (contract)
            content-type = application/grpc
            grpc-status = 14
            grpc-message = The service is unavailable now.
            access-control-allow-origin = https://app.example.com
            vary = Origin


        "#]])
            .await;
    });
}

#[test]
fn a_healthy_grpc_response_goes_on() {
    block_on(async {
        let mut talk = Talk::begin().await;
        talk.says(request("POST /a.B/C\ncontent-type: application/grpc")).await;
        talk.hears().await.unwrap();
        talk.says(response("200\ncontent-type: application/grpc\ngrpc-status: 5")).await;
        talk.hears_that(expect![[r#"
            the response goes on
            access-control-allow-origin = https://app.example.com
            vary = Origin
        "#]])
            .await;
    });
}

#[test]
fn a_path_that_is_no_uri_is_answered() {
    block_on(async {
        let mut talk = Talk::begin().await;
        talk.says(request("PATCH /a\"b\\c<d>?q\"")).await;
        talk.hears_that(expect![[r#"
            answer 405 (contract)
            allow = GET, HEAD, POST, OPTIONS
            content-type = application/json
            x-content-type-options = nosniff
            cache-control = no-store
            access-control-allow-origin = https://app.example.com
            vary = Origin

            {"http_method":"PATCH","title":"Method Not Allowed","description":"This resource does not support the request method.","code":405,"uri":"http://localhost:8080/a%22b%5Cc%3Cd%3E"}
        "#]]).await;
    });
}

// ===== how streams end =====

#[test]
fn a_stream_that_ends_before_the_response_ends_with_an_error() {
    block_on(async {
        let mut talk = Talk::begin().await;
        talk.says(request("GET /ok")).await;
        talk.hears().await.unwrap();
        talk.ends();
        talk.hears_that(expect![[r#"
            ends with status 14
        "#]])
            .await;
    });
}

#[test]
fn a_stream_without_a_message_ends_with_an_error() {
    block_on(async {
        let mut talk = Talk::begin().await;
        talk.ends();
        talk.hears_that(expect![[r#"
            ends with status 14
        "#]])
            .await;
    });
}

#[test]
fn a_message_out_of_order_ends_the_stream_with_an_error() {
    block_on(async {
        let mut talk = Talk::begin().await;
        talk.says(content("first", true)).await;
        talk.hears_that(expect![[r#"
            ends with status 14
        "#]])
            .await;
        let mut talk = Talk::begin().await;
        talk.says(request("GET /ok")).await;
        talk.hears().await.unwrap();
        talk.says(request("GET /ok")).await;
        talk.hears_that(expect![[r#"
            ends with status 14
        "#]])
            .await;
    });
}

#[test]
fn a_message_that_says_nothing_ends_the_stream_with_an_error() {
    block_on(async {
        let mut talk = Talk::begin().await;
        talk.says(super::generated::ProcessingRequest::default()).await;
        talk.hears_that(expect![[r#"
            ends with status 14
        "#]])
            .await;
    });
}

#[test]
fn a_task_that_is_dropped_ends_the_stream_with_an_error() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    let mut talk = runtime.block_on(async {
        let mut talk = Talk::begin().await;
        talk.says(request("GET /ok")).await;
        talk.hears().await.unwrap();
        talk
    });
    drop(runtime);
    block_on(talk.hears_that(expect![[r#"
        ends with status 14
    "#]]));
}
