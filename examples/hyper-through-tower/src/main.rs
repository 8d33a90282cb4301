//! An engine that sends with hyper's client: the tower layer around it records each request to the end of its body.

use std::convert::Infallible;
use std::error::Error;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use loaddensity_metrics_tokio::{Exporters, Settings, StatsdConfig};
use loaddensity_metrics_tower::{RequestLayer, RouteTemplate, by_route};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower_layer::Layer;
use tower_service::Service;

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = listener.local_addr()?;
    tokio::spawn(serve(listener));
    let agent = UdpSocket::bind("127.0.0.1:0")?; // stands for Datadog's Agent
    let exporters = Exporters::start(Settings::default())?;
    let config = StatsdConfig::default().port(agent.local_addr()?.port());
    exporters.as_async().start_statsd_sink(config).await?;

    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let client = RequestLayer::new(exporters.local_recorder(), by_route).layer(client);
    let mut users = JoinSet::new();
    (0..20).for_each(|_| drop(users.spawn(user(client.clone(), server))));
    let counted = users.join_all().await;
    let (failures, bytes) = counted.iter().fold((0, 0), |sums, user| (sums.0 + user.0, sums.1 + user.1));

    let totals = exporters.registry().totals();
    let recorded: u64 = totals.sizes.iter().map(|sizes| sizes.sum).sum();
    println!("the engine: {failures} requests failed, {bytes} bytes");
    println!("the layer:  {} requests failed, {recorded} bytes", totals.failures());
    println!("{}", exporters.as_async().shutdown(Duration::from_secs(5)).await);
    Ok(())
}

/// How many requests failed, and how many bytes came.
async fn user<B>(mut client: impl Service<Get, Response = Response<B>>, server: SocketAddr) -> (u64, usize)
where
    B: Body<Data = Bytes>,
{
    let (mut failures, mut bytes) = (0, 0);
    for id in 0..100 {
        let request = Request::get(format!("http://{server}/items/{id}")).extension(RouteTemplate::new("/items/{id}"));
        let request = request.body(Empty::new()).expect("an address makes a URL");
        let Ok(response) = client.call(request).await else { return (failures + 1, bytes) };
        failures += u64::from(!response.status().is_success());
        // The layer says that a body that is not read was dropped.
        bytes += response.into_body().collect().await.map_or(0, |body| body.to_bytes().len());
    }
    (failures, bytes)
}

type Get = Request<Empty<Bytes>>;

async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(item)));
    }
}

/// Every tenth item is not there.
async fn item(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = if request.uri().path().ends_with('9') { (404, "no such item") } else { (200, "an item") };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status.try_into().unwrap_or_default();
    Ok(response)
}
