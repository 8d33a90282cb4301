//! The texts of errors of TLS, each with what to do about it. The cause follows in brackets. A text that names a setting
//! names both Action-JSON's key and the field, because a running exporter does not know which of them started it.

use std::io;
use std::net::IpAddr;

use futures_rustls::rustls::{AlertDescription, CertificateError, Error};

/// Which end this is.
#[derive(Clone, Copy)]
pub(super) enum TlsSide {
    /// Of a server that is sent to.
    Client,
    /// Of the page.
    Server,
}

/// Why the handshake with the server `host` failed.
pub(super) fn handshake_with(host: &str, error: &io::Error) -> io::Error {
    let Some(cause) = cause(error) else {
        return io::Error::new(
            error.kind(),
            format!("{host} broke off the TLS handshake, it may have no TLS there: {error}"),
        );
    };
    let advice = match cause {
        Error::InvalidCertificate(wrong) => server_certificate(host, wrong),
        Error::AlertReceived(alert) => alerted(TlsSide::Client, *alert).map(str::to_owned),
        Error::InvalidMessage(_) => {
            Some(format!("{host} answered the TLS handshake with something else, it has no TLS there: use http://"))
        }
        _ => None,
    };
    said(&advice.unwrap_or_else(|| format!("the TLS handshake with {host} failed")), cause)
}

/// Why the handshake with a client of the page failed.
pub(super) fn handshake_of_a_client(error: io::Error) -> io::Error {
    let Some(cause) = cause(&error) else { return error };
    let advice = match cause {
        Error::NoCertificatesPresented => {
            "it showed no certificate: give it one that client_ca_file has signed, field tls.client_ca_file"
        }
        Error::InvalidCertificate(wrong) => client_certificate(wrong),
        Error::AlertReceived(alert) => alerted(TlsSide::Server, *alert).unwrap_or("it broke off"),
        Error::InvalidMessage(_) => "it does not speak TLS: give it an https:// URL",
        _ => return error,
    };
    said(advice, cause)
}

/// An error of a session after its handshake. In TLS 1.3 a server looks at the client's certificate only then (RFC 8446,
/// section 2).
pub(super) fn after_handshake(side: TlsSide, error: io::Error) -> io::Error {
    let advice = match cause(&error) {
        Some(Error::AlertReceived(alert)) => alerted(side, *alert),
        _ => None,
    };
    match (advice, cause(&error)) {
        (Some(advice), Some(cause)) => said(advice, cause),
        _ => error,
    }
}

fn cause(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|cause| cause.downcast_ref())
}

fn said(advice: &str, cause: &Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{advice} ({cause})"))
}

fn server_certificate(host: &str, wrong: &CertificateError) -> Option<String> {
    Some(match wrong {
        // A signature is bad where another CA of the same name made it.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            format!(
                "the certificate of {host} is not trusted: give its CA with ca_file (field tls.roots), or have the server \
                 send the certificates between"
            )
        }
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            let kind = if host.parse::<IpAddr>().is_ok() { "IP" } else { "DNS" };
            format!("the certificate of {host} names no host: have one made with subjectAltName={kind}:{host}")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the certificate is not for {host}: use a name that is in it")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the certificate of {host} has expired: have it renewed")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the certificate of {host} is not valid yet: compare the clocks")
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => format!(
            "the certificate of {host} is signed in a way that is not taken: have one made with SHA-256 or better, and \
             RSA of 2048 bits or more, ECDSA on P-256 or P-384, or Ed25519"
        ),
        CertificateError::Other(other) => match other.0.downcast_ref()? {
            webpki::Error::CaUsedAsEndEntity => {
                format!(
                    "the certificate of {host} is a CA's: put it into ca_file itself (field tls.roots), or have one made \
                     without CA:TRUE"
                )
            }
            webpki::Error::UnsupportedCertVersion => {
                format!("the certificate of {host} is not of version 3: have one made with a subjectAltName")
            }
            _ => return None,
        },
        _ => return None,
    })
}

fn client_certificate(wrong: &CertificateError) -> &'static str {
    match wrong {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is not signed by client_ca_file, field tls.client_ca_file"
        }
        CertificateError::Other(other) if matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)) => {
            "its certificate is a CA's: put it into client_ca_file itself (field tls.client_ca_file), or have one made \
             without CA:TRUE"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired",
        _ => "its certificate cannot be used",
    }
}

/// What the other end means with an alert (RFC 8446, section 6.2).
const fn alerted(side: TlsSide, alert: AlertDescription) -> Option<&'static str> {
    use AlertDescription as Alert;
    Some(match (side, alert) {
        (TlsSide::Client, Alert::CertificateRequired) => {
            "the server asks for a certificate: give client_certificate and client_key, field tls.identity"
        }
        (TlsSide::Client, Alert::CertificateExpired) => {
            "the server finds client_certificate expired (field tls.identity.certificate): have it renewed"
        }
        (
            TlsSide::Client,
            Alert::UnknownCA
            | Alert::BadCertificate
            | Alert::CertificateUnknown
            | Alert::CertificateRevoked
            | Alert::UnsupportedCertificate
            | Alert::AccessDenied
            | Alert::DecryptError,
        ) => "the server does not accept client_certificate (field tls.identity.certificate): give one that it trusts",
        (TlsSide::Client, Alert::NoApplicationProtocol) => {
            "the server speaks another protocol there: compare the port with the protocol"
        }
        (TlsSide::Client, Alert::ProtocolVersion) => "the server speaks neither TLS 1.2 nor 1.3",
        (TlsSide::Client, Alert::UnrecognisedName) => {
            "the server has no certificate for this name: use one that it has"
        }
        (
            TlsSide::Server,
            Alert::UnknownCA | Alert::BadCertificate | Alert::CertificateUnknown | Alert::DecryptError,
        ) => "it does not trust the page's certificate: give it the CA, and a name that is in the certificate",
        (TlsSide::Server, Alert::CertificateExpired) => "the page's certificate has expired: have it renewed",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_rustls::pki_types::ServerName;
    use futures_rustls::rustls::OtherError;

    use super::*;

    fn error(cause: Error) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, cause)
    }

    fn other(error: webpki::Error) -> Error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
    }

    /// A setting is named as Action-JSON has it and as the typed configuration has it, or not at all.
    fn names_both(text: &str) -> bool {
        let names_key = ["ca_file", "client_certificate", "client_key"].iter().any(|key| text.contains(key));
        names_key == text.contains("field tls.")
    }

    #[test]
    fn a_client_is_told_what_to_do() {
        let nameless = CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("h").expect("a name"),
            presented: Vec::new(),
        };
        let signature = CertificateError::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: Vec::new(),
            supported_algorithms: Vec::new(),
        };
        for (cause, says) in [
            (Error::InvalidCertificate(nameless), "h names no host: have one made with subjectAltName=DNS:h"),
            (Error::InvalidCertificate(signature), "have one made with SHA-256"),
            (other(webpki::Error::CaUsedAsEndEntity), "of h is a CA's: put it into ca_file itself"),
            (other(webpki::Error::UnsupportedCertVersion), "of h is not of version 3"),
            (other(webpki::Error::PathLenConstraintViolated), "the TLS handshake with h failed (invalid"),
            (Error::InvalidCertificate(CertificateError::UnknownIssuer), "h is not trusted: give its CA with ca_file"),
            (Error::InvalidCertificate(CertificateError::BadSignature), "h is not trusted: give its CA with ca_file"),
            (Error::InvalidCertificate(CertificateError::NotValidForName), "not for h: use a name that is in it"),
            (Error::InvalidCertificate(CertificateError::Expired), "h has expired"),
            (Error::InvalidCertificate(CertificateError::NotValidYet), "h is not valid yet: compare the clocks"),
            (Error::InvalidCertificate(CertificateError::Revoked), "the TLS handshake with h failed (invalid"),
            (
                Error::AlertReceived(AlertDescription::CertificateRequired),
                "give client_certificate and client_key, field tls.identity (",
            ),
            (
                Error::AlertReceived(AlertDescription::UnknownCA),
                "does not accept client_certificate (field tls.identity",
            ),
            (
                Error::AlertReceived(AlertDescription::CertificateExpired),
                "finds client_certificate expired (field tls.i",
            ),
            (Error::AlertReceived(AlertDescription::NoApplicationProtocol), "speaks another protocol there"),
            (Error::AlertReceived(AlertDescription::InternalError), "the TLS handshake with h failed (received"),
        ] {
            let text = handshake_with("h", &error(cause)).to_string();
            assert!(text.contains(says) && names_both(&text), "{text}");
        }
        let closed = handshake_with("h", &io::ErrorKind::UnexpectedEof.into()).to_string();
        assert!(closed.starts_with("h broke off the TLS handshake, it may have no TLS there"), "{closed}");
    }

    #[test]
    fn the_page_says_what_is_wrong_with_a_client() {
        for (cause, says) in [
            (Error::NoCertificatesPresented, "showed no certificate"),
            (Error::InvalidCertificate(CertificateError::UnknownIssuer), "not signed by client_ca_file"),
            (Error::InvalidCertificate(CertificateError::Expired), "its certificate has expired"),
            (other(webpki::Error::CaUsedAsEndEntity), "put it into client_ca_file itself"),
            (Error::AlertReceived(AlertDescription::UnknownCA), "does not trust the page's certificate"),
            (Error::AlertReceived(AlertDescription::InternalError), "it broke off (received fatal alert"),
        ] {
            let text = handshake_of_a_client(error(cause)).to_string();
            assert!(text.contains(says) && names_both(&text), "{text}");
        }
        let reset = handshake_of_a_client(io::ErrorKind::ConnectionReset.into());
        assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn alerts_after_the_handshake_are_explained_and_other_errors_stay_as_they_are() {
        let expired = Error::AlertReceived(AlertDescription::CertificateExpired);
        let of_client = after_handshake(TlsSide::Client, error(expired.clone())).to_string();
        assert!(of_client.starts_with("the server finds client_certificate expired"), "{of_client}");
        let of_server = after_handshake(TlsSide::Server, error(expired)).to_string();
        assert!(of_server.starts_with("the page's certificate has expired"), "{of_server}");
        let other = after_handshake(TlsSide::Client, error(Error::DecryptError)).to_string();
        assert_eq!(other, Error::DecryptError.to_string());
        assert_eq!(
            after_handshake(TlsSide::Client, io::ErrorKind::BrokenPipe.into()).kind(),
            io::ErrorKind::BrokenPipe
        );
    }
}
