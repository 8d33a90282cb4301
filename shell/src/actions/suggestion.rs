//! "Did you mean …?": the known word that is nearest to a misspelt one.

/// The candidate that `word` most likely stands for, if any is near: the same letters in another case, one begins
/// with the other, or at most one edit for every four characters, and one more.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let limit = 1 + word.chars().count() / 4;
    let distance_to = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        let begins = word.len() >= 4 && (candidate.starts_with(&word) || word.starts_with(&candidate));
        if begins { 1 } else { edits(&word, &candidate) }
    };
    candidates
        .into_iter()
        .map(|candidate| (distance_to(candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in characters.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_words_are_suggested_and_different_ones_are_not() {
        let known = ["host", "port", "prefix", "LD_start_statsd_sink", "LD_stop_statsd_sink"];
        let cases = [
            ("prot", Some("port")),
            ("HOST", Some("host")),
            ("pre", None),
            ("prefixes", Some("prefix")),
            ("LD_start_statsd", Some("LD_start_statsd_sink")),
            ("LD_stopstatsd_sink", Some("LD_stop_statsd_sink")),
            ("password", None),
            ("", None),
        ];
        for (word, expected) in cases {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }

    #[test]
    fn the_distance_of_words_is_levenshteins() {
        for (a, b, expected) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2)] {
            assert_eq!(edits(a, b), expected, "{a} {b}");
        }
    }
}
