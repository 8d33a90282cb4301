//! The names of socket errors, by which the core's table of faults knows them.

use std::io;

use loaddensity_metrics_core::export::{Fault, SendKind, fault};

/// What `error` means for what was sent, according to the core's `FAULTS`.
pub(crate) fn fault_of(error: &io::Error, kind: SendKind) -> Fault {
    fault(name(error), kind)
}

/// Its name in POSIX. Errors that a runtime makes itself have no number.
fn name(error: &io::Error) -> &'static str {
    let number = error.raw_os_error();
    if let Some((_, name)) = NUMBERS.iter().find(|(known, _)| Some(*known) == number) {
        return name;
    }
    match error.kind() {
        io::ErrorKind::WouldBlock => "EAGAIN",
        io::ErrorKind::ConnectionRefused => "ECONNREFUSED",
        _ => "",
    }
}

/// Those that the table names.
#[cfg(unix)]
const NUMBERS: &[(i32, &str)] = &[
    (libc::EAGAIN, "EAGAIN"),
    (libc::EWOULDBLOCK, "EWOULDBLOCK"),
    (libc::ENOBUFS, "ENOBUFS"),
    (libc::EMSGSIZE, "EMSGSIZE"),
    (libc::ECONNREFUSED, "ECONNREFUSED"),
    (libc::EIO, "EIO"),
    (libc::EINVAL, "EINVAL"),
    (libc::ENOPROTOOPT, "ENOPROTOOPT"),
    (libc::EOPNOTSUPP, "EOPNOTSUPP"),
];
/// On other systems errors have other numbers: those without a kind count as any other.
#[cfg(not(unix))]
const NUMBERS: &[(i32, &str)] = &[];

#[cfg(test)]
mod tests {
    use loaddensity_metrics_core::export::FAULTS;

    use super::*;

    #[cfg(unix)]
    #[test]
    fn socket_errors_mean_the_faults_of_the_cores_table() {
        use Fault::{Away, NoBuffers, NoOffload, RefusedBefore, TooLarge, WouldBlock};
        for (number, udp, several, unix) in [
            (libc::EAGAIN, WouldBlock, WouldBlock, WouldBlock),
            (libc::EWOULDBLOCK, WouldBlock, WouldBlock, WouldBlock),
            (libc::ENOBUFS, NoBuffers, NoBuffers, NoBuffers),
            (libc::EMSGSIZE, TooLarge, TooLarge, TooLarge),
            (libc::ECONNREFUSED, RefusedBefore, RefusedBefore, Away),
            (libc::EINVAL, Away, NoOffload, Away),
            (libc::EIO, Away, NoOffload, Away),
            (libc::ENOPROTOOPT, Away, NoOffload, Away),
            (libc::EOPNOTSUPP, Away, NoOffload, Away),
            (libc::ENETUNREACH, Away, Away, Away),
            (libc::EACCES, Away, Away, Away),
            (libc::EPERM, Away, Away, Away),
            (libc::ENOENT, Away, Away, Away),
            (libc::ENOTCONN, Away, Away, Away),
            (libc::EPIPE, Away, Away, Away),
        ] {
            let error = io::Error::from_raw_os_error(number);
            let found = [SendKind::Udp, SendKind::SeveralUdp, SendKind::Unix].map(|kind| fault_of(&error, kind));
            assert_eq!(found, [udp, several, unix], "{error}");
        }
    }

    #[test]
    fn errors_without_a_number_are_the_same_faults() {
        for (kind, fault) in [
            (io::ErrorKind::WouldBlock, Fault::WouldBlock),
            (io::ErrorKind::ConnectionRefused, Fault::RefusedBefore),
            (io::ErrorKind::BrokenPipe, Fault::Away),
            (io::ErrorKind::WriteZero, Fault::Away),
            (io::ErrorKind::Unsupported, Fault::Away),
        ] {
            assert_eq!(fault_of(&kind.into(), SendKind::Udp), fault, "{kind}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn each_error_of_the_table_has_a_number() {
        for error in FAULTS.iter().flat_map(|row| row.errors) {
            assert!(NUMBERS.iter().any(|(_, name)| name == error), "{error}");
        }
    }
}
