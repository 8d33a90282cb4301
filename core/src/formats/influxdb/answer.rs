//! What an InfluxDB server answers to a write.

use crate::wire::json::{JsonStrings, string};

/// Most bad lines that InfluxDB 3 lists; a longer list may have been cut (InfluxDB 3, "Write line protocol").
const MOST_LISTED: usize = 100;

/// How many lines of a write were refused, where its answer says that the others are stored.
///
/// InfluxDB 1 and 2 end such an answer with the number of points that were dropped; where the bad lines could not even
/// be parsed that number is 0, and the lines are quoted. InfluxDB 3 lists the bad lines, at most 100 of them. `None`
/// where the answer gives no such number: then nothing proves that a single line was stored.
#[must_use]
pub fn refused_lines(answer: &[u8]) -> Option<usize> {
    let (mut listed, mut is_list, mut refused) = (0, false, None);
    for key in JsonStrings::of(answer) {
        let Some(value) = key.value else { continue };
        listed += usize::from(key.raw == b"line_number");
        if let Some(words) = string(value).filter(|_| names_words(key.raw)) {
            is_list |= words.starts_with(b"partial write of line protocol");
            refused = refused.or_else(|| dropped(words));
        }
    }
    let listed = (is_list && (1..MOST_LISTED).contains(&listed)).then_some(listed);
    listed.or(refused)
}

/// What a JSON answer says went wrong, as it is escaped there: `error` (InfluxDB 1 and 3) or `message` (InfluxDB 2).
/// Empty where there is neither.
#[must_use]
pub fn error_words(answer: &[u8]) -> &[u8] {
    let words = JsonStrings::of(answer).filter(|key| names_words(key.raw)).find_map(|key| string(key.value?));
    words.unwrap_or_default()
}

fn names_words(key: &[u8]) -> bool {
    key == b"error" || key == b"message"
}

/// `partial write: … dropped=3`. Our lines cannot say this: they hold spaces and `=` only after a backslash.
fn dropped(message: &[u8]) -> Option<usize> {
    const PARTIAL: &[u8] = b"partial write: ";
    const UNPARSED: &[u8] = b"unable to parse '";
    message.windows(PARTIAL.len()).find(|part| *part == PARTIAL)?;
    let digits = message.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (says, number) = message.split_at(message.len() - digits);
    let number = core::str::from_utf8(number).ok().filter(|_| says.ends_with(b" dropped="))?.parse().ok()?;
    let unparsed = || message.windows(UNPARSED.len()).filter(|part| *part == UNPARSED).count();
    Some(if number == 0 { unparsed() } else { number }).filter(|lines| *lines != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_count_what_they_refused() {
        for (answer, refused) in [
            // InfluxDB 1.6.7, as it answered.
            (r#"{"error":"partial write: unable to parse 'a b=': missing field value dropped=0"}"#, 1),
            (r#"{"error":"partial write: unable to parse 'a': x\nunable to parse 'c\\ d': y dropped=0"}"#, 2),
            (
                r#"{"error":"partial write: field type conflict: input field \"v\" on measurement \"m\" is type string, already exists as type float dropped=3"}"#,
                3,
            ),
            (r#"{"error":"partial write: points beyond retention policy dropped=12"}"#, 12),
            // InfluxDB 2.
            (
                r#"{"code":"unprocessable entity","message":"failure writing points to database: partial write: field type conflict dropped=1"}"#,
                1,
            ),
            // InfluxDB 3.
            (
                r#"{"error":"partial write of line protocol occurred","data":[{"original_line":"cpu,host=a val= 123","line_number":2,"error_message":"No fields were provided"}]}"#,
                1,
            ),
            (
                r#"{ "data" : [{"line_number" : 2, "original_line":"\"line_number\":7"},{"line_number":4}], "error" : "partial write of line protocol occurred" }"#,
                2,
            ),
        ] {
            assert_eq!(refused_lines(answer.as_bytes()), Some(refused), "{answer}");
        }
    }

    #[test]
    fn answers_that_prove_nothing() {
        let long = |lines: usize| {
            let mut answer: heapless::Vec<u8, 8_192> = heapless::Vec::new();
            answer.extend_from_slice(br#"{"error":"partial write of line protocol occurred","data":["#).expect("fits");
            (0..lines).for_each(|_| answer.extend_from_slice(br#"{"line_number":1},"#).expect("fits"));
            answer
        };
        assert_eq!(refused_lines(&long(99)), Some(99));
        assert_eq!(refused_lines(&long(100)), None, "the list may have been cut");
        for answer in [
            "",
            "partial write: x dropped=3",
            r#"{"error":"unable to parse 'a b=': missing field value"}"#,
            r#"{"error":"partial write: field type conflict dropped=0"}"#,
            r#"{"error":"partial write: x dropped=99999999999999999999999"}"#,
            r#"{"error":"partial write: x dropped="}"#,
            r#"{"error":"database not found: \"partial\""}"#,
            r#"{"error":"parsing failed for write_lp endpoint","data":{"original_line":"a","line_number":2,"error_message":"x"}}"#,
            r#"{"error":"partial write of line protocol occurred"}"#,
            r#"{"original_line":"partial write: x dropped=3"}"#,
            r#"{"error":"partial write: x dropped=3"#,
            r#"{"error":"\"#,
        ] {
            assert_eq!(refused_lines(answer.as_bytes()), None, "{answer}");
        }
    }
}
