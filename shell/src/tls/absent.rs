//! What stands for TLS in a build without it.

use std::io;

use loaddensity_metrics_core::Exporter;

use super::{HttpVersion, MaybeTlsStream};
use crate::boxed::BoxedFuture;
use crate::byte_budget::BudgetedStream;
use crate::config::{ClientTls, ServerTls};
use crate::error::StartError;

/// The client's side; there is none.
#[derive(Clone)]
pub(crate) enum Connector {}

/// The server's side; there is none.
#[derive(Clone)]
pub(crate) enum Acceptor {}

impl Connector {
    pub(crate) const fn new(_: Exporter, _: &ClientTls, _: HttpVersion) -> Result<Self, StartError> {
        Err(StartError::BuiltWithout { feature: "tls" })
    }

    pub(crate) async fn connect(&self, _: &str, _: BudgetedStream) -> io::Result<MaybeTlsStream> {
        match *self {}
    }
}

impl Acceptor {
    pub(crate) const fn new(_: Exporter, _: &ServerTls) -> Result<Self, StartError> {
        Err(StartError::BuiltWithout { feature: "tls" })
    }

    pub(crate) fn accept(&self, _: BudgetedStream) -> BoxedFuture<'_, io::Result<MaybeTlsStream>> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_tls_refuses_a_page_with_a_certificate() {
        let tls = ServerTls { certificate: "own.pem".into(), key: "own.key".into(), client_ca_file: None };
        let text = Acceptor::new(Exporter::Prometheus, &tls).err().expect("refused").to_string();
        assert!(text.contains("built without feature \"tls\""), "{text}");
    }
}
