//! TLS to the servers under test, by rustls.

use std::io;
use std::path::Path;
use std::sync::Arc;

use futures_lite::{AsyncRead, AsyncWrite};
use futures_rustls::client::TlsStream;
use futures_rustls::pki_types::pem::PemObject as _;
use futures_rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use futures_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use futures_rustls::rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use futures_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use futures_rustls::{TlsConnector, rustls};
use loaddensity_metrics_shell::Roots;

/// How an `https` server is proved to be the one that its URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verify {
    /// By a certificate that these have signed.
    Roots(Roots),
    /// Not at all: whoever answers is trusted.
    Off,
}

impl Default for Verify {
    fn default() -> Self {
        Self::Roots(Roots::System)
    }
}

/// Makes connections secure.
#[derive(Clone)]
pub(super) struct HttpsConnector(TlsConnector);

impl HttpsConnector {
    /// Reads the certificates that `verify` names. An error says what is wrong with them, and what to do.
    pub(super) fn new(verify: &Verify) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be used: {error}"))?;
        let builder = match verify {
            Verify::Roots(roots) => builder.with_root_certificates(trusted(roots)?),
            Verify::Off => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAnyCertificate::new(&provider)))
            }
        };
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Shakes hands with `host`.
    pub(super) async fn connect<S>(&self, host: &str, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.0.connect(name, stream).await
    }
}

/// What to do about a handshake that failed with `error`, if that is known.
pub(super) fn advice(error: &io::Error) -> Option<&'static str> {
    let Some(cause) = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>()) else {
        return Some("it broke off the handshake; it may have no TLS there (http://)");
    };
    Some(match cause {
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "its certificate is not trusted; give the file of its CA with verify, or verify: false"
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is for another name; use one that is in it, or verify: false",
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired"
        }
        Error::InvalidMessage(_) => "it has no TLS there; use http://",
        _ => return None,
    })
}

fn trusted(roots: &Roots) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::System => {
            // Single certificates that cannot be read are no reason to trust none.
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Roots::Pem(path) => {
            store.add_parsable_certificates(certificates(path)?);
        }
        other => return Err(format!("the load engine does not know how to trust {other:?}; give a PEM file")),
    }
    match (store.is_empty(), roots) {
        (false, _) => Ok(store),
        (true, Roots::Pem(path)) => {
            Err(format!("{} holds no certificate; give a PEM file (BEGIN CERTIFICATE)", path.display()))
        }
        (true, _) => Err("this system trusts no certificates; give the file of the server's CA".into()),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    // Only what the operating system says: other errors may quote a line of the file.
    all.map_err(|error| match error {
        rustls::pki_types::pem::Error::Io(error) => format!("{} cannot be read ({error})", path.display()),
        _ => format!("{} is not whole PEM; give a PEM file (BEGIN CERTIFICATE)", path.display()),
    })
}

/// Trusts whoever answers. The signatures of the handshake are still checked: that is the protocol.
#[derive(Debug)]
struct AcceptAnyCertificate(WebPkiSupportedAlgorithms);

impl AcceptAnyCertificate {
    fn new(provider: &CryptoProvider) -> Self {
        Self(provider.signature_verification_algorithms)
    }
}

impl ServerCertVerifier for AcceptAnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_that_failed_comes_with_advice_where_the_cause_is_known() {
        let of = |cause: Error| advice(&io::Error::new(io::ErrorKind::InvalidData, cause));
        for (cause, says) in [
            (Error::InvalidCertificate(CertificateError::UnknownIssuer), "give the file of its CA with verify"),
            (Error::InvalidCertificate(CertificateError::NotValidForName), "use one that is in it"),
            (Error::InvalidCertificate(CertificateError::Expired), "has expired"),
            (Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType), "it has no TLS there; use http://"),
        ] {
            assert!(of(cause.clone()).is_some_and(|advice| advice.contains(says)), "{cause}");
        }
        assert_eq!(of(Error::DecryptError), None);
        let eof = advice(&io::ErrorKind::UnexpectedEof.into());
        assert!(eof.is_some_and(|advice| advice.contains("may have no TLS there")));
    }
}
