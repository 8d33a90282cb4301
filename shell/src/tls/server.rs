//! The server's side.

use std::io;
use std::path::Path;
use std::sync::Arc;

use futures_rustls::rustls::ServerConfig;
use futures_rustls::rustls::server::WebPkiClientVerifier;
use futures_rustls::rustls::server::danger::ClientCertVerifier;
use futures_rustls::{TlsAcceptor, TlsStream};
use loaddensity_metrics_core::Exporter;

use super::handshake_errors::handshake_of_a_client;
use super::pem::{Files, provider};
use super::trust::ClientTrust;
use super::{HttpVersion, MaybeTlsStream};
use crate::boxed::BoxedFuture;
use crate::byte_budget::BudgetedStream;
use crate::config::ServerTls;
use crate::error::StartError;

/// The field with those whose clients are let in.
const CLIENT_CA_FILE: &str = "tls.client_ca_file";

/// Secures connections that were accepted, for HTTP/1.1.
#[derive(Clone)]
pub(crate) struct Acceptor(TlsAcceptor);

impl Acceptor {
    /// Reads all files of `tls`.
    pub(crate) fn new(exporter: Exporter, tls: &ServerTls) -> Result<Self, StartError> {
        let files = Files(exporter);
        let chain = files.certificates("tls.certificate", &tls.certificate)?;
        let secret = files.private_key("tls.key", &tls.key)?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| files.bad("tls.certificate", &tls.certificate, &format!("TLS cannot be used: {error}")))?
            .with_client_cert_verifier(verifier(files, tls.client_ca_file.as_deref())?)
            .with_single_cert(chain, secret)
            .map_err(|error| files.no_pair("tls.key", &tls.key, &error))?;
        config.alpn_protocols = HttpVersion::Http1.alpn();
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Shakes hands with a client.
    pub(crate) fn accept(&self, stream: BudgetedStream) -> BoxedFuture<'_, io::Result<MaybeTlsStream>> {
        Box::pin(async move {
            let stream = self.0.accept(stream).await.map_err(handshake_of_a_client)?;
            Ok(MaybeTlsStream::Tls(Box::new(TlsStream::Server(stream))))
        })
    }
}

/// What looks at the certificates of clients.
fn verifier(files: Files, ca_file: Option<&Path>) -> Result<Arc<dyn ClientCertVerifier>, StartError> {
    let Some(path) = ca_file else { return Ok(WebPkiClientVerifier::no_client_auth()) };
    Ok(ClientTrust::new(files, CLIENT_CA_FILE, path)?)
}
