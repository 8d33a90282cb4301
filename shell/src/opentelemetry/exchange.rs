//! How a message is sent to a receiver of OTLP, and what the answer means: what gRPC and HTTP have in common.

use std::time::Duration;

use hyper::Request;
use hyper::header::{CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use loaddensity_metrics_core::export::LONGEST_EXPORT_PAUSE;
use loaddensity_metrics_core::verdict::{Said, Verdict};

use super::target::{OtlpTarget, carried};
use crate::boxed::{AnyRuntime, BoxedFuture};
use crate::config::OtlpProtocol;
use crate::http_client::{
    Encoding, Exchanged, HttpBackend, HttpConnection, OutgoingBody, RemoteServer, Secrets, ServerAnswer, TrackedBody,
};
use crate::tls::HttpVersion;

#[cfg(feature = "opentelemetry")]
mod grpc;
mod http;

/// How the message in gRPC's frame is compressed.
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

impl HttpBackend for OtlpTarget {
    const LONGEST_PAUSE: Duration = LONGEST_EXPORT_PAUSE;

    fn server(&self) -> &RemoteServer {
        &self.server
    }

    fn protocol(&self) -> HttpVersion {
        carried(self.protocol)
    }

    fn encoding(&self) -> Encoding {
        Encoding::new(self.gzip, self.protocol == OtlpProtocol::Grpc)
    }

    fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    fn exchange<'a>(
        &'a self,
        runtime: &'a dyn AnyRuntime,
        connection: &'a mut HttpConnection,
        body: &'a TrackedBody,
    ) -> BoxedFuture<'a, Result<Exchanged, String>> {
        Box::pin(async move {
            let request = self.request(body.outgoing())?;
            match self.protocol {
                #[cfg(feature = "opentelemetry")]
                OtlpProtocol::Grpc => grpc::exchange(connection, request, self).await,
                _ => http::exchange(connection, request, self, runtime).await,
            }
        })
    }
}

impl OtlpTarget {
    fn request(&self, message: OutgoingBody) -> Result<Request<OutgoingBody>, String> {
        let (head, encoding) = match self.protocol {
            #[cfg(feature = "opentelemetry")]
            OtlpProtocol::Grpc => (grpc::head(self), GRPC_ENCODING),
            _ => (http::head(self), CONTENT_ENCODING),
        };
        let mut request = head.body(message).map_err(|error| error.to_string())?;
        if self.gzip {
            request.headers_mut().insert(encoding, HeaderValue::from_static("gzip"));
        }
        let given = self.headers.iter();
        request.headers_mut().extend(given.map(|(name, value)| (name.clone(), value.clone())));
        Ok(request)
    }
}

/// An answer with this `verdict`: what was `answered`, and the server's `words`.
fn judged(verdict: Verdict, answered: &str, words: &str, headers: &HeaderMap, target: &OtlpTarget) -> ServerAnswer {
    let Verdict { said, hint } = verdict;
    let is_plain = hint.is_none() && matches!(said, Said::Stored | Said::Partial { .. });
    let mut says = if is_plain { words.to_owned() } else { format!("answered {answered}: {words}") };
    says.truncate(says.trim_end_matches([':', ' ']).len());
    if let Some(hint) = hint {
        says += &format!("; {}", target.advice.on(hint, headers, &target.secrets));
    }
    ServerAnswer::new(said, of_acceptance(said, says), OtlpTarget::LONGEST_PAUSE)
}

/// What the answer `says`, with what that means where the message was accepted all the same.
fn of_acceptance(said: Said, says: String) -> String {
    match said {
        Said::Partial { dropped } if says.is_empty() => format!("{dropped} data points were rejected"),
        Said::Partial { dropped } => format!("{dropped} data points were rejected: {says}"),
        Said::Stored if !says.is_empty() => format!("accepted, with a warning: {says}"),
        _ => says,
    }
}
