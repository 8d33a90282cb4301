//! The InfluxDB sink, with a UDP receiver and an HTTP server of the standard library.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use loaddensity_metrics_shell::config::Credentials;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    Account, BatchLimits, DropReason, Exporters, InfluxdbConfig, InfluxdbHttp, InfluxdbTarget, InfluxdbUdp,
    InfluxdbUrl, InfluxdbV1, InfluxdbV2, InfluxdbV3, Secret, StartError,
};

use super::http_server::{HttpReply, HttpServer, Posted};
use super::load::{EPOCH, LoadSums, TestEngine, assert_all_sent, assert_settled, exporters, settings, wait_until};
use super::receiver::{DatagramReceiver, lines};
use super::unused_port;

/// Whole lines arrive, packed up to the size of a datagram. Each request arrives once and has a timestamp of its own.
pub fn lines_arrive_over_udp<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let (exporters, mut engine) = exporters::<R>();
    let target = InfluxdbUdp::new("localhost", receiver.address.port());
    let config = InfluxdbConfig::default().target(target).measurement("my load");
    exporters.start_influxdb_sink(config).expect("a socket");
    for round in 1..=10 {
        engine.record(100);
        receiver.wait_for(|datagrams| datagrams.iter().flat_map(|datagram| lines(datagram)).count() == round * 100);
    }
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 1_000);
    let datagrams = receiver.finish();
    assert!(datagrams.iter().all(|datagram| datagram.len() <= 1_400));
    assert!(datagrams.len() < 500, "{} datagrams for 1,000 lines", datagrams.len());
    assert_eq!(sums(&datagrams, "my\\ load"), engine.sums);
}

/// A stop sends everything that was recorded before it. The account begins at the start of the exporter.
pub fn a_stop_flushes_udp<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let (exporters, mut engine) = exporters::<R>();
    engine.record(7);
    for _ in 0..3 {
        let target = InfluxdbUdp::new("127.0.0.1", receiver.address.port());
        exporters.start_influxdb_sink(InfluxdbConfig::default().target(target)).expect("a socket");
        engine.record(30);
        let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
        engine.record(5);
        assert_all_sent(&account, 30);
    }
    assert_eq!(sums(&receiver.finish(), "loaddensity_request").requests, 90);
}

/// Batches of at most the configured number of points, over one kept-alive connection, to `/write` of InfluxDB 1.
pub fn points_are_posted_to_influxdb_1<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::Status(204));
    let (exporters, mut engine) = exporters::<R>();
    let target = InfluxdbHttp::new("127.0.0.1", server.address.port())
        .database("my db")
        .username("Aladdin")
        .password(Secret::new("open sesame"));
    exporters.start_influxdb_sink(small_batches().target(target)).expect("a sink");
    engine.record(1_000);
    wait_until(|| sums(&server.stored(), MEASUREMENT).requests >= 500);
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 1_000);
    assert_eq!(sums(&server.stored(), MEASUREMENT), engine.sums);
    let posts = server.posts();
    assert!(posts.len() >= 10, "{} posts of at most 100 points", posts.len());
    for post in &posts {
        assert_eq!(post.connection, 0, "the connection is kept");
        assert_eq!(post.line, "POST /write?db=my%20db&precision=ns HTTP/1.1");
        // The example of RFC 7617, section 2.
        assert_eq!(post.header("authorization"), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert!(post.body.lines().count() <= 100);
    }
}

/// A given URL is used unchanged, and the token is sent with it.
pub fn a_url_is_used_unchanged<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::Status(204));
    let (exporters, mut engine) = exporters::<R>();
    let target = InfluxdbUrl::new(format!("http://{}/api/v2/write?org=my%20org&bucket=b&precision=ns", server.address))
        .token(Secret::new("s3cret=="));
    exporters.start_influxdb_sink(small_batches().target(target)).expect("a sink");
    engine.record(10);
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 10);
    assert_eq!(sums(&server.stored(), MEASUREMENT), engine.sums);
    for post in server.posts() {
        assert_eq!(post.line, "POST /api/v2/write?org=my%20org&bucket=b&precision=ns HTTP/1.1");
        assert_eq!(post.header("authorization"), Some("Token s3cret=="));
    }
}

/// The path, the query and the credentials that each version of InfluxDB wants.
pub fn each_api_gets_its_path_its_query_and_its_credentials<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::Status(204));
    let own = || format!("http://{}", server.address);
    let token = || Some(Secret::new("t0k"));
    let v1 = |credentials| {
        InfluxdbV1::new(own() + "/", "my db")
            .retention_policy("one week")
            .username("Aladdin")
            .password(Secret::new("open sesame"))
            .credentials(credentials)
    };
    let v2 = InfluxdbV2::new(own(), "my org", "b").token(token());
    let v3 = InfluxdbV3::new(own() + "/behind/a/proxy", "d").token(token()).no_sync(true);
    for (target, path, authorization) in [
        (
            InfluxdbTarget::from(v1(Credentials::Header)),
            "/write?db=my%20db&rp=one%20week&precision=ns",
            // The example of RFC 7617, section 2.
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ),
        (v1(Credentials::Query).into(), "/write?db=my%20db&rp=one%20week&precision=ns&u=Aladdin&p=open%20sesame", None),
        (v2.into(), "/api/v2/write?org=my%20org&bucket=b&precision=ns", Some("Token t0k")),
        (
            v3.into(),
            "/behind/a/proxy/api/v3/write_lp?db=d&precision=nanosecond&no_sync=true&accept_partial=true",
            Some("Bearer t0k"),
        ),
    ] {
        let (exporters, mut engine) = exporters::<R>();
        let config = small_batches().target(target);
        let shown = format!("{config:?}");
        assert!(!shown.contains("t0k") && !shown.contains("sesame"), "{shown}");
        exporters.start_influxdb_sink(config).expect("a sink");
        engine.record(10);
        let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
        assert_all_sent(&account, 10);
        let posts = server.posts();
        let post = posts.last().expect("a post");
        assert_eq!(post.line, format!("POST {path} HTTP/1.1"));
        assert_eq!(post.header("authorization"), authorization);
        assert_eq!(sums(std::slice::from_ref(&post.body), MEASUREMENT).requests, 10);
    }
}

/// If the server took only a part of a body, as many points count as refused as it says, and none is sent again.
pub fn a_partial_write_drops_as_many_points_as_the_answer_says<R: Runtime>() {
    let one = r#"{"error":"partial write: field type conflict: input field \"a\" is type float dropped=3"}"#;
    let unparsed = r#"{"error":"partial write: unable to parse 'a b=': missing field value dropped=0"}"#;
    let two = r#"{"code":"unprocessable entity","message":"failure: partial write: conflict dropped=4"}"#;
    let three = r#"{"error":"partial write of line protocol occurred","data":[{"line_number":2},{"line_number":5}]}"#;
    let whole = r#"{"error":"parsing failed for write_lp endpoint","data":{"line_number":2}}"#;
    // The answer of an InfluxDB 2 to a Telegraf (influxdata/telegraf#8571).
    let ill = r#"{"code":"internal error","message":"unexpected error writing points to database: partial write: points beyond retention policy dropped=1"}"#;
    for (status, says, refused) in [
        (400, one, 3),
        (400, unparsed, 1),
        (422, two, 4),
        (400, three, 2),
        (500, ill, 1),
        (201, one, 3),
        (400, whole, 10),
        (400, "", 10),
    ] {
        let server = HttpServer::start(move |_, _| HttpReply::Says(status, says));
        let (exporters, mut engine) = exporters::<R>();
        exporters.start_influxdb_sink(to(&server)).expect("a sink");
        engine.record(10);
        let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
        assert_settled(&account, 10);
        assert_eq!((account.sent, account.dropped.get(DropReason::Refused)), (10 - refused, refused), "{says}");
        assert_eq!(server.posts().len(), 1, "sent again after {says}");
    }
}

/// A success without a body means that the points were accepted. A success with a body that is not a list of rejections
/// does not prove it.
pub fn a_success_with_an_unexpected_body_is_unconfirmed<R: Runtime>() {
    let html = "content-type: text/html\r\n";
    let long = "x".repeat(100_000).leak();
    for (reply, sent, shown) in [
        (HttpReply::Status(204), 10, ""),
        (HttpReply::Status(200), 10, "answered 200 OK; counted as stored, though InfluxDB answers 204: check `url`"),
        (HttpReply::Status(205), 10, "counted as stored"),
        (
            HttpReply::Says(200, r#"{"links":{}}"#),
            0,
            "nothing says that the points were stored: check `url` (a doubled path",
        ),
        (HttpReply::Headed(200, html, "<html>Sign in</html>"), 0, "nothing says that the points were stored"),
        (HttpReply::Says(206, "x"), 0, "nothing says that the points were stored"),
        (HttpReply::Says(200, long), 0, "nothing says that the points were stored"),
        (HttpReply::Headed(200, "content-encoding: br\r\n", "x"), 0, "nothing says that the points were stored"),
    ] {
        let server = HttpServer::start(move |_, _| reply);
        let (account, says) = recorded::<R>(to(&server), 10);
        assert_eq!((account.sent, account.dropped.get(DropReason::Unconfirmed)), (sent, 10 - sent), "{shown}");
        assert!(says.contains(shown) && says.is_empty() == shown.is_empty(), "{says:?} is not {shown:?}");
        assert_eq!(server.posts().len(), 1, "sent again after {says}");
    }
}

/// The error of a refusal says what to check: the credentials, the path, the database, or the new URL, which is not
/// followed.
pub fn refusals_say_what_to_do<R: Runtime>() {
    let missing = r#"{"error":"database not found: \"load\""}"#;
    for (reply, token, shown) in [
        (HttpReply::Status(401), None, "no credentials were sent: set `token`"),
        (HttpReply::Status(403), Some("t0k"), "check `token`, which was sent"),
        (HttpReply::Says(404, "404 page not found"), None, "/write: check the path in `url`"),
        (HttpReply::Says(404, missing), None, "create it"),
        (HttpReply::Headed(301, "location: https://h/write?p=hunter2\r\n", ""), None, "go to https://h/write?…"),
        (HttpReply::Headed(307, "location: /t0k/write\r\n", ""), Some("t0k"), "/…/write, unless that is a login page"),
        (HttpReply::Status(407), None, "a proxy on the way wants credentials"),
        (HttpReply::Status(411), None, "most likely a proxy answered"),
        (HttpReply::Status(415), None, "leave `gzip` out"),
        (HttpReply::Status(101), None, "answered 101"),
    ] {
        let server = HttpServer::start(move |_, _| reply);
        let target = InfluxdbUrl::new(server.url()).token(token.map(Secret::new));
        let (account, says) = recorded::<R>(small_batches().target(target), 10);
        assert_eq!((account.sent, account.dropped.get(DropReason::Refused)), (0, 10), "{account:?}");
        assert!(says.contains(shown), "{says:?} lacks {shown:?}");
        assert!(!says.contains("t0k") && !says.contains("hunter2"), "{says}");
        assert_eq!(server.posts().len(), 1, "sent again after {says}");
    }
}

/// If it is asked for, the database is created before the first points are sent, and again after it has vanished. No
/// point is lost.
pub fn a_database_is_created_on_request<R: Runtime>() {
    const MISSING: HttpReply = HttpReply::Says(404, r#"{"error":"database not found: \"my db\""}"#);
    // The database vanishes after the third write.
    let (exists, writes) = (AtomicBool::new(false), AtomicUsize::new(0));
    let server = HttpServer::start(move |post, _| {
        if post.line.starts_with("POST /query") {
            exists.store(true, Ordering::SeqCst);
            return HttpReply::Says(200, r#"{"results":[{"statement_id":0}]}"#);
        }
        if writes.fetch_add(1, Ordering::SeqCst) == 3 {
            exists.store(false, Ordering::SeqCst);
        }
        if exists.load(Ordering::SeqCst) { HttpReply::Status(204) } else { MISSING }
    });
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_influxdb_sink(creating().target(my_db(&server))).expect("a sink");
    for round in 1..=5 {
        engine.record(20);
        wait_until(|| exporters.status()[0].account.sent == round * 20);
    }
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 100);
    assert_eq!(sums(&server.stored(), MEASUREMENT), engine.sums);
    let posts = server.posts();
    let creations: Vec<_> = posts.iter().filter(|post| post.line.starts_with("POST /query")).collect();
    assert_eq!(creations.len(), 2, "one at the start, one after the database had vanished");
    for creation in creations {
        assert_eq!(creation.line, "POST /query HTTP/1.1");
        assert_eq!(creation.header("content-type"), Some("application/x-www-form-urlencoded"));
        assert_eq!(creation.header("authorization"), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert_eq!(creation.header("content-encoding"), None);
        assert_eq!(creation.body, "q=CREATE%20DATABASE%20%22my%20db%22");
    }
}

/// If the user may not create the database, the error says so. Points are sent all the same, because the database may
/// exist.
pub fn the_error_says_why_a_database_could_not_be_created<R: Runtime>() {
    for (write, sent, shown) in [
        (HttpReply::Status(204), 10, ""),
        (HttpReply::Says(404, r#"{"error":"database not found: \"my db\""}"#), 0, "the user may not create databases"),
    ] {
        let server = HttpServer::start(move |post, _| {
            let is_query = post.line.starts_with("POST /query");
            if is_query { HttpReply::Says(403, r#"{"error":"error authorizing query"}"#) } else { write }
        });
        let (account, says) = recorded::<R>(creating().target(my_db(&server)), 10);
        assert_eq!((account.sent, account.dropped.get(DropReason::Refused)), (sent, 10 - sent), "{account:?}");
        assert!(says.contains(shown), "{says:?} lacks {shown:?}");
        assert_eq!(server.posts().len(), 2, "{says}");
    }
    let (exporters, _) = exporters::<R>();
    for target in [
        InfluxdbTarget::default(),
        InfluxdbUrl::new("http://localhost/write?db=d").into(),
        InfluxdbV2::new("http://localhost", "o", "b").into(),
    ] {
        let error = exporters.start_influxdb_sink(creating().target(target)).expect_err("refused");
        assert!(matches!(error, StartError::Setting { field: "create_database", .. }), "{error:?}");
    }
}

/// Points that the server refuses for good are dropped as `refused`, and its answer is shown without the token.
pub fn refused_points_are_dropped<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::Status(401));
    let (exporters, mut engine) = exporters::<R>();
    let target = InfluxdbUrl::new(server.url()).token(Secret::new("s3cret"));
    exporters.start_influxdb_sink(small_batches().target(target)).expect("a sink");
    engine.record(250);
    wait_until(|| exporters.status()[0].account.dropped.get(DropReason::Refused) == 250);
    let state = exporters.status()[0].state();
    assert!(state.contains("401") && !state.contains("s3cret"), "{state}");
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_settled(&account, 250);
    assert_eq!((account.sent, account.dropped.get(DropReason::Refused)), (0, 250), "{account:?}");
}

/// A server that is unavailable for a while gets the same points again. None is lost, and none is stored twice.
pub fn an_unavailable_server_is_asked_again<R: Runtime>() {
    let server = HttpServer::start(|_, number| HttpReply::Status(if number < 2 { 503 } else { 204 }));
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_influxdb_sink(to(&server)).expect("a sink");
    engine.record(250);
    wait_until(|| sums(&server.stored(), MEASUREMENT).requests == 250);
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 250);
    assert_eq!(sums(&server.stored(), MEASUREMENT), engine.sums);
}

/// Bodies that the server finds too large are sent again in smaller parts, and the status says which size it accepts.
pub fn bodies_that_are_too_large_are_split<R: Runtime>() {
    let server = HttpServer::start(|post, _| HttpReply::Status(if post.body.len() > 5_000 { 413 } else { 204 }));
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_influxdb_sink(to(&server)).expect("a sink");
    engine.record(250);
    wait_until(|| exporters.status()[0].account.sent == 250);
    let learned = exporters.status()[0].learned_bytes.expect("a limit, which the server has shown");
    assert!((2_500..=12_500).contains(&learned), "{learned}");
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 250);
    assert_eq!(sums(&server.stored(), MEASUREMENT), engine.sums);
}

/// A server that finds even the smallest body too large refuses everything. The sink tries again and again, but with
/// pauses.
pub fn a_server_that_refuses_every_size_is_asked_with_pauses<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::Status(413));
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_influxdb_sink(to(&server)).expect("a sink");
    for _ in 0..20 {
        engine.record(50);
        std::thread::sleep(Duration::from_millis(50));
    }
    let asked = server.posts().len();
    assert!(asked < 20, "asked {asked} times in a second or so");
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_settled(&account, 1_000);
    assert!(account.sent == 0 && account.dropped.get(DropReason::Refused) != 0, "{account:?}");
}

/// A server that does not answer once gets the same points again. They overwrite themselves, and none is lost.
pub fn a_body_without_an_answer_is_sent_again<R: Runtime>() {
    let server = HttpServer::start(|_, number| if number == 0 { HttpReply::Silence } else { HttpReply::Status(204) });
    let (exporters, mut engine) = exporters::<R>();
    let config = to(&server).timeout(Duration::from_millis(200));
    exporters.start_influxdb_sink(config).expect("a sink");
    engine.record(10);
    wait_until(|| exporters.status()[0].account.sent == 10);
    engine.record(20);
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 30);
    assert_eq!(sums(&server.stored(), MEASUREMENT), engine.sums);
    let posts = server.posts();
    assert_eq!(posts[0].status, None, "the first body got no answer");
    assert!(posts[0].body.lines().all(|line| posts[1].body.contains(line)), "the same points");
}

/// If the server cannot store one point, whatever it answers, only this point is dropped. All others arrive.
pub fn only_the_point_that_the_server_cannot_take_is_dropped<R: Runtime>() {
    const POISON: &str = ",response_length=300i ";
    let words = r#"{"error":"partial write: points beyond retention policy dropped=1"}"#;
    for says in ["", r#"{"error":"engine: internal"}"#, words] {
        // If a body has the bad point, the server stores nothing of it, except when its answer says that it does.
        let server = HttpServer::start(move |post, _| match post.body.contains(POISON) {
            true => HttpReply::Says(500, says),
            false => HttpReply::Status(204),
        });
        let (exporters, mut engine) = exporters::<R>();
        exporters.start_influxdb_sink(to(&server)).expect("a sink");
        engine.record(250);
        wait_until(|| exporters.status()[0].account.held == 0);
        let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
        assert_settled(&account, 250);
        assert_eq!((account.sent, account.dropped.get(DropReason::Refused)), (249, 1), "{says}: {account:?}");
        let posts = server.posts();
        let has_stored = |post: &&Posted| post.status == Some(204) || says == words;
        let stored: HashSet<_> = posts.iter().filter(has_stored).flat_map(|post| post.body.lines()).collect();
        assert_eq!(stored.iter().filter(|line| !line.contains(POISON)).count(), 249, "{says}");
    }
}

/// The server is unavailable once when the last points come. They are sent again, as long as the stop's deadline
/// allows.
pub fn a_stop_tries_again<R: Runtime>() {
    let server = HttpServer::start(|_, number| HttpReply::Status(if number == 1 { 503 } else { 204 }));
    let (exporters, mut engine) = exporters::<R>();
    let batch = BatchLimits::default().points(100).age(Duration::from_secs(3_600));
    exporters.start_influxdb_sink(to(&server).batch(batch)).expect("a sink");
    engine.record(100);
    wait_until(|| exporters.status()[0].account.sent == 100);
    engine.record(30);
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 130);
}

/// A connection that the server closes is replaced, and nothing is lost.
pub fn a_closed_connection_is_replaced<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::StatusAndClose(204));
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_influxdb_sink(to(&server)).expect("a sink");
    for round in 1..=5 {
        engine.record(20);
        wait_until(|| exporters.status()[0].account.sent == round * 20);
    }
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 100);
    assert_eq!(sums(&server.stored(), MEASUREMENT), engine.sums);
    assert!(server.posts().last().expect("posts").connection >= 4);
}

/// No server listens: the start does not fail, the stop ends at its deadline, and every request is accounted for.
pub fn a_missing_server_changes_no_sum<R: Runtime>() {
    let settings = settings(64).stop_deadline(Duration::from_millis(300));
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let mut engine = TestEngine::new(settings.registry);
    let url = format!("http://{}/write", unused_port());
    let target = InfluxdbUrl::new(url);
    exporters.start_influxdb_sink(small_batches().target(target)).expect("nobody needs to listen yet");
    engine.record(500);
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_settled(&account, 500);
    assert_eq!(account.sent, 0, "{account:?}");
}

/// A silent server does not delay a stop beyond its deadline.
pub fn a_stop_does_not_wait_for_a_silent_server<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::Silence);
    let settings = settings(64).stop_deadline(Duration::from_millis(300));
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let mut engine = TestEngine::new(settings.registry);
    exporters.start_influxdb_sink(to(&server).timeout(Duration::from_secs(3_600))).expect("a sink");
    engine.record(50);
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_settled(&account, 50);
    assert_eq!(account.sent, 0, "{account:?}");
}

/// URLs that cannot work are refused at the start, and no token is shown.
pub fn bad_urls_are_refused_at_the_start<R: Runtime>() {
    let (exporters, _) = exporters::<R>();
    for url in ["localhost:8086", "http://", "ftp://localhost/", "http://local host/"] {
        let target = InfluxdbUrl::new(url).token(Secret::new("s3cret"));
        let config = InfluxdbConfig::default().target(target);
        let error = exporters.start_influxdb_sink(config).expect_err(url);
        assert!(matches!(error, StartError::Setting { field: "target.url", .. }), "{url}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
    assert!(exporters.status().is_empty());
}

const MEASUREMENT: &str = "loaddensity_request";

fn small_batches() -> InfluxdbConfig {
    let batch = BatchLimits::default().points(100).age(Duration::from_millis(20));
    InfluxdbConfig::default().batch(batch)
}

fn creating() -> InfluxdbConfig {
    small_batches().create_database(true)
}

fn my_db(server: &HttpServer) -> InfluxdbV1 {
    InfluxdbV1::new(format!("http://{}", server.address), "my db")
        .username("Aladdin")
        .password(Secret::new("open sesame"))
}

/// Records `requests` and stops. Returns the account and the last error.
fn recorded<R: Runtime>(config: InfluxdbConfig, requests: u64) -> (Account, String) {
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_influxdb_sink(config).expect("a sink");
    engine.record(requests);
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_settled(&account, requests);
    (account, exporters.ended_runs().remove(0).last_error.unwrap_or_default())
}

fn to(server: &HttpServer) -> InfluxdbConfig {
    small_batches().target(InfluxdbUrl::new(server.url()))
}

impl HttpServer {
    fn url(&self) -> String {
        format!("http://{}/write", self.address)
    }

    /// The bodies that were answered with 204.
    fn stored(&self) -> Vec<String> {
        self.posts().into_iter().filter(|post| post.status == Some(204)).map(|post: Posted| post.body).collect()
    }
}

/// Adds up the points, each of which must be one of the contract's.
fn sums(bodies: &[String], measurement: &str) -> LoadSums {
    let mut sums = LoadSums::default();
    let mut timestamps = HashSet::new();
    for line in bodies.iter().flat_map(|body| lines(body)) {
        // Split from the end: tag values may contain escaped spaces, fields contain none.
        let mut parts = line.rsplitn(3, ' ');
        let timestamp: u64 = parts.next().and_then(|text| text.parse().ok()).expect(line);
        let (fields, key) = (parts.next().expect(line), parts.next().expect(line));
        let tags = key.strip_prefix(measurement).expect(line);
        let failed = tags.ends_with(",outcome=failure");
        assert!(tags.starts_with(",method=") && (failed || tags.ends_with(",outcome=success")), "{line}");
        let values: Vec<_> = fields.split(',').map(|field| field.split_once('=').expect(line)).collect();
        let [("status_code", status), ("response_time_ms", latency), ("response_length", bytes)] = values[..] else {
            panic!("not the fields of the contract: {line}");
        };
        assert_eq!(status, if failed { "503i" } else { "200i" }, "{line}");
        assert!(timestamps.insert((key.to_owned(), timestamp)), "a point that overwrites another: {line}");
        assert!(timestamp.abs_diff(EPOCH) < 1_000_000_000, "{line}");
        sums.requests += 1;
        sums.failures += u64::from(failed);
        sums.latency_ms += latency.parse::<f64>().expect(line);
        sums.bytes += bytes.strip_suffix('i').and_then(|text| text.parse::<u64>().ok()).expect(line);
    }
    sums
}
