//! Runs and windows with a modelled kernel that takes any part of a call. Every item is sent exactly once, byte for
//! byte as the encoder wrote it, in calls that a kernel accepts, and every event is accounted for once.

mod common;

use std::time::Duration;

use loaddensity_metrics_core::{
    CALL_BYTES, DropReason, Event, EventEncoder, Exporter, Full, Ledger, Packer, Registry, Run, SEGMENTS, Sample,
    Series, Sink, Storage, Window,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Two items per event: the event's number and as many dots as its status says, and the number and as many dashes as
/// its size says. The receiver may ignore empty lines (`FILLED`), and each item may end with a newline.
struct Texts<const FILLED: bool> {
    newline: bool,
}

impl<const FILLED: bool> EventEncoder for Texts<FILLED> {
    const ITEMS: u8 = 2;

    fn ends_with_newline(&self) -> bool {
        self.newline
    }

    fn fills_with_newlines(&self) -> bool {
        FILLED
    }

    fn encode(&self, event: &Event, item: u8, out: &mut [u8]) -> Result<usize, Full> {
        let text = text(event, item);
        out.get_mut(..text.len()).ok_or(Full)?.copy_from_slice(text.as_bytes());
        Ok(text.len())
    }
}

fn text(event: &Event, item: u8) -> String {
    match item {
        0 => format!("{}{}", event.latency_ns, ".".repeat(event.status.into())),
        _ => format!("{}{}", event.latency_ns, "-".repeat(event.response_bytes as usize)),
    }
}

/// Events whose two items have these lengths in addition to their number.
fn events(lengths: &[(u16, u16)]) -> Vec<Event> {
    let numbered = lengths.iter().zip(1_000..);
    numbered
        .map(|(&(status, bytes), nanos)| {
            let sample = Sample::ok(Duration::from_nanos(nanos)).status(status).response_bytes(bytes.into());
            Event::of(Series::default(), sample)
        })
        .collect()
}

/// What the kernel does with a call: it takes this many datagrams, or it takes none and the first one is lost.
type Answers = Vec<Option<usize>>;

#[derive(Debug, Default, PartialEq, Eq)]
struct Account {
    sent: u64,
    too_large: u64,
    unreachable: u64,
    unconfirmed: u64,
    deadline: u64,
}

/// A new account after `work`.
fn accounted(registry: Registry<'_>, work: impl FnOnce(&Ledger)) -> Account {
    work(registry.pump().expect("the only pump").attach(Exporter::Statsd));
    let after = registry.account(Exporter::Statsd);
    let dropped = |cause| after.dropped.get(cause);
    let account = Account {
        sent: after.sent,
        too_large: dropped(DropReason::TooLarge),
        unreachable: dropped(DropReason::Unreachable),
        unconfirmed: dropped(DropReason::Unconfirmed),
        deadline: dropped(DropReason::Deadline),
    };
    let total = account.too_large + account.unreachable + account.unconfirmed + account.deadline;
    assert_eq!((after.dropped.total(), after.held), (total, 0));
    account
}

fn sink_of<'a>(events: &[Event], ledger: &'a Ledger) -> Sink<'a, Vec<Event>> {
    let mut sink = Sink::new(vec![Event::default(); events.len() + 1], ledger);
    assert!(events.iter().all(|event| sink.offer(*event)));
    sink
}

/// Cuts a call into its datagrams, as a kernel does.
fn cut(bytes: &[u8], segment: usize) -> Vec<Vec<u8>> {
    assert!(bytes.len() <= CALL_BYTES && bytes.len().div_ceil(segment) <= SEGMENTS);
    bytes.chunks(segment).map(<[u8]>::to_vec).collect()
}

/// Datagrams that were taken, and those that were lost.
#[derive(Default)]
struct Wire {
    taken: Vec<Vec<u8>>,
    lost: Vec<Vec<u8>>,
}

impl Wire {
    /// The items in what was taken, in the order of their events.
    fn items(&self) -> Vec<String> {
        let text = |datagram: &Vec<u8>| String::from_utf8(datagram.clone()).expect("UTF-8");
        let texts: Vec<String> = self.taken.iter().map(text).collect();
        let mut items: Vec<String> =
            texts.iter().flat_map(|text| text.lines()).filter(|line| !line.is_empty()).map(str::to_owned).collect();
        items.sort_unstable();
        items
    }

    fn lost_events(&self) -> Vec<u64> {
        let number = |text: &str| text.trim_end_matches(['.', '-']).parse().expect("a number");
        let lost = self.lost.iter().map(|datagram| str::from_utf8(datagram).expect("UTF-8"));
        let mut numbers: Vec<u64> = lost.flat_map(str::lines).filter(|line| !line.is_empty()).map(number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

fn all_items<'a>(events: impl Iterator<Item = &'a Event>) -> Vec<String> {
    let mut items: Vec<String> = events.flat_map(|event| [text(event, 0), text(event, 1)]).collect();
    items.sort_unstable();
    items
}

/// Sends all events through windows. Ends early after `calls`.
fn through_windows(
    ledger: &Ledger,
    events: &[Event],
    (largest, newline): (usize, bool),
    answers: &Answers,
    calls: usize,
) -> Wire {
    let mut sink = sink_of(events, ledger);
    let packer = Packer::new(Texts::<false> { newline });
    let (mut wire, mut out) = (Wire::default(), vec![0; CALL_BYTES]);
    let mut window: Window<_, 24> = Window::new(vec![0; 1_000]);
    let mut answers = answers.iter().cycle();
    for _ in 0..calls {
        while window.waiting() == 0 && !sink.is_empty() {
            window.settle(&mut sink, DropReason::Deadline);
            window.fill(&packer, &sink, largest);
            if window.waiting() == 0 {
                window.settle(&mut sink, DropReason::Deadline);
            }
        }
        let Some(call) = window.next_call(usize::MAX, &mut out) else { break };
        let datagrams = cut(&out[..call.bytes], call.segment);
        assert_eq!(datagrams.len(), call.datagrams);
        assert!(datagrams.iter().all(|datagram| datagram.len() <= largest && datagram.ends_with(b"\n") == newline));
        match answers.next().expect("endless") {
            Some(count) => {
                let count = (*count).clamp(1, call.datagrams);
                wire.taken.extend_from_slice(&datagrams[..count]);
                window.handed_over(count);
            }
            None => {
                wire.lost.push(datagrams[0].clone());
                window.lost(DropReason::Unreachable);
            }
        }
        if window.waiting() == 0 {
            window.settle(&mut sink, DropReason::Deadline);
        }
    }
    window.settle(&mut sink, DropReason::Deadline);
    sink.abandon(DropReason::Deadline);
    wire
}

/// Sends all events through runs.
fn through_runs<const FILLED: bool>(
    ledger: &Ledger,
    events: &[Event],
    (segment, newline): (usize, bool),
    datagrams: usize,
    answers: &Answers,
) -> Wire {
    let mut sink = sink_of(events, ledger);
    let (mut packer, mut run, mut wire) = (Packer::new(Texts::<FILLED> { newline }), Run::new(), Wire::default());
    let mut out = vec![b'?'; CALL_BYTES];
    let mut answers = answers.iter().cycle();
    while !sink.is_empty() {
        packer.pack_run(&mut sink, datagrams, segment, &mut out, &mut run);
        assert!(run.segment() <= segment);
        let mut done = 0;
        while done < run.datagrams() {
            let offered = cut(&out[done * run.segment()..run.bytes()], run.segment());
            assert_eq!(offered.len(), run.datagrams() - done);
            let newlines = |datagram: &Vec<u8>| datagram.iter().rev().take_while(|byte| **byte == b'\n').count();
            assert!(FILLED || offered.iter().all(|datagram| newlines(datagram) == usize::from(newline)), "filled up");
            assert!(!newline || offered.iter().all(|datagram| datagram.ends_with(b"\n")));
            assert!(offered.len() <= datagrams);
            let Some(count) = answers.next().expect("endless") else {
                wire.lost.push(offered[0].clone());
                packer.discard(&mut sink, run.batch(done..done + 1), DropReason::Unreachable);
                break;
            };
            let count = (*count).clamp(1, offered.len());
            wire.taken.extend_from_slice(&offered[..count]);
            packer.confirm(&mut sink, run.batch(done..done + count));
            done += count;
        }
    }
    wire
}

fn any_lengths() -> impl Strategy<Value = Vec<(u16, u16)>> {
    // A few short lengths, and now and then one that is too long. A length is at least 1, so that the two items differ.
    let length = || prop_oneof![9 => 1..6u16, 1 => 1..60u16];
    vec((length(), length()), 0..120)
}

fn any_answers() -> impl Strategy<Value = Answers> {
    vec(prop_oneof![6 => Just(Some(usize::MAX)), 2 => (1..5usize).prop_map(Some), 1 => Just(None)], 1..9)
}

proptest! {
    #[test]
    fn a_window_sends_every_item_once_and_accounts_for_it(
        lengths in any_lengths(), largest in 30..70usize, newline in any::<bool>(), answers in any_answers(),
        calls in prop_oneof![0..20usize, Just(usize::MAX)],
    ) {
        let storage = Box::new(Storage::<2, 1, 2>::new());
        let events = events(&lengths);
        let mut wire = Wire::default();
        let account = accounted(storage.registry(), |ledger| {
            wire = through_windows(ledger, &events, (largest, newline), &answers, calls);
        });
        let ending = usize::from(newline);
        let fits = |event: &&Event| [0, 1].iter().all(|item| text(event, *item).len() + ending <= largest);
        let whole: Vec<&Event> = events.iter().filter(fits).collect();
        let (items, lost) = (wire.items(), wire.lost_events());
        prop_assert!(items.windows(2).all(|pair| pair[0] != pair[1]), "an item left twice");
        let expected = all_items(whole.iter().copied());
        prop_assert!(items.iter().all(|item| expected.binary_search(item).is_ok()), "an item that nobody encoded");
        let has_left = |event: &&&Event| [0, 1].iter().all(|item| items.binary_search(&text(event, *item)).is_ok());
        prop_assert_eq!(account.sent, whole.iter().filter(has_left).count() as u64);
        prop_assert_eq!(account.unreachable, lost.len() as u64);
        let is_lost = |text: &str| wire.lost.iter().any(|lost| str::from_utf8(lost).expect("UTF-8").trim_end() == text);
        let has_left_in_part = |event: &&&Event| {
            let texts = [0, 1].map(|item| text(event, item));
            texts.iter().filter(|text| items.binary_search(text).is_ok()).count() == 1
                && !texts.iter().any(|text| is_lost(text))
        };
        prop_assert_eq!(account.unconfirmed, whole.iter().filter(has_left_in_part).count() as u64);
        let Account { sent, too_large, unreachable, unconfirmed, deadline } = account;
        prop_assert_eq!(sent + too_large + unreachable + unconfirmed + deadline, events.len() as u64);
        if calls == usize::MAX {
            prop_assert_eq!(account.unconfirmed + account.deadline, 0);
            prop_assert_eq!(account.too_large, (events.len() - whole.len()) as u64);
            prop_assert_eq!(items.len() + wire.lost.len(), expected.len());
        }
    }

    #[test]
    fn a_run_sends_every_item_once_and_accounts_for_it(
        lengths in any_lengths(), segment in 20..200usize, newline in any::<bool>(), filled in any::<bool>(),
        datagrams in 1..80usize, answers in any_answers(),
    ) {
        let storage = Box::new(Storage::<2, 1, 2>::new());
        let events = events(&lengths);
        let mut wire = Wire::default();
        let account = accounted(storage.registry(), |ledger| {
            let through = if filled { through_runs::<true> } else { through_runs::<false> };
            wire = through(ledger, &events, (segment, newline), datagrams, &answers);
        });
        let items = wire.items();
        prop_assert!(items.windows(2).all(|pair| pair[0] != pair[1]), "an item left twice");
        let expected = all_items(events.iter());
        prop_assert!(items.iter().all(|item| expected.binary_search(item).is_ok()), "an item that nobody encoded");
        prop_assert_eq!(account.sent + account.unreachable + account.too_large, events.len() as u64);
        prop_assert_eq!(account.unreachable, wire.lost_events().len() as u64);
        let most = segment - usize::from(newline);
        let too_large = events.iter().filter(|event| [0, 1].iter().any(|item| text(event, *item).len() > most));
        if wire.lost.is_empty() {
            prop_assert_eq!(account.too_large, too_large.count() as u64);
        }
        if wire.lost.is_empty() && account.too_large == 0 {
            prop_assert_eq!(items, expected);
        }
    }
}

#[test]
fn items_of_one_length_leave_together_and_a_shorter_one_ends_the_call() {
    let storage = Storage::<2, 1, 2>::new();
    let events = events(&[(3, 3), (3, 1), (0, 3)]);
    let sink = sink_of(&events, storage.registry().pump().expect("the only pump").accounts().ledger(Exporter::Statsd));
    let mut window: Window<_, 16> = Window::new([0; 256]);
    window.fill(&Packer::new(Texts::<false> { newline: false }), &sink, 64);
    let mut out = [0; 256];
    let call = window.next_call(SEGMENTS, &mut out).expect("six items");
    assert_eq!((call.segment, call.datagrams, call.bytes), (7, 5, 4 * 7 + 5));
    assert_eq!(window.next_call(2, &mut out).expect("six items").datagrams, 2, "no more than asked for");
    assert_eq!(window.next_call(SEGMENTS, &mut [0; 20]).expect("six items").datagrams, 2, "no more than fit");
    assert_eq!(window.next_call(SEGMENTS, &mut [0; 6]), None, "not even one");
    window.handed_over(call.datagrams);
    let call = window.next_call(SEGMENTS, &mut out).expect("one item");
    assert_eq!((call.segment, call.datagrams, &out[..call.bytes]), (4, 1, "1002".as_bytes()));
}

#[test]
fn all_datagrams_of_a_run_but_the_last_have_one_size() {
    let storage = Storage::<2, 1, 2>::new();
    let events = events(&[(1, 1), (1, 1), (1, 1)]);
    let mut sink =
        sink_of(&events, storage.registry().pump().expect("the only pump").accounts().ledger(Exporter::Statsd));
    let (mut run, mut out) = (Run::new(), [b'?'; 64]);
    let mut packer = Packer::new(Texts::<true> { newline: false });
    packer.pack_run(&mut sink, SEGMENTS, 14, &mut out, &mut run);
    assert_eq!(&out[..run.bytes()], b"1000.\n1000-\n\n\n1001.\n1001-\n\n\n1002.\n1002-");
    packer.pack_run(&mut sink, 1, 14, &mut out, &mut run);
    assert_eq!((run.datagrams(), &out[..run.bytes()]), (1, "1000.\n1000-".as_bytes()), "alone it is not filled up");
}

/// If the receiver may not ignore empty lines, all datagrams get the length of the first one, or the run ends.
#[test]
fn a_run_that_is_not_filled_up_ends_with_its_first_shorter_datagram() {
    for (lengths, newline, expected) in [
        (&[(1, 1), (1, 1), (1, 1)][..], false, &[("1000.\n1000-", 3)][..]),
        (&[(1, 1), (1, 1), (1, 1)], true, &[("1000.\n1000-\n", 3)]),
        // The second datagram is shorter than the first one, so the run ends with it.
        (&[(1, 2), (1, 1), (1, 1), (1, 1)], true, &[("1000.\n1000--\n", 2), ("1002.\n1002-\n", 2)]),
        (&[(1, 1), (1, 2)], false, &[("1000.\n1000-", 2), ("1001--", 1)]),
    ] {
        let storage = Storage::<2, 1, 2>::new();
        let events = events(lengths);
        let mut sink =
            sink_of(&events, storage.registry().pump().expect("the only pump").accounts().ledger(Exporter::Statsd));
        let (mut packer, mut run, mut out) = (Packer::new(Texts::<false> { newline }), Run::new(), [b'?'; 64]);
        for (first, datagrams) in expected {
            packer.pack_run(&mut sink, SEGMENTS, 14, &mut out, &mut run);
            let datagram = &out[..run.bytes().min(run.segment())];
            assert_eq!((str::from_utf8(datagram), run.datagrams()), (Ok(*first), *datagrams), "{lengths:?}");
            packer.confirm(&mut sink, run.batch(0..*datagrams));
        }
        assert!(sink.is_empty(), "{lengths:?}");
    }
}

#[test]
fn calls_are_no_larger_than_a_kernel_accepts() {
    let storage = Storage::<2, 1, 2>::new();
    let ledger = storage.registry().pump().expect("the only pump").accounts().ledger(Exporter::Statsd);
    let mut run = Run::new();
    for (segment, most) in [(10, SEGMENTS), (1_432, 45), (40_000, 1)] {
        let events = events(&[(3, 3); 4_000]);
        let (mut sink, mut out) = (sink_of(&events, ledger), vec![0; 2 * CALL_BYTES]);
        let mut packer = Packer::new(Texts::<true> { newline: false });
        packer.pack_run(&mut sink, usize::MAX, segment, &mut out, &mut run);
        assert_eq!(run.datagrams(), most, "{segment} bytes");
        assert!(run.bytes() <= CALL_BYTES);
    }
}
