//! The client's side.

use std::io;
use std::path::Path;
use std::sync::Arc;

use futures_rustls::pki_types::ServerName;
use futures_rustls::rustls::{ClientConfig, Error};
use futures_rustls::{TlsConnector, TlsStream};
use loaddensity_metrics_core::Exporter;

use super::handshake_errors::handshake_with;
use super::pem::{Files, provider};
use super::trust::{ROOTS, ServerTrust};
use super::{HttpVersion, MaybeTlsStream};
use crate::byte_budget::BudgetedStream;
use crate::config::{ClientCertificate, ClientTls};
use crate::error::StartError;

/// Makes connections secure.
#[derive(Clone)]
pub(crate) struct Connector(TlsConnector);

impl Connector {
    /// Reads all files of `tls`.
    pub(crate) fn new(exporter: Exporter, tls: &ClientTls, protocol: HttpVersion) -> Result<Self, StartError> {
        let files = Files(exporter);
        let unusable = |error: Error| files.bad(ROOTS, Path::new(""), &format!("TLS cannot be used: {error}"));
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            // Not one of ours that checks less: webpki's, and what curl takes besides.
            .dangerous()
            .with_custom_certificate_verifier(ServerTrust::new(files, &tls.roots)?);
        let mut config = match &tls.identity {
            None => builder.with_no_client_auth(),
            Some(ClientCertificate { certificate, key }) => {
                let chain = files.certificates("tls.identity.certificate", certificate)?;
                let secret = files.private_key("tls.identity.key", key)?;
                builder
                    .with_client_auth_cert(chain, secret)
                    .map_err(|error| files.no_pair("tls.identity.key", key, &error))?
            }
        };
        config.alpn_protocols = protocol.alpn();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Shakes hands with `host`, whose certificate must be for it.
    pub(crate) async fn connect(&self, host: &str, stream: BudgetedStream) -> io::Result<MaybeTlsStream> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        match self.0.connect(name, stream).await {
            Ok(stream) => Ok(MaybeTlsStream::Tls(Box::new(TlsStream::Client(stream)))),
            Err(error) => Err(handshake_with(host, &error)),
        }
    }
}
