//! The way to a backend that takes bodies, and one call at a time over it: a name, a connection, an answer, each after a
//! time, or never.

use std::net::SocketAddr;
use std::time::Duration;

use loaddensity_metrics_core::export::verdict::Said;
use loaddensity_metrics_core::export::{BodyInput, Id, Tick};

use crate::attempts::AttemptBounds;
use crate::reply::Reply;
use crate::shared::Shared;

/// Something that was asked for, and how it ends.
#[derive(Clone, Copy, Debug)]
struct ModelledCall {
    id: Id,
    at: Tick,
    ends: ModelledEnd,
    /// It is a body: its bytes must be kept.
    is_body: bool,
}

#[derive(Clone, Copy, Debug)]
enum ModelledEnd {
    /// The name has so many addresses.
    Resolved(usize),
    Connected,
    Answered(Said),
    Failed {
        began: bool,
    },
}

/// A connection and what goes on over it.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pending: Option<ModelledCall>,
    /// Bodies that the connection has served; `None`: there is no connection.
    served: Option<usize>,
    /// What is over: an answer to it changes nothing.
    stale: Id,
    attempts: AttemptBounds,
}

impl Calls {
    /// When what was asked for ends.
    pub(crate) fn due(&self) -> Tick {
        self.pending.map_or(Tick::NEVER, |pending| pending.at)
    }

    /// Whether a body is on its way, so that its bytes must be kept.
    pub(crate) fn has_body(&self) -> bool {
        self.pending.is_some_and(|pending| pending.is_body)
    }

    /// Whether this connection has served a body before.
    pub(crate) fn is_kept(&self) -> bool {
        self.served.is_some_and(|served| served != 0)
    }

    pub(crate) fn resolve(&mut self, id: Id, shared: &mut Shared<'_>) -> Result<(), String> {
        let weather = shared.weather;
        let addresses = if shared.choices.happens(weather.no_name) { 0 } else { 1 + shared.choices.below(3) };
        self.ask(id, ModelledEnd::Resolved(addresses), shared)
    }

    pub(crate) fn connect(&mut self, id: Id, shared: &mut Shared<'_>) -> Result<(), String> {
        self.served = None;
        self.attempts.goes_out(shared.tick(), false)?;
        let refuses = shared.choices.happens(shared.weather.refuses);
        self.ask(id, if refuses { ModelledEnd::Failed { began: false } } else { ModelledEnd::Connected }, shared)
    }

    /// A body goes out, of which the backend makes `reply`.
    pub(crate) fn send(&mut self, id: Id, reply: Reply, shared: &mut Shared<'_>) -> Result<(), String> {
        if self.served.is_none() {
            return Err("a body is sent without a connection".into());
        }
        self.attempts.goes_out(shared.tick(), true)?;
        match reply {
            Reply::Says(said) => self.ask(id, ModelledEnd::Answered(said), shared)?,
            Reply::Breaks { began } => self.ask(id, ModelledEnd::Failed { began }, shared)?,
            Reply::Never => self.start(id, Tick::NEVER, ModelledEnd::Failed { began: true })?,
        }
        if let Some(pending) = &mut self.pending {
            pending.is_body = true;
        }
        Ok(())
    }

    /// A stop was asked for.
    pub(crate) fn stop(&mut self) {
        self.attempts.stop();
    }

    /// The machine gives up what it has asked for. What it is to be told, before it is polled again.
    pub(crate) fn cancel(&mut self, id: Id, now: Tick) -> Result<BodyInput<'static>, String> {
        let pending = self.pending.take().filter(|pending| pending.id == id);
        let pending = pending.ok_or("something is given up that was not asked for")?;
        let began = match pending.ends {
            ModelledEnd::Answered(_) => true,
            ModelledEnd::Failed { began } => began,
            ModelledEnd::Resolved(_) | ModelledEnd::Connected => false,
        };
        let kept = self.is_kept();
        self.attempts.failed(now);
        (self.served, self.stale) = (None, id);
        Ok(BodyInput::Failed { id, began, kept })
    }

    /// What was asked for and has ended by now, told to `handle`.
    pub(crate) fn end(&mut self, now: Tick, mut handle: impl FnMut(BodyInput<'_>)) {
        let Some(ModelledCall { id, ends, .. }) = self.pending.take_if(|pending| pending.at <= now) else { return };
        // News of what is over is none.
        handle(BodyInput::Answer { id: self.stale, said: Said::Refused });
        handle(BodyInput::Failed { id: self.stale, began: true, kept: true });
        self.stale = id;
        match ends {
            ModelledEnd::Resolved(count) => {
                let addresses: Vec<_> = (0..count).map(address).collect();
                handle(BodyInput::Resolved { id, addresses: &addresses });
            }
            ModelledEnd::Connected => {
                self.served = Some(0);
                handle(BodyInput::Connected { id });
            }
            ModelledEnd::Answered(said) => {
                self.served = self.served.map(|served| served + 1);
                self.attempts.answered(now, said);
                handle(BodyInput::Answer { id, said });
            }
            ModelledEnd::Failed { began } => {
                let kept = self.is_kept();
                self.served = None;
                self.attempts.failed(now);
                handle(BodyInput::Failed { id, began, kept });
            }
        }
    }

    fn ask(&mut self, id: Id, ends: ModelledEnd, shared: &mut Shared<'_>) -> Result<(), String> {
        let is_silent = !matches!(ends, ModelledEnd::Answered(_)) && shared.choices.happens(shared.weather.silent);
        let latency = shared.choices.time(shared.weather.latency) + Duration::from_nanos(1);
        let at = if is_silent { Tick::NEVER } else { shared.clock.after(latency) };
        self.start(id, at, ends)
    }

    fn start(&mut self, id: Id, at: Tick, ends: ModelledEnd) -> Result<(), String> {
        match self.pending.replace(ModelledCall { id, at, ends, is_body: false }) {
            None => Ok(()),
            Some(_) => Err("two things are asked for at a time".into()),
        }
    }
}

/// One of a backend's addresses.
pub(crate) fn address(number: usize) -> SocketAddr {
    ([192, 0, 2, number as u8 + 1], 4_317).into()
}
