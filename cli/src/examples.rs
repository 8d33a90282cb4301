//! The examples that `--help` shows, of the program and of each command.

pub(crate) const PROGRAM: &str = "\
Examples:
  See it all at work; nothing has to be installed:
      loaddensity-metrics demo
  No server at hand: see what an engine of yours sends
      loaddensity-metrics receive
  What it would cost you, measured on this machine:
      loaddensity-metrics cost --rate 100000 --series 200 --threads 4
  Run a load test with its exporters:
      loaddensity-metrics run load.json
  What a command takes:
      loaddensity-metrics run --help";

pub(crate) const RUN: &str = "\
Examples:
  A file; the page waits a minute for its last scrape:
      loaddensity-metrics run load.json --linger 60
  What another program writes:
      make-document | loaddensity-metrics run -
  The fourth of forty workers, with accounts that a script can read:
      loaddensity-metrics run load.json --run nightly-7 --worker 3/40 --json > accounts.jsonl";

pub(crate) const RUN_DIR: &str = "\
Example:
      loaddensity-metrics run-dir tests/ --env";

pub(crate) const RUN_STR: &str = "\
Example: ten users get one page for five seconds, and an Agent on this host hears of it
      loaddensity-metrics run-str '[[\"LD_start_statsd_sink\"], [\"LD_start_test\", {\"user_detail_dict\":
          {\"user\": \"fast_http_user\"}, \"user_count\": 10, \"test_time\": 5,
          \"tasks\": [{\"method\": \"get\", \"request_url\": \"http://127.0.0.1:8080/\"}]}]]'";

#[cfg(feature = "demo")]
pub(crate) const DEMO: &str = "\
Examples:
  Five seconds on tokio:
      loaddensity-metrics demo
  A minute of more load:
      loaddensity-metrics demo --seconds 60 --rate 5000
  On smol, in a build with the feature smol:
      loaddensity-metrics demo --runtime smol
  For a script: whether all backends got what was recorded
      loaddensity-metrics demo --json | jq .reconciled";

#[cfg(feature = "demo")]
pub(crate) const RECEIVE: &str = "\
Examples:
  At the default ports, until Ctrl-C:
      loaddensity-metrics receive
  A page too, for half a minute:
      loaddensity-metrics receive --scrape http://127.0.0.1:9646/metrics --for 30s
  Beside an Agent that has port 8125: a free one, which is printed
      loaddensity-metrics receive --statsd 0
  For a script: how many requests came as messages
      loaddensity-metrics receive --for 10s --json | jq '[.arrived[] | select(.metric == \"loaddensity.requests\" and
          .backend == \"statsd\") | .sum] | add'";

pub(crate) const COST: &str = "\
Examples:
  A load of yours:
      loaddensity-metrics cost --rate 250000 --series 500 --threads 8
  An engine that touches 16 KiB of its own memory for each request, as most do, finds its caches colder:
      loaddensity-metrics cost --between 16384
  For a script: cores that recording takes at that load
      loaddensity-metrics cost --json | jq .recording_cores";

pub(crate) const COMPLETIONS: &str = "\
Examples:
      loaddensity-metrics completions bash > ~/.local/share/bash-completion/completions/loaddensity-metrics
      loaddensity-metrics completions fish > ~/.config/fish/completions/loaddensity-metrics.fish";

pub(crate) const MAN: &str = "\
Examples:
  Read it:
      loaddensity-metrics man | man -l -
  Install it, with a page for each command (loaddensity-metrics-run.1):
      loaddensity-metrics man ~/.local/share/man/man1";
