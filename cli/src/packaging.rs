//! What packages of the program bring beside it: shell completions and man pages, made from the command line's own
//! definition.

use std::io;
use std::path::Path;

use clap_complete::Shell;
use clap_mangen::Man;

use crate::args::{CliArgs, CompletionShell};

/// The completions of `shell`, as the shell reads them.
pub(crate) fn completions(shell: CompletionShell) -> Vec<u8> {
    let shell = match shell {
        CompletionShell::Bash => Shell::Bash,
        CompletionShell::Elvish => Shell::Elvish,
        CompletionShell::Fish => Shell::Fish,
        CompletionShell::PowerShell => Shell::PowerShell,
        CompletionShell::Zsh => Shell::Zsh,
    };
    let mut program = CliArgs::program();
    let (name, mut script) = (program.get_name().to_owned(), Vec::new());
    clap_complete::generate(shell, &mut program, name, &mut script);
    script
}

/// The program's page.
///
/// # Errors
/// None: it is written to memory.
pub(crate) fn page() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(CliArgs::program()).render(&mut page)?;
    Ok(page)
}

/// Writes the page of the program and of each of its commands into `folder`.
///
/// # Errors
/// Where that cannot be written, in words that name the folder.
pub(crate) fn pages(folder: &Path) -> io::Result<()> {
    let said = |error: io::Error| io::Error::new(error.kind(), format!("man pages into {}: {error}", folder.display()));
    // Its own help command has nothing that the pages lack.
    clap_mangen::generate_to(CliArgs::program().disable_help_subcommand(true), folder).map_err(said)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn completions_of_every_shell_know_every_command_and_their_flags() {
        for shell in CompletionShell::value_variants() {
            let script = String::from_utf8(completions(*shell)).expect("text");
            for task in CliArgs::program().get_subcommands() {
                assert!(script.contains(task.get_name()), "{shell:?} lacks {}", task.get_name());
            }
            // A flag of the program, and one of a command.
            for part in ["linger", "between"] {
                assert!(script.contains(part), "{shell:?} lacks {part}");
            }
        }
    }

    #[test]
    fn the_page_has_what_help_has() {
        let page = String::from_utf8(page().expect("written")).expect("text");
        // Dashes are escaped in man pages.
        let plain = page.replace("\\-", "-");
        for part in ["loaddensity-metrics", "--runtime", "--json", "Examples:", "Exit codes", "[default: tokio]"] {
            assert!(plain.contains(part), "{part}:\n{plain}");
        }
    }

    #[test]
    fn each_command_has_a_page_of_its_own() {
        let folder = std::env::temp_dir().join(format!("loaddensity-metrics-man-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        pages(&folder).expect("written");
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(read("loaddensity-metrics.1").contains("Exit codes"));
        for task in CliArgs::program().get_subcommands() {
            let page = read(&format!("loaddensity-metrics-{}.1", task.get_name())).replace("\\-", "-");
            assert!(page.contains("Example"), "{page}");
            assert_eq!(page.contains("--linger"), task.get_name().starts_with("run"), "{page}");
        }
        let missing = folder.join("none");
        let error = pages(&missing).expect_err("there is no such folder").to_string();
        assert!(error.contains(&missing.display().to_string()), "{error}");
        fs::remove_dir_all(&folder).expect("removed");
    }
}
