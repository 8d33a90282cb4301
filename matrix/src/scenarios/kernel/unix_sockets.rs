//! Unix sockets that come and go.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use loaddensity_metrics_conformance::Folder;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{DropReason, Exporter, StatsdSocket};

use crate::backends::statsd_to;
use crate::course::{Course, Trouble};
use crate::generators::PACE;
use crate::items::{ItemCounts, KINDS};
use crate::law::{check_backend, check_reasons, check_stored, wait_until};
use crate::load_generator::LoadGenerator;
use crate::unix_agent::{SocketKind, UnixAgent};

/// The Agent's socket is removed and made anew several times, sometimes as a socket of the wrong kind. The exporters stop
/// while there is one, or none.
pub(crate) fn unix_socket_anew<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    let folder = Folder::new();
    let mut places = vec![
        AgentPlace::<R>::new(&folder, "datagrams", StatsdSocket::UnixDatagram, &[SocketKind::Datagram])?,
        AgentPlace::new(&folder, "streams", StatsdSocket::UnixStream, &[SocketKind::Stream])?,
        AgentPlace::new(&folder, "either", StatsdSocket::Unix, &[SocketKind::Datagram, SocketKind::Stream])?,
    ];
    for _ in 0..4 {
        for place in &mut places {
            place.agent_comes(course)?;
        }
        thread::sleep(course.between(0, 300));
        for place in &mut places {
            place.agent_goes(course)?;
        }
        thread::sleep(course.between(0, 500));
    }
    let ends_alone = course.random.below(2) == 0;
    for mut place in places {
        if !ends_alone {
            place.agent_comes(course)?;
        }
        place.end(course, ends_alone)?;
    }
    Ok(())
}

/// A path, who sends there, and who reads there.
struct AgentPlace<R: Runtime> {
    path: PathBuf,
    /// The kinds of sockets that the exporter takes.
    takes: &'static [SocketKind],
    generator: LoadGenerator<R>,
    agent: Option<UnixAgent>,
    /// What earlier Agents had.
    had: ItemCounts,
    agents: u64,
}

impl<R: Runtime> AgentPlace<R> {
    fn new(
        folder: &Folder,
        name: &str,
        socket: fn(PathBuf) -> StatsdSocket,
        takes: &'static [SocketKind],
    ) -> Result<Self, Trouble> {
        let path = folder.path().join(name);
        let config = statsd_to(socket(path.clone()));
        let generator = LoadGenerator::start(PACE, |exporters| exporters.start_statsd_sink(config))?;
        Ok(Self { path, takes, generator, agent: None, had: ItemCounts::default(), agents: 0 })
    }

    /// An Agent comes, of any kind that is taken, and gets all that has waited.
    fn agent_comes(&mut self, course: &mut Course) -> Result<(), Trouble> {
        let kind = self.takes[course.random.below(self.takes.len())];
        course.note(format!("{}: an Agent, {kind:?}", self.path.display()));
        self.agents += 1;
        let agent = self.agent.insert(UnixAgent::bind(kind, &self.path)?);
        let before = self.generator.recorded();
        let had = self.had;
        wait_until("the Agent has what has waited", || (had + agent.counts()).include(before))?;
        let generator = &self.generator;
        wait_until("nothing is wrong any more", || generator.error(Exporter::Statsd).is_empty())
    }

    /// It goes. Every other time a socket of a kind that is not taken stands there for a while.
    fn agent_goes(&mut self, course: &mut Course) -> Result<(), Trouble> {
        self.had += self.agent.take().map(UnixAgent::close).unwrap_or_default();
        let generator = &self.generator;
        wait_until("the exporter says that nobody is there", || !generator.error(Exporter::Statsd).is_empty())?;
        for kind in KINDS {
            check_stored(kind, &generator.account(kind, Exporter::Statsd), self.had.of(kind))?;
        }
        let wrong = [SocketKind::Datagram, SocketKind::Stream].into_iter().find(|kind| !self.takes.contains(kind));
        let Some(wrong) = wrong.filter(|_| course.random.below(2) == 0) else { return Ok(()) };
        course.note(format!("{}: the wrong kind, {wrong:?}", self.path.display()));
        let agent = UnixAgent::bind(wrong, &self.path)?;
        wait_until("the exporter says that it is the wrong kind", || {
            generator.error(Exporter::Statsd).contains("wrong type")
        })?;
        check_nothing(&self.path, agent.close())
    }

    fn end(mut self, course: &mut Course, is_alone: bool) -> Result<(), Trouble> {
        let status = self.generator.status(Exporter::Statsd)?;
        if status.reconnects + 1 < self.agents {
            return Err(format!("{} Agents, but only {} connections anew", self.agents, status.reconnects).into());
        }
        let report = self.generator.stop(course, Duration::from_secs(2))?;
        let allowed = if is_alone { &[DropReason::Unreachable, DropReason::Unconfirmed][..] } else { &[] };
        check_reasons(&report, Exporter::Statsd, allowed)?;
        self.had += self.agent.take().map(UnixAgent::close).unwrap_or_default();
        check_backend(&report, Exporter::Statsd, self.had)
    }
}

fn check_nothing(path: &Path, counts: ItemCounts) -> Result<(), Trouble> {
    if counts == ItemCounts::default() {
        return Ok(());
    }
    Err(format!("{}: a socket of the wrong kind got {counts:?}", path.display()).into())
}
