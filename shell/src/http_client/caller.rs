//! One body at a time, as the exporters ask for it that are no machines yet; goes away with the last of them.
//!
//! What it decides (that a kept connection which turns out dead is replaced at once, which address is tried, how long an
//! answer is waited for) is theirs then.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_lite::FutureExt as _;
use loaddensity_metrics_core::export::Ids;
use loaddensity_metrics_core::verdict::Said;

use super::{Answer, Backend, Client, News};
use crate::condition::Condition;
use crate::runtime::Runtime;
use crate::stop::sleep_until;

/// What became of one body.
pub(crate) enum Called {
    /// The server answered. A pause is as long as is granted.
    Answered(Answer),
    /// No connection, or it broke before an answer came; `began`: the body may have gone out.
    Failed { began: bool, words: String },
    /// The time ran out; `began` as above.
    TimedOut { began: bool, words: String },
}

/// A client with what is decided for it.
pub(crate) struct Caller<R: Runtime, B: Backend> {
    runtime: R,
    client: Client<R, B>,
    ids: Ids,
}

impl<R: Runtime, B: Backend> Caller<R, B> {
    pub(crate) fn new(runtime: R, backend: B, timeout: Duration, condition: Arc<Condition>) -> Self {
        Self { client: Client::new(runtime.clone(), backend, timeout, condition), runtime, ids: Ids::default() }
    }

    /// Whether a body must come with gRPC's prefix.
    pub(crate) fn wants_prefix(&self) -> bool {
        self.client.wants_prefix()
    }

    /// Posts `body` and reads the answer, within `timeout` and until `given_up`.
    pub(crate) async fn call(&mut self, body: &Bytes, timeout: Duration, given_up: impl Future<Output = ()>) -> Called {
        let runtime = self.runtime.clone();
        let since = runtime.now();
        let answer = async { Some(self.post(body).await) };
        let late = async {
            sleep_until(&runtime, since + timeout).or(given_up).await;
            None
        };
        if let Some(outcome) = answer.or(late).await {
            return outcome;
        }
        self.client.cancel();
        let began = matches!(self.client.next().await, News::Failed { began: true, .. });
        Called::TimedOut { began, words: self.client.words().to_owned() }
    }

    async fn post(&mut self, body: &Bytes) -> Called {
        // A server may close a kept connection at any time; that says nothing about a new one. But if the body went
        // out on it, nobody knows what became of it, even where no new one can be had.
        let was_begun = match self.send(body).await {
            Called::Failed { began, .. } => began,
            outcome => return outcome,
        };
        match self.post_anew(body).await {
            Called::Failed { began, words } => Called::Failed { began: was_begun || began, words },
            outcome => outcome,
        }
    }

    async fn post_anew(&mut self, body: &Bytes) -> Called {
        self.client.resolve(self.ids.next());
        self.client.next().await;
        for address in self.client.addresses().to_owned() {
            self.client.connect(self.ids.next(), address);
            if let News::Connected { .. } = self.client.next().await {
                return self.send(body).await;
            }
        }
        Called::Failed { began: false, words: self.client.words().to_owned() }
    }

    async fn send(&mut self, body: &Bytes) -> Called {
        self.client.send(self.ids.next(), body.clone());
        let news = self.client.next().await;
        let words = self.client.words().to_owned();
        match news {
            News::Answer { said: Said::Away { at_least, may_have_arrived }, .. } => {
                let at_least = at_least.min(B::LONGEST_PAUSE);
                Called::Answered(Answer { said: Said::Away { at_least, may_have_arrived }, words })
            }
            News::Answer { said, .. } => Called::Answered(Answer { said, words }),
            news => Called::Failed { began: matches!(news, News::Failed { began: true, .. }), words },
        }
    }
}
