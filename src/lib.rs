//! Every response keeps the contract: Tower layers that put the promised CORS headers and one JSON
//! error envelope on every response, whatever breaks.
//!
//! A service that answers well most of the time breaks its promise exactly when it matters: a
//! panic, a timeout, a path that nobody wrote, a rejected request body answers with an empty body
//! or plain text, without CORS headers, or not at all, and the web page sees only "network error".
//! [`ContractLayer`] makes each of these a response that the page can read:
//!
//! ```json
//! {"http_method":"GET","title":"Not Found","description":"No resource exists at this URI.","code":404,"uri":"https://api.example.com/nope"}
//! ```
//!
//! # The walk
//!
//! ```text
//!  request                                                 response
//!     ▼                                                        ▲
//!  1  CorsContract   a preflight? ── yes: 200 ───────────────►┤ 12  puts the contract's headers
//!  2  ErrorBody      remembers method and uri                 │ 11  400..=599: writes the envelope
//!  3  MethodGuard    supported? ── no: 405 + ApiError ───────►┤ 10
//!  4  PanicToError   enters catch_unwind                      │  9  a panic: 500 + ApiError
//!  5  CatchError     lets readiness errors wait               │  8  an Err: 500, 502, 503, 413
//!  6  Timeout        starts the clock                         │  7  too late: 503 + ApiError
//!     ▼                                                        │
//!     the service ──── a response, or ApiError::into_http() ───┘
//! ```
//!
//! | layer | what it does |
//! |---|---|
//! | [`CorsContractLayer`] | answers preflights, puts the contract's headers on every response |
//! | [`ErrorBodyLayer`] | writes the body of every error response; the only one that does |
//! | [`MethodGuardLayer`] | refuses a method that the resource does not support: 405, 501 |
//! | [`PanicToErrorLayer`] | a panic becomes 500; one in a body breaks it |
//! | [`CatchErrorLayer`] | an `Err` of the service becomes 500, 502, 503 or 413 |
//! | [`TimeoutLayer`] | a response that does not begin in time becomes 503 |
//! | [`ContractLayer`] | all of them, in this order |
//!
//! Beside these stand two: [`BodyTimeoutLayer`] breaks a body that takes too long, in the stack
//! where [`ContractLayer::body_timeout`] asks for it; [`DrainRequestLayer`], which the stack does
//! not contain, reads on what a service left of a request, so that an early answer is heard over
//! HTTP/1.1.
//!
//! A layer that fails returns an [`ApiError`] in an empty response, never bytes; so does a handler.
//! With feature `axum` it is `IntoResponse`:
//!
//! ```
//! use std::time::Duration;
//!
//! use axum::{Router, extract::Path, routing::get};
//! use tower_contract::{ApiError, ContractLayer, CorsPolicy};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! async fn recording(Path(id): Path<u32>) -> Result<String, ApiError> {
//!     match id {
//!         1 => Ok("one".to_owned()),
//!         _ => Err(ApiError::not_found().with_description(format!("There is no recording {id}."))),
//!     }
//! }
//!
//! let policy = CorsPolicy::builder(["https://app.example.com"])
//!     .json_pages()
//!     .build()?;
//! let contract = ContractLayer::new(policy)
//!     .public_url("https://api.example.com".parse()?)
//!     .timeout(Duration::from_secs(2));
//! let app: Router = Router::new().route("/recordings/{id}", get(recording)).layer(contract);
//! # let _ = app;
//! # Ok(()) }
//! ```
//!
//! The [guide] starts from tasks and symptoms: CORS, errors, moving from tower-http, logs, clients,
//! overload, proxies, and what no layer can cover.
//!
//! # Features
//!
//! None is on by default. `axum`: `IntoResponse` for [`ApiError`], and the path before `nest` in
//! the `uri` member. `hyper`: errors of hyper and hyper-util's client are 502. `buffer`: errors of
//! `tower::buffer` are 503. `subdomains`: a CORS policy can admit every host below one. `linger`:
//! sockets whose last answer is heard, and with `axum` a listener of them. `tracing`: one event for
//! each error. `conformance`: whether a service keeps the contract, for a test or a URL. `cli`: the
//! program `tower-contract`, which does so from the command line.
//!
//! # What it does not do
//!
//! It does not cover what is answered before a service is called (hyper's own 400, 414 and 431),
//! what fails after the head was sent (the client sees a broken message), and `panic = "abort"`.
//! Only [`DrainRequestLayer`] reads a request body, and no layer changes a status but that of an
//! rpc. The guide has [the whole list](guide::limits).

#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

// Floor 0: the error as a value, and what it needs of errors and panics.
mod api_error;
mod error_chain;
pub mod panic_hook;
mod unwind;

// Floor 1: rendering, recognition, control flow.
mod body;
mod clock;
mod format;
mod path_table;
mod protocol;
mod report;
mod request_head;
mod short_circuit;
mod uri_text;

// Floor 2: the layers. They never name each other.
mod body_timeout;
mod catch_error;
mod cors;
mod drain_request;
mod error_body;
#[cfg(feature = "linger")]
mod linger;
mod method_guard;
mod panic_to_error;
mod timeout;

// Floor 3: their order.
mod stack;

// Floor 4: what uses the public API alone.
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(any(doc, doctest))]
pub mod guide;

pub use crate::{
    api_error::{ApiError, Cause, FieldError, OrApiError},
    body::BodyError,
    body_timeout::BodyTimeoutLayer,
    catch_error::CatchErrorLayer,
    cors::{
        CorsContractLayer, CorsPathError, CorsPathPolicy, CorsPolicy, CorsPolicyBuilder,
        CorsPolicyByPath, CorsPolicyError, CorsPolicyHandle, CorsPolicyProblem,
        CorsPolicyProblemKind, CorsPolicySetting, CorsPolicySource, OriginHeader,
        PublicCorsPolicyBuilder, RequestOrigin,
    },
    drain_request::DrainRequestLayer,
    error_body::{ErrorBodyLayer, KeepBody, KeepBodyLayer, PublicUrl, PublicUrlError},
    format::{
        Envelope, EnvelopeFormat, ErrorFormat, Occurrence, ProblemDetailsFormat,
        WrappedEnvelopeFormat,
    },
    method_guard::{MethodGuardBuilder, MethodGuardError, MethodGuardLayer},
    panic_to_error::{PanicPlace, PanicReport, PanicToErrorLayer},
    report::{ErrorReport, TextOrigin},
    stack::ContractLayer,
    timeout::TimeoutLayer,
};

#[cfg(all(feature = "linger", feature = "axum"))]
pub use crate::linger::LingeringListener;
#[cfg(feature = "linger")]
pub use crate::linger::{Linger, Lingering};

/// The services that the layers make, with their futures and bodies: for naming them in types.
pub mod service {
    pub use crate::{
        body::ResponseBody,
        body_timeout::{BodyTimeout, ResponseFuture as BodyTimeoutFuture, TimedBody},
        catch_error::{CatchError, ResponseFuture as CatchErrorFuture},
        cors::{CorsContract, ResponseFuture as CorsContractFuture},
        drain_request::{DrainRequest, DrainableBody, ResponseFuture as DrainRequestFuture},
        error_body::{ErrorBody, KeepBodies, KeepBodyFuture, ResponseFuture as ErrorBodyFuture},
        method_guard::{MethodGuard, ResponseFuture as MethodGuardFuture},
        panic_to_error::{GuardedBody, PanicToError, ResponseFuture as PanicToErrorFuture},
        stack::{Contract, ContractBody, ResponseFuture as ContractFuture},
        timeout::{ResponseFuture as TimeoutFuture, Timeout},
    };
}

/// The README's examples, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
