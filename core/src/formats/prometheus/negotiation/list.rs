//! Lists of clauses with weights: RFC 9110, sections 5.6.1 and 12.4.2.

/// The parts of `text` between separators that do not stand in quotes, without the blanks around them.
pub(super) fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut in_quotes = false;
    text.split(move |&byte| {
        in_quotes ^= byte == b'"';
        byte == separator && !in_quotes
    })
    .map(<[u8]>::trim_ascii)
}

/// Name and value of a parameter.
pub(super) fn sides(parameter: &[u8]) -> (&[u8], &[u8]) {
    let mut sides = parameter.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
    (sides.next().unwrap_or_default(), unquoted(sides.next().unwrap_or_default()))
}

/// The weight of a clause without one.
pub(super) const ONE: u32 = 1_000;

/// A weight in thousandths; 0, which refuses, for what is no decimal number. More than one is illegal and more than one
/// all the same, as for the reference implementation.
pub(super) fn weight(text: &[u8]) -> u32 {
    let mut sides = text.splitn(2, |byte| *byte == b'.');
    let (whole, fraction) = (sides.next().unwrap_or_default(), sides.next().unwrap_or_default());
    if text.is_empty() || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return 0;
    }
    let digit = |byte: &u8| u32::from(byte - b'0');
    let whole = whole.iter().fold(0_u32, |sum, byte| sum.saturating_mul(10).saturating_add(digit(byte)));
    let thousandths = [100, 10, 1].iter().zip(fraction).map(|(unit, byte)| unit * digit(byte)).sum::<u32>();
    whole.saturating_mul(ONE).saturating_add(thousandths)
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}
