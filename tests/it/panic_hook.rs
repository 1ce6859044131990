//! Where a panic happened, in a process that has installed the hook.

use std::{
    panic::{self, catch_unwind, resume_unwind},
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tower::{BoxError, Layer, service_fn};
use tower_contract::panic_hook;

use crate::support::{ask, contract};

type Answer = Result<Response<Full<Bytes>>, BoxError>;

/// Panics that reached the hook that was there before.
static PASSED: AtomicUsize = AtomicUsize::new(0);

/// Installs the hook once for this process, twice, in front of one that counts.
fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() == Some(&"not contained") {
                PASSED.fetch_add(1, Ordering::Relaxed);
            } else {
                default(info);
            }
        }));
        panic_hook::install();
        panic_hook::install();
    });
}

/// The location that the hooks for panics and for errors are told of a service's panic.
fn location(panicking: fn() -> Answer) -> [Option<String>; 2] {
    install();
    let told = Arc::new(Mutex::new(Vec::new()));
    let (panics, errors) = (Arc::clone(&told), Arc::clone(&told));
    let tell = |log: &Mutex<Vec<_>>, location: Option<&str>| {
        log.lock().unwrap().push(location.map(str::to_owned));
    };
    let service = contract()
        .panics(move |layer| layer.on_panic(move |report| tell(&panics, report.location)))
        .on_error(move |report| tell(&errors, report.location))
        .layer(service_fn(move |_| async move { panicking() }));
    assert_eq!(ask(service, "GET /x").status(), 500);
    let told = told.lock().unwrap().clone();
    told.try_into().unwrap()
}

#[test]
fn a_contained_panic_has_a_location() {
    let line = line!() + 1;
    let told = location(|| panic!("at this line"));
    let expected = format!("{}:{line}:", file!());
    for location in told {
        let location = location.unwrap();
        assert!(location.starts_with(&expected), "{location} is not {expected}");
    }
}

#[test]
fn a_panic_that_ran_no_hook_has_no_location_and_never_that_of_another() {
    assert_eq!(location(|| resume_unwind(Box::new("no hook"))), [None, None]);
    let told = location(|| {
        let _ = catch_unwind(|| panic!("caught by the service itself"));
        resume_unwind(Box::new(String::from("no hook")))
    });
    assert_eq!(told, [None, None]);
}

#[test]
fn a_panic_that_no_contract_contains_goes_to_the_hook_that_was_there() {
    install();
    let before = PASSED.load(Ordering::Relaxed);
    let _ = catch_unwind(|| panic!("not contained"));
    assert_eq!(PASSED.load(Ordering::Relaxed), before + 1);
    // Afterwards too: the contract has left nothing behind on this thread.
    let _ = location(|| panic!("contained"));
    let _ = catch_unwind(|| panic!("not contained"));
    assert_eq!(PASSED.load(Ordering::Relaxed), before + 2);
}
