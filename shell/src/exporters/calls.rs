//! The calls that start and stop each exporter, async and blocking.

use std::net::SocketAddr;

use futures_lite::future::block_on;
use loaddensity_metrics_core::{Account, Exporter};

use super::{AsyncExporters, Exporters};
use crate::config::ExporterConfig;
use crate::error::{StartError, StopError};
use crate::runtime::Runtime;

/// What a start call answers.
trait StartAnswer: Sized {
    /// The answer of an exporter that has started, which listens on `bound`.
    fn of(bound: Option<SocketAddr>) -> Result<Self, StartError>;
}

impl StartAnswer for () {
    fn of(_: Option<SocketAddr>) -> Result<Self, StartError> {
        Ok(())
    }
}

impl StartAnswer for SocketAddr {
    fn of(bound: Option<SocketAddr>) -> Result<Self, StartError> {
        // What listens always has an address; without one it is not there.
        bound.ok_or(StartError::ShutDown)
    }
}

macro_rules! calls {
    ($($exporter:ident: $folder:ident, feature $feature:literal {
        $(#[$start_doc:meta])* fn $start:ident($config:ident) -> $answer:ty = $Start:ident;
        $(#[$stop_doc:meta])* fn $stop:ident() = $Stop:ident;
    })*) => {
        /// A start and a stop call for each exporter.
        impl<R: Runtime> AsyncExporters<R> {$(
            $(#[$start_doc])*
            pub async fn $start(&self, config: crate::$config) -> Result<$answer, StartError> {
                self.start_exporter(ExporterConfig::$exporter(config)).await.and_then(StartAnswer::of)
            }

            $(#[$stop_doc])*
            pub async fn $stop(&self) -> Result<Option<Account>, StopError> {
                self.stop_exporter(Exporter::$exporter).await
            }
        )*}

        /// A start and a stop call for each exporter.
        impl<R: Runtime> Exporters<R> {$(
            #[doc = concat!("See [`AsyncExporters::", stringify!($start), "`].")]
            ///
            /// # Errors
            /// As there.
            pub fn $start(&self, config: crate::$config) -> Result<$answer, StartError> {
                block_on(self.handle.$start(config))
            }

            #[doc = concat!("See [`AsyncExporters::", stringify!($stop), "`].")]
            ///
            /// # Errors
            /// As there.
            pub fn $stop(&self) -> Result<Option<Account>, StopError> {
                block_on(self.handle.$stop())
            }
        )*}
    };
}

crate::each_exporter!(calls);
