//! Enums whose values are listed, counted and named.

/// Names the values of an enum, a row each, in the order in which they are shown. `ALL`, `as_str` and `Display` follow
/// from the rows; a value without a row does not compile.
macro_rules! value_names {
    ($name:ident { $($value:ident => $text:literal,)+ }) => {
        impl $name {
            /// All of them, in the order in which they are shown.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$value),+];

            /// Its name in metrics and tables.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                }
            }
        }

        // Whatever has a place for each of them finds it by `as usize`.
        const _: () = {
            let mut place = 0;
            while place < $name::ALL.len() {
                assert!($name::ALL[place] as usize == place, "the rows have the order of the enum, and each value one");
                place += 1;
            }
        };

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(super) use value_names;
