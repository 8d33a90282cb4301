//! Reading PEM files (RFC 7468) as OpenSSL reads them: text around the sections, any line ends, several sections in one
//! file. Errors name the file, say what to do, and never show what is in it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use futures_rustls::pki_types::pem::PemObject;
use futures_rustls::pki_types::{CertificateDer, PrivateKeyDer};
use futures_rustls::rustls::crypto::{CryptoProvider, ring};
use futures_rustls::rustls::{Error, RootCertStore};
use loaddensity_metrics_core::Exporter;

use crate::error::StartError;

mod kind;
mod sections;

use sections::{Sections, element};

/// Labels of certificates: RFC 7468, 5, and the older and further ones of OpenSSL (PEM_read_bio_X509_AUX).
const CERTIFICATES: [&str; 3] = ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"];
/// Labels of keys that are not encrypted: PKCS #8, PKCS #1, SEC 1.
const KEYS: [&str; 3] = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];

/// Whose files are read.
#[derive(Clone, Copy)]
pub(super) struct Files(pub(super) Exporter);

impl Files {
    /// All certificates of the file; one or more.
    pub(super) fn certificates(
        self,
        field: &'static str,
        path: &Path,
    ) -> Result<Vec<CertificateDer<'static>>, StartError> {
        let bad =
            |why: &str| self.bad(field, path, &format!("{why}; give a PEM file with certificates (BEGIN CERTIFICATE)"));
        let sections = read(path).map_err(|why| bad(&why))?;
        let mut all = Vec::new();
        for section in sections.labelled(&CERTIFICATES) {
            let whole = section.as_pem("CERTIFICATE");
            let der = CertificateDer::from_pem_slice(whole.as_bytes()).map_err(|_| bad(BROKEN))?;
            // What OpenSSL trusts a certificate for follows it.
            all.push(element(&der).map_or_else(|| der.clone(), |der| der.to_vec().into()));
        }
        if all.is_empty() { Err(bad(&sections.without_certificate(path))) } else { Ok(all) }
    }

    /// The certificates of the file, to be trusted, and the same as they are written. One that cannot be used is left
    /// out and warned of, as long as there is another.
    pub(super) fn roots(
        self,
        field: &'static str,
        path: &Path,
    ) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), StartError> {
        let (mut roots, mut refused) = (RootCertStore::empty(), None);
        if path.is_dir() {
            let expected =
                "it is a directory; put its certificates into one PEM file, one after another, and give that";
            return Err(self.bad(field, path, expected));
        }
        let all = self.certificates(field, path)?;
        for (number, certificate) in all.iter().enumerate() {
            if let Err(error) = roots.add(certificate.clone()) {
                let said = format!("certificate {} in it cannot be used ({error})", number + 1);
                refused.get_or_insert(said);
            }
        }
        match refused {
            Some(refused) if roots.is_empty() => Err(self.bad(field, path, &format!("{refused}; give another"))),
            Some(refused) => {
                tracing::warn!(exporter = self.0.as_str(), "{}: {refused} and is left out", path.display());
                Ok((roots, all))
            }
            None => Ok((roots, all)),
        }
    }

    /// The first private key of the file.
    pub(super) fn private_key(self, field: &'static str, path: &Path) -> Result<PrivateKeyDer<'static>, StartError> {
        let what = "give a PEM file with an unencrypted private key (BEGIN PRIVATE KEY)";
        let bad = |why: &str| self.bad(field, path, &format!("{why}; {what}"));
        let sections = read(path).map_err(|why| bad(&why))?;
        let section = sections.labelled(&KEYS).find(|section| !section.is_encrypted());
        let Some(section) = section else { return Err(bad(&sections.without_key(path))) };
        PrivateKeyDer::from_pem_slice(section.as_pem(section.label).as_bytes()).map_err(|_| bad(BROKEN))
    }

    /// Why the key in the file `path` does not go with the certificate that is given with it.
    pub(super) fn no_pair(self, field: &'static str, path: &Path, error: &Error) -> StartError {
        let expected = match error {
            Error::InconsistentKeys(_) => {
                format!("it is not the key of the certificate ({error}); give the one that is")
            }
            _ => format!(
                "the certificate and it cannot be used ({error}); keys are RSA of 2048 to 8192 bits, ECDSA on P-256 or \
                 P-384, or Ed25519"
            ),
        };
        self.bad(field, path, &expected)
    }

    pub(super) fn bad(self, field: &'static str, path: &Path, expected: &str) -> StartError {
        StartError::Setting { exporter: self.0, field, value: path.display().to_string(), expected: expected.into() }
    }
}

/// The cryptography of all connections. The process-wide one of rustls is the embedder's business.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

const BROKEN: &str = "it is not whole PEM";

/// The sections of a file, or why there are none.
fn read(path: &Path) -> Result<Sections, String> {
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::IsADirectory => "it is a directory".into(),
        _ => format!("it cannot be read ({error})"),
    })?;
    if let Some(why) = kind::not_pem(&bytes, path) {
        return Err(why);
    }
    Sections::of(&String::from_utf8_lossy(&bytes)).ok_or_else(|| BROKEN.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    const SELF: &str = include_str!("samples/self.pem");
    const TEXT: &str = include_str!("samples/text.pem");
    const TRUSTED: &str = include_str!("samples/trusted.pem");
    const V1: &str = include_str!("samples/v1.pem");
    const EC: &str = include_str!("samples/ec.key");
    const P521: &str = include_str!("samples/p521.key");
    const ENCRYPTED: &str = include_str!("samples/encrypted.key");
    const LEGACY: &str = include_str!("samples/legacy-encrypted.key");
    const DER: &[u8] = include_bytes!("samples/self.der");

    const FILES: Files = Files(Exporter::Influxdb);

    /// A file that is deleted at the end of the test.
    struct File(PathBuf);

    impl File {
        fn of(name: &str, content: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("loaddensity-pem-{}-{name}", std::process::id()));
            fs::write(&path, content).expect("a file");
            Self(path)
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn certificates_are_found_as_openssl_finds_them() {
        let with = |before: &str, after: &str| format!("{before}{SELF}{after}").into_bytes();
        for (number, (content, count)) in [
            (with("", ""), 1),
            (TEXT.into(), 1),
            (with("# the CA of ops\n\n", "\nnote: -- renewed --\n"), 1),
            (with("\u{feff}", ""), 1),
            (SELF.replace('\n', "\r\n").into(), 1),
            (SELF.replace('\n', "\r").into(), 1),
            (SELF.replace('\n', " \t\n  ").into(), 1),
            (SELF.trim_end().into(), 1),
            (SELF.replace("CERTIFICATE-", "X509 CERTIFICATE-").into(), 1),
            (TRUSTED.into(), 1),
            ([&[0xe9, b'\n'][..], SELF.as_bytes()].concat(), 1),
            (format!("{EC}{SELF}").into(), 1),
            (format!("{LEGACY}{SELF}{ENCRYPTED}").into(), 1),
            (format!("{SELF}{V1}{TRUSTED}").into(), 3),
        ]
        .into_iter()
        .enumerate()
        {
            let file = File::of(&format!("good-{number}.pem"), &content);
            let all = FILES.certificates("ca_file", &file.0).expect("certificates");
            assert_eq!(all.len(), count, "row {number}");
            assert_eq!(all.last().map(AsRef::as_ref), Some(DER), "row {number}");
            assert_eq!(FILES.roots("ca_file", &file.0).expect("roots").0.len(), count, "row {number}");
        }
    }

    #[test]
    fn a_root_certificate_may_be_of_version_1() {
        let file = File::of("v1.pem", V1.as_bytes());
        assert_eq!(FILES.roots("ca_file", &file.0).expect("a root").0.len(), 1);
    }

    #[test]
    fn a_certificate_that_cannot_be_used_is_left_out_if_there_is_another() {
        let nonsense = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        let both = File::of("both.pem", format!("{nonsense}{SELF}").as_bytes());
        assert_eq!(FILES.roots("ca_file", &both.0).expect("a root").0.len(), 1);
        let alone = File::of("alone.pem", nonsense.as_bytes());
        let text = FILES.roots("ca_file", &alone.0).expect_err("no root").to_string();
        assert!(text.contains("certificate 1 in it cannot be used") && text.contains("alone.pem"), "{text}");
    }

    #[test]
    fn the_error_of_a_file_without_a_certificate_says_what_to_do() {
        let utf16: Vec<u8> = format!("\u{feff}{SELF}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (name, content, says) in [
            ("empty", &b""[..], "it is empty; give a PEM file with certificates"),
            ("blank", b" \n", "it is empty"),
            ("der", DER, "it is DER; openssl x509 -inform der -in "),
            ("p12", include_bytes!("samples/self.p12"), "it is PKCS #12; openssl pkcs12 -nodes -in "),
            (
                "p7c",
                include_bytes!("samples/self.p7c"),
                "it is PKCS #7 in DER; openssl pkcs7 -inform der -print_certs -in ",
            ),
            ("p7b", include_bytes!("samples/self.p7b"), "it is PKCS #7; openssl pkcs7 -print_certs -in "),
            ("jks", &[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2], "it is a Java key store; keytool -exportcert -rfc"),
            ("utf16", &utf16, "it is UTF-16; save it as UTF-8"),
            ("key", EC.as_bytes(), "it holds a private key and no certificate"),
            (
                "request",
                include_bytes!("samples/request.pem"),
                "it holds a request for a certificate; give what the CA",
            ),
            ("text", b"hunter2", "it holds no certificate"),
            ("cut", &SELF.as_bytes()[..200], "it is not whole PEM"),
            ("bad", b"-----BEGIN CERTIFICATE-----\nhunter2!\n-----END CERTIFICATE-----\n", "it is not whole PEM"),
            ("headless", b"-----BEGIN CERTIFICATE\nhunter2\n", "it is not whole PEM"),
        ] {
            let file = File::of(name, content);
            let text = FILES.roots("ca_file", &file.0).expect_err(name).to_string();
            assert!(text.contains(says) && text.contains("`ca_file`") && !text.contains("hunter2"), "{name}: {text}");
        }
        let text = FILES.roots("ca_file", &std::env::temp_dir()).expect_err("a directory").to_string();
        assert!(text.contains("it is a directory; put its certificates into one PEM file"), "{text}");
        let text = FILES.private_key("client_key", &std::env::temp_dir()).expect_err("a directory").to_string();
        assert!(text.contains("it is a directory; give a PEM file with an unencrypted private key"), "{text}");
        let text = FILES.roots("ca_file", Path::new("/does/not/exist")).expect_err("missing").to_string();
        assert!(text.contains("cannot be read (No such file"), "{text}");
    }

    #[test]
    fn keys_of_each_form_are_found() {
        for (name, content) in [
            ("ec", EC.to_owned()),
            ("ec-crlf", EC.replace('\n', "\r\n")),
            ("pkcs8", include_str!("samples/pkcs8.key").into()),
            ("rsa", include_str!("samples/rsa.key").into()),
            ("both", format!("\u{feff}{TEXT}{EC}")),
            ("later", format!("{ENCRYPTED}{LEGACY}{EC}")),
        ] {
            let file = File::of(&format!("{name}.key"), content.as_bytes());
            let key = FILES.private_key("client_key", &file.0).expect(name);
            assert!(provider().key_provider.load_private_key(key).is_ok(), "{name}");
        }
    }

    #[test]
    fn the_error_of_a_file_without_a_key_says_what_to_do() {
        let ssh = b"-----BEGIN OPENSSH PRIVATE KEY-----\naHVudGVyMg==\n-----END OPENSSH PRIVATE KEY-----\n";
        for (name, content, says) in [
            ("empty.key", &b""[..], "it is empty"),
            ("encrypted.key", ENCRYPTED.as_bytes(), "it holds an encrypted key; openssl pkey -in "),
            ("legacy.key", LEGACY.as_bytes(), "it holds an encrypted key; openssl pkey -in "),
            ("der.key", include_bytes!("samples/ec.der"), "it is a key in DER; openssl pkey -inform der -in "),
            ("ssh.key", ssh, "it holds a key of OpenSSH; ssh-keygen -p -m PKCS8 -f "),
            ("certificate.key", SELF.as_bytes(), "it holds a certificate and no key"),
            ("text.key", b"hunter2", "it holds none"),
            ("bad.key", b"-----BEGIN PRIVATE KEY-----\nhunter2!\n-----END PRIVATE KEY-----\n", "it is not whole PEM"),
        ] {
            let file = File::of(name, content);
            let text = FILES.private_key("client_key", &file.0).expect_err(name).to_string();
            assert!(
                text.contains(says) && text.contains("`client_key`") && !text.contains("hunter2"),
                "{name}: {text}"
            );
            assert!(text.contains(name), "{text}");
        }
    }

    #[test]
    fn a_key_of_an_unknown_kind_is_not_mistaken_for_the_key_of_another_certificate() {
        let file = File::of("p521.key", P521.as_bytes());
        let key = FILES.private_key("key", &file.0).expect("a key");
        let error = provider().key_provider.load_private_key(key).expect_err("no such curve");
        let text = FILES.no_pair("key", &file.0, &error).to_string();
        assert!(text.contains("ECDSA on P-256 or P-384") && !text.contains("is not the key of"), "{text}");
    }
}
