//! What the documents name exists: tests in their tables, files that links lead to, and paths of the tree.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn tests_and_files_that_documents_name_exist() {
    let tree = Tree::read();
    let documents: Vec<_> = tree.files.iter().filter(|file| file.ends_with(".md")).collect();
    assert!(documents.len() > 10, "documents are missing: {documents:?}");
    let faults: Vec<_> = documents.iter().flat_map(|document| tree.faults(document, &text_of(document))).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Whoever has never seen this project reads it to its end.
#[test]
fn the_first_page_is_one_page() {
    let lines = text_of("README.md").lines().count();
    assert!(lines <= 200, "README.md has {lines} lines: what is long belongs to docs/");
}

#[test]
fn tables_below_a_heading_of_tests_are_read_until_that_section_ends() {
    let tree = Tree::read();
    let table = "| what | test |\n|---|---|\n| `an_option` | `no_such_test` |\n";
    let faults = |headings: &str| tree.faults("docs/broken.md", &format!("{headings}\n{table}")).len();
    assert_eq!(faults("# The tests\n## A format"), 1);
    assert_eq!(faults("# The tests\n## A format\n## Another"), 1);
    assert_eq!(faults("# A page\n## The tests\n## Options"), 0);
    assert_eq!(faults("# A page\n## The tests\n# Another"), 0);
}

#[test]
fn what_does_not_exist_is_noticed() {
    let tree = Tree::read();
    let broken = "See [there](nowhere.md) and `core/src/nowhere.rs`.\n## The tests\n\
        | what | test |\n|---|---|\n| `an_option` | `prometheus::nobody`, `no_such_test`, `tests_and_files_that_documents_name_exist` |\n";
    let faults = tree.faults("docs/broken.md", broken);
    assert_eq!(faults.len(), 4, "{faults:?}");
    assert!(
        ["nowhere.md", "core/src/nowhere.rs", "prometheus::nobody", "no_such_test"]
            .iter()
            .zip(&faults)
            .all(|(it, fault)| fault.contains(it))
    );
}

#[test]
fn every_case_from_the_field_has_a_test() {
    let numbered = [
        ('O', &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11][..]),
        ('I', &[1, 2, 3, 4, 5, 6, 7]),
        ('D', &[1, 2, 3, 4, 5, 6]),
        ('P', &[1, 2, 3, 4]),
        ('A', &[1, 2, 3, 4, 7, 8, 9, 10, 11, 12]),
    ];
    let tree = Tree::read();
    let of_machines = tree.files.iter().filter(|file| file.starts_with("core/src/export/") && file.ends_with(".rs"));
    let machines: BTreeSet<_> = of_machines.flat_map(|file| functions_in(&text_of(file))).collect();
    let document = text_of("docs/FIELD.md");
    let rows: Vec<_> = document.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | ")).collect();
    let cases = |(kind, numbers): (char, &'static [u8])| numbers.iter().map(move |number| format!("{kind}{number}"));
    for case in numbered.into_iter().flat_map(cases) {
        let found: Vec<_> = rows.iter().filter(|(name, _)| *name == case).collect();
        let [(_, row)] = found[..] else { panic!("docs/FIELD.md must have one row for {case}") };
        let tests = row.split_once(" | ").map_or("", |(_, tests)| tests);
        assert!(quoted(tests).next().is_some(), "docs/FIELD.md names no test for {case}");
        if OF_MACHINES.contains(&case.as_str()) {
            let (end_to_end, tables): (Vec<_>, Vec<_>) = quoted(tests).partition(|test| test.contains("::"));
            let is_whole = !end_to_end.is_empty() && tables.iter().any(|test| machines.contains(*test));
            assert!(is_whole, "docs/FIELD.md must name a test of a machine and one end to end for {case}");
        }
    }
}

/// The cases that the machines of the core decide.
const OF_MACHINES: [&str; 5] = ["O4", "O5", "I1", "I5", "A1"];

/// The files of the workspace, and the names of its functions and modules.
struct Tree {
    /// Relative to the root, with `/` between folders.
    files: Vec<String>,
    functions: BTreeSet<String>,
    modules: BTreeSet<String>,
}

impl Tree {
    fn read() -> Self {
        let mut files = Vec::new();
        collect(&root(), "", &mut files);
        let code: Vec<_> = files.iter().filter(|file| file.ends_with(".rs")).collect();
        let functions = code.iter().flat_map(|file| functions_in(&text_of(file))).collect();
        let modules = code.iter().map(|file| module_of(file)).collect();
        Self { files, functions, modules }
    }

    /// What a document names that does not exist.
    fn faults(&self, document: &str, text: &str) -> Vec<String> {
        let (mut faults, mut in_code, mut of_tests) = (Vec::new(), false, None);
        for (number, line) in text.lines().enumerate() {
            let mut fault = |what: &str, why: &str| faults.push(format!("{document}:{}: `{what}` {why}", number + 1));
            if line.starts_with("```") {
                in_code = !in_code;
            }
            if in_code {
                continue;
            }
            if line.starts_with('#') {
                of_tests = section_of_tests(line, of_tests);
            }
            links(line).filter(|link| !self.is_linked(document, link)).for_each(|link| fault(link, "is no file"));
            quoted(line).filter(|path| !self.has_path(path)).for_each(|path| fault(path, "is no path of the tree"));
            if of_tests.is_some() && line.starts_with('|') {
                let cells = line[1..].split_once('|').map_or("", |(_, cells)| cells);
                quoted(cells).filter(|test| !self.has_test(test)).for_each(|test| fault(test, "is no test"));
            }
        }
        faults
    }

    fn is_linked(&self, document: &str, link: &str) -> bool {
        let file = link.split('#').next().unwrap_or_default();
        let folder = Path::new(document).parent().expect("a document is a file");
        link.contains("://") || file.is_empty() || root().join(folder).join(file).exists()
    }

    /// Whether a text in backticks is no path, or one that exists; `*`, `<` and `…` end what is compared.
    fn has_path(&self, quoted: &str) -> bool {
        let path = quoted.split([' ', '*', '<', '…', ':']).next().unwrap_or_default();
        let Some((folder, _)) = path.split_once('/') else { return true };
        let of_the_tree = self.files.iter().any(|file| file.starts_with(&format!("{folder}/")));
        !of_the_tree
            || root().join(path).exists()
            || (path != quoted && self.files.iter().any(|file| file.starts_with(path)))
    }

    /// Whether a text in backticks is none of a test's form, or names a function, a module of cases or a file.
    fn has_test(&self, quoted: &str) -> bool {
        let name = quoted.rsplit("::").next().unwrap_or_default();
        if let Some(end) = name.strip_prefix('…') {
            return self.functions.iter().any(|name| name.ends_with(end));
        }
        if name.ends_with(".rs") || name.ends_with(".sh") {
            return self.files.iter().any(|file| file == name || file.ends_with(&format!("/{name}")));
        }
        let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        !is_name || self.functions.contains(name) || (name == quoted && self.modules.contains(name))
    }
}

/// The files below a folder, without those that git and cargo keep.
fn collect(folder: &Path, path: &str, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("the workspace can be read") {
        let entry = entry.expect("the workspace can be read");
        let name = entry.file_name().into_string().expect("names are text");
        if name == "target" || name == ".git" {
            continue;
        }
        let path = if path.is_empty() { name } else { format!("{path}/{name}") };
        if entry.file_type().expect("a file has a type").is_dir() {
            collect(&entry.path(), &path, files);
        } else {
            files.push(path);
        }
    }
}

fn functions_in(code: &str) -> Vec<String> {
    let functions = code.lines().filter_map(|line| line.split_once("fn ")).map(|(_, rest)| rest);
    functions.filter_map(|rest| rest.split(['(', '<']).next()).map(str::to_owned).collect()
}

/// How deep the heading of tests is that a heading begins, or that it stands below.
fn section_of_tests(heading: &str, above: Option<usize>) -> Option<usize> {
    let depth = heading.bytes().take_while(|&byte| byte == b'#').count();
    let is_of_tests = ["test", "shows it"].iter().any(|word| heading.contains(word));
    if is_of_tests { Some(depth) } else { above.filter(|&above| above < depth) }
}

/// The name that a file has as a module.
fn module_of(file: &str) -> String {
    let stem = Path::new(file).file_stem().and_then(|stem| stem.to_str());
    stem.expect("a file of code has a name").to_owned()
}

/// The targets of a line's links.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// What a line has between backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn text_of(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
