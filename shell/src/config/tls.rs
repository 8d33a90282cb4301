//! Certificates and keys, as files in PEM form (RFC 7468).

use std::path::{Path, PathBuf};

use super::setters::configuration;

configuration! {
    /// How a client of `https` proves servers, and itself. The name in the URL is always checked against the
    /// certificate. Read when the exporter starts. Needs the feature `tls`.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ClientTls {
        /// Whose certificates are trusted. Default [`Roots::System`].
        pub roots: Roots = Roots::System,
        /// What the client shows to servers that ask for a certificate (mutual TLS). Default none.
        pub identity: Option<ClientCertificate> = None,
    }
}

impl ClientCertificate {
    /// The certificate and the key in these files.
    #[must_use]
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { certificate: certificate.into(), key: key.into() }
    }
}

impl ServerTls {
    /// The certificate and the key in these files; anyone is let in.
    #[must_use]
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { certificate: certificate.into(), key: key.into(), client_ca_file: None }
    }
}

impl ClientTls {
    /// A file that it names, and the field with it; `None` where it asks for nothing.
    pub(crate) fn first_file(&self) -> Option<(&'static str, &Path)> {
        match (&self.roots, &self.identity) {
            (Roots::Pem(path), _) => Some(("tls.roots", path)),
            (Roots::System, Some(identity)) => Some(("tls.identity.certificate", &identity.certificate)),
            (Roots::System, None) => None,
        }
    }
}

/// Whose certificates are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Roots {
    /// Those that the operating system trusts.
    #[default]
    System,
    /// Those of this PEM file and no others.
    Pem(PathBuf),
}

configuration! {
    without default:
    /// A certificate and its private key.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ClientCertificate {
        /// PEM file: the certificate, then those between it and a root.
        pub certificate: PathBuf,
        /// PEM file: the certificate's private key, not encrypted (PKCS #8, PKCS #1 or SEC 1).
        pub key: PathBuf,
    }
}

configuration! {
    without default:
    /// What a server shows to its clients. Read when the exporter starts. Needs the feature `tls`.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ServerTls {
        /// PEM file: the certificate, then those between it and a root.
        pub certificate: PathBuf,
        /// PEM file: the certificate's private key, not encrypted (PKCS #8, PKCS #1 or SEC 1).
        pub key: PathBuf,
        /// PEM file with CAs: only clients with a certificate that one of them has signed are let in (mutual TLS). Default
        /// anyone.
        pub client_ca_file: Option<PathBuf>,
    }
}
