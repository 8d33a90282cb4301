//! How a configuration is shown.

/// Writes `Debug` of a configuration: first what is a URL or a host, without what may be secret in it (a user and a password
/// there are refused at the start, and a start may be logged before), then all other fields.
macro_rules! shown_without_secrets {
    ($name:ident { $($url:ident),+; $($field:ident),* $(,)? }) => {
        impl std::fmt::Debug for $name {
            /// Without what may be secret: the query of a URL, and a user and a password before a host.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let Self { $($url,)+ $($field,)* } = self;
                f.debug_struct(stringify!($name))
                    $(.field(stringify!($url), &$crate::public_url::public_url($url)))+
                    $(.field(stringify!($field), $field))*
                    .finish()
            }
        }
    };
}

pub(crate) use shown_without_secrets;
