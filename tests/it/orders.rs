//! Every order of the six layers: which ones keep the contract, and why the others do not.
//!
//! | outside | inside | because otherwise |
//! |---|---|---|
//! | `CorsContract` | `MethodGuard` | a preflight is refused, and a page cannot read a refusal |
//! | `CorsContract` | `PanicToError` | a page cannot read what a panic became |
//! | `CorsContract` | `CatchError` | an `Err` passes without headers, and a page cannot read its answer |
//! | `CorsContract` | `Timeout` | a page cannot read that the time was over |
//! | `ErrorBody` | `MethodGuard` | a refusal has no body |
//! | `ErrorBody` | `PanicToError` | a panic passes it, and its answer has no body |
//! | `ErrorBody` | `CatchError` | an `Err` passes it, and its answer has no body |
//! | `ErrorBody` | `Timeout` | the answer that the time is over has no body |
//! | `PanicToError` | `CatchError` | an error whose drop panics ends the connection |
//! | `PanicToError` | `Timeout` | a limit that panics, chosen for a request, ends the connection |
//!
//! What has no row may stand either way: `CorsContract` and `ErrorBody`, `MethodGuard` and what is
//! inside `ErrorBody`, `CatchError` and `Timeout`.

use std::{
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn, util::BoxCloneService};
use tower_contract::{
    CatchErrorLayer, CorsContractLayer, Envelope, ErrorBodyLayer, MethodGuardLayer,
    PanicToErrorLayer, TimeoutLayer,
};

use crate::support::{all, ask, policy, response};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    CorsContract,
    ErrorBody,
    MethodGuard,
    PanicToError,
    CatchError,
    Timeout,
}

use Name::{CatchError, CorsContract, ErrorBody, MethodGuard, PanicToError, Timeout};

/// The order of the stack, outermost first.
const STACK: [Name; 6] = [CorsContract, ErrorBody, MethodGuard, PanicToError, CatchError, Timeout];

/// What stands outside, what inside it, and a request whose answer is broken otherwise.
const RULES: [(Name, Name, &str); 9] = [
    (CorsContract, MethodGuard, "DELETE /ok"),
    (CorsContract, PanicToError, "GET /panic"),
    (CorsContract, CatchError, "GET /fail"),
    (CorsContract, Timeout, "GET /hang"),
    (ErrorBody, MethodGuard, "DELETE /ok"),
    (ErrorBody, PanicToError, "GET /panic"),
    (ErrorBody, CatchError, "GET /fail"),
    (ErrorBody, Timeout, "GET /hang"),
    (PanicToError, Timeout, "GET /limit"),
];

/// A request and the status that its answer has under the contract.
const SCENARIOS: [(&str, u16); 9] = [
    ("GET /ok", 200),
    ("GET /404", 404),
    ("DELETE /ok", 405),
    ("OPTIONS /ok\norigin: https://app.example.com\naccess-control-request-method: POST", 200),
    ("GET /panic", 500),
    ("GET /fail", 500),
    ("GET /hostile", 500),
    ("GET /hang", 503),
    ("GET /limit", 500),
];

type Boxed = BoxCloneService<Request<Full<Bytes>>, Response<Body>, BoxError>;

fn boxed<S, B>(service: S) -> Boxed
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let service = service.map_response(|response| response.map(Body::new));
    service.map_err(Into::into).boxed_clone()
}

impl Name {
    fn layer(self, inner: Boxed) -> Boxed {
        match self {
            CorsContract => boxed(CorsContractLayer::new(policy()).layer(inner)),
            ErrorBody => boxed(ErrorBodyLayer::new().layer(inner)),
            MethodGuard => boxed(MethodGuardLayer::new([Method::GET]).layer(inner)),
            PanicToError => boxed(PanicToErrorLayer::new().layer(inner)),
            CatchError => boxed(CatchErrorLayer::new().layer(inner)),
            Timeout => {
                let limit = TimeoutLayer::per_request(|head| {
                    assert_ne!(head.uri.path(), "/limit", "no limit is known");
                    Some(Duration::from_secs(1))
                });
                boxed(limit.layer(inner))
            }
        }
    }
}

/// An error that panics when it is dropped.
#[derive(Debug)]
struct Hostile;

impl fmt::Display for Hostile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hostile")
    }
}

impl Error for Hostile {}

impl Drop for Hostile {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "an error is dropped");
    }
}

async fn application(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, BoxError> {
    match request.uri().path() {
        "/404" => Ok(response("404")),
        "/panic" => panic!("a bug"),
        "/fail" => Err("failed".into()),
        "/hostile" => Err(Hostile.into()),
        "/hang" => std::future::pending().await,
        _ => Ok(response("200")),
    }
}

/// The layers around the application, outermost first.
fn built(order: &[Name]) -> Boxed {
    let innermost_first = order.iter().rev();
    innermost_first.fold(boxed(service_fn(application)), |inner, name| name.layer(inner))
}

/// Whether an answer of this status is readable for a page, and an envelope if it is an error.
fn keeps_contract(sent: &Response<Bytes>, status: u16) -> bool {
    let readable = all(sent, "access-control-allow-origin").len() == 1;
    let told = serde_json::from_slice::<Envelope>(sent.body()).is_ok();
    sent.status() == status && readable && (told || status < 400)
}

/// The scenarios in which this order breaks the contract, or breaks off.
fn broken_scenarios(order: &[Name]) -> Vec<&'static str> {
    let service = built(order);
    let broken = SCENARIOS.iter().filter(|(asked, status)| {
        let asked = || ask(service.clone(), asked);
        let sent = catch_unwind(AssertUnwindSafe(asked));
        !sent.is_ok_and(|sent| keeps_contract(&sent, *status))
    });
    broken.map(|(asked, _)| *asked).collect()
}

fn broken_rules(order: &[Name]) -> Vec<(Name, Name, &'static str)> {
    let place = |name| order.iter().position(|other| *other == name);
    let broken = |(outside, inside, _): &(_, _, _)| place(*outside) > place(*inside);
    RULES.into_iter().filter(broken).collect()
}

fn orders(names: &[Name]) -> Vec<Vec<Name>> {
    if names.is_empty() {
        return vec![vec![]];
    }
    let with_first = |first: &Name| {
        let rest: Vec<_> = names.iter().copied().filter(|name| name != first).collect();
        let rest = orders(&rest).into_iter();
        let first = *first;
        rest.map(move |rest| [vec![first], rest].concat())
    };
    names.iter().flat_map(with_first).collect()
}

#[test]
fn an_order_keeps_the_contract_exactly_when_it_breaks_no_rule() {
    let orders = orders(&STACK);
    assert_eq!(orders.len(), 720);
    let mut kept = 0;
    for order in &orders {
        let (rules, scenarios) = (broken_rules(order), broken_scenarios(order));
        let agree = rules.is_empty() == scenarios.is_empty();
        let proven = rules.iter().all(|(_, _, asked)| scenarios.contains(asked));
        assert!(agree && proven, "{order:?} breaks {rules:?}, and in fact {scenarios:?}");
        kept += usize::from(rules.is_empty());
    }
    assert_eq!(kept, 24);
}

#[test]
fn the_order_of_the_stack_is_one_that_keeps_the_contract() {
    assert_eq!(broken_rules(&STACK), []);
    // What the stack was made of, as its `Debug` lists it, outermost first.
    let listed = format!("{:?}", crate::support::contract());
    let places = STACK.map(|name| listed.find(&format!("{name:?}Layer")).unwrap());
    assert!(places.is_sorted(), "{listed}");
}
