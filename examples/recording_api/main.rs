//! The Interaction Recording API: a real server that keeps one response contract.
//!
//! ```text
//! cargo run --example recording_api
//! ```
//!
//! [`contract`] is the part to copy: it builds the one layer that puts the CORS headers and the
//! JSON error envelope on every response. Everything else is an ordinary axum application, whose
//! handlers return `Result<T, ApiError>` and never write an error body.
//!
//! | file | what it tells |
//! |---|---|
//! | `main.rs` | the contract, and how the parts are put together |
//! | `options.rs` | the command line |
//! | `api.rs` | all routes, and what they share |
//! | `errors.rs` | every error that this API returns by itself |
//! | `envelope.rs` | what a 5xx tells beside the five members |
//! | `auth.rs`, `mode.rs` | who may do what; maintenance |
//! | `recordings.rs`, `search.rs`, `playback.rs`, `labels.rs`, `diagnostics.rs` | one resource each |
//! | `content.rs`, `timestamp.rs` | JSON content and times, as this API reads them |
//! | `store/` | SQLite, off the async threads |
//! | `media/` | the client of a media store, and a small media store to try it with |
//! | `../shared/` | what the examples share: one line for a wrong option, the log, and the server |

#![expect(
    unnameable_types,
    unreachable_pub,
    reason = "in a program, `pub` says: for the other modules"
)]

mod api;
mod auth;
mod content;
mod diagnostics;
mod envelope;
mod errors;
mod labels;
mod media;
mod mode;
mod options;
mod playback;
mod recordings;
mod search;
#[path = "../shared/mod.rs"]
mod shared;
mod store;
mod timestamp;

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use http::HeaderName;
use tower::ServiceBuilder;
use tower_contract::{
    BodyTimeoutLayer, ContractLayer, CorsPolicy, CorsPolicyError, DrainRequestLayer, TimeoutLayer,
};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};

use crate::{
    api::Api,
    envelope::WithIdOfFailures,
    media::MediaClient,
    options::Options,
    shared::{Server, announce, command_line, listen},
    store::{BoxError, Database},
};

/// How long a browser need not ask again before it sends what it has asked for.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(600);

/// The id of a request: the client's, or a new one. Each response has it, and each line of the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[tokio::main]
async fn main() -> ExitCode {
    let options = match command_line::options::<Options>() {
        Ok(options) => options,
        Err(code) => return code,
    };
    options.log.start();
    let contract = match contract(&options) {
        Ok(contract) => contract,
        Err(problems) => return command_line::ended_by(2, &problems),
    };
    match serve(options, contract).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => command_line::ended_by(1, &error),
    }
}

/// What every response of this server promises, whatever happens below.
fn contract(options: &Options) -> Result<ContractLayer<WithIdOfFailures>, CorsPolicyError> {
    let policy = CorsPolicy::builder(&options.server_urls)
        .also_allow_methods(["PUT", "DELETE"])
        // A page plays a part of a recording, and asks again only for what has changed.
        .also_allow_headers(["Content-Type", "Range", "If-Range", "If-None-Match"])
        .expose_headers(["Location", "Retry-After", "X-Request-Id"])
        .expose_headers(["ETag", "Accept-Ranges", "Content-Range"])
        // Without it a browser would ask the user for a password, while the page waits.
        .readable_challenges()
        .max_age(PREFLIGHT_MAX_AGE)
        .build()?;
    Ok(ContractLayer::new(policy)
        .public_url(options.public_url.clone())
        .timeout(TimeoutLayer::new(options.timeout))
        // A media store that hangs in the middle ends in a playback that visibly breaks off.
        .body_timeout(BodyTimeoutLayer::new().between_frames(options.timeout))
        .error_body(|layer| layer.request_id(REQUEST_ID))
        .format(WithIdOfFailures))
}

async fn serve(
    options: Options,
    contract: ContractLayer<WithIdOfFailures>,
) -> Result<(), BoxError> {
    let server = Server::new(&options.limits)?;
    let listener = listen(options.listen).await?;
    // Shorter than a response may take: the store's own refusal comes first.
    let store_limit = options.timeout * 3 / 4;
    let database = match &options.db {
        Some(file) => Database::open(file, store_limit)?,
        None => Database::temporary(store_limit)?,
    };
    let store = database.store();
    let media_url = match options.media_url {
        Some(url) => url,
        None => media::start_demo(store.media_lengths().await?).await?,
    };
    let api = Api::new(store, MediaClient::new(media_url));
    let app = api::routes(api, options.diagnostics).layer(
        ServiceBuilder::new()
            .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
            .layer(PropagateRequestIdLayer::new(REQUEST_ID))
            // What a refusal leaves unread is read on, so that the client hears it.
            .layer(DrainRequestLayer::new())
            .layer(contract),
    );

    welcome(listener.local_addr()?, options.diagnostics);
    server.accept(listener, move |_client| app.clone());
    server.until_stopped().await;
    Ok(())
}

fn welcome(address: SocketAddr, diagnostics: bool) {
    announce(format_args!(
        "listening on http://{address}\n\
         \n\
         try:\n\
         \x20 curl -i http://{address}/ping\n\
         \x20 curl -i http://{address}/nowhere\n\
         \x20 curl -i -X DELETE http://{address}/ping\n\
         \x20 curl -i -u admin:admin -H 'content-type: application/json' -d '{{\"mode\":\"something\"}}' http://{address}/server/mode\n\
         \x20 curl -i -u supervisor:supervisor 'http://{address}/api/v2/recordings?callerPhoneNumber=*'\n\
         \x20 curl -D - -u agent:agent -o call-01.wav http://{address}/api/v2/recordings/call-01/play/part-1"
    ));
    if diagnostics {
        let failures =
            diagnostics::FAILURES.map(|path| format!("  curl -i http://{address}{path}\n"));
        announce(format_args!("\nwhat fails for real:\n{}", failures.concat().trim_end()));
    }
    announce(
        "\nUsers: agent, supervisor, admin; the password is the name. Ctrl-C stops; requests in flight finish.",
    );
}
