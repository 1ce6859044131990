//! Envoy's configuration: the one listener, the filter that asks the processor, two clusters.

mod answers;
mod local_replies;
mod routes;

use std::net::SocketAddr;

use http::uri::Authority;
use serde_json::{Value, json};

use self::{answers::Answers, local_replies::MARK};
use crate::{
    from_envoy::attributes,
    options::{Addresses, Configuration, Listen, Options},
};

/// The configuration as JSON, which `envoy -c` reads.
///
/// # Errors
///
/// Says what Envoy cannot say by itself, and that the other configuration can.
pub async fn text(
    options: &Options,
    configuration: Configuration,
    addresses: &Addresses,
) -> Result<String, crate::BoxError> {
    if let (Configuration::Errors, [first, ..]) = (configuration, &*options.processor_only) {
        let problem = "Envoy cannot say it by itself; use `print-config full`";
        return Err(format!("{first}: {problem}").into());
    }
    let upstream = upstream(addresses)?;
    let answers = Answers::new(options);
    let virtual_host = routes::virtual_host(options, configuration, &answers).await;
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "contract",
        // The method is the contract's to refuse.
        "http_protocol_options": { "allow_custom_methods": true },
        "upgrade_configs": [{ "upgrade_type": "websocket" }],
        "route_config": { "virtual_hosts": [virtual_host] },
        "local_reply_config": local_replies::local_replies(options, &answers).await,
        "http_filters": [asks_the_processor(configuration), {
            "name": "envoy.filters.http.router",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                "suppress_envoy_headers": true,
            },
        }],
    });
    let listener = json!({
        "name": "contract",
        "address": address(addresses.envoy),
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": manager,
        }] }],
    });
    let clusters = [upstream, processor(&options.listen)];
    let all = json!({ "static_resources": { "listeners": [listener], "clusters": clusters } });
    Ok(serde_json::to_string_pretty(&all)?)
}

/// The external processing filter, in front of the router.
fn asks_the_processor(configuration: Configuration) -> Value {
    let request_headers = match configuration {
        Configuration::Full => "SEND",
        Configuration::Errors => "SKIP",
    };
    let filter = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
        "grpc_service": { "envoy_grpc": { "cluster_name": "contract" } },
        "processing_mode": { "request_header_mode": request_headers, "response_header_mode": "SEND" },
        // The content of an error is asked for.
        "allow_mode_override": true,
        "response_attributes": attributes(),
        "message_timeout": "1s",
        // Without the processor a response would be raw.
        "failure_mode_allow": false,
        "status_on_error": { "code": "ServiceUnavailable" },
    });
    // What is healthy needs no processor where Envoy adds the headers.
    let healthy = response_header(
        ":status",
        &json!({ "safe_regex": {
        "google_re2": {}, "regex": "[123]..",
    } }),
    );
    let said = response_header(MARK, &json!({ "exact": "envoy" }));
    let skipped = match configuration {
        Configuration::Full => vec![said],
        Configuration::Errors => vec![healthy, said],
    };
    json!({
        "name": "contract",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher",
            "extension_config": { "name": "envoy.filters.http.ext_proc", "typed_config": filter },
            "xds_matcher": { "matcher_list": { "matchers": skipped } },
        },
    })
}

/// Skips the processor where a response has this header.
fn response_header(name: &str, value: &Value) -> Value {
    json!({
        "predicate": { "single_predicate": {
            "input": { "name": name, "typed_config": {
                "@type": "type.googleapis.com/envoy.type.matcher.v3.HttpResponseHeaderMatchInput",
                "header_name": name,
            } },
            "value_match": value,
        } },
        "on_match": { "action": { "name": "skip", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.common.matcher.action.v3.SkipFilter",
        } } },
    })
}

// ===== clusters =====

fn upstream(addresses: &Addresses) -> Result<Value, String> {
    let upstream = &addresses.upstream;
    let port = upstream.port_u16().filter(|port| *port > 0);
    let port = port.ok_or_else(|| format!("--upstream {upstream}: write a host and a port"))?;
    let mut cluster = cluster("upstream", &endpoint(upstream, port));
    cluster["type"] = "STRICT_DNS".into();
    if addresses.upstream_http2 {
        cluster["typed_extension_protocol_options"] = http2();
    }
    Ok(cluster)
}

fn endpoint(upstream: &Authority, port: u16) -> Value {
    let host = upstream.host().trim_start_matches('[').trim_end_matches(']');
    json!({ "socket_address": { "address": host, "port_value": port } })
}

fn processor(listen: &Listen) -> Value {
    let address = match listen {
        Listen::Address(listen) => address(*listen),
        Listen::Unix(path) => json!({ "pipe": { "path": path } }),
    };
    let mut cluster = cluster("contract", &address);
    cluster["typed_extension_protocol_options"] = http2();
    cluster
}

fn cluster(name: &str, address: &Value) -> Value {
    json!({
        "name": name,
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }],
        },
    })
}

fn http2() -> Value {
    json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": { "http2_protocol_options": {} },
    } })
}

fn address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip(), "port_value": address.port() } })
}
