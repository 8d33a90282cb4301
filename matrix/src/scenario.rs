//! The list of all scenarios.

use clap::ValueEnum;
use loaddensity_metrics_smol::Smol;
use loaddensity_metrics_tokio::Tokio;

use crate::course::{Course, Trouble};
use crate::scenarios;

/// The runtimes that scenarios run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MatrixRuntime {
    Tokio,
    Smol,
}

impl MatrixRuntime {
    pub(crate) const ALL: [Self; 2] = [Self::Tokio, Self::Smol];

    /// As it is given on the command line.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Tokio => "tokio",
            Self::Smol => "smol",
        }
    }
}

/// One kind of fault, and what exporters do about it.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What happens, in a line.
    pub(crate) what: &'static str,
    /// What the machine must have.
    pub(crate) needs: &'static [Need],
    tokio: fn(&mut Course) -> Result<(), Trouble>,
    smol: fn(&mut Course) -> Result<(), Trouble>,
}

/// Something that not every machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// `ip netns add`: root, and Debian's iproute2.
    Namespaces,
    /// Rules that drop packets: root, and Debian's nftables.
    Nftables,
    /// Many descriptors for a process. The runner raises the soft limit; the hard one must allow it.
    ManyFiles,
}

impl Scenario {
    pub(crate) fn run(&self, runtime: MatrixRuntime, course: &mut Course) -> Result<(), Trouble> {
        match runtime {
            MatrixRuntime::Tokio => (self.tokio)(course),
            MatrixRuntime::Smol => (self.smol)(course),
        }
    }
}

macro_rules! scenarios {
    ($($module:ident::$name:ident [$($need:ident),*] $what:literal)*) => {
        /// All of them, in the order in which they run.
        pub(crate) const SCENARIOS: &[Scenario] = &[$(Scenario {
            name: stringify!($name),
            what: $what,
            needs: &[$(Need::$need),*],
            tokio: scenarios::$module::$name::<Tokio>,
            smol: scenarios::$module::$name::<Smol>,
        }),*];
    };
}

scenarios! {
    absence::absent_and_back [] "servers are absent, come, are restarted while bodies are on their way, go and come again"
    moving::moved [] "host names get another address while the old servers are gone, or stay silent"
    silence::silent [] "servers accept and never answer: they read nothing, or store everything"
    silence::a_byte_a_second [] "servers answer a byte a second, or read a byte a second"
    breaks::reset_in_mid_body [] "connections are reset in the middle of a body"
    breaks::half_closed [] "servers close the direction back, before an answer or after it, and read on"
    nonsense::garbage [] "servers answer with what is no HTTP, or HTTP that breaks its rules"
    nonsense::endless_answers [] "servers answer without an end: interim responses, heads, bodies"
    kernel::stopped_receiver [] "the process of all receivers is stopped, and goes on"
    kernel::no_descriptors [] "the process has no file descriptor left"
    kernel::no_buffers [Namespaces] "a full queue of a network device loses datagrams; the system has no buffers"
    kernel::message_too_long [Namespaces] "datagrams are longer than the system takes, and that changes"
    kernel::unix_socket_anew [] "the Agent's Unix sockets are made anew, also as the wrong kind"
    network::packet_loss [Namespaces, Nftables] "a fifth of all packets is lost, in both directions"
    network::cut_link [Namespaces] "the link between exporters and backends is cut"
    lifecycle::threads_come_and_go [] "5,000 engine threads come and go, some by a panic"
    lifecycle::start_stop_cycles [] "2,000 starts and stops of all four exporters"
    lifecycle::forks [] "the process forks, and each fork has exporters of its own"
    lifecycle::stepped_clock [] "the wall clock is set back and ahead by hours"
    clients::hostile_clients [ManyFiles] "2,000 hostile and clumsy clients of the page beside a scraper"
}
