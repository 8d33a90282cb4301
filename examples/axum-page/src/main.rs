//! An axum server: the tower layer records what it serves, and one of its own routes is the Prometheus page.

use std::error::Error;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Path, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use loaddensity_metrics_tokio::{Exporters, Negotiated, PageRenderer, PrometheusConfig, Settings};
use loaddensity_metrics_tower::{RequestLayer, method_name};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let exporters = Exporters::start(Settings::default())?;
    let page = exporters.page_renderer(&PrometheusConfig::default())?;
    // Named by the template, and never by the path: /items/1 and /items/2 are one series.
    let layer = RequestLayer::new(exporters.local_recorder(), |recorder, request: &Request| {
        let route = request.extensions().get::<MatchedPath>().map_or("no route", MatchedPath::as_str);
        recorder.series(method_name(request.method()), route)
    });
    let app = Router::new()
        .route("/items/{id}", get(item))
        .layer(layer)
        // Added after the layer, which leaves it out.
        .route("/metrics", get(move |headers: HeaderMap| metrics(page.clone(), headers)));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    tokio::spawn(async move { axum::serve(listener, app).await });

    for id in 0..100 {
        ask(&address, &format!("/items/{id}")).await?;
    }
    ask(&address, "/nowhere").await?;
    for line in ask(&address, "/metrics").await?.lines().filter(|line| line.starts_with("loaddensity_requests_total")) {
        println!("{line}");
    }
    Ok(())
}

async fn item(Path(id): Path<u32>) -> Response {
    if id % 10 == 9 { StatusCode::NOT_FOUND.into_response() } else { format!("item {id}").into_response() }
}

/// The page in the format that a scraper asks for.
async fn metrics(page: PageRenderer, headers: HeaderMap) -> impl IntoResponse {
    let accept: Vec<_> = headers.get_all(header::ACCEPT).iter().map(|value| value.as_bytes()).collect();
    let negotiated = Negotiated::from_accept(&accept, true);
    ([(header::CONTENT_TYPE, negotiated.content_type())], Body::new(page.body(negotiated.format)))
}

async fn ask(address: &str, path: &str) -> Result<String, Box<dyn Error>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
