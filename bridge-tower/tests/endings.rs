//! How requests end, one by one.

mod scripted;

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future::block_on;
use http::{Method, Request};
use http_body_util::BodyExt;
use loaddensity_metrics_shell::{ErrorKind, HeapStorage, LocalRecorder, Outcome, Registry, Series, Timestamp};
use loaddensity_metrics_tower::{Completed, Ending, RecordedFuture, RequestLayer, RouteTemplate, by_route, by_status};
use scripted::Step::{Broken, Data, Pending, Trailers};
use scripted::{Script, ScriptedAnswer, ScriptedService, Step};
use tower_layer::Layer;
use tower_service::Service;

#[test]
fn a_body_that_is_read_ends_whole_or_with_its_error() {
    let with_length = Script { has_length: true, ..Script::answering(200, [Data(5), Data(6)]) };
    for (script, ending, bytes) in [
        (Script::answering(200, []), Ending::Whole, 0),
        (Script::answering(200, [Data(5), Pending, Data(6), Trailers]), Ending::Whole, 11),
        (with_length, Ending::Whole, 11),
        (Script::answering(404, [Data(5)]), Ending::Whole, 5),
        (Script::answering(200, [Data(5), Broken]), Ending::BodyError, 5),
        (Script { has_length: true, ..Script::answering(200, [Data(5), Broken]) }, Ending::BodyError, 5),
    ] {
        let status = script.status.unwrap();
        let seen = seen_of(Method::GET, script, |call| {
            let answer = block_on(call).expect("a response comes");
            let _ = block_on(answer.into_body().collect());
        });
        assert_eq!((seen.ending, seen.status, seen.response_bytes), (ending, status, bytes));
    }
}

#[test]
fn a_body_that_is_dropped_with_nothing_left_to_come_is_whole() {
    let body = [Data(5), Data(6)];
    let knowing = |frames: &[Step]| {
        let mut script = Script::answering(200, frames.iter().copied());
        script.body.knows_its_end = true;
        script
    };
    let with_length = Script { has_length: true, ..Script::answering(200, body) };
    for (method, script, frames, ending) in [
        (Method::GET, knowing(&[]), 0, Ending::Whole),
        (Method::GET, knowing(&body), 2, Ending::Whole),
        (Method::GET, knowing(&body), 1, Ending::BodyDropped),
        (Method::GET, with_length.clone(), 2, Ending::Whole),
        (Method::GET, with_length.clone(), 1, Ending::BodyDropped),
        (Method::GET, with_length.clone(), 0, Ending::BodyDropped),
        (Method::HEAD, with_length, 0, Ending::Whole),
        (Method::HEAD, Script::answering(200, []), 0, Ending::Whole),
        // Nobody said that this was all.
        (Method::GET, Script::answering(200, body), 2, Ending::BodyDropped),
    ] {
        let seen = seen_of(method.clone(), script, |call| {
            let mut body = block_on(call).expect("a response comes").into_body();
            (0..frames).for_each(|_| drop(block_on(body.frame())));
        });
        assert_eq!((seen.ending, seen.response_bytes), (ending, [0, 5, 11][frames]), "{method} {frames}");
        assert_eq!(seen.status, 200);
    }
}

#[test]
fn a_call_without_a_response_ends_with_the_services_error_or_is_cancelled() {
    let failing = Script { status: None, pending: 1, ..Script::answering(200, []) };
    let seen = seen_of(Method::GET, failing.clone(), |call| assert!(block_on(call).is_err()));
    assert_eq!((seen.ending, seen.status), (Ending::ServiceError, 0));
    let seen = seen_of(Method::GET, failing.clone(), drop);
    assert_eq!((seen.ending, seen.status), (Ending::Cancelled, 0));
    let seen = seen_of(Method::GET, failing, |call| {
        let polled = pin!(call).poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Pending));
    });
    assert_eq!((seen.ending, seen.status), (Ending::Cancelled, 0));
}

#[test]
fn a_service_that_panics_is_recorded_as_cancelled() {
    struct Panicking;
    impl Service<Request<Script>> for Panicking {
        type Response = http::Response<scripted::ScriptedBody>;
        type Error = scripted::Scripted;
        type Future = ScriptedAnswer;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Request<Script>) -> Self::Future {
            panic!("as the test wants it")
        }
    }
    let registry = registry();
    let recorder = LocalRecorder::new(registry);
    let called = thread::spawn(move || {
        let request = Request::new(Script::answering(200, []));
        drop(RequestLayer::new(recorder, by_route).layer(Panicking).call(request));
    });
    assert!(called.join().is_err());
    assert_eq!(registry.totals().by_outcome, [0, 1]);
}

#[test]
fn the_latency_lasts_until_the_end_of_the_body() {
    const PAUSE: Duration = Duration::from_millis(40);
    let seen = seen_of(Method::GET, Script::answering(200, [Data(1), Data(1)]), |call| {
        let mut body = block_on(call).expect("a response comes").into_body();
        block_on(body.frame());
        thread::sleep(PAUSE);
        block_on(body.collect()).expect("the body ends");
    });
    assert!(seen.latency >= PAUSE, "{:?}", seen.latency);
    let (begun, mut ended) = (Instant::now(), Duration::MAX);
    let seen = seen_of(Method::GET, Script::answering(200, []), |call| {
        let mut body = block_on(call).expect("a response comes").into_body();
        assert!(block_on(body.frame()).is_none());
        ended = begun.elapsed();
        // What comes after the end of the body does not count, even while the body is still there.
        thread::sleep(PAUSE);
    });
    assert!(seen.latency <= ended, "{:?}", seen.latency);
}

#[test]
fn the_default_rule_wants_a_whole_body_and_a_status_below_400() {
    let whole = seen_of(Method::GET, Script::answering(200, []), |call| {
        block_on(block_on(call).expect("a response comes").into_body().collect()).expect("the body ends");
    });
    for (status, ending, outcome) in [
        (200, Ending::Whole, Outcome::Success),
        (399, Ending::Whole, Outcome::Success),
        (400, Ending::Whole, Outcome::Failure),
        (200, Ending::BodyDropped, Outcome::Failure),
        (200, Ending::BodyError, Outcome::Failure),
        (0, Ending::ServiceError, Outcome::Failure),
        (0, Ending::Cancelled, Outcome::Failure),
    ] {
        let mut completed = whole;
        (completed.status, completed.ending) = (status, ending);
        assert_eq!(by_status(completed), outcome, "{status} {ending:?}");
    }
}

#[test]
fn a_rule_and_a_clock_of_ones_own_are_asked() {
    let registry = registry();
    let recorder = LocalRecorder::new(registry);
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let layer = RequestLayer::new(recorder, by_route)
        .outcome(|completed| if completed.status == 404 { Outcome::Success } else { Outcome::Failure })
        .completed_at(|| Timestamp::from_unix_nanos(ASKED.fetch_add(1, Ordering::Relaxed)));
    let mut service = layer.layer(ScriptedService);
    for status in [404, 200, 404] {
        let answer = block_on(service.call(Request::new(Script::answering(status, [])))).expect("a response comes");
        block_on(answer.into_body().collect()).expect("the body ends");
    }
    assert_eq!((registry.totals().by_outcome, ASKED.load(Ordering::Relaxed)), ([2, 1], 3));
}

#[test]
fn requests_are_named_by_method_and_template_and_never_by_path() {
    let registry = registry();
    let recorder = LocalRecorder::new(registry);
    let named = |method: &str, template: Option<&'static str>| -> Series {
        let mut request = Request::builder().method(method).uri("/items/42").body(()).expect("a request");
        template.map(|template| request.extensions_mut().insert(RouteTemplate::new(template)));
        by_route(&recorder, &request)
    };
    assert_eq!(named("GET", Some("/items/{id}")), recorder.series("GET", "/items/{id}"));
    assert_eq!(named("PATCH", None), recorder.series("PATCH", "no route"));
    assert_eq!(named("BREW", None), recorder.series("_OTHER", "no route"));
    assert_eq!(registry.usage().series, 3);
}

#[test]
fn a_failure_has_the_kind_of_how_it_ended_unless_its_status_says_more() {
    let broken = |status| Script::answering(status, [Data(5), Broken]);
    let failing = Script { status: None, pending: 1, ..Script::answering(200, []) };
    for (script, is_cancelled, kind) in [
        (broken(200), false, ErrorKind::Reset),
        (broken(503), false, ErrorKind::Status),
        (Script::answering(404, [Data(5)]), false, ErrorKind::Status),
        (failing.clone(), true, ErrorKind::Timeout),
        (failing, false, ErrorKind::Connect),
    ] {
        let registry = registry();
        registry.set_error_label().expect("nothing is recorded yet");
        let layer = RequestLayer::new(LocalRecorder::new(registry), by_route);
        let mut service = layer.error_kinds(|_: &scripted::Scripted| ErrorKind::Connect).layer(ScriptedService);
        let call = service.call(Request::new(script));
        if is_cancelled {
            drop(call);
        } else if let Ok(answer) = block_on(call) {
            let _ = block_on(answer.into_body().collect());
        }
        let totals = registry.totals();
        assert_eq!((totals.failures(), totals.failures_of(kind)), (1, 1), "{kind:?}");
    }
}

type Call = RecordedFuture<ScriptedAnswer, fn(Completed) -> Outcome>;

/// What the rule was told of the one request that `client` makes of its call. It must have been recorded once, as it was told.
fn seen_of(method: Method, script: Script, client: impl FnOnce(Call)) -> Completed {
    thread_local! {
        static SEEN: RefCell<Vec<Completed>> = const { RefCell::new(Vec::new()) };
    }
    fn noting(completed: Completed) -> Outcome {
        SEEN.with_borrow_mut(|seen| seen.push(completed));
        by_status(completed)
    }
    let registry = registry();
    let rule: fn(Completed) -> Outcome = noting;
    let layer = RequestLayer::new(LocalRecorder::new(registry), by_route).outcome(rule);
    let request = Request::builder().method(method).body(script).expect("a request");
    client(layer.layer(ScriptedService).call(request));

    let [seen] = SEEN.take()[..] else { panic!("not one request") };
    let totals = registry.series_totals(seen.series);
    let outcome = by_status(seen) as usize;
    assert_eq!((registry.requests(), totals.by_outcome[outcome]), (1, 1));
    assert_eq!(totals.sizes[outcome].sum, seen.response_bytes);
    assert_eq!(totals.latencies[outcome].sum_ns, seen.latency.as_nanos() as u64);
    seen
}

/// A registry of its own, which the process keeps.
fn registry() -> Registry<'static> {
    Box::leak(Box::new(HeapStorage::new(10, 2, 16).expect("a small storage can be made"))).registry()
}
