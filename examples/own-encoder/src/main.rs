//! Judges the encoder, then two broken ones, and says what was found.

use std::panic::{catch_unwind, set_hook};

use loaddensity_metrics_core::Sample;
use loaddensity_metrics_vectors::contract::Spelling;
use loaddensity_metrics_vectors::own_encoder as judges;
use loaddensity_metrics_vectors::{names, samples};
use own_encoder::{encode, encode_with};

fn main() {
    let cases = judges::cases();
    for case in &cases {
        judges::dogstatsd(&case.requests, &encode(&case.requests));
    }
    println!("{} golden cases: as expected", cases.len());

    let all = nasty_requests();
    for requests in all.chunks(100) {
        judges::dogstatsd(requests, &encode(requests));
    }
    println!("{} names that break encoders: as expected", all.len());

    set_hook(Box::new(|_| {})); // what is caught is printed here
    try_broken("leaves separators in values", |value| value.to_owned());
    try_broken("leaves out what is unfit", |value| value.replace(|c: char| "|,:#".contains(c) || c.is_control(), ""));
}

/// A request for each name. The judges take fewer than 128 series in one call.
fn nasty_requests() -> Vec<(Spelling, Sample)> {
    let request = |(number, name): (u64, names::NastyName)| (Spelling::new("GET", &name.name), samples::sample(number));
    (0..).zip(names::all()).map(request).collect()
}

fn try_broken(what: &str, clean: fn(&str) -> String) {
    let caught = judges::cases().into_iter().find_map(|case| {
        let bytes = encode_with(&case.requests, clean);
        let verdict = catch_unwind(|| judges::dogstatsd(&case.requests, &bytes)).err()?;
        let reason = verdict.downcast_ref::<String>().map(String::as_str);
        let reason = reason.or(verdict.downcast_ref::<&str>().copied()).unwrap_or("no reason");
        let first: String = reason.lines().next().unwrap_or_default().chars().take(160).collect();
        Some(format!("{}: {first}", case.name))
    });
    match caught {
        Some(reason) => println!("an encoder that {what} is caught by {reason}"),
        None => println!("an encoder that {what} IS NOT CAUGHT"),
    }
}
