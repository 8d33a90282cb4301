//! Public enums may grow: whoever matches one from another crate has to say what happens to what is new.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

use crate::modules::{root, types_in};

/// Every public enum of the core and of the shells is `#[non_exhaustive]`, or stands in the list with a reason.
#[test]
fn public_enums_may_grow() {
    let enums = Enums::below(CRATES);
    assert!(enums.growing.len() > 20, "only {} enums found", enums.growing.len());
    let new: Vec<_> = enums.closed.iter().filter(|(name, _)| !is_reasoned(name)).collect();
    let lines: Vec<_> = new.iter().map(|(name, file)| format!("{name}: {}", file.display())).collect();
    assert!(lines.is_empty(), "public enums that are not #[non_exhaustive]:\n{}", lines.join("\n"));

    let stale: Vec<_> =
        EXHAUSTIVE.iter().map(|(name, _)| *name).filter(|name| !enums.closed.contains_key(*name)).collect();
    assert!(stale.is_empty(), "no longer closed, so to be deleted from the list: {}", stale.join(" "));
}

#[test]
fn an_enum_that_cannot_grow_is_noticed() {
    let mut enums = Enums::default();
    let source =
        "pub enum Closed { A } #[non_exhaustive] pub enum Growing { A } enum Own { A } pub(crate) enum Ours { A }
        mod inner { pub enum Deep { A } } #[cfg(test)] mod tests { pub enum OfTests { A } }
        macro_rules! rows { ($name:ident) => {
            #[non_exhaustive] pub enum GrowingRows { A } #[non_exhaustive] pub struct $name { a: u8 } pub enum ClosedRows { A } pub enum $name { A } pub(crate) enum R { A }
        }; }";
    enums.read(source, Path::new("a.rs"));
    assert_eq!(enums.closed.keys().collect::<Vec<_>>(), ["Closed", "ClosedRows", "Deep"]);
    assert_eq!(enums.growing, ["Growing", "GrowingRows"]);
}

/// The public enums of some crates.
#[derive(Default)]
struct Enums {
    /// Those that are not `#[non_exhaustive]`, and their files.
    closed: BTreeMap<String, PathBuf>,
    growing: Vec<String>,
    file: PathBuf,
}

impl Enums {
    fn below(folders: &[&str]) -> Self {
        let mut enums = Self::default();
        let mut waiting: Vec<_> = folders.iter().map(|folder| root().join(folder).join("src")).collect();
        while let Some(path) = waiting.pop() {
            if path.is_dir() {
                let entries = fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                waiting.extend(entries.map(|entry| entry.expect("an entry of a folder").path()));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                enums.read(&text, &path);
            }
        }
        enums
    }

    fn read(&mut self, text: &str, file: &Path) {
        self.file = file.to_owned();
        self.visit_file(&syn::parse_file(text).unwrap_or_else(|error| panic!("{}: {error}", file.display())));
    }
}

impl Enums {
    fn note(&mut self, name: String, grows: bool) {
        if grows {
            self.growing.push(name);
        } else {
            self.closed.insert(name, self.file.clone());
        }
    }
}

impl Visit<'_> for Enums {
    fn visit_item_enum(&mut self, item: &syn::ItemEnum) {
        if matches!(item.vis, syn::Visibility::Public(_)) {
            let grows = item.attrs.iter().any(|attribute| attribute.path().is_ident("non_exhaustive"));
            self.note(item.ident.to_string(), grows);
        }
    }

    /// Those that a macro writes.
    fn visit_item_macro(&mut self, item: &syn::ItemMacro) {
        let enums = types_in(&item.mac).into_iter().filter(|it| it.is_enum && it.is_public);
        enums.for_each(|it| self.note(it.name, it.is_non_exhaustive));
    }

    fn visit_item_mod(&mut self, item: &syn::ItemMod) {
        let is_test = |attribute: &syn::Attribute| {
            attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|flag| flag == "test")
        };
        if !item.attrs.iter().any(is_test) {
            visit::visit_item_mod(self, item);
        }
    }
}

fn is_reasoned(name: &str) -> bool {
    EXHAUSTIVE.iter().any(|(reasoned, _)| *reasoned == name)
}

const CRATES: &[&str] = &["core", "shell", "shell-smol", "shell-std", "shell-tokio", "bridge-tower", "bridge-metrics"];

/// Enums that are exhaustive on purpose, and why.
const EXHAUSTIVE: &[(&str, &str)] = &[
    ("AddressStep", "whoever asks must do each of them"),
    ("Arguments", "Action-JSON has these two forms"),
    ("Cells", "nobody outside can name it"),
    ("Classic", "a type without values, which chooses a storage"),
    ("ConnectionStep", "whoever asks must do each of them"),
    ("ContentCoding", "whoever serves pages must be able to code each of them"),
    ("DatagramAction", "a driver must do each of them"),
    ("Exponential", "a type without values, which chooses a storage"),
    ("ExportAction", "a driver must do each of them"),
    ("ExpositionFormat", "whoever serves pages must write each of them"),
    ("Exporter", "each has settings, commands and a place in reports, which a fifth must not lack"),
    ("HistogramCells", "nobody outside can name it"),
    ("Lingering", "whoever serves the page must do each of them"),
    ("NoTcp", "a type without values: a `match` of one needs no arm"),
    ("Outcome", "a request either counts as a success or does not"),
    ("PostAction", "a driver must do each of them"),
    ("Pushback", "gRPC has no third answer"),
    ("Said", "a machine must settle each of them"),
    ("Slots", "nobody outside can name it"),
    ("TooLarge", "a machine must handle each of them"),
];
