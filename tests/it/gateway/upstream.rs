//! Upstreams to order.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::sleep,
};

/// Answers the first request of each connection with the same bytes, piece by piece, and closes.
#[derive(Debug)]
pub struct Scripted {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl Scripted {
    pub async fn start(pieces: &[&str]) -> Self {
        let pieces: Arc<[String]> = pieces.iter().map(|piece| (*piece).to_owned()).collect();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&requests);
        let (address, accepting) = serve(move |mut stream| {
            let (pieces, seen) = (Arc::clone(&pieces), Arc::clone(&seen));
            async move {
                let request = read_request(&mut stream).await;
                if request.is_empty() {
                    // Opened by the gateway's pool, and not needed after all.
                    return;
                }
                seen.lock().unwrap().push(request);
                for (at, piece) in pieces.iter().enumerate() {
                    if at > 0 {
                        // Long enough for a segment of its own.
                        sleep(Duration::from_millis(50)).await;
                    }
                    let _ = stream.write_all(piece.as_bytes()).await;
                }
            }
        })
        .await;
        Self { address, requests, accepting }
    }

    /// The requests that it has got, without `\r`.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests.iter().map(|text| text.replace('\r', "")).collect()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Runs `connection` on each connection, until the handle is aborted or the runtime ends.
pub async fn serve<F>(
    connection: impl Fn(TcpStream) -> F + Send + 'static,
) -> (SocketAddr, JoinHandle<()>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(connection(stream));
        }
    });
    (address, accepting)
}

/// A request with its content, as it is on the wire; what there is of it, if it breaks off.
pub async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    while !is_whole(&bytes) {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(n) => bytes.extend_from_slice(&piece[..n]),
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, content)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    if head.contains("\r\ntransfer-encoding: chunked") {
        return content.ends_with("0\r\n\r\n");
    }
    let length = head.split_once("\r\ncontent-length: ");
    let length = length.map_or(0, |(_, rest)| rest.lines().next().unwrap().parse().unwrap());
    content.len() >= length
}
