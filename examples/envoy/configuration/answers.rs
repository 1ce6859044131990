//! What the layers answer, asked once: Envoy's own answers are copies of theirs.

use std::convert::Infallible;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, CONTENT_LENGTH,
        CONTENT_TYPE, ORIGIN,
    },
};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_contract::{ApiError, ContractLayer};

use crate::options::Options;

const OVERWRITE: &str = "OVERWRITE_IF_EXISTS_OR_ADD";

/// Requests that get the same CORS header lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Their `Origin` is that of a front end.
    FrontEnd,
    /// All others, who are told the first front end.
    Others,
}

/// An error that Envoy has to tell by itself.
#[derive(Debug)]
pub struct Fallback {
    pub headers: Vec<Value>,
    /// The envelope, with `http_method` empty and the public URL as `uri`.
    pub of_nobody: String,
    /// The envelope, with what Envoy puts in of the request.
    pub of_request: String,
}

/// Asks the layers.
#[derive(Debug)]
pub struct Answers<'a> {
    options: &'a Options,
    first: HeaderValue,
}

impl<'a> Answers<'a> {
    pub fn new(options: &'a Options) -> Self {
        let first = options.front_ends.first().and_then(|origin| origin.parse().ok());
        Self { options, first: first.unwrap_or_else(|| HeaderValue::from_static("null")) }
    }

    /// With one front end everybody gets the same lines.
    pub fn audiences(&self) -> &'static [Audience] {
        match self.options.front_ends.as_slice() {
            [_] => &[Audience::Others],
            _ => &[Audience::FrontEnd, Audience::Others],
        }
    }

    /// The lines that every response gets.
    pub async fn healthy(&self, audience: Audience) -> Vec<Value> {
        let response = ask(&self.options.responses(), self.request("/", Method::GET)).await;
        lines(response.headers(), audience)
    }

    /// The lines of the response to a preflight.
    pub async fn preflight(&self, audience: Audience) -> Vec<Value> {
        let mut request = self.request("/", Method::OPTIONS);
        request
            .headers_mut()
            .insert(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("GET"));
        let response = ask(&self.options.responses(), request).await;
        lines(response.headers(), audience)
    }

    /// What a resource allows, as `Allow` says it.
    pub async fn allow(&self, path: &str) -> String {
        let response = ask(&self.options.contract(), self.request(path, Method::OPTIONS)).await;
        let allow = response.headers().get(ALLOW).and_then(|value| value.to_str().ok());
        allow.unwrap_or_default().to_owned()
    }

    /// What is told of an error whose request nobody knows.
    pub async fn fallback(&self, status: StatusCode, audience: Audience) -> Fallback {
        let mut request = self.request("*", Method::OPTIONS);
        request.extensions_mut().insert(ApiError::new(status));
        let response = ask(&self.options.responses(), request).await;
        let mut headers = lines(response.headers(), audience);
        for header in &mut headers {
            // Nothing of an upstream is in these responses.
            header["append_action"] = OVERWRITE.into();
        }
        let envelope = literal(&String::from_utf8_lossy(response.body()));
        let with = |method: &str, path: &str| {
            let method = format!(r#""http_method":"{method}""#);
            let envelope = envelope.replacen(r#""http_method":"OPTIONS""#, &method, 1);
            envelope.strip_suffix("\"}").map(|text| format!("{text}{path}\"}}")).unwrap_or(envelope)
        };
        Fallback {
            of_nobody: with("", ""),
            of_request: with("%REQ(:METHOD)%", "%PATH(NQ:PATH)%"),
            headers,
        }
    }

    /// What a gRPC call is told of an error: `grpc-status` and `grpc-message`.
    pub async fn grpc(&self, error: ApiError) -> (String, String) {
        let mut request = self.request("/", Method::POST);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        request.extensions_mut().insert(error);
        let response = ask(&self.options.responses(), request).await;
        let value = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let value = |name| value(name).unwrap_or_default().to_owned();
        (value("grpc-status"), value("grpc-message"))
    }

    fn request(&self, target: &str, method: Method) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = target.parse().unwrap_or_default();
        request.headers_mut().insert(ORIGIN, self.first.clone());
        request
    }
}

/// Header lines as Envoy adds them. A front end is told its own origin: the request's, which is
/// byte for byte one of the policy.
fn lines(headers: &HeaderMap, audience: Audience) -> Vec<Value> {
    let lines = headers.iter().filter(|(name, _)| *name != CONTENT_LENGTH);
    lines
        .map(|(name, value)| {
            let is_origin = name.as_str().starts_with(ACCESS_CONTROL_ALLOW_ORIGIN.as_str());
            let value = match audience {
                Audience::FrontEnd if is_origin => "%REQ(ORIGIN)%".to_owned(),
                _ => literal(&String::from_utf8_lossy(value.as_bytes())),
            };
            line(name.as_str(), &value)
        })
        .collect()
}
/// A header line as Envoy adds it.
pub fn line(name: &str, value: &str) -> Value {
    // The service may vary on more.
    let adds = if name == "vary" { "APPEND_IF_EXISTS_OR_ADD" } else { OVERWRITE };
    json!({ "header": { "key": name, "value": value }, "append_action": adds })
}

/// A text in which Envoy finds nothing to put in.
fn literal(text: &str) -> String {
    text.replace('%', "%%")
}

/// Asks the contract around a service that is well, or that fails with the error in the request's
/// extensions.
async fn ask(contract: &ContractLayer, request: Request<()>) -> Response<Bytes> {
    let service = contract.layer(service_fn(async |request: Request<()>| {
        Ok::<_, Infallible>(match request.extensions().get::<ApiError>() {
            Some(error) => error.clone().into_http(),
            None => Response::new(Full::<Bytes>::default()),
        })
    }));
    let Ok(response) = service.oneshot(request).await;
    let (head, body) = response.into_parts();
    let content = body.collect().await.map(http_body_util::Collected::to_bytes);
    Response::from_parts(head, content.unwrap_or_default())
}
