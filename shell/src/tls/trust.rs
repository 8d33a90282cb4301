//! Which servers and clients are trusted: those that webpki accepts, and those whose own certificate is among the trusted
//! ones. Such a certificate needs no issuer, as with OpenSSL and curl (`X509_V_FLAG_PARTIAL_CHAIN`). It may be a CA's at the
//! same time, as `openssl req -x509` makes it and webpki refuses it, or its CA may be missing. Its validity and the other
//! end's key are checked as always, and so is a server's name.

use std::path::Path;
use std::sync::Arc;

use futures_rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use futures_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use futures_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use futures_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use futures_rustls::rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use futures_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};
use rustls_native_certs::CertificateResult;

use super::pem::{Files, provider};
use crate::config::Roots;
use crate::error::StartError;

/// The field with a client's roots.
pub(super) const ROOTS: &str = "tls.roots";

/// Verifies servers.
#[derive(Debug)]
pub(super) struct ServerTrust {
    chains: Arc<WebPkiServerVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

impl ServerTrust {
    /// Trusts `roots`.
    pub(super) fn new(files: Files, roots: &Roots) -> Result<Arc<Self>, StartError> {
        let (store, trusted) = match roots {
            Roots::System => {
                system(rustls_native_certs::load_native_certs()).map_err(|why| files.bad(ROOTS, Path::new(""), &why))?
            }
            Roots::Pem(path) => files.roots(ROOTS, path)?,
        };
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider()).build();
        let chains = chains.map_err(|error| files.bad(ROOTS, Path::new(""), &format!("it cannot be used: {error}")))?;
        Ok(Arc::new(Self { chains, trusted }))
    }
}

impl ServerCertVerifier for ServerTrust {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.chains.verify_server_cert(certificate, intermediates, name, ocsp_response, now) {
            // webpki looks at the time before it looks for an issuer, and at the name afterwards.
            Err(error) if is_of_the_issuer(&error) && self.trusted.iter().any(|trusted| trusted == certificate) => {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Verifies clients.
#[derive(Debug)]
pub(super) struct ClientTrust {
    chains: Arc<dyn ClientCertVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

impl ClientTrust {
    /// Trusts the certificates in the file of the setting `field`.
    pub(super) fn new(files: Files, field: &'static str, path: &Path) -> Result<Arc<Self>, StartError> {
        let (roots, trusted) = files.roots(field, path)?;
        let chains = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
        let chains =
            chains.map_err(|error| files.bad(field, path, &format!("it cannot be used ({error}); give another")))?;
        Ok(Arc::new(Self { chains, trusted }))
    }
}

impl ClientCertVerifier for ClientTrust {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chains.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.chains.verify_client_cert(certificate, intermediates, now) {
            // webpki looks at the time first.
            Err(error) if is_of_the_issuer(&error) && self.trusted.iter().any(|trusted| trusted == certificate) => {
                Ok(ClientCertVerified::assertion())
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// What webpki says of a certificate of which nothing else is wrong.
fn is_of_the_issuer(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => true,
        Error::InvalidCertificate(CertificateError::Other(other)) => {
            matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}

/// What the operating system trusts. What cannot be read is warned of, and no reason to trust none.
fn system(found: CertificateResult) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), String> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found.certs.iter().cloned());
    if !store.is_empty() {
        if let Some(error) = found.errors.first() {
            tracing::warn!(
                "some of the certificates that this system trusts cannot be read ({error}); see SSL_CERT_FILE and SSL_CERT_DIR"
            );
        }
        return Ok((store, found.certs));
    }
    Err(match found.errors.first() {
        Some(error) => format!(
            "no certificate that this system trusts can be read ({error}); see SSL_CERT_FILE and SSL_CERT_DIR, or give \
             a PEM file with those of the server's CA"
        ),
        None => "this system trusts no certificates; give a PEM file with those of the server's CA".into(),
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_rustls::pki_types::pem::PemObject as _;

    use super::*;

    #[test]
    fn the_error_of_a_system_without_roots_says_why_there_are_none() {
        let says = system(CertificateResult::default()).expect_err("nothing is trusted");
        assert!(says.starts_with("this system trusts no certificates; give a PEM file"), "{says}");
        let mut found = CertificateResult::default();
        let error = io::Error::from(io::ErrorKind::NotFound);
        let context = "failed to open file";
        found.errors.push(rustls_native_certs::Error {
            context,
            kind: rustls_native_certs::ErrorKind::Io { inner: error, path: "/missing.pem".into() },
        });
        let says = system(found).expect_err("nothing is trusted");
        assert!(says.contains("/missing.pem") && says.contains("see SSL_CERT_FILE and SSL_CERT_DIR"), "{says}");
        let mut found = CertificateResult::default();
        found.certs.push(CertificateDer::from(vec![0x30, 0]));
        let one = CertificateDer::from_pem_slice(include_bytes!("samples/self.pem")).expect("a certificate");
        found.certs.push(one);
        assert_eq!(system(found).expect("one is enough").0.len(), 1);
    }
}
