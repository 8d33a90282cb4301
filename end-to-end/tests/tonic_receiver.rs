//! OTLP over gRPC into a real tonic server, with the types of opentelemetry-proto. Names that a naive encoder would
//! break on arrive as they were recorded, in one request and in many.

mod support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use loaddensity_metrics_tokio::{Exporters, OpenTelemetryConfig, Settings};
use loaddensity_metrics_vectors::contract::Spelling;
use loaddensity_metrics_vectors::model::Model;
use loaddensity_metrics_vectors::{judge, names, otlp, samples};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use prost::Message as _;
use support::{assert_settled, registry};
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// Keeps every request that tonic decoded.
#[derive(Clone, Default)]
struct Receiver {
    requests: Arc<Mutex<Vec<ExportMetricsServiceRequest>>>,
}

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

impl Receiver {
    /// Serves on a free port, on a thread that runs until the process ends.
    fn serve(&self) -> SocketAddr {
        let service = MetricsServiceServer::new(self.clone()).accept_compressed(CompressionEncoding::Gzip);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let bind = tokio::net::TcpListener::bind("127.0.0.1:0");
        let listener = runtime.block_on(bind).expect("a free port");
        let address = listener.local_addr().expect("bound");
        thread::spawn(move || {
            let incoming = TcpIncoming::from(listener);
            runtime.block_on(Server::builder().add_service(service).serve_with_incoming(incoming))
        });
        address
    }

    /// The requests of the last export, framed as they were on the wire, and their times.
    fn last_cycle(&self) -> (Vec<Vec<u8>>, (u64, u64)) {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut frames, mut last) = (Vec::new(), (0, 0));
        for request in requests.iter() {
            let message = request.encode_to_vec();
            let point = otlp::decode(&message).expect("a request by the rules").remove(0);
            if point.time > last.1 {
                last = (point.start, point.time);
                frames.clear();
            }
            if point.time == last.1 {
                let length = u32::try_from(message.len()).expect("less than 4 GiB").to_be_bytes();
                frames.push([&[0], length.as_slice(), &message].concat());
            }
        }
        (frames, last)
    }
}

/// Records nasty names, exports them once at the stop, and checks what tonic received. Returns the number of requests.
fn export_into_tonic(max_request_bytes: usize, gzip: bool) -> usize {
    let receiver = Receiver::default();
    let endpoint = format!("http://{}", receiver.serve());
    let exporters = Exporters::start(Settings::on(registry(512, 2, 16))).expect("a fresh storage is free");
    let config = OpenTelemetryConfig::default()
        .endpoint(endpoint)
        .service_name("café \"shop\"")
        .interval(Duration::from_secs(3_600))
        .max_request_bytes(max_request_bytes)
        .gzip(gzip);
    exporters.start_opentelemetry_exporter(config).expect("a valid configuration");
    let (mut model, mut recorder) = (Model::new(), exporters.recorder());
    for (nasty, seed) in names::all().iter().zip(1..) {
        let series = model.intern(&mut recorder, &Spelling::new("GET", &nasty.name)).expect("no labels");
        model.record(&mut recorder, series, samples::sample(seed));
    }
    let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
    assert_settled(&account);
    assert_eq!((account.recorded, account.sent), (model.requests(), model.requests()));
    let (frames, times) = receiver.last_cycle();
    judge::exports(&model, "café \"shop\"", times, frames.iter().map(Vec::as_slice));
    frames.len()
}

#[test]
fn nasty_names_arrive_in_one_request() {
    assert_eq!(export_into_tonic(4 << 20, false), 1);
}

#[test]
fn nasty_names_arrive_in_many_requests() {
    assert!(export_into_tonic(16 << 10, false) > 5);
}

#[test]
fn compressed_requests_arrive() {
    assert_eq!(export_into_tonic(4 << 20, true), 1);
    assert!(export_into_tonic(16 << 10, true) > 5);
}
