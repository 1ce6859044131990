//! What keeps the contract: nothing is broken, whichever way the service is made.

use std::time::Duration;

use tokio::time::Instant;
use tower::Layer;
use tower_contract::conformance::{self, Check, Outcome, Report};

use super::app::{self, all_inputs};

/// The numbers of the checks with this outcome.
fn ids(report: &Report, wanted: impl Fn(&Outcome) -> bool) -> Vec<u8> {
    report.results.iter().filter(|result| wanted(&result.outcome)).map(|result| result.id).collect()
}

#[track_caller]
fn assert_nothing_is_broken(report: &Report) {
    assert!(report.is_kept(), "{report}");
    assert_eq!(ids(report, |outcome| *outcome == Outcome::Flaky), [0; 0], "{report}");
}

#[tokio::test]
async fn every_check_passes_in_process_under_axum() {
    let run = all_inputs(conformance::of(app::app()));
    let report = run.report().await.unwrap();
    assert_nothing_is_broken(&report);
    // ALPN and what a server answers by itself take a socket; errors are no problem details; and
    // nothing of this service is answered 204 to a request that is sent.
    let unchecked = ids(&report, |outcome| matches!(outcome, Outcome::NotChecked { .. }));
    assert_eq!(unchecked, [2, 38, 48, 68], "{report}");
}

#[tokio::test]
async fn every_check_passes_over_a_socket_under_axum() {
    let address = app::serve(app::app()).await;
    let report = all_inputs(app::at(address)).report().await.unwrap();
    assert_nothing_is_broken(&report);
    let unchecked = ids(&report, |outcome| matches!(outcome, Outcome::NotChecked { .. }));
    assert_eq!(unchecked, [38, 48], "{report}");
}

#[tokio::test]
async fn a_service_without_a_framework_keeps_the_contract() {
    let run = conformance::of(app::without_framework()).origin(app::FIRST).origin(app::SECOND);
    let report = run.get("/ping").unsafe_methods().report().await.unwrap();
    assert_nothing_is_broken(&report);
}

#[tokio::test]
async fn a_service_of_tonic_keeps_the_contract() {
    let routes = tonic_web::GrpcWebLayer::new().layer(tonic::service::Routes::default());
    let policy = tower_contract::CorsPolicy::builder([app::FIRST]);
    let policy = policy.expose_headers(["Grpc-Status", "Grpc-Message"]).build().unwrap();
    let service = tower_contract::ContractLayer::new(policy).layer(routes);
    let run = conformance::of(service).origin(app::FIRST).grpc("test.Service/Method");
    let report = run.report().await.unwrap();
    assert_nothing_is_broken(&report);
    let kept = ids(&report, |outcome| *outcome == Outcome::Kept);
    for id in [64, 65, 67] {
        assert!(kept.contains(&id), "{id}: {report}");
    }
}

#[tokio::test]
async fn each_format_of_errors_is_recognised_and_kept() {
    use tower_contract::{ProblemDetailsFormat, WrappedEnvelopeFormat};
    let wrapped = app::routes().layer(app::contract().format(WrappedEnvelopeFormat));
    let problem = app::routes().layer(app::contract().format(ProblemDetailsFormat::new()));
    for (app, format) in
        [(wrapped, conformance::Format::Wrapped), (problem, conformance::Format::Problem)]
    {
        let run = conformance::of(app).origin(app::FIRST).get("/ping").post_json_at("/json");
        let report = run.report().await.unwrap();
        assert_nothing_is_broken(&report);
        assert_eq!(report.profile.format, Some(format));
    }
}

#[tokio::test]
async fn nothing_is_assumed_where_nothing_is_told() {
    let report = conformance::of(app::app()).report().await.unwrap();
    assert_nothing_is_broken(&report);
    assert_eq!(report.profile.front_end.as_deref(), Some(app::FIRST));
    assert!(report.profile.front_end_is_guessed);
    let Outcome::NotChecked { option, .. } = &report.result(5).unwrap().outcome else {
        panic!("{report}")
    };
    assert_eq!(*option, "--get /path");
}

#[tokio::test]
async fn a_run_in_process_takes_less_than_a_second_of_work() {
    let start = Instant::now();
    conformance::of(app::app()).origin(app::FIRST).get("/ping").assert_kept().await;
    // One second is the promise on a machine of its own; this one may be busy.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_is_refused_in_one_line() {
    let error = conformance::of(app::app()).report().await.unwrap_err();
    assert_eq!(error.to_string(), "the runtime's clock is paused: take start_paused away");
}

#[test]
fn checks_are_numbered_in_order_and_each_says_what_to_do() {
    let ids: Vec<u8> = Check::all().map(Check::id).collect();
    assert!(ids.iter().copied().eq(1..=70), "{ids:?}");
    for check in Check::all() {
        let texts = [check.title(), check.clause(), check.fix()];
        assert!(texts.iter().all(|text| !text.is_empty()), "{}", check.id());
        assert!(check.title().ends_with('.'), "{}", check.title());
    }
}
