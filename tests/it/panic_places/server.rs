//! A server of HTTP/1.1 and HTTP/2 around the stack, which counts the tasks that die.

use std::{
    borrow::Cow,
    cell::Cell,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::{rt::TokioIo, server::conn::auto, service::TowerToHyperService};
use tokio::net::TcpListener;
use tower::{BoxError, Layer, Service, ServiceBuilder};
use tower_contract::{
    ApiError, BodyTimeoutLayer, CatchErrorLayer, ContractLayer, CorsContractLayer, CorsPolicy,
    EnvelopeFormat, ErrorBodyLayer, ErrorFormat, MethodGuardLayer, Occurrence, PanicPlace,
    PanicToErrorLayer, TimeoutLayer,
};

use super::{
    hostile::{Failure, Hostile, Shared},
    place::{Case, Place},
};

fn policy() -> CorsPolicy {
    CorsPolicy::builder(["https://app.example.com"]).build().unwrap()
}

/// How the layers are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    Flat,
    ByHand,
}

pub type Told = Arc<Mutex<Vec<(String, PanicPlace)>>>;

pub struct Server {
    pub stack: Stack,
    pub address: SocketAddr,
    pub shared: Arc<Shared>,
    /// What the hook for panics was told: a path and a place.
    pub told: Told,
    dead: Arc<AtomicUsize>,
}

impl Server {
    pub async fn start(stack: Stack) -> Self {
        match stack {
            Stack::Flat => Self::around(stack, |service, told| flat(told).layer(service)).await,
            Stack::ByHand => {
                let by_hand = |service, told: &Told| {
                    ServiceBuilder::new()
                        .layer(CorsContractLayer::new(policy()))
                        .layer(error_body(ErrorBodyLayer::new()))
                        .layer(methods())
                        .layer(panics(told))
                        .layer(service_errors())
                        .layer(timeout())
                        .layer(body_timeout())
                        .service(service)
                };
                Self::around(stack, by_hand).await
            }
        }
    }

    /// A server of whatever `layered` makes of the hostile service.
    pub async fn around<S, B>(stack: Stack, layered: impl FnOnce(Hostile, &Told) -> S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let service = Hostile::default();
        let shared = Arc::clone(&service.shared);
        let (told, dead) = (Told::default(), Arc::new(AtomicUsize::new(0)));
        let address = serve(layered(service, &told), Arc::clone(&dead)).await;
        Self { stack, address, shared, told, dead }
    }

    /// Tasks of connections and of streams that ended in a panic.
    pub fn dead_tasks(&self) -> usize {
        self.dead.load(Ordering::Relaxed)
    }
}

fn flat(told: &Told) -> ContractLayer<HostileFormat> {
    ContractLayer::new(policy())
        .methods(methods())
        .timeout(timeout())
        .body_timeout(body_timeout())
        .panics(|_| panics(told))
        .service_errors(|_| service_errors())
        .error_body(error_body)
}

async fn serve<S, B>(service: S, dead: Arc<AtomicUsize>) -> SocketAddr
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (service, counting) =
                (TowerToHyperService::new(service.clone()), Counting(dead.clone()));
            counting.clone().spawn(async move {
                let server = auto::Builder::new(counting);
                // An Err is what the client sees.
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

/// Spawns tasks, and counts those that panic.
#[derive(Clone)]
struct Counting(Arc<AtomicUsize>);

impl Counting {
    fn spawn(self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(async move {
            // Counted before what its panic carries is dropped: that may panic too.
            let ended = tokio::spawn(task).await;
            self.0.fetch_add(usize::from(ended.is_err()), Ordering::Relaxed);
        });
    }
}

impl<F> hyper::rt::Executor<F> for Counting
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.clone().spawn(async move {
            task.await;
        });
    }
}

// ===== the layers, whose hooks panic as the path says =====

/// Panics if `path` is that of a case at `place`.
fn panic_at(place: Place, path: &str) {
    if let Some(case) = Case::of(path).filter(|case| case.place == place) {
        case.kind.panic();
    }
}

fn methods() -> MethodGuardLayer {
    MethodGuardLayer::new([Method::GET])
}

fn panics(told: &Told) -> PanicToErrorLayer {
    let told = Arc::clone(told);
    PanicToErrorLayer::new().on_panic(move |report| {
        told.lock().unwrap().push((report.uri.to_owned(), report.place));
        panic_at(Place::PanicHook, report.uri);
    })
}

fn service_errors() -> CatchErrorLayer {
    CatchErrorLayer::new().classify(|error| {
        let Failure(case) = error.downcast_ref()?;
        match case.place {
            Place::Classify => case.kind.panic(),
            Place::AnsweredErrorDrop => Some(ApiError::not_found().with_source("it is known")),
            _ => None,
        }
    })
}

fn timeout() -> TimeoutLayer {
    TimeoutLayer::per_request(|head| {
        panic_at(Place::Limit, head.uri.path());
        let expires = head.uri.path().starts_with("/FutureDropAtExpiry");
        Some(if expires { Duration::from_millis(5) } else { Duration::from_secs(300) })
    })
}

fn body_timeout() -> BodyTimeoutLayer {
    BodyTimeoutLayer::new().between_frames(Duration::from_millis(100))
}

fn error_body(layer: ErrorBodyLayer) -> ErrorBodyLayer<HostileFormat> {
    layer
        .on_error(|report| panic_at(Place::ErrorHook, report.uri))
        .redact(|text| {
            if text.contains("Redact") {
                super::place::Kind::PanicsToo.panic();
            }
            Cow::Borrowed(text)
        })
        .keep_if(|_, path, _| {
            panic_at(Place::KeepIf, path);
            false
        })
        .understand(|_, headers, _| {
            panic_at(Place::Understand, headers["x-case"].to_str().unwrap());
            None
        })
        .format(HostileFormat)
}

#[derive(Clone)]
struct HostileFormat;

thread_local! {
    /// What is written on this thread: a media type is asked for without a path.
    static WRITTEN: Cell<Option<Case>> = const { Cell::new(None) };
}

impl ErrorFormat for HostileFormat {
    fn content_type(&self) -> HeaderValue {
        if let Some(case) = WRITTEN.take().filter(|case| case.place == Place::FormatType) {
            case.kind.panic();
        }
        EnvelopeFormat.content_type()
    }

    fn write(&self, error: &Occurrence<'_>, out: &mut Vec<u8>) {
        EnvelopeFormat.write(error, out);
        WRITTEN.set(Case::of(error.uri));
        panic_at(Place::FormatWrite, error.uri);
    }

    fn content_language(&self, error: &Occurrence<'_>) -> Option<HeaderValue> {
        panic_at(Place::FormatLanguage, error.uri);
        None
    }
}

/// A subscriber that panics when it is asked, and when it is told.
pub struct PanickingSubscriber;

impl tracing::Subscriber for PanickingSubscriber {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        // Half of the times it says what it wants, and panics over the event.
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let asked = ASKED.fetch_add(1, Ordering::Relaxed);
        let is_ours = metadata.target().starts_with("tower_contract");
        if is_ours && asked % 2 == 0 {
            super::place::Kind::Text.panic();
        }
        is_ours
    }

    fn register_callsite(
        &self,
        _: &'static tracing::Metadata<'static>,
    ) -> tracing::subscriber::Interest {
        tracing::subscriber::Interest::sometimes()
    }

    fn event(&self, _: &tracing::Event<'_>) {
        super::place::Kind::PanicsToo.panic();
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
