//! Colours and control characters: on a terminal, and nowhere else.

use loaddensity_metrics_vectors::closed_port::ClosedPort;

use crate::process::{run, run_on_a_terminal, run_with};

const ESCAPE: u8 = 0x1b;

/// What is coloured: help, and what is wrong with the arguments.
const COLOURED: [&[&str]; 3] = [&["--help"], &["cost", "-h"], &["walk"]];

#[test]
fn nothing_is_coloured_in_a_pipe() {
    for arguments in COLOURED {
        for ended in [run(arguments), run_with(arguments, &[("TERM", "xterm-256color"), ("CLICOLOR", "1")])] {
            let said = [ended.stdout, ended.stderr].concat();
            assert!(!said.is_empty() && !said.as_bytes().contains(&ESCAPE), "{said:?}");
        }
        let forced = run_with(arguments, &[("CLICOLOR_FORCE", "1")]);
        assert!([forced.stdout, forced.stderr].concat().as_bytes().contains(&ESCAPE), "{arguments:?}");
    }
}

#[test]
fn a_terminal_has_colours_unless_it_or_its_user_wants_none() {
    for arguments in COLOURED {
        let shown = |term, variables: &[_]| {
            let sent = run_on_a_terminal(arguments, term, variables);
            assert!(!sent.is_empty(), "{arguments:?}");
            sent.contains(&ESCAPE)
        };
        assert!(shown("xterm-256color", &[]), "{arguments:?}");
        assert!(!shown("xterm-256color", &[("NO_COLOR", "1")]), "{arguments:?}");
        assert!(!shown("xterm-256color", &[("CLICOLOR", "0")]), "{arguments:?}");
        assert!(!shown("dumb", &[]), "{arguments:?}");
    }
}

#[test]
fn the_live_line_is_rewritten_on_a_terminal_alone() {
    let closed = ClosedPort::new().expect("a port");
    let document = format!(
        r#"[["LD_start_test", {{"user_detail_dict": {{"user": "fast_http_user"}}, "user_count": 1, "test_time": 1.5,
            "max_rate": 20, "tasks": [{{"method": "get", "request_url": "http://{}/"}}]}}]]"#,
        closed.address().expect("bound")
    );
    let arguments = ["run-str", &document];
    let text = |term| String::from_utf8(run_on_a_terminal(&arguments, term, &[])).expect("text");
    let shown = text("xterm");
    assert!(shown.contains("\x1b[?7l") && shown.contains("\x1b[K"), "{shown:?}");
    let dumb = text("dumb");
    assert!(dumb.contains("requests") && !dumb.contains('\x1b'), "{dumb:?}");
    let ended = run(&arguments).with_code(0);
    assert!(![ended.stdout, ended.stderr].concat().contains('\x1b'));
}
