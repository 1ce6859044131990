//! A page that is driven over the DevTools protocol, and every challenge that the browser meets.

use std::{collections::VecDeque, time::Duration};

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_stream::StreamExt;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

/// Long enough for a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

pub struct DevTools {
    socket: WebSocketStream<TcpStream>,
    session: Option<String>,
    next: u64,
    /// The schemes for which the browser would have asked the user.
    asked: VecDeque<String>,
}

impl DevTools {
    /// Opens a page, and looks at every request that it makes.
    pub async fn open(url: &str, page: &str) -> Self {
        let address = url.strip_prefix("ws://").unwrap().split('/').next().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let (socket, _) = client_async(url, stream).await.unwrap();
        let mut tools = Self { socket, session: None, next: 0, asked: VecDeque::new() };
        let target = tools.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = tools.call("Target.attachToTarget", attach).await;
        tools.session = Some(session["sessionId"].as_str().unwrap().to_owned());
        tools.call("Page.enable", json!({})).await;
        tools.call("Page.navigate", json!({ "url": page })).await;
        while tools.read().await["method"] != "Page.loadEventFired" {}
        let all = json!({ "handleAuthRequests": true, "patterns": [{ "urlPattern": "*" }] });
        tools.call("Fetch.enable", all).await;
        tools
    }

    /// What an async function of the page returns, and for which schemes the user would have been
    /// asked meanwhile; each such question is answered with "cancel".
    pub async fn run(&mut self, script: &str) -> (Value, Vec<String>) {
        let expression = format!("({script})()");
        let evaluate =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let returned = self.call("Runtime.evaluate", evaluate).await;
        (returned["result"]["value"].clone(), self.asked.drain(..).collect())
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params).await;
        loop {
            let message = self.read().await;
            if message["id"] == id {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    async fn send(&mut self, method: &str, params: Value) -> u64 {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(message.to_string())).await.unwrap();
        self.next
    }

    /// The next message, after what it asks for was done.
    async fn read(&mut self) -> Value {
        let message = timeout(LIMIT, self.socket.next()).await.expect("the browser is silent");
        let message = message.unwrap().unwrap();
        let message: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
        let request = &message["params"]["requestId"];
        match message["method"].as_str() {
            Some("Fetch.requestPaused") => {
                self.send("Fetch.continueRequest", json!({ "requestId": request })).await;
            }
            Some("Fetch.authRequired") => {
                let scheme = &message["params"]["authChallenge"]["scheme"];
                self.asked.push_back(scheme.as_str().unwrap().to_owned());
                let cancel = json!({ "response": "CancelAuth" });
                let answer = json!({ "requestId": request, "authChallengeResponse": cancel });
                self.send("Fetch.continueWithAuth", answer).await;
            }
            _ => {}
        }
        message
    }
}
