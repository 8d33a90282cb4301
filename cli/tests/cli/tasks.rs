//! `LD_start_test` against servers of every kind: what tasks send, and how it is told why requests failed.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use futures_rustls::pki_types::PrivateKeyDer;
use futures_rustls::rustls::crypto::ring::default_provider;
use futures_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};
use loaddensity_metrics_vectors::closed_port::ClosedPort;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};
use socket2::SockRef;

use crate::process::{Ended, run, run_with};

const SECRET: &str = "hunter2";
const RUNTIMES: [&str; 2] = ["tokio", "smol"];

/// What a server does with each request.
#[derive(Clone, Copy)]
enum Manner {
    Answer(&'static str),
    /// Reads it, and goes without a word.
    Close,
    /// Breaks the connection off.
    Reset,
    /// Keeps it open and says nothing.
    Silence,
}

const OK: Manner = Manner::Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");

/// A server on plain sockets, with TLS if it has a certificate.
struct ServerThread {
    address: SocketAddr,
    /// The requests that it has read: heads and bodies as they came.
    requests: Arc<Mutex<Vec<String>>>,
}

impl ServerThread {
    fn start(manner: Manner, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let read = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (read, tls) = (read.clone(), tls.clone());
                // Whatever ends a connection is the client's to judge.
                thread::spawn(move || match tls {
                    None => serve(&stream, &stream, manner, &read),
                    Some(config) => {
                        let session = ServerConnection::new(config).expect("a configuration");
                        let socket = stream.try_clone().expect("a second handle");
                        serve(StreamOwned::new(session, stream), &socket, manner, &read)
                    }
                });
            }
        });
        Self { address, requests }
    }

    /// The first request to have come whose head begins so.
    fn request(&self, begins: &str) -> String {
        let requests = self.requests.lock().expect("no panic");
        let found = requests.iter().find(|request| request.starts_with(begins));
        found.unwrap_or_else(|| panic!("no {begins} among {requests:?}")).clone()
    }
}

fn serve(
    stream: impl Read + Write,
    socket: &TcpStream,
    manner: Manner,
    requests: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let request = read_request(&mut stream)?;
        requests.lock().expect("no panic").push(request);
        match manner {
            Manner::Answer(answer) => {
                stream.get_mut().write_all(answer.as_bytes())?;
                stream.get_mut().flush()?;
            }
            Manner::Close => return Ok(()),
            Manner::Reset => return SockRef::from(socket).set_linger(Some(Duration::ZERO)),
            Manner::Silence => {}
        }
    }
}

/// A head and as much of a body as it says.
fn read_request(stream: &mut impl BufRead) -> io::Result<String> {
    let (mut request, mut length) = (String::new(), 0);
    loop {
        let began = request.len();
        if stream.read_line(&mut request)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = request[began..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim_end().parse().expect("a number");
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(request + &String::from_utf8(body).expect("text"))
}

/// A configuration with a certificate for 127.0.0.1, and the file that proves it.
fn certified(name: &str) -> (Arc<ServerConfig>, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".into()]).expect("a certificate");
    let file = format!("{}/{name}.pem", env!("CARGO_TARGET_TMPDIR"));
    fs::write(&file, cert.pem()).expect("a file");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a pair");
    (Arc::new(config), file)
}

/// An action that does `tasks` for `seconds`, with one user.
fn load(seconds: f64, tasks: &[Value]) -> Value {
    json!(["LD_start_test", {
        "user_detail_dict": {"user": "http_user"}, "user_count": 1, "test_time": seconds, "tasks": tasks
    }])
}

fn run_on(runtime: &str, actions: &[Value]) -> Ended {
    run(&["--runtime", runtime, "run-str", &Value::from(actions).to_string()])
}

/// The number before `what` in a summary.
fn count(summary: &str, what: &str) -> u64 {
    let before = summary.split(what).next().filter(|before| before.len() < summary.len());
    let number = before.and_then(|before| before.rsplit(|c: char| !(c.is_ascii_digit() || c == ',')).next());
    let number = number.and_then(|number| number.replace(',', "").parse().ok());
    number.unwrap_or_else(|| panic!("no number before {what:?}: {summary}"))
}

/// The summaries of the load tests, in order.
fn summaries(ended: &Ended) -> Vec<&str> {
    ended.stdout.lines().filter(|line| line.starts_with("LD_start_test: ")).collect()
}

fn warnings(ended: &Ended) -> Vec<&str> {
    ended.stderr.lines().filter(|line| line.starts_with("warning: ")).collect()
}

#[test]
fn headers_bodies_and_queries_arrive() {
    for runtime in RUNTIMES {
        let server = ServerThread::start(OK, None);
        let address = server.address;
        let task = |method: &str, path: &str, rest: Value| {
            let mut task = json!({"method": method, "request_url": format!("http://{address}{path}"), "name": path});
            task.as_object_mut().expect("an object").extend(rest.as_object().expect("an object").clone());
            task
        };
        let host = format!("host: {address}\r\n");
        let auth = json!({"type": "basic", "username": "Aladdin", "password": "open sesame"});
        let cases = [
            (task("get", "/plain", json!({})), "GET /plain HTTP/1.1\r\n", &*host, "\r\n\r\n"),
            (task("get", "/q?a", json!({"params": {"b": "c d"}})), "GET /q?a&b=c+d HTTP/1.1\r\n", &host, "\r\n\r\n"),
            (
                task("post", "/json", json!({"json": {"a": 1}})),
                "POST /json ",
                "content-type: application/json\r\n",
                "{\"a\":1}",
            ),
            (task("put", "/form", json!({"data": {"a": "b&c"}})), "PUT /form ", "form-urlencoded\r\n", "a=b%26c"),
            (task("patch", "/text", json!({"data": "é"})), "PATCH /text ", "content-length: 2\r\n", "é"),
            (
                task("head", "/h", json!({"headers": {"X-Key": "k"}, "method": "head"})),
                "HEAD /h ",
                "x-key: k\r\n",
                "\r\n",
            ),
            (task("get", "/host", json!({"headers": {"Host": "other"}})), "GET /host ", "host: other\r\n", "\r\n"),
            (
                task("get", "/auth", json!({"auth": auth})),
                "GET /auth ",
                "authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n",
                "\r\n",
            ),
            (task("get", "/cookie", json!({"cookies": {"a": "b"}})), "GET /cookie ", "cookie: a=b\r\n", "\r\n"),
            // The length is the body's, whatever a recorded header says.
            (
                task("post", "/length", json!({"headers": {"Content-Length": "9"}, "data": "12"})),
                "POST /length ",
                "content-length: 2\r\n",
                "12",
            ),
        ];
        let tasks: Vec<_> = cases.iter().map(|(task, ..)| task.clone()).collect();
        let ended = run_on(runtime, &[load(0.5, &tasks)]).with_code(0);
        assert!(ended.stdout.contains(" requests, 0 failed, "), "{}", ended.stdout);
        for (_, begins, holds, ends) in cases {
            let request = server.request(begins);
            assert!(request.to_ascii_lowercase().contains(&holds.to_ascii_lowercase()), "{request:?} lacks {holds:?}");
            assert!(request.ends_with(ends), "{request:?} does not end in {ends:?}");
        }
    }
}

#[test]
fn labels_of_tasks_are_tags_of_what_is_exported_and_one_that_no_series_can_have_is_named() {
    for runtime in RUNTIMES {
        let server = ServerThread::start(OK, None);
        let agent = UdpSocket::bind("127.0.0.1:0").expect("a port");
        agent.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        let task = |labels: Value| json!({"method": "get", "request_url": format!("http://{}/x", server.address), "name": "/x", "labels": labels});
        let port = agent.local_addr().expect("bound").port();
        let start = json!(["LD_start_statsd_sink", {"port": port}]);
        run_on(runtime, &[start, load(0.3, &[task(json!({"scenario": "checkout", "region": "eu"}))])]).with_code(0);
        let mut datagram = [0; 2_048];
        let length = agent.recv(&mut datagram).expect("a datagram");
        let text = String::from_utf8_lossy(&datagram[..length]);
        assert!(text.contains("|#method:GET,name:/x,region:eu,scenario:checkout"), "{text}");
        let refused = run_on(runtime, &[load(0.3, &[task(json!({"le": "1"}))])]).with_code(1);
        let says = "actions[0] LD_start_test: tasks[0].labels: a label's key is one of method, name, ";
        assert!(refused.stderr.contains(says), "{}", refused.stderr);
    }
}

#[test]
fn https_is_spoken_and_the_server_must_prove_itself_unless_verify_says_otherwise() {
    let (config, file) = certified("https");
    let (_, others) = certified("https_of_others");
    for runtime in RUNTIMES {
        let server = ServerThread::start(OK, Some(config.clone()));
        let task = |verify: Value| {
            json!({"method": "post", "request_url": format!("https://{}/x", server.address), "name": "x", "json": [1],
                "verify": verify})
        };
        let verified = run_on(runtime, &[load(0.3, &[task(json!(file)), task(json!(false))])]).with_code(0);
        assert!(verified.stdout.contains(" requests, 0 failed, "), "{}{}", verified.stdout, verified.stderr);
        assert!(server.request("POST /x ").ends_with("\r\n\r\n[1]"));
        for verify in [json!(null), json!(others)] {
            let refused = run_on(runtime, &[load(0.3, &[task(verify)])]).with_code(0);
            let [summary] = summaries(&refused)[..] else { panic!("{}", refused.stdout) };
            assert_eq!(count(summary, " requests"), count(summary, " TLS)"), "{summary}");
            let [warning] = warnings(&refused)[..] else { panic!("{}", refused.stderr) };
            let says = format!("warning: actions[0] LD_start_test: TLS: https://{}: ", server.address);
            assert!(warning.starts_with(&says) && warning.contains("give the file of its CA with verify"), "{warning}");
        }
        let missing = run_on(runtime, &[load(0.3, &[task(json!("/no/such.pem"))])]).with_code(1);
        assert!(missing.stderr.contains("tasks[0].verify: /no/such.pem cannot be read"), "{}", missing.stderr);
    }
}

#[test]
fn failures_are_told_apart_and_each_kind_is_warned_of_once() {
    for runtime in RUNTIMES {
        let closed = ClosedPort::new().expect("a port");
        let server = |manner| ServerThread::start(manner, None).address;
        let answer = |answer| server(Manner::Answer(answer));
        let status = |status: &str| {
            let text = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            answer(text.leak())
        };
        let cases = [
            ("http", closed.address().expect("bound"), "connection refused", Some("check that a server listens there")),
            ("http", server(Manner::Silence), "timed out", Some("no whole answer within 100ms; ")),
            ("http", server(Manner::Reset), "connection reset", Some("breaks connections off")),
            ("http", server(Manner::Close), "connection closed early", Some("gives up on requests")),
            (
                "http",
                answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nshort"),
                "timed out",
                Some("no whole answer"),
            ),
            ("https", server(OK), "TLS", Some("it may have no TLS there (http://)")),
            ("http", answer("SSH-2.0-OpenSSH_9.9\r\n"), "no HTTP answer", Some("whether it wants https")),
            ("http", status("503 Busy"), "status 503", None),
            ("http", status("404 Not Found"), "status 404", None),
            ("http", status("401 Unauthorized"), "status 401", Some("give the task auth")),
            ("http", status("200 OK"), "status 200", None),
        ];
        let action = |(scheme, address, kind, _): &(&str, SocketAddr, &str, Option<&str>)| {
            let mut task = json!({"method": "get", "request_url": format!("{scheme}://{address}/x")});
            if *kind == "timed out" {
                task["timeout"] = json!(0.1);
            }
            if *kind == "status 200" {
                task["assertions"] = json!([{"type": "status_code", "value": 201}]);
            }
            load(0.3, &[task])
        };
        let ended = run_on(runtime, &cases.iter().map(action).collect::<Vec<_>>()).with_code(0);
        let (summaries, warnings) = (summaries(&ended), warnings(&ended));
        assert_eq!(summaries.len(), cases.len());
        for (index, ((_, _, kind, says), summary)) in cases.into_iter().zip(summaries).enumerate() {
            let requests = count(summary, " requests");
            assert!(requests > 0, "{kind}: {summary}");
            assert_eq!(requests, count(summary, &format!(" {kind}), ")), "{summary}");
            assert_eq!(requests, count(summary, " failed"), "{summary}");
            let of = format!("warning: actions[{index}] LD_start_test: {kind}: ");
            let said: Vec<_> = warnings.iter().filter(|warning| warning.starts_with(&of)).collect();
            assert_eq!(said.len(), usize::from(says.is_some()), "{kind}: {}", ended.stderr);
            if let Some(says) = says {
                assert!(said[0].contains(says), "{:?} lacks {says:?}", said[0]);
            }
        }
    }
}

#[test]
fn failures_are_exported_by_kind_behind_a_flag() {
    let closed = ClosedPort::new().expect("a port");
    let busy = ServerThread::start(Manner::Answer("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), None);
    let fine = ServerThread::start(OK, None);
    let kinds = [("/connect", closed.address().expect("bound")), ("/status", busy.address), ("/ok", fine.address)];
    let task = |(name, address): (&str, SocketAddr)| json!({"method": "get", "request_url": format!("http://{address}{name}"), "name": name});
    for (runtime, flag) in RUNTIMES.iter().flat_map(|runtime| [(runtime, "--error-label"), (runtime, "--allow-loss")]) {
        let agent = UdpSocket::bind("127.0.0.1:0").expect("a port");
        agent.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        let start = json!(["LD_start_statsd_sink", {"port": agent.local_addr().expect("bound").port()}]);
        // Few requests, so that the socket holds all that is sent.
        let mut test = load(0.4, &kinds.map(task));
        test[1]["max_rate"] = json!(50);
        let document = Value::from(vec![start, test]).to_string();
        run(&["--runtime", runtime, flag, "run-str", &document]).with_code(0);
        for (name, _) in kinds {
            let mut datagram = [0; 2_048];
            let counter = std::iter::repeat_with(|| {
                let length = agent.recv(&mut datagram).expect("a datagram with such a counter");
                let text = String::from_utf8_lossy(&datagram[..length]).into_owned();
                text.lines().find(|line| line.contains(".requests:") && line.contains(name)).map(str::to_owned)
            });
            let counter = counter.take(1_000).flatten().next().expect("a counter");
            let kind = format!(",outcome:failure,error_type:{}", &name[1..]);
            let is_told = flag == "--error-label" && name != "/ok";
            assert_eq!((counter.contains(&kind), counter.contains("error_type")), (is_told, is_told), "{counter}");
        }
    }
}

#[test]
#[cfg(unix)]
fn users_without_a_file_descriptor_left_are_told_of_the_limit() {
    let server = ServerThread::start(OK, None);
    let test = json!([["LD_start_test", {
        "user_detail_dict": {"user": "http_user"}, "user_count": 200, "spawn_rate": 10_000, "test_time": 0.5,
        "tasks": [{"method": "get", "request_url": format!("http://{}/x", server.address)}]
    }]]);
    for runtime in RUNTIMES {
        let limited = r#"ulimit -n 64; exec "$0" "$@""#;
        let binary = env!("CARGO_BIN_EXE_loaddensity-metrics");
        let arguments = ["-c", limited, binary, "--runtime", runtime, "run-str", &test.to_string()];
        let output = Command::new("sh").args(arguments).output().expect("a shell");
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(stdout.contains(" no socket left here"), "{stdout}{stderr}");
        let says = "warning: actions[0] LD_start_test: no socket left here: http://";
        let warning = stderr.lines().find(|line| line.starts_with(says)).unwrap_or_else(|| panic!("{stderr}"));
        assert!(warning.ends_with("raise the limit of open files (ulimit -n), or take fewer users"), "{warning}");
    }
}

#[test]
fn an_expected_status_is_a_success() {
    let server = ServerThread::start(Manner::Answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), None);
    let task = json!({"method": "get", "request_url": format!("http://{}/x", server.address),
        "assertions": [{"type": "status_code", "value": 404}]});
    let ended = run_on("tokio", &[load(0.2, &[task])]).with_code(0);
    assert!(ended.stdout.contains(" requests, 0 failed, "), "{}", ended.stdout);
}

#[test]
fn secrets_of_tasks_are_nowhere_in_the_output() {
    let closed = ClosedPort::new().expect("a port");
    let url = format!("http://{}/x", closed.address().expect("bound"));
    let task = |key: &str, value: Value| {
        let mut task = json!({"method": "post", "request_url": url, "name": "x"});
        task[key] = value;
        task
    };
    let good = [
        task("headers", json!({"Authorization": SECRET})),
        task("params", json!({"key": SECRET})),
        task("json", json!({"password": SECRET})),
        task("data", json!(SECRET)),
        task("cookies", json!({"session": SECRET})),
        task("auth", json!({"type": "bearer", "token": SECRET})),
    ];
    let bad = [
        task("headers", json!({"Authorization": format!("{SECRET}\n")})),
        task("params", json!([SECRET])),
        task("data", json!([SECRET])),
        task("cookies", json!([SECRET])),
        task("auth", json!({"type": SECRET})),
        task("request_url", json!(format!("http://u:{SECRET}@h/"))),
    ];
    let actions: Vec<_> = [load(0.3, &good)].into_iter().chain(bad.map(|task| load(0.3, &[task]))).collect();
    let ended = run_on("tokio", &actions).with_code(1);
    let errors = ended.stderr.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(errors, actions.len() - 1, "{}", ended.stderr);
    assert!(!ended.stderr.contains(SECRET) && !ended.stdout.contains(SECRET), "{}{}", ended.stderr, ended.stdout);
}

/// A full registry, at a test that goes through more names than it has room for, is said while the test runs.
#[test]
fn series_that_are_folded_are_said_while_the_load_runs_and_in_the_report() {
    for runtime in RUNTIMES {
        let server = ServerThread::start(OK, None);
        let url = format!("http://{}/items", server.address);
        let task = |number: usize| json!({"method": "get", "request_url": url, "name": format!("/items/{number}")});
        let test = load(2.5, &(0..700).map(task).collect::<Vec<_>>());
        let long = load(0.1, &[json!({"method": "get", "request_url": url, "name": "x".repeat(300)})]);
        let agent = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let start = json!(["LD_start_statsd_sink", {"port": agent.local_addr().expect("bound").port()}]);
        let ended = run_on(runtime, &[start, long, test]).with_code(0);
        // One series more is that of the long name.
        let folded = "190 requests for series beyond the storage's 511 were folded into the series overflow, the first was \
                      GET /items/510; ";
        for notice in [folded, "1 series have a method over 32 bytes or a name over 255, which was cut"] {
            let said = warnings(&ended).iter().filter(|warning| warning.contains(notice)).count();
            assert_eq!(said, 1, "{notice:?}: {}", ended.stderr);
            let reported = ended.stdout.lines().filter(|line| line.contains(notice)).count();
            assert_eq!(reported, 1, "{notice:?}: {}", ended.stdout);
        }
    }
}

#[test]
fn an_exporter_that_works_again_says_so_and_a_variable_that_is_not_followed_is_said_once() {
    for runtime in RUNTIMES {
        let target = ServerThread::start(OK, None);
        // The first connection is answered with 503, the others with 204.
        let backend = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = backend.local_addr().expect("bound").port();
        thread::spawn(move || {
            for (number, stream) in backend.incoming().flatten().enumerate() {
                let mut reader = BufReader::new(&stream);
                while read_request(&mut reader).is_ok() {
                    let answer = if number == 0 {
                        "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    } else {
                        "HTTP/1.1 204 No Content\r\n\r\n"
                    };
                    if (&stream).write_all(answer.as_bytes()).is_err() || number == 0 {
                        break;
                    }
                }
            }
        });
        let start = json!(["LD_start_influxdb_sink", {"transport": "http", "port": port, "batch_seconds": 0.05}]);
        let closed = ClosedPort::new().expect("a port");
        let endpoint = format!("http://{}", closed.address().expect("bound"));
        let otlp = json!(["LD_start_opentelemetry_exporter", {"endpoint": endpoint}]);
        let task = json!({"method": "get", "request_url": format!("http://{}/x", target.address), "name": "x"});
        let document = json!([otlp, ["LD_stop_opentelemetry_exporter"], start, load(2.0, &[task])]).to_string();
        let variables = [("OTEL_METRIC_NO_SUCH", "1")];
        let ended = run_with(&["--env", "--runtime", runtime, "run-str", &document], &variables).with_code(0);
        let said = |part: &str| ended.stderr.lines().filter(|line| line.contains(part)).count();
        let failed = format!("warning: actions[2] LD_start_influxdb_sink: host \"127.0.0.1\", port {port}: ");
        assert_eq!(said(&failed), 1, "{}", ended.stderr);
        assert_eq!(said("answered 503"), 1, "{}", ended.stderr);
        let recovered = format!("actions[2] LD_start_influxdb_sink: http://127.0.0.1:{port}/write: works again");
        assert_eq!(said(&recovered), 1, "{}", ended.stderr);
        assert_eq!(said("OTEL_METRIC_NO_SUCH"), 1, "{}", ended.stderr);
    }
}
