//! The texts of network errors, each with what to do about it.

use std::io;
use std::time::Duration;

/// Datagrams are refused by their host.
pub(crate) const REFUSED: &str = "nothing listens there: datagrams are refused; start it, or correct host and port";

/// No connection could be made.
pub(crate) fn cannot_connect(error: &io::Error) -> String {
    with_advice("cannot connect", error)
}

/// A datagram or a packet could not be handed over.
pub(crate) fn cannot_send(error: &io::Error) -> String {
    with_advice("cannot send", error)
}

/// A client of the page could not be let in.
pub(crate) fn cannot_accept(error: &io::Error) -> String {
    with_advice("cannot accept connections", error)
}

/// There was no answer to what was sent.
pub(crate) fn no_answer(waited: Duration) -> String {
    format!("no answer within {waited:?}; look what keeps the backend busy, or raise timeout")
}

/// Nobody accepted the connection.
pub(crate) fn no_connection(waited: Duration) -> String {
    format!("no connection within {waited:?}; check the address, the network and firewalls")
}

/// The host has no address.
pub(crate) fn no_address(host: &str, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("no address for host {host:?} ({error}); give a host name that resolves here, or an address"),
    )
}

fn with_advice(what: &str, error: &io::Error) -> String {
    match advice(error) {
        Some(advice) => format!("{what}: {error}; {advice}"),
        None => format!("{what}: {error}"),
    }
}

/// What to do about an error of the operating system. `None` for any other, whose text says it.
fn advice(error: &io::Error) -> Option<&'static str> {
    use io::ErrorKind as Kind;
    // The texts of TLS and of `no_address` hold their advice.
    if error.get_ref().is_some() {
        return None;
    }
    Some(match error.kind() {
        Kind::ConnectionRefused => "nothing listens there: start it, or correct host and port",
        Kind::NotFound => "there is no such socket: start what listens on it, or correct its path",
        Kind::PermissionDenied => "it is not allowed: look at the rights of the socket's file, or at the firewall",
        Kind::TimedOut | Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => {
            "check the address, the network and firewalls"
        }
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe | Kind::UnexpectedEof => {
            "the other side broke off, and its log may say why"
        }
        Kind::AddrNotAvailable => "no address of this host can be used for it, or its ports have run out",
        _ => return of_number(error.raw_os_error()?),
    })
}

/// The errors that have no kind.
#[cfg(unix)]
const fn of_number(number: i32) -> Option<&'static str> {
    Some(match number {
        libc::EMSGSIZE => "give a smaller datagram_bytes",
        libc::ENOBUFS => "the system has no room for more: send less, or give it larger buffers",
        libc::EMFILE | libc::ENFILE => "too many files are open: raise the limit (ulimit -n)",
        _ => return None,
    })
}

#[cfg(not(unix))]
const fn of_number(_: i32) -> Option<&'static str> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_fits_the_error() {
        use io::ErrorKind as Kind;
        for (error, says) in [
            (Kind::ConnectionRefused.into(), "cannot connect: connection refused; nothing listens there: start it"),
            (Kind::NotFound.into(), "cannot connect: entity not found; there is no such socket"),
            (Kind::PermissionDenied.into(), "rights of the socket's file"),
            (Kind::TimedOut.into(), "cannot connect: timed out; check the address, the network and firewalls"),
            (Kind::HostUnreachable.into(), "; check the address, the network and firewalls"),
            (Kind::ConnectionReset.into(), "; the other side broke off"),
            #[cfg(unix)]
            (io::Error::from_raw_os_error(libc::EMSGSIZE), "; give a smaller datagram_bytes"),
            #[cfg(unix)]
            (io::Error::from_raw_os_error(libc::EMFILE), "; too many files are open: raise the limit (ulimit -n)"),
            (
                no_address("h", &io::Error::other("unknown")),
                "cannot connect: no address for host \"h\" (unknown); give a",
            ),
        ] {
            let text = cannot_connect(&error);
            assert!(text.contains(says), "{text:?} lacks {says:?}");
            assert_eq!(text.matches("; ").count(), 1, "one piece of advice: {text}");
        }
        let of_tls = io::Error::new(Kind::InvalidData, "the certificate of h is not trusted: give its CA with ca_file");
        assert!(cannot_connect(&of_tls).ends_with("give its CA with ca_file"), "{}", cannot_connect(&of_tls));
        for text in [no_answer(Duration::from_secs(2)), no_connection(Duration::from_secs(2))] {
            assert!(text.contains(" within 2s; "), "{text}");
        }
    }
}
