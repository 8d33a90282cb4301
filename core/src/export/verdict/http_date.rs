//! The dates of HTTP: RFC 9110, 5.6.7, in all three forms that a recipient must take.

/// The longest form, `Wednesday, 06-Nov-94 08:49:37 GMT`.
const LONGEST: usize = 33;
const SECONDS_A_DAY: u64 = 86_400;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since the Unix epoch of an HTTP date as it is read at `now`, which is in the same unit and decides the
/// century of a year of two digits. `None` for anything else and for what lies before 1970. The day's name is not
/// compared with the date.
pub(crate) fn parse(text: &[u8], now: u64) -> Option<u64> {
    let text = core::str::from_utf8(text.get(..text.len().min(LONGEST + 1))?).ok()?;
    let mut words = [""; 6];
    let mut count = 0;
    for word in text.split([' ', '-']).filter(|word| !word.is_empty()) {
        *words.get_mut(count)? = word;
        count += 1;
    }
    match (&words[..count], text.contains('-')) {
        // Sun, 06 Nov 1994 08:49:37 GMT
        ([day_name, day, month, year, time, "GMT"], false) if day_name.ends_with(',') => {
            seconds(number(year, 4)?, month, number(day, 2)?, time)
        }
        // Sunday, 06-Nov-94 08:49:37 GMT
        ([day_name, day, month, year, time, "GMT"], true) if day_name.ends_with(',') => {
            seconds(century(number(year, 2)?, now), month, number(day, 2)?, time)
        }
        // Sun Nov  6 08:49:37 1994
        ([_, month, day, time, year], false) => seconds(number(year, 4)?, month, number(day, day.len().min(2))?, time),
        _ => None,
    }
}

/// The year that ends in `year` and is at most 50 years ahead.
const fn century(year: u64, now: u64) -> u64 {
    let this_year = 1970 + now / (SECONDS_A_DAY * 365);
    let year = this_year / 100 * 100 + year;
    if year > this_year + 50 { year - 100 } else { year }
}

fn seconds(year: u64, month: &str, day: u64, time: &str) -> Option<u64> {
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let mut parts = time.split(':');
    let mut part = |most| number(parts.next()?, 2).filter(|part| *part <= most);
    // 60 is a leap second.
    let (hour, minute, second) = (part(23)?, part(59)?, part(60)?);
    let is_date = parts.next().is_none() && year >= 1970 && (1..=31).contains(&day);
    is_date.then(|| days(year, month, day) * SECONDS_A_DAY + hour * 3_600 + minute * 60 + second)
}

/// Days since 1970-01-01 in the Gregorian calendar, of a year from 1970 on.
const fn days(year: u64, month: u64, day: u64) -> u64 {
    // Counted in years that begin in March, so that a leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
    // From the first of March of the year 0.
    days - 719_468
}

/// A number of exactly so many digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    const NOW: u64 = 1_764_115_200;

    #[test]
    fn all_three_forms_are_read() {
        // RFC 9110's own example.
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse(text.as_bytes(), NOW), Some(784_111_777), "{text}");
        }
        // date --date=… +%s
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Wed, 26 Nov 2025 00:00:00 GMT", NOW),
            ("Sunday, 06-Nov-50 08:49:37 GMT", 2_551_337_377),
            // Fifty years ahead, and no further.
            ("Wednesday, 06-Nov-75 08:49:37 GMT", 3_340_255_777),
            // The longest of all.
            ("Wednesday, 26-Nov-25 00:00:00 GMT", NOW),
            ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
            ("Sat Nov 16 08:49:37 2024", 1_731_746_977),
        ] {
            assert_eq!(parse(text.as_bytes(), NOW), Some(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        let long = std::string::String::from("x").repeat(100);
        for text in [
            "",
            "120",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37:00 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Fri, 31 Dec 1969 23:59:59 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT GMT",
            "Sun 06 Nov 1994 08:49:37 GMT",
            "Sunday 06-Nov-94 08:49:37 GMT",
            // Longer than any by one letter.
            "Wednesday, 26-Nov-25 00:00:00 GMTx",
            &long,
        ] {
            assert_eq!(parse(text.as_bytes(), NOW), None, "{text}");
        }
        assert_eq!(parse(b"\xff, 06 Nov 1994 08:49:37 GMT", NOW), None);
    }
}
