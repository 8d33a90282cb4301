//! Whether a page is compressed: a scraper's `Accept-Encoding` header.
//!
//! Gzip is chosen where it weighs more than the page as it is, and where it is named and weighs as much. A wildcard alone
//! leaves the choice to the server, which then saves itself the work. Where neither may be had, the page comes as it is:
//! a scraper can tell from the answer, and an error would tell it less.
//!
//! Source: RFC 9110, sections 12.5.3, "Accept-Encoding", and 8.4.1, "Content Codings".

use super::list::{ONE, sides, split, weight};

/// How the bytes of a page are coded on their way. Exhaustive: whoever serves pages must be able to code them so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContentCoding {
    /// `identity`: as they are.
    #[default]
    Identity,
    /// `gzip`: RFC 1952.
    Gzip,
}

impl ContentCoding {
    /// Chooses by the values of a request's `Accept-Encoding` headers, none or several.
    #[must_use]
    pub fn from_accept_encoding(headers: &[&[u8]]) -> Self {
        let mut weights = CodingWeights::default();
        for clause in headers.iter().flat_map(|header| split(header, b',')) {
            weights.read(clause);
        }
        let identity = weights.identity.or(weights.any).unwrap_or_default();
        let gzip = weights.gzip.or(weights.any).unwrap_or_default();
        let is_preferred = gzip > identity || weights.gzip.is_some() && gzip == identity;
        if gzip != 0 && is_preferred { Self::Gzip } else { Self::Identity }
    }
}

/// What the header says of each, in thousandths; of two clauses, the last.
#[derive(Default)]
struct CodingWeights {
    gzip: Option<u32>,
    identity: Option<u32>,
    any: Option<u32>,
}

impl CodingWeights {
    fn read(&mut self, clause: &[u8]) {
        let mut parts = split(clause, b';');
        let name = parts.next().unwrap_or_default();
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let place = if is("gzip") || is("x-gzip") {
            &mut self.gzip
        } else if is("identity") {
            &mut self.identity
        } else if is("*") {
            &mut self.any
        } else {
            return;
        };
        let weights = parts.map(sides).filter(|(name, _)| name.eq_ignore_ascii_case(b"q"));
        *place = Some(weights.last().map_or(ONE, |(_, value)| weight(value)));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::ContentCoding::{self, Gzip, Identity};

    #[test]
    fn gzip_is_chosen_where_it_is_wanted() {
        let table = [
            ("", Identity),
            // Prometheus, and what it says where compression is switched off there.
            ("gzip", Gzip),
            ("identity", Identity),
            // curl, a browser, Python's requests.
            ("deflate, gzip, br, zstd", Gzip),
            ("gzip, deflate, br;q=0.9", Gzip),
            ("GZip ; Q=0.5", Gzip),
            ("x-gzip", Gzip),
            ("gzipped, zip, deflate", Identity),
            // RFC 9110's examples.
            ("compress, gzip", Gzip),
            ("*", Identity),
            ("compress;q=0.5, gzip;q=1.0", Gzip),
            ("gzip;q=1.0, identity; q=0.5, *;q=0", Gzip),
            // Weights.
            ("gzip;q=0", Identity),
            ("gzip;q=0.000", Identity),
            ("gzip;q=none", Identity),
            ("gzip;q=0.001", Gzip),
            ("gzip;q=0, *", Identity),
            ("gzip, *;q=0", Gzip),
            ("gzip;q=0.5, *", Identity),
            ("gzip;q=0.5, *;q=0.5", Gzip),
            ("gzip;q=0.5, identity;q=0.8", Identity),
            ("identity, gzip", Gzip),
            ("gzip, gzip;q=0", Identity),
            // What is not named weighs what the wildcard does.
            ("identity;q=0.5, *", Gzip),
            ("identity;q=0, *;q=0.1", Gzip),
            ("*;q=0", Identity),
            ("identity;q=0", Identity),
            (",;,;q=1,,=", Identity),
        ];
        for (header, expected) in table {
            assert_eq!(ContentCoding::from_accept_encoding(&[header.as_bytes()]), expected, "{header}");
        }
        assert_eq!(ContentCoding::from_accept_encoding(&[]), Identity);
        assert_eq!(ContentCoding::from_accept_encoding(&[b"br", b"gzip"]), Gzip, "several headers are one list");
        assert_eq!(ContentCoding::from_accept_encoding(&[b"\xff\xfe,\x00;=\""]), Identity);
    }
}
