//! Certificates of an authority that exists only during one case, made by rcgen.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use futures_rustls::rustls::crypto::ring::default_provider;
use futures_rustls::rustls::server::WebPkiClientVerifier;
use futures_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use loaddensity_metrics_shell::config::{ClientCertificate, ClientTls, Roots, ServerTls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

/// An authority, with a folder for its files. Dropping it removes the folder.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

/// A certificate and its key.
pub(super) struct Certificate {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        params.distinguished_name.push(DnType::CommonName, format!("authority {number}"));
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        let folder = std::env::temp_dir().join(format!("loaddensity-tls-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        Self { issuer, folder }
    }

    /// A certificate for `names`, which may be addresses.
    pub(super) fn certify(&self, names: &[&str], has_expired: bool) -> Certificate {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        if has_expired {
            (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Certificate { certificate, key }
    }

    /// A certificate that is its own CA, as `openssl req -x509` makes it. No authority signed it.
    pub(super) fn alone(names: &[&str], has_expired: bool) -> Certificate {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        if has_expired {
            (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Certificate { certificate, key }
    }

    /// Settings of a client that trusts `certificate` itself and nothing else.
    pub(super) fn trusting(&self, certificate: &Certificate) -> ClientTls {
        ClientTls::default().roots(Roots::Pem(self.file("one.pem", &certificate.pem())))
    }

    /// Settings of a client that trusts only this authority.
    pub(super) fn trusted(&self) -> ClientTls {
        ClientTls::default().roots(Roots::Pem(self.ca_file()))
    }

    /// This authority's own certificate.
    pub(super) fn ca_file(&self) -> PathBuf {
        self.file("ca.pem", &self.issuer.pem())
    }

    /// A configuration of rustls for a client that trusts only this authority and shows `certificate`.
    pub(super) fn client(&self, certificate: Option<&Certificate>) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(self.roots());
        Arc::new(match certificate {
            None => builder.with_no_client_auth(),
            Some(certificate) => {
                let (chain, key) = certificate.as_rustls_has_it();
                builder.with_client_auth_cert(chain, key).expect("a key that fits")
            }
        })
    }

    pub(super) fn identity(&self, certificate: &Certificate) -> ClientCertificate {
        let ServerTls { certificate, key, .. } = self.page(certificate);
        ClientCertificate::new(certificate, key)
    }

    pub(super) fn page(&self, certificate: &Certificate) -> ServerTls {
        let key = self.file("own.key", &certificate.key.serialize_pem());
        let certificate = self.file("own.pem", &certificate.certificate.pem());
        ServerTls::new(certificate, key)
    }

    /// A server that shows `certificate`. If `asks`, it also wants a certificate of this authority from its clients.
    pub(super) fn server(&self, certificate: &Certificate, asks: bool, alpn: &[u8]) -> Arc<ServerConfig> {
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().expect("versions");
        let builder = if asks {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots()), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a root"))
        } else {
            builder.with_no_client_auth()
        };
        let (chain, key) = certificate.as_rustls_has_it();
        let mut config = builder.with_single_cert(chain, key).expect("a key that fits");
        config.alpn_protocols = vec![alpn.to_vec()];
        Arc::new(config)
    }

    /// Writes a file with this name and this content into the folder.
    pub(super) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, content).expect("a file");
        path
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.issuer.der().to_vec())).expect("a root");
        roots
    }
}

impl Certificate {
    pub(super) fn pem(&self) -> String {
        self.certificate.pem()
    }

    fn as_rustls_has_it(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        (vec![self.certificate.der().clone()], key.into())
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
