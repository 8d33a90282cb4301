//! How the text formats are written into a caller's buffer: a cursor for any text, one for items made of parts whose
//! longest is known, and the digits of numbers.

pub(crate) mod digits;
pub(crate) mod item;
pub(crate) mod item_start;
pub(crate) mod out;
pub(crate) mod short_text;
