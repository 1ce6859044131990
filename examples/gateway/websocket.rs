//! WebSocket: after a 101 the two connections are one (RFC 6455, 4).
//!
//! Until the upstream has said 101, the client speaks HTTP: what it sends early is its next request,
//! never a byte of a tunnel.

use http::{HeaderMap, Request, Response, StatusCode};
use hyper::{
    body::Incoming,
    upgrade::{self, OnUpgrade},
};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tower_contract::{ApiError, Cause, CorsPolicy, RequestOrigin};

use crate::{
    fields,
    forward::{self, AnswerBody, BoxError, Content, answer_of},
};

/// The client's half of a tunnel, if the request asks for one.
pub fn asked_for(request: &mut Request<Content>) -> Option<OnUpgrade> {
    fields::upgrades_to_websocket(request.headers()).then(|| upgrade::on(request))
}

/// Refuses the pages that the policy does not admit, with `--websocket-same-policy`.
///
/// No browser asks before it opens a WebSocket, and it sends cookies: CORS does not guard it, the
/// service behind has to. A client that sends no `Origin` is no page, and passes.
pub fn admit(policy: &CorsPolicy, request: &HeaderMap) -> Result<(), ApiError> {
    match policy.origin_of_request(request) {
        RequestOrigin::Absent | RequestOrigin::Admitted => Ok(()),
        _ => Err(FOREIGN_PAGE),
    }
}

/// Joins the two connections as soon as the client has got the upstream's 101.
///
/// The time limit ends with the head, and so does a graceful stop: a tunnel ends when one of its ends
/// does, or the program.
pub fn join(
    client: OnUpgrade,
    mut answer: Response<Incoming>,
) -> Result<Response<AnswerBody>, BoxError> {
    if !fields::upgrades_to_websocket(answer.headers()) {
        return Err(OTHER_PROTOCOL.into());
    }
    let upstream = upgrade::on(&mut answer);
    tokio::spawn(async {
        // Either end may break off at any time, and then there is nobody left to be told.
        let _ = tunnel(client, upstream).await;
    });
    let mut fields = answer.into_parts().0.headers;
    fields::remove_hop_by_hop(&mut fields);
    fields::ask_for_websocket(&mut fields);
    let status = StatusCode::SWITCHING_PROTOCOLS;
    Ok(answer_of(status, fields, forward::empty()))
}

async fn tunnel(client: OnUpgrade, upstream: OnUpgrade) -> Result<(), BoxError> {
    let (client, upstream) = tokio::try_join!(client, upstream)?;
    let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
    copy_bidirectional(&mut client, &mut upstream).await?;
    Ok(())
}

/// 403: the page is none of the front ends.
const FOREIGN_PAGE: ApiError = ApiError::forbidden();

/// 502: the upstream changes to another protocol than it was asked to (RFC 9110, 7.8).
const OTHER_PROTOCOL: ApiError = ApiError::bad_gateway().with_cause(Cause::Upstream);
