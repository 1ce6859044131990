//! One stream is one exchange, and one call of the stack.

use std::convert::Infallible;

use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tonic::{Status, Streaming};
use tower::{Layer, ServiceExt, service_fn};
use tower_contract::ContractLayer;

use super::{
    conversation::{Conversation, Replies, Unanswered},
    from_envoy,
    generated::{
        HttpHeaders, ProcessingRequest,
        external_processor_server::{ExternalProcessor, ExternalProcessorServer},
        processing_request::Request as Kind,
    },
    to_envoy,
    upstream::{self, Original, Upstream},
};

/// Answers Envoy's streams, each as the contract says. It keeps nothing between them.
#[derive(Clone, Debug)]
pub struct Processor {
    /// For requests on their way to the upstream.
    contract: ContractLayer,
    /// For responses to requests that were not seen: no method is refused any more.
    responses: ContractLayer,
}

/// The first message, as it begins a call of the stack.
struct Call<'a> {
    contract: &'a ContractLayer,
    request: Request<()>,
    /// The response, where there is one already: Envoy has answered before the filter saw the
    /// request, or asks only about errors.
    response: Option<HttpHeaders>,
}

impl Processor {
    pub fn new(contract: ContractLayer, responses: ContractLayer) -> Self {
        Self { contract, responses }
    }

    pub fn into_service(self) -> ExternalProcessorServer<Self> {
        ExternalProcessorServer::new(self)
    }

    /// Hears the first message, calls the stack, and says what comes out of it.
    async fn exchange(self, conversation: Conversation) -> Result<(), Unanswered> {
        let Call { contract, request, response } = self.call(conversation.hear().await?)?;
        let method = request.method().clone();
        let body = Upstream { conversation: conversation.clone(), head: response.clone() };
        let stack = contract.layer(service_fn(async |request| {
            Ok::<_, Infallible>(upstream::response(request).await)
        }));
        let Ok(answer) = stack.oneshot(request.map(|()| body)).await;

        let (mut head, body) = answer.into_parts();
        let old = match head.extensions.remove::<Original>() {
            Some(Original::Gone) => return Err(Unanswered),
            Some(Original::Head(old)) if old.has_its_body() || method == Method::HEAD => {
                Some(old.headers)
            }
            None if method == Method::HEAD => {
                place_of_refusal(&conversation, response, head.status).await?
            }
            _ => None,
        };
        let reply = if let Some(old) = old {
            to_envoy::pass_response(&old, &head.headers)
        } else {
            let content = body.collect().await.map_err(|_| Unanswered)?.to_bytes();
            to_envoy::answer(Response::from_parts(head, content))
        };
        conversation.end(reply).await
    }

    fn call(&self, first: ProcessingRequest) -> Result<Call<'_>, Unanswered> {
        match first.request {
            Some(Kind::RequestHeaders(head)) => Ok(Call {
                contract: &self.contract,
                request: from_envoy::request(&head),
                response: None,
            }),
            Some(Kind::ResponseHeaders(head)) => {
                let is_refused = from_envoy::is_refused_method(&first.attributes);
                Ok(Call {
                    contract: if is_refused { &self.contract } else { &self.responses },
                    request: from_envoy::request_of_response(&first.attributes, &head),
                    response: Some(head),
                })
            }
            Some(Kind::ResponseBody(_)) | None => Err(Unanswered),
        }
    }
}

/// The headers of a response of Envoy's own to HEAD, in whose place a refusal can stand.
///
/// Envoy takes `content-type` from an `ImmediateResponse` to HEAD; the headers of a response that is
/// there already stay as they are set.
async fn place_of_refusal(
    conversation: &Conversation,
    response: Option<HttpHeaders>,
    status: StatusCode,
) -> Result<Option<HeaderMap>, Unanswered> {
    let head = match response {
        Some(head) => head,
        None if to_envoy::has_refusal(status) => {
            conversation.say(to_envoy::refuse(status)).await?;
            let Some(Kind::ResponseHeaders(head)) = conversation.hear().await?.request else {
                return Err(Unanswered);
            };
            head
        }
        None => return Ok(None),
    };
    let response = from_envoy::response(&head);
    Ok((response.status() == status).then(|| response.into_parts().0.headers))
}

#[tonic::async_trait]
impl ExternalProcessor for Processor {
    type ProcessStream = Replies;

    async fn process(
        &self,
        messages: tonic::Request<Streaming<ProcessingRequest>>,
    ) -> Result<tonic::Response<Replies>, Status> {
        let (conversation, replies) = Conversation::new(messages.into_inner());
        let reset = conversation.clone().reset();
        let exchange = self.clone().exchange(conversation);
        tokio::spawn(async {
            tokio::select! {
                _ = exchange => {}
                () = reset => {}
            }
        });
        Ok(tonic::Response::new(replies))
    }
}
