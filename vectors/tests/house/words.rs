//! Words that went do not come back: the table of CONTRIBUTING.md names them, and what to say instead.
//!
//! A word in backticks is a name: it is refused as an identifier of a source, and in the backticks of a comment or a
//! document. Any other word is refused in the sentences of comments and documents, but for the phrases that its row
//! allows. Text in double quotes, string literals and blocks of code are somebody else's words.

use std::fs;
use std::path::Path;

use crate::modules::root;

#[test]
fn words_that_went_stay_away() {
    let words = Words::read(&text_of("CONTRIBUTING.md"));
    let mut files = Vec::new();
    PLACES.iter().for_each(|place| collect(place, &mut files));
    assert!(files.len() > 100, "only {} files below {PLACES:?}", files.len());
    let faults: Vec<_> = files.iter().flat_map(|file| words.faults(file, &text_of(file))).collect();
    assert!(faults.is_empty(), "{} words that went (CONTRIBUTING.md):\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn a_word_that_went_is_noticed() {
    let words = Words::read(
        "# Words\n\n## Words that went\n\n| word | say instead | allowed in |\n|---|---|---|\n\
        | `Fate` | the outcome | |\n| behind | after | behind a proxy, far behind |\n\n## More\n\n| table | of | others |\n",
    );
    let source = "//! Behind a\n//! proxy, and behind a wall.\n\n/// The [`Fate`] is `Fate`.\nstruct Fate;\n\
        let text = \"behind Fate\"; // far behind, \"behind\"\nlet fates = 'F'; let raw = r#\"Fate\"#;\n/* behind */\n";
    let expected = ["a.rs:2: behind", "a.rs:4: Fate", "a.rs:4: Fate", "a.rs:5: Fate", "a.rs:8: behind"];
    assert_eq!(places(&words.faults("a.rs", source)), expected);

    let document =
        "What is behind\nit: `Fate`, fate.\n\n```rust\nlet fate = Fate::behind();\n```\n\nBehind\na proxy.\n";
    assert_eq!(places(&words.faults("a.md", document)), ["a.md:1: behind", "a.md:2: Fate"]);

    let with_table = "## Words that went\n\n| behind | after | |\n\n## More\n\nIt is behind.\n";
    assert_eq!(places(&words.faults("a.md", with_table)), ["a.md:7: behind"]);
}

#[test]
#[should_panic(expected = "Words that went")]
fn a_document_without_the_table_is_noticed() {
    Words::read("# Contributing\n\n| behind | after | |\n");
}

/// Where the table is.
const HEADING: &str = "## Words that went";

/// Folders and documents in which these words are refused.
const PLACES: &[&str] = &[
    "benches",
    "bridge-tower",
    "bridge-metrics",
    "ci/minimal",
    "cli",
    "conformance",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "README.md",
    "core",
    "docs",
    "examples",
    "shell",
    "end-to-end",
    "fuzz",
    "shell-smol",
    "shell-std",
    "shell-tokio",
    "sim",
    "matrix",
    "vectors",
];
/// Data of cases, and what was built.
const LEFT_OUT: &[&str] = &["vectors/seeds", "vectors/golden", "fuzz/target", "fuzz/corpus"];

/// A row of the table.
struct Word {
    word: String,
    is_name: bool,
    instead: String,
    /// Each as its words in lower case.
    allowed: Vec<Vec<String>>,
}

struct Words(Vec<Word>);

impl Words {
    /// The table below the heading of that name.
    fn read(document: &str) -> Self {
        let lines = document.lines().skip_while(|line| *line != HEADING).skip(1);
        let section = lines.take_while(|line| !line.starts_with("## "));
        let rows = section.filter(|line| line.starts_with('|')).skip(2);
        let words: Vec<_> = rows.map(Word::read).collect();
        assert!(!words.is_empty(), "CONTRIBUTING.md has no table below \"{HEADING}\"");
        Self(words)
    }

    fn faults(&self, file: &str, text: &str) -> Vec<String> {
        let parts = if file.ends_with(".md") { parts_of_document(&without_table(text)) } else { parts_of_source(text) };
        let mut faults = Vec::new();
        let mut sentence: Vec<(usize, String)> = Vec::new();
        for part in parts.into_iter().chain([Part::End]) {
            match part {
                Part::Name(line, name) => faults.extend(self.name_fault(line, &name)),
                Part::Prose(line, prose) => sentence.extend(words_of(&prose).map(|word| (line, word.to_lowercase()))),
                Part::End => faults.extend(self.prose_faults(&std::mem::take(&mut sentence))),
            }
        }
        faults.sort_by_key(|(line, _)| *line);
        let told = |(line, word): (usize, &Word)| format!("{file}:{line}: {}: {}", word.word, word.instead);
        faults.into_iter().map(told).collect()
    }

    fn name_fault(&self, line: usize, name: &str) -> Option<(usize, &Word)> {
        self.0.iter().find(|word| word.is_name && word.word == name).map(|word| (line, word))
    }

    fn prose_faults(&self, sentence: &[(usize, String)]) -> Vec<(usize, &Word)> {
        let found = |(at, (line, said)): (usize, &(usize, String))| {
            let word = self.0.iter().find(|word| !word.is_name && word.word == *said)?;
            (!word.is_allowed(sentence, at)).then_some((*line, word))
        };
        sentence.iter().enumerate().filter_map(found).collect()
    }
}

impl Word {
    fn read(row: &str) -> Self {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let (word, instead) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
        let phrases = cells.next().unwrap_or_default().split(',').filter(|phrase| !phrase.trim().is_empty());
        let allowed = phrases.map(|phrase| words_of(phrase).map(str::to_lowercase).collect()).collect();
        assert!(!word.is_empty() && !instead.is_empty(), "each row has a word and what to say instead: {row}");
        let name = word.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
        let (word, is_name) = name.map_or_else(|| (word.to_lowercase(), false), |name| (name.to_owned(), true));
        Self { word, is_name, instead: instead.to_owned(), allowed }
    }

    /// Whether the word at `at` is part of an allowed phrase.
    fn is_allowed(&self, sentence: &[(usize, String)], at: usize) -> bool {
        self.allowed.iter().any(|phrase| {
            let own = phrase.iter().position(|word| *word == self.word).unwrap_or_default();
            let start = at.checked_sub(own);
            let said = start.and_then(|start| sentence.get(start..start + phrase.len()));
            said.is_some_and(|said| said.iter().zip(phrase).all(|((_, said), word)| said == word))
        })
    }
}

/// What a file says, in its order, with the numbers of its lines.
enum Part {
    /// An identifier, of a source or in backticks.
    Name(usize, String),
    /// A piece of a sentence, without what stands in quotes or backticks.
    Prose(usize, String),
    /// Sentences do not go on past here.
    End,
}

/// A document with empty lines for the section that has the table.
fn without_table(document: &str) -> String {
    let mut is_table = false;
    let kept = |line: &str| {
        if line.starts_with("## ") {
            is_table = line == HEADING;
        }
        if is_table { "\n".to_owned() } else { format!("{line}\n") }
    };
    document.lines().map(kept).collect()
}

fn parts_of_document(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut is_code = false;
    let mut paragraph = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        if is_fence || is_code || line.trim().is_empty() {
            parts.extend(parts_of_prose(&std::mem::take(&mut paragraph)));
        } else {
            paragraph.push((number, line));
        }
    }
    parts.extend(parts_of_prose(&paragraph));
    parts
}

/// Names in the backticks of a paragraph, and the sentences around them. Text in quotes is left out.
fn parts_of_prose(paragraph: &[(usize, &str)]) -> Vec<Part> {
    let mut parts = Vec::new();
    let (mut is_code, mut is_quoted) = (false, false);
    for (number, line) in paragraph {
        let mut rest = *line;
        loop {
            let end = rest.find(|mark| mark == '`' || (mark == '"' && !is_code)).unwrap_or(rest.len());
            let piece = &rest[..end];
            if is_code {
                parts.extend(words_of(piece).map(|name| Part::Name(*number, name.to_owned())));
            } else if !is_quoted {
                parts.push(Part::Prose(*number, piece.to_owned()));
            }
            match rest[end..].chars().next() {
                Some('`') => is_code = !is_code,
                Some(_) => is_quoted = !is_quoted,
                None => break,
            }
            rest = &rest[end + 1..];
        }
    }
    parts.push(Part::End);
    parts
}

fn parts_of_source(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    // A comment's lines follow each other; code between two of them ends the first.
    let mut comment: Vec<(usize, &str)> = Vec::new();
    let mut rest = text;
    let line_at = |rest: &str| 1 + text[..text.len() - rest.len()].matches('\n').count();
    while let Some(first) = rest.chars().next() {
        let length = token_length(rest);
        let token = &rest[..length];
        if token.starts_with("//") || token.starts_with("/*") {
            let said = token.trim_start_matches(['/', '!', '*']).trim_end_matches(['/', '*']);
            comment.extend((line_at(rest)..).zip(said.split('\n')));
            if said.trim().is_empty() {
                parts.extend(parts_of_prose(&std::mem::take(&mut comment)));
            }
        } else if !first.is_whitespace() {
            parts.extend(parts_of_prose(&std::mem::take(&mut comment)));
            if first.is_alphabetic() && words_of(token).eq([token]) {
                parts.push(Part::Name(line_at(rest), token.to_owned()));
            }
        }
        rest = &rest[length..];
    }
    parts.extend(parts_of_prose(&comment));
    parts
}

/// The length of the comment, literal, word or single character that a source goes on with.
fn token_length(rest: &str) -> usize {
    let until = |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    let word = rest.find(|part: char| !part.is_alphanumeric() && part != '_').unwrap_or(rest.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until("*/", 2);
    }
    if let "r" | "br" = &rest[..word] {
        let hashes = rest[word..].bytes().take_while(|byte| *byte == b'#').count();
        if rest[word + hashes..].starts_with('"') {
            return until(&format!("\"{}", "#".repeat(hashes)), word + hashes + 1);
        }
    }
    match rest.as_bytes()[0] {
        b'"' => string_length(rest),
        // A character, or a lifetime.
        b'\'' if rest[1..].starts_with('\\') => until("'", 3),
        b'\'' => {
            let inner = rest[1..].chars().next().map_or(0, char::len_utf8);
            if rest[1 + inner..].starts_with('\'') { inner + 2 } else { 1 }
        }
        _ if word > 0 => word,
        _ => rest.chars().next().map_or(0, char::len_utf8),
    }
}

fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    let end = rest.bytes().skip(1).position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    });
    end.map_or(rest.len(), |end| end + 2)
}

/// Words as they are spelled: letters, digits and underscores.
fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|part: char| !part.is_alphanumeric() && part != '_').filter(|word| !word.is_empty())
}

fn collect(place: &str, files: &mut Vec<String>) {
    if LEFT_OUT.contains(&place) {
        return;
    }
    let path = root().join(place);
    if path.is_dir() {
        let entries = fs::read_dir(&path).unwrap_or_else(|error| panic!("{place}: {error}"));
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.for_each(|name| collect(&format!("{place}/{name}"), files));
    } else if Path::new(place).extension().is_some_and(|extension| extension == "rs" || extension == "md") {
        files.push(place.to_owned());
    }
}

fn text_of(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Faults without what to say instead.
fn places(faults: &[String]) -> Vec<&str> {
    faults.iter().map(|fault| fault.rsplit_once(": ").map_or(fault.as_str(), |(place, _)| place)).collect()
}
