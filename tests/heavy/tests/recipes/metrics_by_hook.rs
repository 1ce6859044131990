//! Counters through `on_error`, in `metrics` and in OpenTelemetry.

use metrics_util::debugging::DebuggingRecorder;
use opentelemetry::{KeyValue, metrics::MeterProvider};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use tower_contract::{ErrorReport, TextOrigin};

use crate::{PATHS, ask, contract, service};

/// Labels of which there are only so many: never a path, and a code only of an `ApiError`.
fn labels(report: &ErrorReport<'_>) -> [(&'static str, String); 4] {
    let is_own = report.origin == TextOrigin::ApiError;
    let code = is_own.then(|| report.code.to_string());
    [
        ("status", report.status.as_str().to_owned()),
        ("cause", format!("{:?}", report.cause)),
        ("route", report.route.unwrap_or("-").to_owned()),
        ("code", code.unwrap_or_else(|| "-".to_owned())),
    ]
}

#[test]
fn metrics_counts_each_error_by_status_cause_and_route() {
    let contract = contract().on_error(|report| {
        metrics::counter!("http_errors_total", &labels(report)).increment(1);
    });
    let app = service().layer(contract);
    let recorder = DebuggingRecorder::new();
    metrics::with_local_recorder(&recorder, || PATHS.map(|path| ask(&app, path)));
    let counted = recorder.snapshotter().snapshot().into_vec();
    let mut counted: Vec<_> = counted
        .iter()
        .map(|(key, _, _, value)| {
            let labels: Vec<_> = key.key().labels().map(|label| label.value().to_owned()).collect();
            format!("{} {value:?}", labels.join(" "))
        })
        .collect();
    counted.sort();
    assert_eq!(
        counted,
        [
            "500 Application /foreign - Counter(1)",
            "500 Application /recordings/{id} 5001 Counter(1)",
            "500 Panic /panic 500 Counter(1)",
            "503 Timeout /slow 503 Counter(1)",
        ]
    );
}

#[test]
fn opentelemetry_counts_each_error_by_status_cause_and_route() {
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    let counter = provider.meter("my-service").u64_counter("http.server.errors").build();
    let app = service().layer(contract().on_error(move |report| {
        let labels = labels(report).map(|(name, value)| KeyValue::new(name, value));
        counter.add(1, &labels);
    }));
    for path in PATHS {
        ask(&app, path);
    }
    provider.force_flush().unwrap();
    let told = format!("{:?}", exporter.get_finished_metrics().unwrap());
    for label in ["/recordings/{id}", "Panic", "Timeout", "5001"] {
        assert!(told.contains(label), "{label}: {told}");
    }
    assert!(!told.contains("/recordings/7"));
}
