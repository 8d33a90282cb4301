//! Files that are not PEM: what they are, and the command that makes PEM of them.

use std::path::Path;

/// Tags of DER (X.690, 8.1.2; X.680, 8.6).
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// What a key store of Java begins with.
const JKS: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];

/// Why the `bytes` of the file at `path` are not PEM, as far as their beginning shows it.
pub(super) fn not_pem(bytes: &[u8], path: &Path) -> Option<String> {
    let path = path.display();
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Some("it is empty".into());
    }
    if bytes.starts_with(&JKS) {
        return Some(format!("it is a Java key store; keytool -exportcert -rfc -keystore {path} writes PEM"));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || bytes.get(1) == Some(&0) {
        return Some("it is UTF-16; save it as UTF-8".into());
    }
    let inner = der_content(bytes)?;
    Some(match inner {
        [SEQUENCE, ..] => format!("it is DER; openssl x509 -inform der -in {path} writes it as PEM"),
        [INTEGER, 1, 3, ..] => format!("it is PKCS #12; openssl pkcs12 -nodes -in {path} writes it as PEM"),
        [INTEGER, ..] => format!("it is a key in DER; openssl pkey -inform der -in {path} writes it as PEM"),
        [OBJECT_IDENTIFIER, ..] => {
            format!("it is PKCS #7 in DER; openssl pkcs7 -inform der -print_certs -in {path} writes it as PEM")
        }
        _ => return None,
    })
}

/// The content of the sequence that `bytes` begin with. A text may begin with its tag too, a `0`, but does not go on so.
fn der_content(bytes: &[u8]) -> Option<&[u8]> {
    let (tag, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first()?;
    let more = if *length < 0x80 { 0 } else { usize::from(length & 0x7f) };
    (*tag == SEQUENCE).then(|| rest.get(more..)).flatten()
}
