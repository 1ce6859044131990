//! The contract on AWS Lambda, behind an HTTP API or a function URL that streams.
//!
//! The layers go around the function as around any service:
//! [`run_with_streaming_response`](lambda_http::run_with_streaming_response) sends the answer's head
//! and body as they come. **Not** [`lambda_http::run`]: it collects the body first and *panics* if
//! that fails (`expect("unable to read bytes from body")`), outside of every layer. An upstream that
//! breaks off, or a panic in a stream, then fails the whole invocation, and API Gateway answers 502
//! in its own words: no envelope, no CORS headers. Streamed, the head has been sent by then; the rest
//! of the answer is what `lambda_runtime` makes of it: as of 1.5 it appends two lines to the content
//! that name the error, and ends it. A reader that must know has to look at the length.
//!
//! The function needs the invoke mode `RESPONSE_STREAM`. Here, without the variables that Lambda sets,
//! it says so and stops:
//!
//! ```text
//! cargo run --example lambda
//! ```

#![expect(unreachable_pub, reason = "in a program, `pub` says: for the other modules")]

#[path = "shared/command_line.rs"]
mod command_line;

use std::{error::Error, process::ExitCode, time::Duration};

use bytes::Bytes;
use clap::Parser;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use lambda_http::{Request, RequestExt, run_with_streaming_response, tower::service_fn};
use tower::ServiceBuilder;
use tower_contract::{ApiError, ContractLayer, CorsPolicy};

/// The function that AWS Lambda runs; it has no options
#[derive(Debug, Parser)]
#[command(name = "lambda")]
struct Options {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    if let Err(code) = command_line::options::<Options>() {
        return code;
    }
    // The runtime would panic over each of them.
    let missing: Vec<_> =
        VARIABLES.into_iter().filter(|name| std::env::var_os(name).is_none()).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return command_line::ended_by(2, &format_args!("not on Lambda, it sets {missing}"));
    }
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => command_line::ended_by(1, &error),
    }
}

const VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_RUNTIME_API",
];

async fn run() -> Result<(), BoxError> {
    let service = ServiceBuilder::new().layer(contract()?).service(service_fn(recording));
    run_with_streaming_response(service).await
}

/// What every answer promises. The function's own time limit must be longer than the one here: when
/// Lambda stops a function, nobody answers.
fn contract() -> Result<ContractLayer, BoxError> {
    let policy = CorsPolicy::builder(["https://app.example.com"]).build()?;
    Ok(ContractLayer::new(policy)
        .public_url("https://api.example.com".parse()?)
        .panics(|layer| layer.on_panic(|panic| eprintln!("panic: {}", panic.message)))
        .timeout(Duration::from_secs(2)))
}

/// The function. Its errors are values; it writes no error body.
async fn recording(request: Request) -> Result<Response<Content>, ApiError> {
    let query = request.query_string_parameters();
    let id = query.first("id").ok_or_else(|| {
        ApiError::bad_request().with_description("The parameter \"id\" is missing.")
    })?;
    match id {
        "1" => Ok(Response::new(streamed([Ok("recording "), Ok("1\n")]))),
        "broken" => Ok(Response::new(streamed([Ok("recording "), Err("the disk is gone")]))),
        "panic" => panic!("a bug that only this recording meets"),
        _ => Err(ApiError::not_found().with_description(format!("There is no recording {id}."))),
    }
}

type BoxError = Box<dyn Error + Send + Sync>;
type Content = UnsyncBoxBody<Bytes, BoxError>;

/// Pieces that are sent as they come; an error breaks the answer off.
fn streamed(pieces: [Result<&'static str, &'static str>; 2]) -> Content {
    let frames = pieces.map(|piece| match piece {
        Ok(text) => Ok(Frame::data(Bytes::from(text))),
        Err(error) => Err(error.into()),
    });
    StreamBody::new(tokio_stream::iter(frames)).boxed_unsync()
}
