//! The header fields that a gateway must not pass on, and those that it adds (RFC 9110, 7.6).

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue, Version,
    header::{
        CONNECTION, COOKIE, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
        TRANSFER_ENCODING, UPGRADE, VIA,
    },
    request,
};

/// The fields that speak of one connection, whether `Connection` names them or not (RFC 9110,
/// 7.6.1), and those that are for the next proxy alone (11.7).
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Removes what ends at this hop: the fields that `Connection` names, and the list above.
pub fn remove_hop_by_hop(fields: &mut HeaderMap) {
    for name in nominated(fields) {
        fields.remove(name);
    }
    for name in HOP_BY_HOP {
        fields.remove(name);
    }
}

/// The fields that `Connection` names, on all of its lines.
fn nominated(fields: &HeaderMap) -> Vec<HeaderName> {
    let options = members(fields, &CONNECTION);
    options.filter_map(|option| option.parse().ok()).collect()
}

/// The members of a list, over all lines of a field; a line that is no text has none.
fn members<'a>(fields: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = fields.get_all(name).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|member| !member.is_empty())
}

/// Whether the message has a transfer coding beside `chunked`.
///
/// hyper decodes only that one. With its name removed, what another one has coded would be taken for
/// the content itself (RFC 9112, 6.1).
pub fn has_unknown_transfer_coding(fields: &HeaderMap) -> bool {
    let lines = fields.get_all(TRANSFER_ENCODING).into_iter();
    let mut codings = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    codings.any(|coding| !coding.trim_ascii().eq_ignore_ascii_case(b"chunked"))
}

/// Whether the message asks for, or grants, an upgrade to WebSocket and to nothing else.
///
/// Other upgrades are not passed: through one to `h2c`, requests would go past the contract.
pub fn upgrades_to_websocket(fields: &HeaderMap) -> bool {
    let mut options = members(fields, &CONNECTION);
    let protocols: Vec<_> = members(fields, &UPGRADE).collect();
    options.any(|option| option.eq_ignore_ascii_case("upgrade"))
        && matches!(protocols.as_slice(), [one] if one.eq_ignore_ascii_case("websocket"))
}

/// Says on this hop again what [`remove_hop_by_hop`] has removed.
pub fn ask_for_websocket(fields: &mut HeaderMap) {
    fields.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Joins the lines of `Cookie`, which HTTP/2 may split and HTTP/1.1 may not (RFC 9113, 8.2.3).
pub fn join_cookies(fields: &mut HeaderMap) {
    let lines: Vec<_> = fields.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if lines.len() > 1 {
        if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
            fields.insert(COOKIE, joined);
        }
    }
}

/// Tells the upstream who asks, and for what host.
///
/// What the client says of itself in these fields is replaced, not appended to: anyone can write
/// them, and the gateway is the first that can be trusted. Behind another proxy that is trusted, this
/// is the place to keep its values.
pub fn add_forwarded(head: &mut request::Parts, client: IpAddr, scheme: &HeaderValue) {
    let host = requested_host(head);
    head.headers.remove(HOST);
    for name in [FORWARDED, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO] {
        head.headers.remove(name);
    }
    if let Ok(client) = HeaderValue::from_str(&client.to_string()) {
        head.headers.insert(X_FORWARDED_FOR, client);
    }
    if let Some(host) = host {
        head.headers.insert(X_FORWARDED_HOST, host);
    }
    head.headers.insert(X_FORWARDED_PROTO, scheme.clone());
}

/// The host that the client has asked for: that of the target before `Host` (RFC 9112, 3.2.2).
fn requested_host(head: &request::Parts) -> Option<HeaderValue> {
    match head.uri.authority() {
        Some(authority) => {
            let host = authority.as_str().rsplit('@').next()?;
            HeaderValue::from_str(host).ok()
        }
        None => head.headers.get(HOST).cloned(),
    }
}

/// Adds this gateway to the way that a request came (RFC 9110, 7.6.3): a gateway must do so towards
/// the upstream, and need not towards the client.
pub fn add_via(fields: &mut HeaderMap, received: Version) {
    let version = match received {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2.0",
        _ => "1.1",
    };
    let own = format!("{version} gateway");
    let hops: Vec<_> = members(fields, &VIA).chain([own.as_str()]).collect();
    if let Ok(via) = HeaderValue::from_str(&hops.join(", ")) {
        fields.insert(VIA, via);
    }
}
