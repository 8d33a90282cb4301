//! The variables that InfluxData's own clients read.
//!
//! `influxdb3` (InfluxDB 3, "influxdb3 write", "Option environment variables"), `influx` (InfluxDB 2, "influx write",
//! flags and their variables), and `influx` of InfluxDB 1 ("influx - command line interface", environment variables).

use super::{Credentials, InfluxdbConfig, InfluxdbTarget, InfluxdbV1, InfluxdbV2, InfluxdbV3};
use crate::config::{Proxy, Secret};
use crate::environment::{Environment, EnvironmentError};

const V3: [&str; 3] = ["INFLUXDB3_HOST_URL", "INFLUXDB3_DATABASE_NAME", "INFLUXDB3_AUTH_TOKEN"];
const BUCKETS: [&str; 2] = ["INFLUX_BUCKET_NAME", "INFLUX_BUCKET"];
const ORGS: [&str; 2] = ["INFLUX_ORG", "INFLUX_ORG_ID"];
const HOST: &str = "INFLUX_HOST";
const DATABASE: &str = "INFLUX_DATABASE";

impl InfluxdbConfig {
    /// The defaults, with the target that `environment` names:
    ///
    /// 1. InfluxDB 3, where one of `INFLUXDB3_HOST_URL` (default `http://127.0.0.1:8181`), `INFLUXDB3_DATABASE_NAME` and
    ///    `INFLUXDB3_AUTH_TOKEN` is set;
    /// 2. else InfluxDB 2, where `INFLUX_BUCKET_NAME` or `INFLUX_BUCKET` is set: with `INFLUX_HOST` (default
    ///    `http://localhost:8086`), `INFLUX_ORG` or `INFLUX_ORG_ID`, and `INFLUX_TOKEN`;
    /// 3. else InfluxDB 1, where `INFLUX_DATABASE` is set, for which InfluxDB 1 has no name of its own: with
    ///    `INFLUX_HOST`, `INFLUX_USERNAME` and `INFLUX_PASSWORD`;
    /// 4. else the default, UDP.
    ///
    /// The proxy is what [`Proxy::from_env`] says. What no variable says is checked when the sink starts.
    ///
    /// # Errors
    /// A variable that cannot be used: no UTF-8, or one without another that it needs. No value is ever shown.
    pub fn from_env(environment: &Environment) -> Result<Self, EnvironmentError> {
        let target = InfluxdbTarget::of_environment(environment)?;
        match &target {
            InfluxdbTarget::V3(_) => {
                needed(environment, [V3[1]], "set INFLUXDB3_DATABASE_NAME, the database that points are written to")?;
            }
            InfluxdbTarget::V2(_) => {
                needed(environment, ORGS, "set INFLUX_ORG, the organization that the bucket belongs to")?;
            }
            InfluxdbTarget::Udp(_) if any(environment, [HOST])? => {
                let needs = "set INFLUX_BUCKET_NAME (InfluxDB 2) or INFLUX_DATABASE (InfluxDB 1) beside it";
                return Err(EnvironmentError::hidden(HOST, needs));
            }
            _ => {}
        }
        Ok(Self { target, proxy: Proxy::from_env(environment), ..Self::default() })
    }
}

impl InfluxdbTarget {
    /// The target of the newest API that is named, or the default where none is. What the variables don't say is empty.
    pub(crate) fn of_environment(environment: &Environment) -> Result<Self, EnvironmentError> {
        if any(environment, V3)? {
            Self::v3_of(environment)
        } else if any(environment, BUCKETS)? {
            Self::v2_of(environment)
        } else if any(environment, [DATABASE])? {
            Self::v1_of(environment)
        } else {
            Ok(Self::default())
        }
    }

    /// What the variables say of InfluxDB 1; what they don't is empty.
    pub(crate) fn v1_of(environment: &Environment) -> Result<Self, EnvironmentError> {
        Ok(Self::V1(InfluxdbV1 {
            server: server(environment)?,
            database: first(environment, [DATABASE])?.unwrap_or_default(),
            retention_policy: None,
            username: first(environment, ["INFLUX_USERNAME"])?,
            password: first(environment, ["INFLUX_PASSWORD"])?.map(Secret::new),
            credentials: Credentials::default(),
        }))
    }

    /// The same of InfluxDB 2.
    pub(crate) fn v2_of(environment: &Environment) -> Result<Self, EnvironmentError> {
        Ok(Self::V2(InfluxdbV2 {
            server: server(environment)?,
            org: first(environment, ORGS)?.unwrap_or_default(),
            bucket: first(environment, BUCKETS)?.unwrap_or_default(),
            token: first(environment, ["INFLUX_TOKEN"])?.map(Secret::new),
        }))
    }

    /// The same of InfluxDB 3.
    pub(crate) fn v3_of(environment: &Environment) -> Result<Self, EnvironmentError> {
        let [host, database, token] = V3;
        Ok(Self::V3(InfluxdbV3 {
            server: first(environment, [host])?.unwrap_or_else(|| "http://127.0.0.1:8181".into()),
            database: first(environment, [database])?.unwrap_or_default(),
            token: first(environment, [token])?.map(Secret::new),
            no_sync: false,
            accept_partial: true,
        }))
    }
}

/// What the first of `names` that is set says, without line breaks at its end: they are those of the file it came from.
fn first<const N: usize>(
    environment: &Environment,
    names: [&'static str; N],
) -> Result<Option<String>, EnvironmentError> {
    let text = |name| {
        Ok(environment
            .text(name)?
            .map(|text| text.trim_end_matches(['\r', '\n']))
            .filter(|text| !text.trim().is_empty()))
    };
    names.into_iter().try_fold(None, |first, name| Ok(first.or(text(name)?.map(str::to_owned))))
}

fn any<const N: usize>(environment: &Environment, names: [&'static str; N]) -> Result<bool, EnvironmentError> {
    first(environment, names).map(|first| first.is_some())
}

fn needed<const N: usize>(
    environment: &Environment,
    names: [&'static str; N],
    needs: &str,
) -> Result<(), EnvironmentError> {
    if any(environment, names)? { Ok(()) } else { Err(EnvironmentError::hidden(names[0], needs)) }
}

fn server(environment: &Environment) -> Result<String, EnvironmentError> {
    Ok(first(environment, [HOST])?.unwrap_or_else(|| "http://localhost:8086".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(variables: &[(&str, &str)]) -> Result<InfluxdbTarget, String> {
        let environment = Environment::of(variables.iter().copied());
        InfluxdbConfig::from_env(&environment).map(|config| config.target).map_err(|error| error.to_string())
    }

    #[test]
    fn the_newest_api_whose_variables_are_set_is_used() {
        let three = [
            ("INFLUXDB3_HOST_URL", "http://three:1"),
            ("INFLUXDB3_DATABASE_NAME", "d3"),
            ("INFLUXDB3_AUTH_TOKEN", "t3"),
        ];
        let two =
            [("INFLUX_HOST", "http://two:1"), ("INFLUX_ORG", "o"), ("INFLUX_TOKEN", "t2"), ("INFLUX_BUCKET", "b")];
        let one = [("INFLUX_DATABASE", "d1"), ("INFLUX_USERNAME", "u"), ("INFLUX_PASSWORD", "p")];
        let v3 = InfluxdbTarget::V3(InfluxdbV3 {
            server: "http://three:1".into(),
            database: "d3".into(),
            token: Some(Secret::new("t3")),
            no_sync: false,
            accept_partial: true,
        });
        let v2 = |bucket: &str| {
            InfluxdbTarget::V2(InfluxdbV2 {
                server: "http://two:1".into(),
                org: "o".into(),
                bucket: bucket.into(),
                token: Some(Secret::new("t2")),
            })
        };
        let v1 = InfluxdbTarget::V1(InfluxdbV1 {
            server: "http://localhost:8086".into(),
            database: "d1".into(),
            retention_policy: None,
            username: Some("u".into()),
            password: Some(Secret::new("p")),
            credentials: Credentials::Header,
        });
        assert_eq!(target(&[&three[..], &two, &one].concat()), Ok(v3));
        assert_eq!(target(&[&two[..], &one].concat()), Ok(v2("b")));
        assert_eq!(target(&[&two[..], &[("INFLUX_BUCKET_NAME", "longer")]].concat()), Ok(v2("longer")));
        assert_eq!(target(&one), Ok(v1));
        assert_eq!(target(&[("INFLUX_TOKEN", "t")]), Ok(InfluxdbTarget::default()));
        let lines = two.map(|(name, value)| (name, format!("{value}\r\n")));
        assert_eq!(target(&lines.each_ref().map(|(name, value)| (*name, value.as_str()))), Ok(v2("b")));
        for nothing in ["", " ", "\n"] {
            let empty = three.map(|(name, _)| (name, nothing));
            assert_eq!(target(&empty), Ok(InfluxdbTarget::default()), "set to nothing is not set");
        }
    }

    #[test]
    fn the_error_names_the_variable_that_is_missing() {
        for (variables, says) in [
            (&[("INFLUXDB3_AUTH_TOKEN", "hunter2")][..], "INFLUXDB3_DATABASE_NAME"),
            (&[("INFLUX_BUCKET", "hunter2")], "INFLUX_ORG"),
            (&[("INFLUX_HOST", "http://u:hunter2@h")], "INFLUX_BUCKET_NAME"),
        ] {
            let text = target(variables).expect_err(says);
            assert!(text.contains(says) && !text.contains("hunter2"), "{text}");
        }
    }
}
