//! An answer that comes while the content is still being sent.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{gateway, upstream::serve};
use crate::example::soon;

const CONTENT: usize = 2_000_000;

/// Answers as soon as the head is there, and closes without having read the content.
async fn too_large(mut stream: TcpStream) {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => return,
        }
    }
    let answer = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 5\r\n\r\nlarge";
    let _ = stream.write_all(answer.as_bytes()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_answers_and_closes_before_it_has_read_all_is_heard() {
    let (address, _) = serve(too_large).await;
    let gateway = gateway(address, &[]).await;
    for attempt in 0..12 {
        let (mut read, mut write) = TcpStream::connect(gateway.address).await.unwrap().into_split();
        let sending = tokio::spawn(async move {
            let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {CONTENT}\r\n\r\n");
            let _ = write.write_all(head.as_bytes()).await;
            let piece = vec![b'a'; 20_000];
            for _ in 0..CONTENT / piece.len() {
                if write.write_all(&piece).await.is_err() {
                    break;
                }
            }
            write
        });
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        while !answer.ends_with(b"}") {
            match soon("the answer", read.read(&mut piece)).await {
                Ok(0) | Err(_) => break,
                Ok(n) => answer.extend_from_slice(&piece[..n]),
            }
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 413 "), "{attempt}: {answer}");
        sending.abort();
    }
}
