//! LoadDensity's Action-JSON: documents, and the eight commands that start and stop the exporters.
//!
//! A document is a list of actions, or `{"load_density": [...]}`. An action is `["LD_name"]`,
//! `["LD_name", {"key": value}]` or `["LD_name", [value, …]]`, with the values in the order of the command's
//! parameters; `null` means not given.
//!
//! ```
//! use loaddensity_metrics_shell::actions::{Command, Document};
//!
//! let document = Document::parse(r#"[["LD_start_statsd_sink", {"port": 9125}], ["LD_stop_statsd_sink"]]"#)?;
//! for action in document.actions {
//!     let command = Command::from_action(&action?)?;
//!     println!("{command:?}");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Reading and doing are apart: [`Document::parse`] and [`Command::from_action`] are pure, [`execute`](fn@execute) carries
//! out a command. Only [`Command::from_action_in`] and [`execute_in`] read environment variables. Errors name the action's
//! index, the command, the key, the value and what would be right; they never show the value of a secret. A program with
//! commands of its own reads their arguments with [`ArgumentReader`].

mod arguments;
mod command;
mod document;
mod error;
mod execute;
mod suggestion;

pub use arguments::{ArgumentReader, Signature, flag, number};
pub use command::{COMMANDS, Command};
pub use document::{Arguments, Document, DocumentError, JsonAction};
pub use error::{ActionError, Problem};
pub use execute::{ActionOutcome, execute, execute_command, execute_in};
