//! Reading PEM files. Errors name the file and never show what is in it.

use std::path::Path;
use std::sync::Arc;

use futures_rustls::pki_types::pem::{self, PemObject};
use futures_rustls::pki_types::{CertificateDer, PrivateKeyDer};
use futures_rustls::rustls::RootCertStore;
use futures_rustls::rustls::crypto::{CryptoProvider, ring};
use loaddensity_metrics_core::Exporter;

use crate::error::StartError;

/// Whose files are read.
#[derive(Clone, Copy)]
pub(super) struct Files(pub(super) Exporter);

impl Files {
    /// All certificates of the file; one or more.
    pub(super) fn certificates(
        self,
        key: &'static str,
        path: &Path,
    ) -> Result<Vec<CertificateDer<'static>>, StartError> {
        let what = "PEM file with certificates (BEGIN CERTIFICATE)";
        let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let all = all.map_err(|error| self.unreadable(key, path, &error, what))?;
        if all.is_empty() {
            Err(self.bad(key, path, &format!("it holds no certificate; give a {what}")))
        } else {
            Ok(all)
        }
    }

    /// The certificates of the file, to be trusted.
    pub(super) fn roots(self, key: &'static str, path: &Path) -> Result<RootCertStore, StartError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates(key, path)? {
            roots.add(certificate).map_err(|error| {
                self.bad(key, path, &format!("a certificate in it cannot be used ({error}); take it out"))
            })?;
        }
        Ok(roots)
    }

    /// The first private key of the file.
    pub(super) fn private_key(self, key: &'static str, path: &Path) -> Result<PrivateKeyDer<'static>, StartError> {
        let what = "PEM file with an unencrypted private key (BEGIN PRIVATE KEY)";
        PrivateKeyDer::from_pem_file(path).map_err(|error| self.unreadable(key, path, &error, what))
    }

    pub(super) fn bad(self, key: &'static str, path: &Path, expected: &str) -> StartError {
        StartError::Setting { exporter: self.0, key, value: path.display().to_string(), expected: expected.into() }
    }

    fn unreadable(self, key: &'static str, path: &Path, error: &pem::Error, what: &str) -> StartError {
        // Other errors may quote a line of the file.
        let why = match error {
            pem::Error::Io(error) => format!("it cannot be read ({error})"),
            pem::Error::NoItemsFound => "it holds none".to_owned(),
            _ => "it is not whole PEM".to_owned(),
        };
        self.bad(key, path, &format!("{why}; give a {what}"))
    }
}

/// The cryptography of all connections. The process-wide one of rustls is the embedder's business.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
