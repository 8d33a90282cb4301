//! Names and addresses.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use loaddensity_metrics_shell::runtime::Runtime;

use super::run;

/// `localhost` has an address, and it is a loopback address with the port that was asked for.
pub fn localhost_is_this_machine<R: Runtime>() {
    run(|runtime: R| async move {
        let addresses = runtime.resolve("localhost", 8_125).await.expect("localhost has an address");
        assert!(!addresses.is_empty(), "an empty list is not an answer");
        for address in addresses {
            assert!(address.ip().is_loopback(), "{address} is not this machine");
            assert_eq!(address.port(), 8_125);
        }
    });
}

/// An address in text form resolves to itself. IPv6 addresses have no brackets.
pub fn addresses_in_text_form_stay_as_they_are<R: Runtime>() {
    let cases: [(&str, SocketAddr); 4] = [
        ("127.0.0.1", (Ipv4Addr::LOCALHOST, 1).into()),
        ("192.0.2.7", (Ipv4Addr::new(192, 0, 2, 7), 1).into()),
        ("::1", (Ipv6Addr::LOCALHOST, 1).into()),
        ("2001:db8::7", (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7), 1).into()),
    ];
    run(|runtime: R| async move {
        for (text, address) in cases {
            assert_eq!(runtime.resolve(text, 1).await.expect(text), [address]);
        }
    });
}

/// RFC 6761, 6.4: no name below `invalid` exists.
pub fn a_name_that_does_not_exist_is_an_error<R: Runtime>() {
    run(|runtime: R| async move {
        let answer = runtime.resolve("no-such-host.invalid", 80).await;
        assert!(answer.is_err(), "{answer:?}");
    });
}

/// A text that cannot be a host name is an error, and no panic.
pub fn nonsense_is_an_error<R: Runtime>() {
    run(|runtime: R| async move {
        for host in ["", " ", "a\0b", "[::1]", "127.0.0.1:80", "http://localhost", &"x".repeat(5_000)] {
            let answer = runtime.resolve(host, 80).await;
            assert!(answer.is_err(), "{host:?}: {answer:?}");
        }
    });
}
