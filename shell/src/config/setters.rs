//! One place for each field of a configuration.

/// Writes a configuration: the struct, and for each field a setter of the same name with the same documentation. Another
/// crate can neither write the struct out nor take it apart whole, so that a new field breaks nobody. With `= value` after
/// every field, the defaults are written too.
macro_rules! configuration {
    (without default: $(#[$attribute:meta])* pub struct $name:ident { $($fields:tt)* }) => {
        configuration!(@struct [$(#[$attribute])*] $name $($fields)*);

        impl $name {
            configuration!(@setters $($fields)*);
        }
    };
    ($(#[$attribute:meta])* pub struct $name:ident { $($fields:tt)* }) => {
        configuration!(without default: $(#[$attribute])* pub struct $name { $($fields)* });
        configuration!(@default $name $($fields)*);
    };
    (@struct [$(#[$attribute:meta])*] $name:ident $($(#[$doc:meta])* pub $field:ident: $kind:ty $(= $default:expr)?,)*) => {
        $(#[$attribute])*
        #[non_exhaustive]
        pub struct $name {
            $($(#[$doc])* pub $field: $kind,)*
        }
    };
    (@default $name:ident $($(#[$doc:meta])* pub $field:ident: $kind:ty = $default:expr,)*) => {
        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
    (@setters) => {};
    (@setters $(#[$doc:meta])* pub $field:ident: String $(= $default:expr)?, $($rest:tt)*) => {
        configuration!(@setter [$(#[$doc])*] $field: impl Into<String>, $field.into());
        configuration!(@setters $($rest)*);
    };
    (@setters $(#[$doc:meta])* pub $field:ident: PathBuf $(= $default:expr)?, $($rest:tt)*) => {
        configuration!(@setter [$(#[$doc])*] $field: impl Into<PathBuf>, $field.into());
        configuration!(@setters $($rest)*);
    };
    (@setters $(#[$doc:meta])* pub $field:ident: Labels $(= $default:expr)?, $($rest:tt)*) => {
        configuration!(@setter [$(#[$doc])*] $field: impl Into<Labels>, $field.into());
        configuration!(@setters $($rest)*);
    };
    (@setters $(#[$doc:meta])* pub $field:ident: InfluxdbTarget $(= $default:expr)?, $($rest:tt)*) => {
        configuration!(@setter [$(#[$doc])*] $field: impl Into<InfluxdbTarget>, $field.into());
        configuration!(@setters $($rest)*);
    };
    (@setters $(#[$doc:meta])* pub $field:ident: Vec<(String, Secret)> $(= $default:expr)?, $($rest:tt)*) => {
        configuration!(@setter [$(#[$doc])*] $field: impl IntoIterator<Item = (impl Into<String>, Secret)>,
            $field.into_iter().map(|(name, value)| (name.into(), value)).collect());
        configuration!(@setters $($rest)*);
    };
    (@setters $(#[$doc:meta])* pub $field:ident: Option<String> $(= $default:expr)?, $($rest:tt)*) => {
        configuration!(@setter [$(#[$doc])*] $field: impl Into<String>, Some($field.into()));
        configuration!(@setters $($rest)*);
    };
    (@setters $(#[$doc:meta])* pub $field:ident: Option<PathBuf> $(= $default:expr)?, $($rest:tt)*) => {
        configuration!(@setter [$(#[$doc])*] $field: impl Into<PathBuf>, Some($field.into()));
        configuration!(@setters $($rest)*);
    };
    // The value itself, or `None`.
    (@setters $(#[$doc:meta])* pub $field:ident: Option<$kind:ty> $(= $default:expr)?, $($rest:tt)*) => {
        configuration!(@setter [$(#[$doc])*] $field: impl Into<Option<$kind>>, $field.into());
        configuration!(@setters $($rest)*);
    };
    (@setters $(#[$doc:meta])* pub $field:ident: $kind:ty $(= $default:expr)?, $($rest:tt)*) => {
        configuration!(@setter [$(#[$doc])*] $field: $kind, $field);
        configuration!(@setters $($rest)*);
    };
    (@setter [$(#[$doc:meta])*] $field:ident: $given:ty, $value:expr) => {
        $(#[$doc])*
        #[must_use]
        pub fn $field(mut self, $field: $given) -> Self {
            self.$field = $value;
            self
        }
    };
}

pub(crate) use configuration;

#[cfg(test)]
#[allow(unreachable_pub, reason = "the macro writes what other crates are to see")]
mod tests {
    use std::path::PathBuf;

    use crate::config::{Labels, Secret};

    configuration! {
        /// One field of each kind.
        #[derive(Debug, PartialEq, Eq)]
        pub struct OfEachKind {
            /// A text.
            pub text: String = "t".into(),
            /// A file.
            pub file: PathBuf = "f".into(),
            /// Labels.
            pub labels: Labels = Labels::new(),
            /// Headers.
            pub headers: Vec<(String, Secret)> = Vec::new(),
            /// A text, or none.
            pub no_text: Option<String> = None,
            /// A file, or none.
            pub no_file: Option<PathBuf> = None,
            /// A number, or none.
            pub no_number: Option<u8> = Some(1),
            /// A number.
            pub number: u8 = 2,
        }
    }

    #[test]
    fn each_kind_of_field_has_a_setter_that_takes_the_usual_types() {
        let default = OfEachKind {
            text: "t".into(),
            file: "f".into(),
            labels: Labels::new(),
            headers: Vec::new(),
            no_text: None,
            no_file: None,
            no_number: Some(1),
            number: 2,
        };
        assert_eq!(OfEachKind::default(), default);
        let set = OfEachKind::default()
            .text("T")
            .file("F")
            .labels([("a", "b")])
            .headers([("h", Secret::new("s"))])
            .no_text("n")
            .no_file("N")
            .no_number(3)
            .number(4);
        let expected = OfEachKind {
            text: "T".into(),
            file: "F".into(),
            labels: Labels::from([("a", "b")]),
            headers: vec![("h".into(), Secret::new("s"))],
            no_text: Some("n".into()),
            no_file: Some("N".into()),
            no_number: Some(3),
            number: 4,
        };
        assert_eq!(set, expected);
        assert_eq!(OfEachKind::default().no_number(None).no_number, None);
    }
}
