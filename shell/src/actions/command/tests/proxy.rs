//! The parameters of the HTTP proxy. `end-to-end/src/proxy.rs` tests that requests go through it.

use serde_json::json;

use super::{parsed, refused};
use crate::actions::Command;
use crate::actions::document::{Arguments, JsonAction};
use crate::config::Proxy;
use crate::environment::Environment;

const COMMANDS: [&str; 2] = ["LD_start_influxdb_sink", "LD_start_opentelemetry_exporter"];

fn proxy_of(command: Command) -> Option<Proxy> {
    match command {
        Command::StartInfluxdb(config) => config.proxy,
        Command::StartOpenTelemetry(config) => config.proxy,
        other => panic!("{other:?} has none"),
    }
}

#[test]
fn a_proxy_comes_from_the_action_or_from_the_environment() {
    let given = || Proxy::new("http://me:s@p:3128").expect("a proxy");
    let environment = Environment::of([("https_proxy", "http://q:1"), ("no_proxy", "h")]);
    let of_environment = || Proxy::from_env(&environment).expect("variables of a proxy");
    for (arguments, alone, beside_environment) in [
        (json!({}), None, Some(of_environment())),
        (json!({"proxy": null}), None, Some(of_environment())),
        (json!({"proxy": "http://me:s@p:3128"}), Some(given()), Some(given())),
        (
            json!({"proxy": "me:s@p:3128", "no_proxy": "h, i"}),
            Some(given().except("h, i")),
            Some(given().except("h, i")),
        ),
        (json!({"no_proxy": "*"}), None, Some(of_environment().except("*"))),
    ] {
        for command in COMMANDS {
            let mut arguments = arguments.clone();
            if command == COMMANDS[0] {
                arguments["transport"] = json!("http");
            }
            let read = parsed(command, &arguments).expect("fit to start");
            assert_eq!(proxy_of(read), alone, "{command} {arguments}");
            let named = Arguments::Named(arguments.as_object().expect("an object").clone());
            let action = JsonAction { index: 0, command: command.into(), arguments: named };
            let read = Command::from_action_in(&action, &environment).expect("fit to start");
            assert_eq!(proxy_of(read), beside_environment, "{command} {arguments}");
        }
    }
}

#[test]
fn wrong_proxies_are_refused_and_not_shown() {
    let expected = "proxy is a string (not shown); expected the URL of an HTTP proxy, http://[user:password@]host[:port]; \
                    others are not spoken to";
    for command in COMMANDS {
        let with = |key: &str, value| {
            if command == COMMANDS[0] { json!({"transport": "http", key: value}) } else { json!({key: value}) }
        };
        refused(
            command,
            &[
                (with("proxy", json!("socks5://me:hunter2@p:1080")), expected),
                (with("proxy", json!("https://me:hunter2@p:443")), expected),
                (with("proxy", json!("")), expected),
                (with("proxy", json!("http://me:hunter2@p:0")), expected),
                (with("no_proxy", json!(["h"])), "no_proxy is a list; expected a string"),
            ],
        );
    }
    let udp = "has no meaning over UDP; say \"transport\": \"http\" with it";
    refused(
        COMMANDS[0],
        &[
            (json!({"proxy": "http://me:hunter2@p"}), &format!("proxy: {udp}")),
            (json!({"no_proxy": "h"}), &format!("no_proxy: {udp}")),
        ],
    );
}
