//! What an engine calls while a load runs cannot panic, whatever it is called with: a program that makes these calls links
//! although its panic handler calls a function that does not exist.
//!
//! The program is `core/no-std-proof/src/bin/no-panic.rs`, which names the calls. It is compiled as a release with
//! optimisation over all crates: only then does the compiler see what cannot happen. Other builds have the same code, and
//! may keep checks that never fail. Checks of overflow, which only builds for debugging have, are no part of it.
#![cfg(target_os = "linux")]

#[path = "common/proof.rs"]
mod proof;

#[test]
fn recording_links_with_a_panic_handler_that_does_not_link() {
    let program = proof::link("no-panic", &[]).unwrap_or_else(|linker| {
        panic!("a call in core/no-std-proof/src/bin/no-panic.rs can panic, or does not compile:\n{linker}")
    });
    // Without the calls this would prove nothing. Before each stands how long its name is, as compilers write them.
    let calls = [
        "8no_panic6record",
        "8no_panic14record_request",
        "8no_panic13record_traced",
        "8no_panic8recorder",
        "8no_panic6series",
        "8no_panic18series_with_labels",
        "8no_panic5gauge",
        "8no_panic3set",
        "8no_panic12add_to_gauge",
        "8no_panic3add",
        "8no_panic10add_to_run",
        "8no_panic12observe_time",
        "8no_panic14observe_number",
        "8no_panic14observe_in_run",
        "8no_panic7counter",
        "8no_panic5timer",
        "8no_panic13run_histogram",
    ];
    assert_eq!(proof::symbols_in(&program, &calls), calls);
    let within = [
        "count_elsewhere",
        "count_compared",
        "count_apart",
        "add_ringed",
        "add_elsewhere",
        "observe_ringed",
        "observe_elsewhere",
        "carry",
        "intern",
        "put_attribute",
    ];
    assert_eq!(proof::symbols_in(&program, &within), within);
    assert_eq!(proof::symbols_in(&program, &["rust_begin_unwind"]), [""; 0]);
}

#[test]
fn the_same_program_with_an_index_does_not_link() {
    let linker = proof::link("no-panic", &["can-panic"]).expect_err("an index that nobody checks can panic");
    assert!(linker.contains("something_here_can_panic"), "it fails for another reason:\n{linker}");
}
