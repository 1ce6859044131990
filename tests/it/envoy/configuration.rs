//! The configuration that the example prints, and command lines that it refuses.

use std::fs;

use expect_test::expect;
use serde_json::Value;

use crate::example::{Folder, run};

const CONTRACT: [&str; 6] = [
    "--server-url",
    "https://app.example.com",
    "--server-url",
    "https://admin.example.com",
    "--public-url",
    "http://localhost:8080",
];

async fn print(configuration: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let task = ["print-config", configuration, "--upstream", "127.0.0.1:9000"];
    run("envoy", &[&task, &CONTRACT[..], more].concat()).await
}

async fn printed(configuration: &str, more: &[&str]) -> Value {
    let (code, text, problems) = print(configuration, more).await;
    assert_eq!((code, problems.as_str()), (Some(0), ""));
    serde_json::from_str(&text).unwrap()
}

fn manager(configuration: &Value) -> &Value {
    &configuration["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
}

fn filter(configuration: &Value) -> &Value {
    &manager(configuration)["http_filters"][0]["typed_config"]
}

fn routes(configuration: &Value) -> &Vec<Value> {
    manager(configuration)["route_config"]["virtual_hosts"][0]["routes"].as_array().unwrap()
}

fn mappers(configuration: &Value) -> &Vec<Value> {
    manager(configuration)["local_reply_config"]["mappers"].as_array().unwrap()
}

/// Methods in a file of the test's own.
fn methods(folder: &Folder, lines: &str) -> String {
    let file = folder.0.join("methods.txt");
    fs::write(&file, lines).unwrap();
    file.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn raw_responses_never_pass_where_the_processor_is_down() {
    for configuration in ["full", "errors"] {
        let printed = printed(configuration, &[]).await;
        let asks = &filter(&printed)["extension_config"]["typed_config"];
        assert_eq!(asks["failure_mode_allow"], false);
        assert_eq!(asks["status_on_error"]["code"], "ServiceUnavailable");
        assert_eq!(asks["allow_mode_override"], true);
        let sees = if configuration == "full" { "SEND" } else { "SKIP" };
        assert_eq!(asks["processing_mode"]["request_header_mode"], sees);
    }
}

#[tokio::test]
async fn what_the_contract_made_passes_first_and_nothing_is_formatted_by_default() {
    let printed = printed("full", &[]).await;
    assert!(manager(&printed)["local_reply_config"].get("body_format").is_none());
    let first = &mappers(&printed)[0];
    let filter = &first["filter"]["extension_filter"]["typed_config"]["expression"];
    assert_eq!(filter, "response.code_details == 'contract'");
    assert!(first.get("body_format_override").is_none());
    assert!(!printed.to_string().contains("json_format"), "it would sort the members");
}

#[tokio::test]
async fn a_request_that_envoy_cannot_read_gets_the_whole_envelope() {
    let printed = printed("errors", &[]).await;
    let mapper = mappers(&printed).iter().find(|mapper| mapper["status_code"] == 431).unwrap();
    let text = &mapper["body_format_override"]["text_format_source"]["inline_string"];
    expect![[r#"{"http_method":"","title":"Request Header Fields Too Large","description":"The request was not accepted.","code":431,"uri":"http://localhost:8080"}"#]].assert_eq(text.as_str().unwrap());
}

#[tokio::test]
async fn an_upstream_forges_no_mark() {
    for configuration in ["full", "errors"] {
        let printed = printed(configuration, &[]).await;
        let mut forwards = routes(&printed).iter().filter(|route| route.get("route").is_some());
        assert!(forwards.all(|route| {
            let removed = route["response_headers_to_remove"].to_string();
            removed.contains("x-contract-by") && removed.contains("access-control-allow-origin")
        }));
    }
}

#[tokio::test]
async fn the_upstreams_time_ends_with_its_head() {
    let printed = printed("errors", &["--timeout", "1500ms"]).await;
    let route = &routes(&printed).last().unwrap()["route"];
    assert_eq!(route["timeout"], "0s");
    assert_eq!(route["retry_policy"]["per_try_timeout"], "1.500s");
}

#[tokio::test]
async fn a_written_out_path_comes_before_a_parameter_and_this_before_a_rest() {
    let folder = Folder::new();
    let file = methods(&folder, "/{*all} GET\n/a/{id} GET PUT\n\n# once\n/a/me.json DELETE\n");
    let printed = printed("errors", &["--methods", &file]).await;
    let guards = routes(&printed).iter().filter(|route| route["name"] == "contract-guard");
    let mut paths: Vec<_> =
        guards.map(|route| route["match"]["safe_regex"]["regex"].clone()).collect();
    let of_others = paths.split_off(3);
    assert_eq!(paths, of_others, "each audience has the same routes");
    assert_eq!(paths, [r"/a/me\.json", "/a/[^/]+", "/.+"]);
    let allows = routes(&printed).iter().filter(|route| route["name"] == "contract-options");
    let allows: Vec<_> = allows
        .map(|route| route["response_headers_to_add"].as_array().unwrap().last().unwrap())
        .map(|line| line["header"]["value"].as_str().unwrap())
        .collect();
    assert_eq!(allows[..3], ["DELETE, OPTIONS", "GET, HEAD, PUT, OPTIONS", "GET, HEAD, OPTIONS"]);
}

#[tokio::test]
async fn a_front_end_is_told_its_own_origin_and_all_others_the_first() {
    let printed = printed("errors", &[]).await;
    let origins: Vec<_> = routes(&printed)
        .iter()
        .map(|route| {
            let asks = route["match"]["headers"].to_string().contains("app\\\\.example");
            let lines = route["response_headers_to_add"].as_array().unwrap();
            let line = lines.iter().find(|l| l["header"]["key"] == "access-control-allow-origin");
            (asks, line.unwrap()["header"]["value"].as_str().unwrap().to_owned())
        })
        .collect();
    let own = (true, "%REQ(ORIGIN)%".to_owned());
    let first = (false, "https://app.example.com".to_owned());
    assert_eq!(origins, [own.clone(), own, first.clone(), first]);
}

#[tokio::test]
async fn a_command_line_that_is_wrong_ends_with_2() {
    let (code, out, problems) = run("envoy", &["print-config", "full", "--upstream", "a:1"]).await;
    assert_eq!((code, out.as_str()), (Some(2), ""));
    expect![[r#"
        error: 2 problems with the options:
        - --server-url is missing: write the origin of a front end
        - --public-url is missing: write where clients see Envoy
    "#]]
    .assert_eq(&problems);
    let (code, _, problems) = print("half", &[]).await;
    assert_eq!(code, Some(2));
    expect![[r#"
        error: invalid value 'half' for '<CONFIGURATION>' [possible values: full, errors]
    "#]]
    .assert_eq(&problems);
    let (code, _, problems) = run("envoy", &["--listen", "somewhere"]).await;
    assert_eq!(code, Some(2));
    expect![[r#"
        error: invalid value 'somewhere' for '--listen <ADDR>': write an IP address and a port, or unix: and a path
    "#]].assert_eq(&problems);
}

#[tokio::test]
async fn a_file_of_methods_that_is_wrong_ends_with_2() {
    let folder = Folder::new();
    for (lines, told) in [
        ("/ok\n", "/ok"),
        ("/ok GET,POST\n", "GET,POST"),
        ("/a/{id GET\n", "/a/{id"),
        ("/a GET\n/a POST\n", "/a"),
    ] {
        let file = methods(&folder, lines);
        let (code, _, problems) = print("errors", &["--methods", &file]).await;
        assert_eq!(code, Some(2), "{lines}");
        assert!(problems.contains(told), "{problems}");
        assert_eq!(problems.lines().count(), 1, "{problems}");
    }
    let (code, _, problems) = print("errors", &["--methods", "/nowhere"]).await;
    assert_eq!(code, Some(2));
    assert!(problems.starts_with("error: cannot read /nowhere"), "{problems}");
}

#[tokio::test]
async fn what_envoy_cannot_say_by_itself_is_refused_with_the_configuration_that_can() {
    for option in [
        &["--subdomains-of", "https://preview.example.com"][..],
        &["--any-loopback-port"],
        &["--readable-challenges"],
    ] {
        let (code, out, problem) = print("errors", option).await;
        assert_eq!((code, out.as_str()), (Some(2), ""));
        let told = format!(
            "error: {}: Envoy cannot say it by itself; use `print-config full`\n",
            option[0]
        );
        assert_eq!(problem, told);
        printed("full", option).await;
    }
}

#[tokio::test]
async fn an_apps_origin_is_a_front_end() {
    let printed = printed("errors", &["--app-origin", "tauri://localhost"]).await;
    assert!(routes(&printed)[0]["match"].to_string().contains("tauri://localhost"));
}
