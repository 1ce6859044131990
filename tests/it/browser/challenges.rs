//! A 401 that a browser would keep for itself.

use axum::{
    Router,
    http::HeaderMap,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use tower_contract::{ApiError, ContractLayer, CorsPolicy};

use super::{
    chromium::{Chromium, note},
    devtools::DevTools,
    servers::{Log, bind, serve},
};
use crate::example::Example;

const BASIC: &str = "Basic realm=\"x\"";
const DIGEST: &str = "Digest realm=\"x\", nonce=\"1\", qop=\"auth\"";

fn challenging(challenges: &'static [&'static str]) -> Response {
    let mut headers = HeaderMap::new();
    for challenge in challenges {
        let _ = headers.try_append("www-authenticate", challenge.parse().unwrap());
    }
    (headers, ApiError::unauthorized()).into_response()
}

fn api(policy: CorsPolicy) -> Router {
    Router::new()
        .route("/basic", get(async || challenging(&[BASIC])))
        .route("/digest", get(async || challenging(&[DIGEST])))
        .route("/several", get(async || challenging(&["Bearer", DIGEST, BASIC])))
        .layer(ContractLayer::new(policy))
}

/// A script that asks and tells what the page can know.
fn asking(url: &str, more: &str) -> String {
    format!(
        "async () => {{
            try {{
                const response = await fetch('{url}', {{ credentials: 'include' {more} }});
                const challenge = response.headers.get('x-www-authenticate');
                const {{ code }} = await response.json();
                return {{ status: response.status, code, challenge }};
            }} catch (error) {{
                return String(error);
            }}
        }}"
    )
}

const WRONG: &str = ", headers: { Authorization: 'Basic eDp5' }";

#[tokio::test]
async fn a_page_reads_a_401_whose_challenge_the_browser_would_keep() {
    let Some(program) = Chromium::named_by_environment() else {
        return;
    };
    let pages = bind().await;
    let page = format!("http://localhost:{}", pages.local_addr().unwrap().port());
    let blank = get(async || Html("<link rel=icon href=data:,>"));
    serve(pages, Router::new().route("/", blank), &Log::default());
    let policy = || CorsPolicy::builder([&page]);
    let mut urls = Vec::new();
    for policy in [policy().readable_challenges(), policy()] {
        let listener = bind().await;
        urls.push(format!("http://localhost:{}", listener.local_addr().unwrap().port()));
        serve(listener, api(policy.build().unwrap()), &Log::default());
    }
    let example = Example::start("recording_api", &["--server-url", &page]).await;

    let browser = Chromium::open_with_devtools(&program, "challenges");
    let mut tools = DevTools::open(&browser.devtools().await, &format!("{page}/")).await;
    let several = format!("{DIGEST}, {BASIC}");
    for (path, challenge) in [("/basic", BASIC), ("/digest", DIGEST), ("/several", &several)] {
        for more in ["", WRONG] {
            let (read, asked) = tools.run(&asking(&format!("{}{path}", urls[0]), more)).await;
            let expected = json!({ "status": 401, "code": 401, "challenge": challenge });
            assert_eq!((read, asked), (expected, vec![]), "{path} {more}");
        }
        // Without it the browser asks the user.
        let (_, asked) = tools.run(&asking(&format!("{}{path}", urls[1]), "")).await;
        assert_ne!(asked, [""; 0], "{path}");
    }
    for more in ["", WRONG] {
        let url = format!("http://localhost:{}/api/v2/recordings/call-01", example.address.port());
        let (read, asked) = tools.run(&asking(&url, more)).await;
        assert_eq!((&read["status"], asked), (&json!(401), vec![]), "{more}: {read}");
        assert!(read["challenge"].as_str().unwrap().starts_with("Basic "), "{read}");
    }
    note("browser tests: 8 challenges were read by a page");
}
