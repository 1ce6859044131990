//! The flat stack does what the six layers do, stacked by hand: for any request, any outcome of the
//! service, and whoever listens.

mod case;
mod kinds;
mod service;

use std::{
    cell::RefCell,
    convert::Infallible,
    fmt::Write,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    rc::Rc,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body::Body;
use proptest::{
    strategy::Strategy,
    test_runner::{Config, TestCaseError, TestRunner},
};
use tower::{BoxError, Layer, Service, util::option_layer};
use tower_contract::{
    CatchErrorLayer, ContractLayer, CorsContractLayer, CorsPolicy, CorsPolicyHandle,
    CorsPolicySource, ErrorBodyLayer, MethodGuardLayer, PanicToErrorLayer, TimeoutLayer,
    service::Contract,
};

use self::{
    case::{Asked, Case, FRONT_ENDS, Fate, NO_LIMIT_KNOWN},
    kinds::Kinds,
    service::{Done, Scripted},
};
use crate::tracing::Log;

/// How often each kind of outcome comes at least, unless `PROPTEST_CASES` says how many cases are
/// drawn by chance alone, four for each of these.
const LEAST: u32 = 1_000;

/// The different ways in which the layers are set up.
pub const SETUPS: usize = 3;

/// The six layers of one setup; what is `None` is not there.
struct Layers {
    cors: CorsPolicySource,
    error_body: ErrorBodyLayer,
    methods: Option<MethodGuardLayer>,
    panics: PanicToErrorLayer,
    service_errors: CatchErrorLayer,
    timeout: Option<TimeoutLayer>,
}

/// What hooks were told.
type Told = Arc<Mutex<Vec<String>>>;

impl Layers {
    fn new(setup: usize, has_hooks: bool, told: &Told) -> Self {
        let policy = |urls: &[&str]| CorsPolicy::builder(urls.to_vec()).build().unwrap();
        let listed = MethodGuardLayer::new([Method::GET, Method::POST]);
        let by_path = MethodGuardLayer::by_path([("/x", [Method::GET, Method::POST])]).unwrap();
        let error_body = ErrorBodyLayer::new();
        let limit = Duration::from_millis(100);
        let (cors, error_body, methods, timeout) = match setup {
            0 => {
                let error_body =
                    error_body.public_url("https://api.example.com/v1".parse().unwrap());
                let timeout = TimeoutLayer::new(limit).retry_after(limit);
                (policy(&FRONT_ENDS[..1]).into(), error_body, Some(listed), Some(timeout))
            }
            1 => {
                let timeout = TimeoutLayer::per_request(move |head| {
                    if head.uri.path() == NO_LIMIT_KNOWN {
                        resume_unwind(Box::new("no limit is known"));
                    }
                    (head.method != Method::POST).then_some(limit)
                });
                let methods = by_path.answer_options();
                (
                    policy(&FRONT_ENDS).into(),
                    error_body.keep_query(["encoding"]),
                    Some(methods),
                    Some(timeout),
                )
            }
            _ => {
                let live = CorsPolicyHandle::new(policy(&FRONT_ENDS));
                (live.into(), error_body.read_time(Duration::ZERO), None, None)
            }
        };
        let (mut error_body, mut panics) = (error_body, PanicToErrorLayer::new());
        if has_hooks {
            let (errors, lines) = (told.clone(), told.clone());
            error_body = error_body.on_error(move |report| {
                let why = report.error().is_some();
                errors.lock().unwrap().push(format!("{report} {:?} {why}", report.origin));
            });
            panics = panics.on_panic(move |report| lines.lock().unwrap().push(report.to_string()));
        }
        let service_errors = CatchErrorLayer::new();
        Self { cors, error_body, methods, panics, service_errors, timeout }
    }

    /// The layers, one around the other.
    fn stacked(&self, inner: Scripted) -> impl Exchanged {
        let inner = option_layer(self.timeout.clone()).layer(inner);
        let inner = self.panics.layer(self.service_errors.layer(inner));
        let inner = self.error_body.layer(option_layer(self.methods.clone()).layer(inner));
        CorsContractLayer::new(self.cors.clone()).layer(inner)
    }

    /// The same in one layer.
    fn flat(&self) -> ContractLayer {
        let mut layer = ContractLayer::new(self.cors.clone())
            .error_body(|_| self.error_body.clone())
            .panics(|_| self.panics.clone())
            .service_errors(|_| self.service_errors.clone());
        if let Some(methods) = &self.methods {
            layer = layer.methods(methods.clone());
        }
        if let Some(timeout) = &self.timeout {
            layer = layer.timeout(timeout.clone());
        }
        layer
    }
}

/// A service around a scripted one.
trait Exchanged: Service<Request<()>, Response = Response<Self::Body>, Error = Infallible> {
    type Body: Body<Data = Bytes, Error: Into<BoxError>>;
}

impl<S, B> Exchanged for S
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Body = B;
}

/// All that can be seen of an exchange.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Status, headers in their order, frames, hints.
    pub answer: String,
    /// What hooks were told.
    pub told: Vec<String>,
    pub events: Vec<String>,
    /// What was done with the service.
    pub done: Vec<&'static str>,
}

/// The world in which the exchanges take place.
struct World {
    runtime: tokio::runtime::Runtime,
    log: Log,
    /// Kept, so that every place of the code knows from the first that there is a subscriber.
    _subscriber: tracing::Dispatch,
    told: Told,
    /// By setup, without hooks and with them.
    setups: Vec<[(Layers, ContractLayer); 2]>,
}

impl World {
    fn new() -> Self {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        let told = Told::default();
        let setup = |setup| {
            [false, true].map(|has_hooks| {
                let layers = Layers::new(setup, has_hooks, &told);
                let flat = layers.flat();
                (layers, flat)
            })
        };
        let setups = (0..SETUPS).map(setup).collect();
        let log = Log::default();
        let subscriber = tracing::Dispatch::new(log.clone());
        // What another test has registered before may not know that there is a subscriber.
        tracing::callsite::rebuild_interest_cache();
        Self { runtime, log, _subscriber: subscriber, told, setups }
    }

    /// What is seen of the exchanges of a case with the service that `around` makes, and how many
    /// allocations they took.
    fn see<S: Exchanged>(
        &self,
        case: &Rc<Case>,
        around: impl FnOnce(Scripted) -> S,
    ) -> (Seen, u64) {
        let done = Done::default();
        // A case that broke off has left its lines.
        drop((self.log.take(), std::mem::take(&mut *self.told.lock().unwrap())));
        let mut service = around(Scripted::new(case, &done));
        let mut requests = vec![case.asked.request()];
        if matches!(case.fate, Fate::IsNeverReady | Fate::PanicsWhenAskedForReadiness) {
            // What was kept of readiness answers one request, and no second one.
            requests.push(Asked { method: "GET", ..case.asked.clone() }.request());
        }
        let mut seen = Seen::default();
        let exchanges = || {
            for request in requests {
                self.runtime.block_on(exchange(&mut service, request, &mut seen.answer));
            }
            // What was reserved and not used panics perhaps; that is no layer's concern.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(service)));
        };
        let allocations = allocation_counter::measure(|| {
            if case.has_subscriber {
                tracing::subscriber::with_default(self.log.clone(), exchanges);
            } else {
                exchanges();
            }
        });
        seen.told = std::mem::take(&mut *self.told.lock().unwrap());
        seen.events = self.log.take();
        seen.done = std::mem::take(&mut *done.borrow_mut());
        (seen, allocations.count_total)
    }

    fn check(&self, case: Case, kinds: &RefCell<Kinds>) -> Result<(), TestCaseError> {
        let (layers, flat) = &self.setups[case.setup][usize::from(case.has_hooks)];
        let case = Rc::new(case);
        let (mut stacked, most) = self.see(&case, |inner| layers.stacked(inner));
        let (mut flat, allocations) = self.see(&case, |inner| -> Contract<_> { flat.layer(inner) });
        // A layer that refuses alone tells no hook of a panic in what it gives back, and not of which
        // request.
        let is_given_back = |line: &String| line.contains(service::GIVEN_BACK);
        let given_back = [&flat, &stacked].map(|seen| {
            let events = seen.events.iter().filter(|line| is_given_back(line)).count();
            (events, seen.told.iter().filter(|line| is_given_back(line)).count())
        });
        for seen in [&mut flat, &mut stacked] {
            seen.told.retain(|line| !is_given_back(line));
            seen.events.retain(|line| !is_given_back(line));
        }
        proptest::prop_assert_eq!(&flat, &stacked);
        proptest::prop_assert_eq!(given_back[0].0, given_back[1].0);
        if given_back == [(0, 0); 2] {
            proptest::prop_assert!(
                allocations <= most,
                "{allocations} allocations, not {most}: {flat:?}"
            );
        }
        kinds.borrow_mut().count(&case, &flat);
        Ok(())
    }
}

/// Sends one request and writes down all that a client can see of the answer.
async fn exchange<S: Exchanged>(service: &mut S, request: Request<()>, seen: &mut String) {
    poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
    let asked = service.call(request);
    let (head, body) = {
        // Its drop is that of a server which has the response.
        let asked = pin!(asked);
        let limit = tokio::time::timeout(Duration::from_secs(3_600), asked);
        match limit.await {
            Ok(response) => response.unwrap().into_parts(),
            Err(_) => return seen.push_str("hangs\n"),
        }
    };
    writeln!(seen, "{}", head.status.as_u16()).unwrap();
    write_headers(seen, &head.headers);
    let mut body = pin!(body);
    let mut waits = 0;
    while waits < 3 {
        let hint = body.size_hint();
        writeln!(seen, "{} {:?} {}", hint.lower(), hint.upper(), body.is_end_stream()).unwrap();
        match poll_fn(|cx| Poll::Ready(body.as_mut().poll_frame(cx))).await {
            Poll::Pending => waits += 1,
            Poll::Ready(None) => return seen.push_str("the end\n"),
            Poll::Ready(Some(Err(error))) => writeln!(seen, "error: {}", error.into()).unwrap(),
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => writeln!(seen, "data: {}", data.escape_ascii()).unwrap(),
                Err(frame) => write_headers(seen, &frame.into_trailers().unwrap()),
            },
        }
    }
    seen.push_str("waits\n");
}

fn write_headers(seen: &mut String, headers: &HeaderMap) {
    for (name, value) in headers {
        writeln!(seen, "{name}: {}", value.as_bytes().escape_ascii()).unwrap();
    }
}

#[test]
fn the_stack_does_what_its_layers_do_stacked_by_hand() {
    let world = World::new();
    let kinds = RefCell::default();
    let run = |cases, lead: fn(&mut Case)| {
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let led = case::any_case().prop_map(move |mut case| {
            lead(&mut case);
            case
        });
        let outcome = TestRunner::new(config).run(&led, |case| world.check(case, &kinds));
        outcome.unwrap_or_else(|error| panic!("{error}"));
    };
    let cases = std::env::var("PROPTEST_CASES").ok().map(|cases| cases.parse().unwrap());
    let cases = cases.unwrap_or(4 * LEAST);
    run(cases, |_| {});
    // Most of a case stays as it was drawn; what chance alone rarely gives is led to.
    for _ in 0..5 {
        let rare: Vec<_> = kinds.borrow().rare(cases / 4).map(|(name, ..)| name).collect();
        for name in rare {
            // Another kind's cases may have been of this one too.
            let missing = kinds.borrow().rare(cases / 4).find(|(rare, ..)| *rare == name);
            if let Some((_, missing, lead)) = missing {
                run(missing, lead);
            }
        }
    }
    let kinds = kinds.into_inner();
    println!("{kinds}");
    assert_eq!(kinds.rare(cases / 4).map(|(name, ..)| name).next(), None);
}
