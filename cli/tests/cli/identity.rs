//! Who sends: what the flags and the environment say of it.

use std::net::UdpSocket;
use std::time::Duration;

use loaddensity_metrics_vectors::closed_port::ClosedPort;

use crate::process::{run, run_with};

#[test]
fn a_worker_that_is_none_is_wrong_usage() {
    for (arguments, says) in [
        (&["--worker", "40/40"][..], "counted from 0"),
        (&["--worker", "4/"], "write 3/40"),
        (&["--worker", "fourth"], "write 3/40"),
        (&["--run", "a b"], "letters, digits"),
        (&["--run", ""], "is empty"),
        (&["--of", "40"], "--env"),
        (&["--env", "--of", "0"], "--of"),
        (&["--env", "--of", "40", "--worker", "3/40"], "--worker"),
        (&["--identity-labels", "pod"], "possible values: run, worker"),
    ] {
        let ended = run(&[arguments, &["run-str", "[]"]].concat()).with_code(2);
        assert!(ended.stderr.contains(says), "{arguments:?}: {}", ended.stderr);
    }
}

/// A first point, sent by a load test against a port where nobody listens.
fn first_point(flags: &[&str], variables: &[(&str, &str)]) -> (String, String) {
    let receiver = UdpSocket::bind("127.0.0.1:0").expect("a port");
    receiver.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket option");
    let port = receiver.local_addr().expect("bound").port();
    let closed = ClosedPort::new().expect("a port");
    let document = format!(
        r#"[["LD_start_influxdb_sink", {{"port": {port}}}],
            ["LD_start_test", {{"user_detail_dict": {{"user": "fast_http_user"}}, "user_count": 1, "test_time": 1,
              "max_rate": 5, "tasks": [{{"method": "get", "request_url": "http://{}/"}}]}}]]"#,
        closed.address().expect("an address")
    );
    let ended = run_with(&[flags, &["run-str", &document]].concat(), variables);
    let mut datagram = [0; 2_048];
    let length = receiver.recv(&mut datagram).unwrap_or_else(|error| panic!("no point: {error}; {}", ended.stderr));
    let text = String::from_utf8(datagram[..length].to_vec()).expect("UTF-8");
    (text.lines().next().expect("a line").to_owned(), ended.stderr)
}

#[test]
fn an_identity_is_on_every_point() {
    let job = [("JOB_COMPLETION_INDEX", "3"), ("SLURM_ARRAY_TASK_ID", "9")];
    for (flags, tags) in [
        (&["--worker", "3/40"][..], ",worker=3 "),
        (&["--run", "nightly-7", "--worker", "3", "--identity-labels", "run,worker"], ",run=nightly-7,worker=3 "),
        (&["--env", "--of", "40"], ",worker=3 "),
        (&["--env", "--worker", "7/40"], ",worker=7 "),
        (&[], ",outcome=failure "),
    ] {
        let (point, _) = first_point(flags, &job);
        assert!(point.contains(tags), "{flags:?}: {point}");
    }
}

#[test]
fn a_variable_that_is_no_number_is_warned_of_and_left_out() {
    let (point, stderr) = first_point(&["--env"], &[("JOB_COMPLETION_INDEX", "third")]);
    assert!(point.contains(",outcome=failure "), "{point}");
    assert!(stderr.contains("warning: ") && stderr.contains("JOB_COMPLETION_INDEX is \"third\""), "{stderr}");
}
