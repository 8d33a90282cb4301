//! Which promise each case shows, in the words of the trait, and what usually breaks it: what the author of a runtime
//! reads when a case fails.

/// A promise of `Runtime` or of one of its sockets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    case: &'static str,
    /// The method or type whose documentation has the rule.
    pub of: &'static str,
    /// A part of that documentation, word for word.
    pub rule: &'static str,
    /// What usually breaks it, and what to do instead.
    pub usually: &'static str,
}

/// The promise that the case of this name (with or without its group) shows.
pub(super) fn promise_of(case: &str) -> Option<&'static Promise> {
    let case = case.rsplit("::").next().unwrap_or(case);
    PROMISES.iter().find(|promise| promise.case == case || case.strip_suffix("_over_ipv6") == Some(promise.case))
}

const fn promise(case: &'static str, of: &'static str, rule: &'static str, usually: &'static str) -> Promise {
    Promise { case, of, rule, usually }
}

const RUN: &str = "Runtime::run";
const TASK: &str = "Runtime::Task";
const SPAWN: &str = "Runtime::spawn";
const SLEEP: &str = "Runtime::sleep";
const RESOLVE: &str = "Runtime::resolve";
const TCP: &str = "Runtime::Tcp";
const UDP_SEND: &str = "UdpSocket::try_send";
const UDP_SEGMENTS: &str = "UdpSocket::try_send_segments";
const UNIX_SEND: &str = "DatagramSocket::try_send";

/// In the order of the suite. What is the same over IPv6 has one row.
const PROMISES: &[Promise] = &[
    promise(
        "a_sleep_lasts_at_least_as_long",
        SLEEP,
        "Completes after at least `duration`",
        "a timer that is rounded down to a tick, or one that goes by another clock than `now`",
    ),
    promise(
        "a_sleep_counts_from_the_call",
        SLEEP,
        "counted from this call and not from the first poll",
        "an `async fn`, or an `async` block that makes the timer: neither begins before it is polled. Make the timer first, \
         then return an `async` block that waits for it",
    ),
    promise(
        "sleeps_run_side_by_side",
        SLEEP,
        "Completes after at least `duration`",
        "a sleep that blocks its thread, such as `thread::sleep`, so that one waits for the other",
    ),
    promise(
        "a_sleep_that_is_dropped_harms_no_other",
        SLEEP,
        "Dropping it harms no other.",
        "a dropped timer that stays in the queue and is woken, or takes the place of another there",
    ),
    promise(
        "an_endless_sleep_is_no_fault",
        SLEEP,
        "never, where the clock has no such time",
        "`now + duration`, which panics, or a cast that wraps. Use `checked_add`, and `pending` where it has no answer",
    ),
    promise(
        "now_never_goes_back",
        "Runtime::now",
        "The monotonic clock: never goes back",
        "a clock that is made from the wall clock, or one that a thread reads for all and that stands still between",
    ),
    promise(
        "the_wall_clock_is_the_systems",
        "Runtime::wall_clock",
        "The wall clock, which may be set back.",
        "milliseconds or seconds for nanoseconds, or a time since the process began. `runtime::system_time` is right",
    ),
    promise(
        "tasks_run_beside_main",
        RUN,
        "drives `main` on this thread, and the tasks that it spawns",
        "a `run` that polls `main` alone (`block_on(main)`), so that nobody drives the executor of the tasks",
    ),
    promise(
        "a_task_starts_further_tasks",
        SPAWN,
        "Starts `future` as a task of this runtime, from whichever thread, and returns at once.",
        "a lock that is held while a task is polled and that `spawn` needs, or a `spawn` that knows main's thread only",
    ),
    promise(
        "other_threads_start_tasks",
        SPAWN,
        "Starts `future` as a task of this runtime, from whichever thread, and returns at once.",
        "a queue that is filled without waking the thread that waits for sockets and timers, or a timer that asks a \
         thread-local for its runtime. Keep a handle in `self`, and enter it",
    ),
    promise(
        "dropping_a_task_drops_its_future",
        TASK,
        "cancels the task: its future is dropped, with all that it holds",
        "a handle whose drop detaches the task and lets it run on (`tokio::task::JoinHandle`). Wrap it in a type whose `Drop` \
         aborts",
    ),
    promise(
        "dropping_a_task_on_another_thread_drops_its_future",
        TASK,
        "Dropping it, on whichever thread, cancels the task",
        "a mark that is set without waking the runtime, which finds it at its next turn: and no turn comes",
    ),
    promise(
        "dropping_a_finished_task_does_nothing",
        TASK,
        "Dropping that of a task that has ended does nothing.",
        "a drop that panics where there is nothing to cancel, or that cancels another task in the same slot",
    ),
    promise(
        "tasks_end_with_the_runtime",
        RUN,
        "Tasks that still run then are cancelled, and their futures dropped before this returns",
        "tasks whose handles of the runtime own its executor, which they so keep for ever. Let handles be `Weak`, and drop the \
         executor at the end of `run`",
    ),
    promise(
        "a_task_that_comes_too_late_is_dropped",
        SPAWN,
        "Once the runtime has ended, `future` is dropped before this returns.",
        "a queue that handles keep alive and nobody reads any more",
    ),
    promise(
        "a_panic_ends_its_task_alone",
        SPAWN,
        "A panic in it ends that task alone.",
        "an executor that polls tasks without `catch_unwind`, so that the panic ends the thread of all",
    ),
    promise(
        "a_task_that_gives_way_holds_up_no_timer",
        SPAWN,
        "holds up timers and sockets for no more than a few of its turns",
        "an executor that looks at timers and sockets only when no task is ready",
    ),
    promise(
        "localhost_is_this_machine",
        RESOLVE,
        "The addresses of `host`, which may be a name or an address in text form",
        "another port than the one that was given, or a resolver that does not read the hosts file",
    ),
    promise(
        "addresses_in_text_form_stay_as_they_are",
        RESOLVE,
        "or an address in text form (IPv6 without brackets)",
        "host and port that are joined to one text, which IPv6 does not survive, or a DNS server that is asked for an \
         address. Use `(host, port).to_socket_addrs()`, or parse an `IpAddr` first",
    ),
    promise(
        "a_name_that_does_not_exist_is_an_error",
        RESOLVE,
        "never an empty list",
        "an empty list instead of an error. Where the list is not empty, the network's DNS server has an answer for every \
         name (RFC 6761 forbids it below `invalid`)",
    ),
    promise(
        "nonsense_is_an_error",
        RESOLVE,
        "What the resolver answers; never an empty list.",
        "host and port that are joined to one text, so that another port than the given one is found in it, or an `unwrap` on \
         what is no host",
    ),
    promise(
        "datagrams_arrive_whole",
        UDP_SEND,
        "it is taken whole or not at all. A socket that was just made takes one at once.",
        "a buffer of fixed size in between, an empty datagram that is skipped, or a socket whose readiness is known only after \
         its first wait. `runtime::send` is one attempt",
    ),
    promise(
        "many_datagrams_arrive_in_order",
        UDP_SEND,
        "Hands one datagram, which may be empty, to the kernel, in one attempt.",
        "a queue with several threads that send, or a datagram that is dropped where there was no room. Answer \
         `WouldBlock` instead",
    ),
    promise(
        "a_refused_datagram_is_reported_and_forgotten",
        UDP_SEND,
        "it may be the fate of an earlier datagram (`ConnectionRefused`), which is reported once",
        "a socket that is not connected (`send_to`), of which the kernel reports nothing, or one that is given up after an \
         error",
    ),
    promise(
        "a_refusal_is_looked_at_without_sending",
        "UdpSocket::take_error",
        "taken off it: `ConnectionRefused` where the peer's host has refused an earlier datagram. Sends nothing and never \
         waits.",
        "a `take_error` that always answers `None`, or one that tells again what an attempt has told. Ask the socket: \
         `UdpSocket::take_error` of the standard library",
    ),
    promise(
        "a_socket_with_room_is_writable",
        "UdpSocket::writable",
        "until another attempt may succeed",
        "a wait for the next change of the socket's readiness, which never comes where there is room already",
    ),
    promise(
        "a_datagram_too_large_is_an_error",
        UDP_SEND,
        "`WouldBlock` where the send buffer is full, and for no other reason.",
        "a datagram that is cut to what fits, or any error that is turned into `WouldBlock`",
    ),
    promise(
        "segments_arrive_as_datagrams",
        UDP_SEGMENTS,
        "Returns how many the kernel has taken, from the front, at least one.",
        "bytes counted instead of datagrams, or a shorter last one that is forgotten. Leave the method out, or let \
         `SegmentationOffload` do it",
    ),
    promise(
        "refused_segments_are_reported_and_forgotten",
        UDP_SEGMENTS,
        "None was taken then.",
        "an error after the first datagrams went out: answer how many those were, for the error comes again. Leave the method \
         out, or let `SegmentationOffload` do it",
    ),
    promise(
        "segments_too_large_are_an_error",
        UDP_SEGMENTS,
        "None was taken then.",
        "segmentation offload with segments that it does not take, and no attempt without it. Leave the method out, or let \
         `SegmentationOffload` do it",
    ),
    promise(
        "connects_to_a_foreign_listener",
        "Runtime::tcp_connect",
        "A TCP connection to `peer`.",
        "a connection that is handed over before it is made, or a stream that never shows the peer's end",
    ),
    promise(
        "a_refused_connection_is_an_error",
        "Runtime::tcp_connect",
        "`ConnectionRefused` where nobody listens.",
        "a socket that counts as connected once it is writable: ask it for its error (`take_error`) first. Or an error that is \
         wrapped, so that its kind is lost",
    ),
    promise(
        "port_0_takes_a_free_port",
        "TcpListener::local_addr",
        "The address that was bound, with the port that was given for port 0.",
        "the address that was asked for, instead of the socket's own",
    ),
    promise(
        "accepts_a_foreign_client",
        "TcpListener::accept",
        "The next connection.",
        "the listener's address instead of the peer's, or an accepted socket that still blocks",
    ),
    promise(
        "a_port_in_use_is_an_error",
        "Runtime::tcp_listen",
        "`AddrInUse` where the port is taken.",
        "`SO_REUSEPORT`, which lets two listen, instead of `SO_REUSEADDR`, or an error that is wrapped",
    ),
    promise(
        "dropping_the_listener_frees_the_port",
        "TcpListener",
        "Dropping it frees the port, whatever connections it has accepted.",
        "a second handle of the socket (`try_clone`), or a task that accepts in the background and outlives the listener",
    ),
    promise(
        "a_port_with_lingering_connections_is_free",
        "Runtime::tcp_listen",
        "A TCP socket that listens on `local` with `SO_REUSEADDR`",
        "the option not set, or set after `bind`",
    ),
    promise(
        "a_cancelled_accept_loses_nothing",
        "TcpListener::accept",
        "Dropping the future loses none: the next call takes it.",
        "a connection that is on its way to a future that is gone. Keep it in the listener",
    ),
    promise(
        "large_transfers_both_ways_at_once",
        TCP,
        "A TCP connection, made or accepted.",
        "one waker for both directions, so that the reader's is lost when the writer waits, or a `poll_write` that says more \
         than the kernel took",
    ),
    promise(
        "large_transfers_over_ipv6",
        TCP,
        "A TCP connection, made or accepted.",
        "a socket that is always opened for IPv4",
    ),
    promise(
        "many_connections_at_once",
        TCP,
        "A TCP connection, made or accepted.",
        "a listener with hardly any backlog, or tasks that block their thread while they read",
    ),
    promise(
        "a_closed_side_reads_on",
        TCP,
        "closing it ends its own direction, and it reads on",
        "a `poll_close` that only flushes (that of `async_io::Async`), or one that ends both directions. Call \
         `shutdown(Shutdown::Write)`",
    ),
    promise(
        "a_cancelled_task_closes_its_connection",
        TCP,
        "dropping it closes it",
        "a second handle of the socket that its reader or the reactor holds",
    ),
    promise(
        "a_session_carries_every_byte",
        TCP,
        "A TCP connection, made or accepted.",
        "a `poll_write` that says more than the kernel took, or one waker for both directions",
    ),
    promise(
        "a_session_that_is_cut_is_an_error",
        TCP,
        "A TCP connection, made or accepted.",
        "a read that loses what came just before the end, or that makes an error of the end. An end is a read of 0 bytes",
    ),
    promise(
        "unix_datagrams_arrive_whole",
        UNIX_SEND,
        "taken whole or not at all. A socket that was just made takes one at once.",
        "an empty datagram that is skipped, or a socket whose readiness is known only after its first wait",
    ),
    promise(
        "a_unix_datagram_waits_while_the_queue_is_full",
        UNIX_SEND,
        "`WouldBlock` where the peer's queue or the send buffer is full, and for no other reason.",
        "a socket that blocks (`set_nonblocking`), or a wait that the peer's reading does not end",
    ),
    promise(
        "waiting_for_room_takes_no_processor",
        "DatagramSocket::poll_writable",
        "it must not come early without end",
        "a readiness that is remembered from before the `WouldBlock`. The runtime must be told of it (tokio: `try_io`)",
    ),
    promise(
        "a_unix_datagram_too_large_is_an_error",
        UNIX_SEND,
        "What the operating system answers; the datagram was not taken then.",
        "an error that is turned into `WouldBlock`, or wrapped, so that its number is lost",
    ),
    promise(
        "a_unix_stream_carries_every_byte",
        "Runtime::unix_stream_connect",
        "A connection to the Unix stream socket at `path`.",
        "a `poll_write` that says more than the kernel took, or a second handle that keeps the stream open",
    ),
    promise(
        "a_unix_socket_that_is_not_there_is_an_error",
        "Runtime::unix_datagram_connect",
        "`NotFound` where there is no such file, `ConnectionRefused` where nobody has it open",
        "an error that is wrapped, so that its kind is lost, or a connect that is put off to the first datagram",
    ),
    promise(
        "a_unix_socket_of_another_kind_is_an_error",
        "Runtime::unix_datagram_connect",
        "`EPROTOTYPE` where it is a socket of another kind",
        "an error that is wrapped (`io::Error::other`), so that its number is lost",
    ),
    promise(
        "a_peer_that_goes_away_is_an_error",
        UNIX_SEND,
        "What the operating system answers; the datagram was not taken then.",
        "an error that is swallowed, or turned into `WouldBlock`",
    ),
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::PROMISES;

    #[test]
    fn every_rule_stands_in_the_documentation_of_the_trait() {
        let shell = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shell/src/runtime");
        let said: String = ["../runtime.rs", "unix.rs"].map(|file| words(&shell.join(file))).concat();
        for promise in PROMISES {
            assert!(said.contains(promise.rule), "{}: {:?} is not in the trait's words", promise.case, promise.rule);
            let name = promise.of.rsplit("::").next().expect("a name");
            assert!(["fn ", "type ", "trait "].iter().any(|kind| said.contains(&format!("{kind}{name}"))), "{name}");
        }
    }

    /// The text of a file without the marks of comments and the breaks of lines.
    fn words(file: &Path) -> String {
        let text = fs::read_to_string(file).expect("the trait's source");
        let lines = text.lines().map(|line| line.trim().trim_start_matches("///").trim());
        lines.collect::<Vec<_>>().join(" ")
    }
}
