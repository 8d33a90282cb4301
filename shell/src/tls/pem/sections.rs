//! The sections of a PEM file.

use std::path::Path;

/// The text between a `BEGIN` and its `END`.
pub(super) struct PemSection<'t> {
    pub(super) label: &'t str,
    body: String,
}

impl PemSection<'_> {
    /// Whether it is encrypted as OpenSSL did it before PKCS #8 (RFC 1421, 4.6.1.1).
    pub(super) fn is_encrypted(&self) -> bool {
        self.body.contains("Proc-Type: 4,ENCRYPTED")
    }

    /// The section alone, under this label.
    pub(super) fn as_pem(&self, label: &str) -> String {
        format!("-----BEGIN {label}-----\n{}-----END {label}-----\n", self.body)
    }
}

/// All sections of a file.
pub(super) struct Sections(Vec<(String, String)>);

impl Sections {
    /// Reads `text`; `None` where a section is not closed.
    pub(super) fn of(text: &str) -> Option<Self> {
        let mut all = Vec::new();
        let mut open: Option<(String, String)> = None;
        for line in text.trim_start_matches('\u{feff}').split(['\n', '\r']).map(str::trim) {
            match (marked(line, "-----BEGIN "), &mut open) {
                (Some(label), _) => open = Some((label?.to_owned(), String::new())),
                (None, Some((label, body))) => match marked(line, "-----END ") {
                    Some(end) if end == Some(label) => all.extend(open.take()),
                    Some(_) => return None,
                    None => {
                        body.push_str(line);
                        body.push('\n');
                    }
                },
                (None, None) => {}
            }
        }
        open.is_none().then_some(Self(all))
    }

    pub(super) fn labelled(&self, labels: &'static [&'static str]) -> impl Iterator<Item = PemSection<'_>> {
        let sections = self.0.iter().filter(|(label, _)| labels.contains(&label.as_str()));
        sections.map(|(label, body)| PemSection { label, body: body.clone() })
    }

    /// What the file at `path` holds in place of a certificate.
    pub(super) fn without_certificate(&self, path: &Path) -> String {
        let has = |part: &str| self.0.iter().any(|(label, _)| label.contains(part));
        if has("PKCS7") || has("CMS") {
            let path = path.display();
            format!("it is PKCS #7; openssl pkcs7 -print_certs -in {path} writes it as PEM")
        } else if has("CERTIFICATE REQUEST") {
            "it holds a request for a certificate; give what the CA made of it".into()
        } else if has("PRIVATE KEY") {
            "it holds a private key and no certificate".into()
        } else {
            "it holds no certificate".into()
        }
    }

    /// What the file at `path` holds in place of a key that can be used.
    pub(super) fn without_key(&self, path: &Path) -> String {
        let (path, has) = (path.display(), |part: &str| self.0.iter().any(|(label, _)| label.contains(part)));
        if has("OPENSSH PRIVATE KEY") {
            format!("it holds a key of OpenSSH; ssh-keygen -p -m PKCS8 -f {path} writes it as PEM")
        } else if has("ENCRYPTED PRIVATE KEY") || self.0.iter().any(|(_, body)| body.contains("ENCRYPTED")) {
            format!("it holds an encrypted key; openssl pkey -in {path} writes it without its passphrase")
        } else if has("CERTIFICATE") {
            "it holds a certificate and no key".into()
        } else {
            "it holds none".into()
        }
    }
}

/// The label of a line that begins with `mark`; `Some(None)` where five dashes do not end it.
fn marked<'t>(line: &'t str, mark: &str) -> Option<Option<&'t str>> {
    line.strip_prefix(mark).map(|rest| rest.strip_suffix("-----"))
}

/// The first element of DER (X.690, 8.1), without what follows; `None` where it is none of definite length.
pub(super) fn element(der: &[u8]) -> Option<&[u8]> {
    let (short, rest) = (usize::from(*der.get(1)?), der.get(2..)?);
    let (head, length) = match short {
        0..=0x7f => (2, short),
        0x81..=0x84 => {
            let bytes = rest.get(..short & 0x7f)?;
            (2 + bytes.len(), bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
        }
        _ => return None,
    };
    der.get(..head.checked_add(length)?)
}
