//! A contest: several contenders on the same work.

/// What a contender stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// This project.
    Ours,
    /// A small hand-written program that does only this work. Ratios are taken to the first one of a contest.
    Floor,
    /// Somebody else's library, or what one writes without any.
    Peer,
    /// What no program can be faster than: copying the finished bytes, say.
    Bound,
}

/// One way to do the work.
pub struct Contender {
    /// Unique within its contest; [`targets`](crate::targets) refer to it.
    pub name: &'static str,
    /// What it stands for.
    pub role: Role,
    /// One pass over the work. Returns bytes written or operations done.
    pub run: Box<dyn FnMut() -> usize>,
}

impl Contender {
    /// A contender.
    pub fn new(name: &'static str, role: Role, run: impl FnMut() -> usize + 'static) -> Self {
        Self { name, role, run: Box::new(run) }
    }
}

/// Contenders on the same work. Whoever builds one checks first that all contenders give the same answers, and panics
/// where they don't.
pub struct Contest {
    /// Unique; [`targets`](crate::targets) and `--only` refer to it.
    pub title: &'static str,
    /// What costs are given for: `request`, `line`, `point`.
    pub unit: &'static str,
    /// Units in one pass.
    pub units: f64,
    /// Ours first, then the floors, then bounds and peers.
    pub contenders: Vec<Contender>,
}
