//! Hostile and clumsy clients of HTTP, many at a time, in a process of their own.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _, FutureExt as _};
use loaddensity_metrics_conformance::{run, until};
use loaddensity_metrics_core::export::Random;
use loaddensity_metrics_shell::runtime::Runtime;

use crate::course::Trouble;
use crate::process::LineStream;

/// What a client does on a connection.
#[derive(Clone, Copy, Debug)]
enum HostileManner {
    /// A byte of the head at a time.
    SlowHead,
    /// Nothing.
    Idle,
    /// Several requests at once.
    Pipelining,
    /// A head without an end.
    HugeHead,
    Http10,
    AbsoluteUri,
    BodyOnGet,
    /// `Content-Length` and `Transfer-Encoding`: what is the body by one is a second request by the other.
    BothLengths,
    SeveralHosts,
    LeavingInMidPage,
    /// Asks for pages, and never reads.
    NeverReading,
    NoHttp,
    TlsHello,
}

impl HostileManner {
    const ALL: [Self; 13] = [
        Self::SlowHead,
        Self::Idle,
        Self::Pipelining,
        Self::HugeHead,
        Self::Http10,
        Self::AbsoluteUri,
        Self::BodyOnGet,
        Self::BothLengths,
        Self::SeveralHosts,
        Self::LeavingInMidPage,
        Self::NeverReading,
        Self::NoHttp,
        Self::TlsHello,
    ];

    /// What is sent at once, and the status of each answer that may come. A connection may also be closed, to make room, before
    /// any of them.
    fn words(self, random: &mut Random) -> (Vec<u8>, &'static [u16]) {
        let get = |line: &str, rest: &str| format!("{line}\r\nHost: page\r\n{rest}\r\n").into_bytes();
        let health = get("GET /healthz HTTP/1.1", "");
        match self {
            Self::SlowHead | Self::Idle => (Vec::new(), &[]),
            Self::Pipelining => (health.repeat(5), &[200; 5]),
            Self::HugeHead => (get("GET /healthz HTTP/1.1", &format!("X-Long: {}\r\n", "x".repeat(200_000))), &[431]),
            Self::Http10 => (b"GET /healthz HTTP/1.0\r\n\r\n".to_vec(), &[200]),
            Self::AbsoluteUri => (get("GET http://elsewhere.example:1/healthz HTTP/1.1", ""), &[200]),
            Self::BodyOnGet => {
                let body = get("GET /healthz HTTP/1.1", &format!("Content-Length: {}\r\n", health.len()));
                ([&body[..], &health, &health].concat(), &[200; 2])
            }
            Self::BothLengths => {
                let hidden = [b"0\r\n\r\n", &health[..]].concat();
                let length = format!("Content-Length: {}\r\n", hidden.len());
                let lengths = match random.below(3) {
                    0 => format!("{length}Transfer-Encoding: chunked\r\n"),
                    1 => format!("Transfer-Encoding: chunked\r\n{length}"),
                    _ => format!("{length}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
                };
                ([&get("GET /healthz HTTP/1.1", &lengths)[..], &hidden].concat(), &[400])
            }
            Self::SeveralHosts => (get("GET /healthz HTTP/1.1", "Host: other\r\n").repeat(2), &[400]),
            Self::LeavingInMidPage => (get("GET /metrics HTTP/1.1", ""), &[200]),
            Self::NeverReading => (get("GET /metrics HTTP/1.1", "").repeat(8), &[]),
            Self::NoHttp => ((0..400).map(|_| random.next() as u8).collect(), &[400]),
            Self::TlsHello => ([&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 506]].concat(), &[400]),
        }
    }
}

/// What came of all connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostileAnswers {
    pub(crate) connections: u64,
    /// Connections of each manner that were answered, or of which no answer is expected, in the order of [`HostileManner::ALL`].
    answers: [u64; HostileManner::ALL.len()],
    /// The first wrong answer.
    pub(crate) wrong: Option<String>,
}

impl HostileAnswers {
    /// Whether each manner came, and was answered where it is answered.
    pub(crate) fn has_all(&self) -> bool {
        self.answers.iter().all(|answers| *answers > 0)
    }
}

impl fmt::Display for HostileAnswers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = HostileManner::ALL.iter().zip(self.answers).map(|(manner, count)| format!("{manner:?} {count}"));
        formatter.write_str(&counts.collect::<Vec<_>>().join(", "))
    }
}

/// As one process tells another.
impl FromStr for HostileAnswers {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let (numbers, wrong) = line.split_once(';').ok_or_else(|| format!("the clients' process says {line}"))?;
        let mut numbers = numbers.split(' ').filter_map(|number| number.parse().ok());
        let connections = numbers.next().unwrap_or_default();
        let answers = std::array::from_fn(|_| numbers.next().unwrap_or_default());
        Ok(Self { connections, answers, wrong: (!wrong.is_empty()).then(|| wrong.to_owned()) })
    }
}

/// What all clients share.
struct HostileCrowd {
    page: SocketAddr,
    is_over: AtomicBool,
    connections: AtomicU64,
    answers: [AtomicU64; HostileManner::ALL.len()],
    wrong: Mutex<Option<String>>,
    /// How many more may keep an answer that they do not read: they keep its place.
    may_not_read: AtomicUsize,
}

/// Begins with the line that says where the page is, answers each `answers`, and ends with `over`.
pub(crate) fn serve_hostile<R: Runtime>(
    lines: &mut LineStream,
    clients: usize,
    may_not_read: usize,
    seed: u64,
) -> Result<(), Trouble> {
    let Some(page) = lines.hear()? else { return Ok(()) };
    let crowd = Arc::new(HostileCrowd {
        page: page.parse().map_err(|_| format!("{page} is no address"))?,
        is_over: AtomicBool::new(false),
        connections: AtomicU64::new(0),
        answers: std::array::from_fn(|_| AtomicU64::new(0)),
        wrong: Mutex::default(),
        may_not_read: AtomicUsize::new(may_not_read),
    });
    let shared = crowd.clone();
    let thread = thread::spawn(move || {
        run(|runtime: R| async move {
            let mut random = Random::new(seed);
            let tasks: Vec<_> = (0..clients)
                .map(|_| runtime.spawn(shared.clone().client(runtime.clone(), Random::new(random.next()))))
                .collect();
            until(&runtime, || shared.is_over.load(Ordering::SeqCst)).await;
            drop(tasks);
        });
    });
    while lines.hear()?.is_some_and(|line| line == "answers") {
        let counts = [&crowd.connections].into_iter().chain(&crowd.answers);
        let counts: Vec<_> = counts.map(|count| count.load(Ordering::SeqCst).to_string()).collect();
        let wrong = crowd.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default();
        lines.say(&format!("{};{wrong}", counts.join(" ")))?;
    }
    crowd.is_over.store(true, Ordering::SeqCst);
    thread.join().map_err(|_| Trouble::Broken("the clients' thread panicked".into()))
}

impl HostileCrowd {
    /// One client, connection after connection.
    async fn client<R: Runtime>(self: Arc<Self>, runtime: R, mut random: Random) {
        loop {
            let number = random.below(HostileManner::ALL.len());
            let time = Duration::from_millis(500 + random.below(4_000) as u64);
            let (shared, manner) = (&self, HostileManner::ALL[number]);
            let on_a_connection = async {
                // It ends with an error where the page closes the connection.
                let _ = shared.connection(&runtime, number, manner, &mut random).await;
            };
            // A client that waits for nothing leaves at some time.
            on_a_connection.or(runtime.sleep(time)).await;
            runtime.sleep(Duration::from_millis(50 + random.below(400) as u64)).await;
        }
    }

    async fn connection<R: Runtime>(
        &self,
        runtime: &R,
        number: usize,
        manner: HostileManner,
        random: &mut Random,
    ) -> io::Result<()> {
        let _permit = match manner {
            HostileManner::NeverReading => match NotReading::take(&self.may_not_read) {
                Some(permit) => Some(permit),
                None => return Ok(()),
            },
            _ => None,
        };
        let mut stream = runtime.tcp_connect(self.page).await?;
        self.connections.fetch_add(1, Ordering::SeqCst);
        let (words, expected) = manner.words(random);
        if expected.is_empty() {
            self.answers[number].fetch_add(1, Ordering::SeqCst);
        }
        match manner {
            HostileManner::SlowHead => {
                for byte in b"GET /healthz HTTP/1.1\r\nHost: page\r\nX: y\r\n" {
                    stream.write_all(&[*byte]).await?;
                    runtime.sleep(Duration::from_millis(100)).await;
                }
                Ok(())
            }
            HostileManner::NeverReading => {
                stream.write_all(&words).await?;
                std::future::pending().await
            }
            HostileManner::LeavingInMidPage => {
                stream.write_all(&words).await?;
                let mut part = vec![0; 32 + random.below(60_000)];
                let length = stream.read(&mut part).await?;
                self.note(number, manner, expected, &part[..length], true);
                Ok(())
            }
            _ => {
                // A page that refuses may close before it has read all.
                let written = stream.write_all(&words).await;
                let mut answer = Vec::new();
                let quiet = async {
                    runtime.sleep(Duration::from_secs(1)).await;
                    false
                };
                let read = async {
                    // An error is an end too.
                    let _ = (&mut stream).take(65_536).read_to_end(&mut answer).await;
                    true
                };
                let is_closed = read.or(quiet).await;
                self.note(number, manner, expected, &answer, is_closed);
                written
            }
        }
    }

    /// Notes the answers that came on a connection, and whether it was closed then.
    fn note(&self, number: usize, manner: HostileManner, expected: &[u16], answer: &[u8], is_closed: bool) {
        let text = String::from_utf8_lossy(answer);
        let came = text.split("HTTP/1.").skip(1).map(|rest| rest.get(2..5).and_then(|status| status.parse().ok()));
        let statuses: Vec<u16> = came.map(Option::unwrap_or_default).collect();
        // Without a place, whose request is whole is told so.
        let is_turned_away = statuses == [503] && expected.first() == Some(&200);
        // By `Transfer-Encoding` alone the first request is good; then the connection must be closed (RFC 9112, 6.1).
        let is_first_alone = matches!(manner, HostileManner::BothLengths) && statuses == [200] && is_closed;
        if !expected.starts_with(&statuses) && !is_turned_away && !is_first_alone {
            let words = format!("{manner:?}: {statuses:?}: {}", text.chars().take(300).collect::<String>());
            let words = words.replace(['\r', '\n', ';'], " ");
            self.wrong.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(words);
        } else if !statuses.is_empty() {
            self.answers[number].fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// A permit to keep an answer without reading it.
struct NotReading<'a>(&'a AtomicUsize);

impl<'a> NotReading<'a> {
    fn take(left: &'a AtomicUsize) -> Option<Self> {
        left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).ok().map(|_| Self(left))
    }
}

impl Drop for NotReading<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
