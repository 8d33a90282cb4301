//! What a server is told and nobody else may see.

use hyper::header::HeaderValue;

use crate::config::{InfluxdbHttp, InfluxdbTarget, InfluxdbUrl, InfluxdbV1, InfluxdbV2, InfluxdbV3, Secret};
use crate::http_client::Secrets;

/// The secrets of `target`, and of the header `authorization`.
pub(super) fn of(target: &InfluxdbTarget, authorization: Option<&HeaderValue>) -> Secrets {
    let mut secrets = Secrets::default();
    let mut add = |secret: &Option<Secret>| secret.iter().for_each(|secret| secrets.add(secret.reveal()));
    match target {
        InfluxdbTarget::Udp(_) => {}
        InfluxdbTarget::Http(InfluxdbHttp { password, .. }) => add(password),
        InfluxdbTarget::V1(InfluxdbV1 { password, server, .. }) => {
            add(password);
            secrets.add_query(server);
        }
        InfluxdbTarget::V2(InfluxdbV2 { token, server, .. }) | InfluxdbTarget::V3(InfluxdbV3 { token, server, .. }) => {
            add(token);
            secrets.add_query(server);
        }
        InfluxdbTarget::Url(InfluxdbUrl { url, token }) => {
            add(token);
            secrets.add_query(url);
        }
    }
    if let Some(value) = authorization.and_then(|value| value.to_str().ok()) {
        secrets.add_header(value);
    }
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_credentials_are_secrets() {
        let url = |url: &str, token: Option<&str>| {
            InfluxdbTarget::Url(InfluxdbUrl { url: url.into(), token: token.map(Secret::new) })
        };
        let http = InfluxdbTarget::Http(InfluxdbHttp {
            host: "h".into(),
            port: 1,
            database: Some("load".into()),
            username: Some("Aladdin".into()),
            password: Some(Secret::new("open sesame")),
        });
        let v2 = InfluxdbTarget::V2(InfluxdbV2 {
            server: "http://h/gate?key=hun%2Fter".into(),
            org: "o".into(),
            bucket: "b".into(),
            token: None,
        });
        let basic = HeaderValue::from_static("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let query = "http://h/write?db=load&u=root&p=hun%2Fter+2#f";
        for (target, authorization, says, shown) in [
            (&http, Some(&basic), "Aladdin:open sesame at load", "Aladdin:… at load"),
            (&http, Some(&basic), "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Authorization: …"),
            (&url(query, None), None, "/write?db=load&u=root&p=hun%2Fter+2", "/write?…"),
            (&url(query, None), None, "root:hun/ter 2 at load", "root:… at load"),
            (&url(query, None), None, "p=hun%2fter%202", "…"),
            (&url("http://h/write", Some("t0k=")), None, "Token t0k= (t0k%3D)", "Token … (…)"),
            (&v2, None, "POST /gate/api/v2/write?org=o&key=hun%2Fter", "POST /gate/api/v2/write?org=o&…"),
            (&InfluxdbTarget::default(), None, "anything", "anything"),
        ] {
            assert_eq!(of(target, authorization).excerpt(says.as_bytes()), shown);
        }
    }
}
