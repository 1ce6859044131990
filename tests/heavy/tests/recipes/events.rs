//! Logs in JSON, tower-http's `TraceLayer`, and Sentry.

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{Arc, Mutex},
};

use http::HeaderName;
use sentry_tracing::ErrorLayer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use tower_http::{
    request_id::{MakeRequestUuid, SetRequestIdLayer},
    trace::TraceLayer,
};
use tracing::{Level, Subscriber};
use tracing_subscriber::{Layer, filter::filter_fn, layer::SubscriberExt};

use crate::{PATHS, ask, contract, service};

/// A JSON object that has no name twice, at any depth of objects.
#[derive(Debug)]
struct Unique(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Unique;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object without a name twice")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
                let mut members = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    let raw: Box<serde_json::value::RawValue> = map.next_value()?;
                    let value = if raw.get().starts_with('{') {
                        let inner: Unique =
                            serde_json::from_str(raw.get()).map_err(serde::de::Error::custom)?;
                        inner.0.into_iter().collect()
                    } else {
                        serde_json::from_str(raw.get()).map_err(serde::de::Error::custom)?
                    };
                    if members.insert(name.clone(), value).is_some() {
                        return Err(serde::de::Error::custom(format!("{name} stands twice")));
                    }
                }
                Ok(Unique(members))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that are logged while `act` runs, each a JSON object without a name twice.
fn lines(flat: bool, act: impl Fn()) -> Vec<Unique> {
    fn logging(log: &Log, flat: bool) -> Box<dyn Subscriber + Send + Sync> {
        let log = log.clone();
        let subscriber = tracing_subscriber::fmt().json().with_max_level(Level::DEBUG);
        let subscriber = subscriber.with_file(true).with_line_number(true).with_thread_ids(true);
        let subscriber = subscriber.with_writer(move || log.clone());
        Box::new(subscriber.flatten_event(flat).finish())
    }
    let log = Log::default();
    tracing::subscriber::with_default(logging(&log, flat), || {
        // Once for places that another thread registers just now.
        act();
        tracing::callsite::rebuild_interest_cache();
        log.0.lock().unwrap().clear();
        act();
    });
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_the_contract(lines: &[Unique]) -> Vec<&BTreeMap<String, Value>> {
    let lines = lines.iter().map(|line| &line.0);
    lines.filter(|line| line["target"].as_str().unwrap().starts_with("tower_contract")).collect()
}

#[test]
fn each_event_is_json_without_a_name_twice_flattened_too() {
    let app = service().layer(contract().error_body(|layer| {
        layer
            .request_id(HeaderName::from_static("x-request-id"))
            .keep_if(|_, path, _| path == "/kept")
    }));
    for flat in [false, true] {
        for path in PATHS.into_iter().chain(["/nope"]) {
            let lines = lines(flat, || drop(ask(&app, path)));
            let told = of_the_contract(&lines);
            assert_eq!(told.len(), usize::from(path != "/"), "{path}: {told:?}");
            let Some(told) = told.first() else { continue };
            let fields = if flat {
                (*told).clone()
            } else {
                told["fields"].as_object().unwrap().clone().into_iter().collect()
            };
            assert_eq!(fields["message"], "error response");
            assert_eq!(fields["method"], "GET");
            if path == "/panic" {
                assert_eq!(fields["panic"], "boom");
            }
            if path == "/recordings/7" {
                assert_eq!(
                    (&fields["error"], &fields["route"]),
                    (&"disk 7".into(), &"/recordings/{id}".into())
                );
            }
        }
    }
}

#[test]
fn with_trace_layer_a_failure_is_one_line() {
    // The contract tells each failure with its cause; `TraceLayer` would repeat it without.
    let app = service()
        .layer(
            contract()
                .error_body(|layer| layer.request_id(HeaderName::from_static("x-request-id"))),
        )
        .layer(TraceLayer::new_for_http().on_failure(()))
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid));
    for path in PATHS {
        let lines = lines(false, || drop(ask(&app, path)));
        let failures: Vec<_> = lines
            .iter()
            .filter(|line| ["ERROR", "WARN"].contains(&line.0["level"].as_str().unwrap()))
            .collect();
        assert_eq!(failures.len(), usize::from(path != "/"), "{path}: {failures:?}");
        for failure in failures {
            assert_eq!(failure.0["fields"]["request_id"].as_str().unwrap().len(), 36);
            // The line of the span that it stands in names the request too.
            assert_eq!(failure.0["span"]["uri"], path);
        }
    }
}

#[test]
fn sentry_gets_one_event_for_each_failure() {
    // A 5xx is an ERROR; a time limit and an overload are a WARN of the contract's.
    let is_failure = |metadata: &tracing::Metadata<'_>| match *metadata.level() {
        Level::ERROR => true,
        Level::WARN => metadata.target().starts_with("tower_contract"),
        _ => false,
    };
    let app = service().layer(contract());
    for path in PATHS {
        let ask_twice = || {
            let layer = ErrorLayer::new().with_filter(filter_fn(is_failure));
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                tracing::callsite::rebuild_interest_cache();
                ask(&app, path)
            })
        };
        drop(ask_twice());
        let events = sentry::test::with_captured_events(|| drop(ask_twice()));
        assert_eq!(events.len(), usize::from(path != "/"), "{path}: {events:?}");
        for event in events {
            assert_eq!(event.message.as_deref(), Some("error response"), "{path}");
        }
    }
}
