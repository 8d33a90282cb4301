//! The layer allocates nothing for a request.

#![allow(unsafe_code, reason = "a global allocator, here one that counts, cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use loaddensity_metrics_shell::{HeapStorage, LocalRecorder};
use loaddensity_metrics_tower::{RequestLayer, RouteTemplate, by_route};
use tower_layer::Layer;
use tower_service::Service;

#[test]
fn the_layer_allocates_nothing_for_a_request() {
    const REQUESTS: u64 = 1_000;
    let storage = Box::leak(Box::new(HeapStorage::new(10, 2, 16).expect("a small storage can be made")));
    let registry = storage.registry();
    let layer = RequestLayer::new(LocalRecorder::new(registry), by_route);
    let mut service = layer.layer(Fixed);
    let requests = |count| -> Vec<_> {
        let request = |_| Request::get("/items/42").extension(RouteTemplate::new("/items/{id}")).body(());
        (0..count).map(request).collect::<Result<_, _>>().expect("requests")
    };
    // The first claims a recorder for this thread and interns the series.
    requests(1).into_iter().for_each(|request| exchange(&mut service, request));
    let more = requests(REQUESTS);
    let before = ALLOCATIONS.get();
    more.into_iter().for_each(|request| exchange(&mut service, request));
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert_eq!(registry.totals().by_outcome, [REQUESTS + 1, 0]);

    drop(requests(1));
    assert!(ALLOCATIONS.get() > before, "allocations are counted");
}

fn exchange(service: &mut impl Service<Request<()>, Response = Response<impl Body>>, request: Request<()>) {
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(response)) = pin!(service.call(request)).poll(&mut context) else { panic!("no response") };
    let mut body = pin!(response.into_body());
    while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut context) {
        assert!(frame.is_ok());
    }
}

#[derive(Clone)]
struct Fixed;

impl Service<Request<()>> for Fixed {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(Full::new(Bytes::from_static(b"an item")))))
    }
}

struct Counting;

thread_local! {
    // Per thread, because the test harness allocates on threads of its own.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes on to the system's allocator with the arguments it came with; counting touches only a
// thread-local number, which needs no allocation and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and the pointer came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
