//! Two hosts on this machine: network namespaces with one link between them.
//!
//! The namespaces have no names: each lasts as long as the processes in it, and the link as long as its ends. So nothing
//! is left, however a scenario ends.

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};

use crate::again::{once_under, run};
use crate::backend_process::BackendProcess;
use crate::course::Trouble;

/// The exporters' address (from a block that is for documentation, RFC 5737).
pub(crate) const NEAR: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// The backends' address.
pub(crate) const FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

/// The link address of the backends' end.
const FAR_LINK: &str = "02:00:00:00:00:02";

/// Puts this process into a namespace of its own. Call it first in a scenario.
pub(crate) fn enter() -> Result<(), Trouble> {
    once_under(&["unshare", "--net"])?;
    // No packets but those that a scenario asks for.
    fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")?;
    run("ip link set lo up").map(drop)
}

/// Backends in another namespace, at [`FAR`], joined to this one by a link, `near` here and `far` there.
pub(crate) fn backends_far_away() -> Result<BackendProcess, Trouble> {
    let mut backends = BackendProcess::spawn(&["unshare", "--net"])?;
    let process = backends.id();
    run(&format!("ip link add near type veth peer name far address {FAR_LINK} netns {process}"))?;
    run(&format!("ip address add {NEAR}/24 dev near"))?;
    run("ip link set near up")?;
    there(process, &format!("ip address add {FAR}/24 dev far"))?;
    there(process, "ip link set far up")?;
    there(process, "ip link set lo up")?;
    backends.listen(FAR)?;
    Ok(backends)
}

/// From now on nobody asks for the link address of the backends' end: no packet leaves but those of exporters.
pub(crate) fn know_each_other() -> Result<(), Trouble> {
    run(&format!("ip neighbour replace {FAR} lladdr {FAR_LINK} dev near nud permanent")).map(drop)
}

/// Runs a command in the namespace of a process. What it prints.
pub(crate) fn there(process: u32, words: &str) -> Result<String, Trouble> {
    run(&format!("nsenter --target {process} --net {words}"))
}

/// Has nftables do what `rules` say: here, or in the namespace of a process.
pub(crate) fn filter(process: Option<u32>, rules: &str) -> Result<(), Trouble> {
    let words = format!("{}nft -f -", enters(process));
    let words: Vec<_> = words.split(' ').collect();
    let mut child = Command::new(words[0]).args(&words[1..]).stdin(Stdio::piped()).spawn()?;
    child.stdin.take().map(|mut input| input.write_all(rules.as_bytes())).transpose()?;
    if child.wait()?.success() { Ok(()) } else { Err(format!("the scenario itself: nft did not take {rules}").into()) }
}

/// The packets that a counter in the table `matrix` of nftables has seen: here, or in the namespace of a process.
pub(crate) fn packets(process: Option<u32>, counter: &str) -> Result<u64, Trouble> {
    let said = run(&format!("{}nft list counter ip matrix {counter}", enters(process)))?;
    number_after(&said, "packets ")
}

/// Packets that the near end of the link has not handed over, because the far end's queue was full (`/proc/net/dev`).
pub(crate) fn not_handed_over() -> Result<u64, Trouble> {
    const SENT_AND_DROPPED: usize = 11;
    let text = fs::read_to_string("/proc/thread-self/net/dev")?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("near:"));
    let number = line.and_then(|line| line.split_whitespace().nth(SENT_AND_DROPPED)?.parse().ok());
    number.ok_or_else(|| format!("the scenario itself: Linux says nothing of the link: {text}").into())
}

/// What Linux counts of a protocol in this namespace (`/proc/net/snmp`: a line of names, then one of numbers).
pub(crate) fn network_counter(protocol: &str, name: &str) -> Result<u64, Trouble> {
    let text = fs::read_to_string("/proc/net/snmp")?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(protocol)?.strip_prefix(": "));
    let (names, numbers) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let mut pairs = names.split(' ').zip(numbers.split(' '));
    let number = pairs.find(|(known, _)| *known == name).and_then(|(_, number)| number.parse().ok());
    number.ok_or_else(|| format!("the scenario itself: Linux counts no {name} of {protocol}").into())
}

/// The number that follows `words` in what a program has printed.
pub(crate) fn number_after(said: &str, words: &str) -> Result<u64, Trouble> {
    let rest = said.split_once(words).map_or("", |(_, rest)| rest);
    let digits = rest.split(|character: char| !character.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().map_err(|_| format!("the scenario itself: no number after {words:?}: {said}").into())
}

fn enters(process: Option<u32>) -> String {
    process.map(|process| format!("nsenter --target {process} --net ")).unwrap_or_default()
}
