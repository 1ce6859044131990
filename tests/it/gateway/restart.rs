//! The upstream is killed and comes back, again and again, under load.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1, server, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::oneshot,
    time::sleep,
};

use super::gateway;
use crate::example::soon;

/// How often the upstream has seen each request.
type Seen = Arc<Mutex<HashMap<String, usize>>>;

/// An upstream with a runtime of its own. With it all its connections go, as those of a process.
struct Upstream {
    runtime: Option<Runtime>,
}

impl Upstream {
    async fn start(address: SocketAddr, seen: &Seen) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (listening, listens) = oneshot::channel();
        let seen = Arc::clone(seen);
        runtime.spawn(async move {
            let listener = TcpListener::bind(address).await.unwrap();
            listening.send(()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let seen = Arc::clone(&seen);
                let echo = service_fn(move |request| echo(request, Arc::clone(&seen)));
                tokio::spawn(
                    server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), echo),
                );
            }
        });
        soon("the upstream's start", listens).await.unwrap();
        Self { runtime: Some(runtime) }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Blocks until every task is dropped, and every socket closed.
            thread::spawn(move || drop(runtime)).join().unwrap();
        }
    }
}

async fn echo(
    request: Request<Incoming>,
    seen: Seen,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let id = request.uri().path().to_owned();
    *seen.lock().unwrap().entry(id.clone()).or_default() += 1;
    request.into_body().collect().await?;
    sleep(Duration::from_millis(1)).await;
    Ok(Response::new(Full::from(id)))
}

/// Asks, one request after the other, on one connection as long as it lasts, until told to stop.
/// Every request must be answered, with its own answer; the statuses are counted.
async fn client(gateway: SocketAddr, number: usize, stop: Arc<AtomicBool>) -> BTreeMap<u16, usize> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let mut statuses = BTreeMap::new();
    let io = TokioIo::new(TcpStream::connect(gateway).await.unwrap());
    let (mut sender, connection) = http1::handshake(io).await.unwrap();
    let connection = tokio::spawn(connection);
    while !stop.load(Ordering::Relaxed) {
        let id = format!("/{number}/{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let method = if id.ends_with(['0', '2', '4']) { "GET" } else { "POST" };
        let content = if method == "GET" { "" } else { "some content" };
        let request = Request::builder()
            .method(method)
            .uri(&id)
            .header("host", "a")
            .body(Full::<Bytes>::from(content))
            .unwrap();
        soon("the connection", sender.ready()).await.unwrap();
        let answer = soon("an answer", sender.send_request(request)).await.unwrap();
        let status = answer.status().as_u16();
        let content = answer.into_body().collect().await.unwrap().to_bytes();
        let content = String::from_utf8(content.to_vec()).unwrap();
        match status {
            200 => assert_eq!(content, id),
            502 => {
                assert!(content.contains(&format!("https://api.example.com{id}\"")), "{content}");
            }
            other => panic!("{other}: {content}"),
        }
        *statuses.entry(status).or_default() += 1;
    }
    // Nothing more has come than was asked for: the connection is in order to its end.
    drop(sender);
    soon("the connection's end", connection).await.unwrap().unwrap();
    statuses
}

#[tokio::test]
async fn every_request_is_answered_once_while_the_upstream_is_killed_and_restarted() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let seen = Seen::default();
    let mut upstream = Upstream::start(address, &seen).await;
    let gateway = gateway(address, &[]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|number| tokio::spawn(client(gateway.address, number, Arc::clone(&stop))))
        .collect();
    for _ in 0..6 {
        sleep(Duration::from_millis(250)).await;
        drop(upstream);
        sleep(Duration::from_millis(50)).await;
        upstream = Upstream::start(address, &seen).await;
    }
    sleep(Duration::from_millis(250)).await;
    stop.store(true, Ordering::Relaxed);

    let mut statuses = BTreeMap::<u16, usize>::new();
    for client in clients {
        for (status, count) in client.await.unwrap() {
            *statuses.entry(status).or_default() += count;
        }
    }
    println!("{statuses:?}");
    assert!(statuses[&200] > 100 && statuses[&502] > 6, "{statuses:?}");
    let twice: Vec<_> = seen.lock().unwrap().clone().into_iter().filter(|(_, n)| *n > 1).collect();
    assert_eq!(twice, [], "sent twice");
}
