//! A reader of protobuf, field by field. It panics if the bytes are not a message.

/// The only occurrence of a length-delimited field.
pub(super) fn only(bytes: &[u8], field: u64) -> &[u8] {
    let mut found = messages(bytes, field);
    let one = found.next().unwrap_or_else(|| panic!("field {field} is missing"));
    assert!(found.next().is_none(), "field {field} comes twice");
    one
}

/// Every occurrence of a length-delimited field.
pub(super) fn messages(bytes: &[u8], field: u64) -> impl Iterator<Item = &[u8]> {
    fields(bytes).filter_map(move |(number, value)| match value {
        WireValue::Bytes(bytes) if number == field => Some(bytes),
        _ => None,
    })
}

/// The first occurrence of a field with a number.
pub(super) fn number(bytes: &[u8], field: u64) -> Option<u64> {
    fields(bytes).find_map(|(number, value)| match value {
        WireValue::Number(value) if number == field => Some(value),
        _ => None,
    })
}

/// The value of a field.
pub(super) enum WireValue<'a> {
    /// A varint or a fixed64.
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a protobuf message, of the wire types that metrics are made of.
pub(super) fn fields(mut bytes: &[u8]) -> impl Iterator<Item = (u64, WireValue<'_>)> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let tag = varint(&mut bytes);
        let value = match tag & 7 {
            0 => WireValue::Number(varint(&mut bytes)),
            1 => WireValue::Number(u64::from_le_bytes(take(&mut bytes, 8).try_into().expect("eight bytes"))),
            2 => {
                let length = varint(&mut bytes) as usize;
                WireValue::Bytes(take(&mut bytes, length))
            }
            wire_type => panic!("wire type {wire_type} in field {}", tag >> 3),
        };
        Some((tag >> 3, value))
    })
}

/// Removes the number at the front of `bytes` and returns it.
pub(super) fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return value;
        }
    }
    panic!("a varint of more than ten bytes");
}

/// Removes `count` bytes at the front of `bytes` and returns them.
pub(super) fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at_checked(count).expect("the message is not cut short");
    *bytes = rest;
    taken
}
