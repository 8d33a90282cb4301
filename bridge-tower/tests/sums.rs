//! The layer's sums are those of a client that counts for itself, over thousands of requests of every kind, on several threads.

mod scripted;

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Waker};
use std::thread;

use futures_lite::future::block_on;
use http::{Method, Request};
use http_body_util::BodyExt;
use loaddensity_metrics_shell::{HeapStorage, LocalRecorder, Outcome, Registry};
use loaddensity_metrics_tower::{Completed, Ending, RequestLayer, RouteTemplate, by_route, by_status};
use scripted::Step::{Broken, Data, Pending, Trailers};
use scripted::{Script, ScriptedService};
use tower_layer::Layer;
use tower_service::Service;

const THREADS: u64 = 4;
const REQUESTS: u64 = 5_000;

#[test]
fn the_layers_sums_are_the_clients() {
    let registry = Box::leak(Box::new(HeapStorage::new(20, 4, 16).expect("a small storage can be made"))).registry();
    let counted: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|seed| scope.spawn(move || load(registry, seed))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread of the load ends")).collect()
    });
    let mut expected = HashMap::<_, Sums>::new();
    counted.into_iter().flatten().for_each(|(key, sums)| expected.entry(key).or_default().add(sums));

    let endings = ENDINGS.lock().expect("no rule panics").take().expect("the rule was asked");
    assert_eq!(endings.values().sum::<u64>(), THREADS * REQUESTS);
    let mut expected_endings = HashMap::<_, u64>::new();
    for ((.., ending), sums) in &expected {
        *expected_endings.entry(*ending).or_default() += sums.requests;
    }
    assert_eq!(endings, expected_endings);
    assert!(endings.len() == 5 && endings.values().all(|requests| *requests > 500), "too few of a kind: {endings:?}");

    for (method, template) in SERIES {
        let totals = registry.series_totals(registry.series(method, template));
        for outcome in Outcome::ALL {
            let of_series = expected.iter().filter(|(key, _)| (key.0, key.1, key.2) == (method, template, outcome));
            let mut sums = Sums::default();
            of_series.for_each(|(_, more)| sums.add(*more));
            let (sizes, latencies) = (totals.sizes[outcome as usize], totals.latencies[outcome as usize]);
            let seen = Sums { requests: totals.by_outcome[outcome as usize], bytes: sizes.sum };
            assert_eq!(seen, sums, "{method} {template} {outcome:?}");
            assert_eq!((sizes.count(), latencies.count()), (sums.requests, sums.requests));
        }
    }
    let all = registry.totals();
    let mut sums = Sums::default();
    expected.into_values().for_each(|more| sums.add(more));
    assert_eq!(Sums { requests: all.requests(), bytes: all.sizes.map(|sizes| sizes.sum).iter().sum() }, sums);
    assert_eq!(all.requests(), THREADS * REQUESTS);
}

const SERIES: [(&str, &str); 4] =
    [("GET", "/items"), ("GET", "/items/{id}"), ("POST", "/items"), ("HEAD", "/items/{id}")];

/// How many requests ended how, as the rule was told.
static ENDINGS: Mutex<Option<HashMap<Ending, u64>>> = Mutex::new(None);

fn rule(completed: Completed) -> Outcome {
    let mut endings = ENDINGS.lock().expect("no rule panics");
    *endings.get_or_insert_default().entry(completed.ending).or_default() += 1;
    by_status(completed)
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    requests: u64,
    bytes: u64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.bytes += other.bytes;
    }
}

/// Method, template, outcome and ending.
type Kind = (&'static str, &'static str, Outcome, Ending);

/// What one thread requests, and what it counts meanwhile.
fn load(registry: Registry<'static>, seed: u64) -> HashMap<Kind, Sums> {
    let mut service = RequestLayer::new(LocalRecorder::new(registry), by_route).outcome(rule).layer(ScriptedService);
    let (mut choices, mut counted) = (Choices(seed), HashMap::<_, Sums>::new());
    for _ in 0..REQUESTS {
        let (method, template) = SERIES[choices.below(SERIES.len())];
        let script = script(&mut choices);
        let status = script.status.unwrap_or_default();
        let request = Request::builder().method(method).extension(RouteTemplate::new(template));
        let call = service.call(request.body(script.clone()).expect("a request"));
        let (ending, bytes) = client(&mut choices, call, &script, method == Method::HEAD);
        // The rule once more, as a client would put it.
        let is_success = ending == Ending::Whole && (200..400).contains(&status);
        let outcome = if is_success { Outcome::Success } else { Outcome::Failure };
        let kind = (method, template, outcome, ending);
        counted.entry(kind).or_default().add(Sums { requests: 1, bytes });
    }
    counted
}

fn script(choices: &mut Choices) -> Script {
    let mut script = Script::answering([200, 204, 301, 404, 429, 503][choices.below(6)], []);
    let steps = choices.below(5);
    script.body.steps = (0..steps).map(|_| [Data(choices.below(4_096)), Data(1), Pending][choices.below(3)]).collect();
    script.body.steps.extend([Broken, Trailers].get(choices.below(6)));
    script.body.knows_its_end = choices.below(2) == 0;
    script.has_length = choices.below(3) == 0;
    script.pending = choices.below(3);
    if choices.below(8) == 0 {
        script.status = None;
    }
    script
}

/// Does something with a call, and says how it ended and how many bytes came.
fn client<F, B, E>(choices: &mut Choices, call: F, script: &Script, is_head: bool) -> (Ending, u64)
where
    F: Future<Output = Result<http::Response<B>, E>>,
    B: http_body::Body + Unpin,
{
    match choices.below(8) {
        0 => {
            drop(call);
            return (Ending::Cancelled, 0);
        }
        1 if script.pending > 0 => {
            let is_pending = pin!(call).poll(&mut Context::from_waker(Waker::noop())).is_pending();
            assert!(is_pending, "the script answers later");
            return (Ending::Cancelled, 0);
        }
        _ => {}
    }
    let Ok(response) = block_on(call) else { return (Ending::ServiceError, 0) };
    let mut body = response.into_body();
    // Half of the clients read to the end.
    let frames = if choices.below(2) == 0 { usize::MAX } else { choices.below(4) };
    let mut bytes = 0;
    let mut read = 0;
    while read < frames {
        match block_on(body.frame()) {
            Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, |data| bytes::Buf::remaining(data) as u64),
            Some(Err(_)) => return (Ending::BodyError, bytes),
            None => return (Ending::Whole, bytes),
        }
        read += 1;
    }
    let left = script.body.steps.iter().filter(|step| **step != Pending).skip(read).count();
    let is_known = script.body.knows_its_end && left == 0 && script.body.steps.back() != Some(&Pending);
    let has_all = script.has_length && bytes == script.bytes() as u64;
    (if is_head || has_all || is_known { Ending::Whole } else { Ending::BodyDropped }, bytes)
}

/// A generator of numbers that are the same in every run.
struct Choices(u64);

impl Choices {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % end as u64) as usize
    }
}
