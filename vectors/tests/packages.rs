//! What Cargo.toml files say of a package is whole where it is published, and the same everywhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use loaddensity_metrics_core::Exporter;
use serde_json::Value;

/// What a package's pages show of it.
#[test]
fn published_packages_say_what_they_are() {
    let workspace = metadata("Cargo.toml");
    let published: Vec<_> = packages(&workspace).filter(|package| is_published(package)).collect();
    assert!(published.len() >= 7, "packages are missing");
    for package in &published {
        let name = text(package, "name");
        for what in ["description", "repository", "license", "rust_version"] {
            assert!(!text(package, what).is_empty(), "{name} must say its {what}");
        }
        assert_eq!(text(package, "documentation"), format!("https://docs.rs/{name}"));
        for (what, longest) in [("keywords", 20), ("categories", usize::MAX)] {
            let words: Vec<_> = package[what].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let are_taken = (1..=5).contains(&words.len()) && words.iter().all(|word| word.len() <= longest);
            assert!(are_taken, "{name}: cargo takes one to five {what} of at most {longest} bytes: {words:?}");
        }
        assert_eq!(package["metadata"]["docs"]["rs"]["all-features"], true, "{name}: docs.rs must show all features");
        let folder = folder(package);
        assert_eq!(text(package, "readme"), "README.md", "{name}");
        let readme = read(&folder.join("README.md"));
        assert!(readme.starts_with(&format!("# {name}\n")), "the README of {name} must begin with its name");
        for license in ["LICENSE-APACHE", "LICENSE-MIT"] {
            assert_eq!(read(&folder.join(license)), read(&root().join(license)), "{name}: {license}");
        }
    }
}

/// What others compile is taken from a registry: without a version, cargo would not publish it.
#[test]
fn published_packages_use_only_published_ones() {
    let workspace = metadata("Cargo.toml");
    let named = |name: &str| packages(&workspace).find(|package| text(package, "name") == name);
    for package in packages(&workspace).filter(|package| is_published(package)) {
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let Some(sister) = named(text(dependency, "name")) else { continue };
            let version = format!("^{}", text(sister, "version"));
            // Cargo leaves out dev-dependencies that have no version.
            let is_left_out = dependency["kind"] == "dev" && dependency["req"] == "*";
            let is_found = is_published(sister) && dependency["req"] == version.as_str();
            assert!(
                is_left_out || is_found,
                "{} depends on {} {}, which is at {version}, or is not published",
                text(package, "name"),
                text(sister, "name"),
                text(dependency, "req"),
            );
        }
    }
}

/// A build is told that it lacks an exporter by the exporter's name.
#[test]
fn each_exporter_is_a_feature_of_its_name_and_on_by_default() {
    let workspace = metadata("Cargo.toml");
    for shell in ["loaddensity-metrics-shell", "loaddensity-metrics-smol", "loaddensity-metrics-tokio"] {
        let package = packages(&workspace).find(|package| text(package, "name") == shell);
        let features = &package.unwrap_or_else(|| panic!("{shell} is no package"))["features"];
        let has = |feature: &str, other: &str| {
            features[feature].as_array().is_some_and(|others| others.iter().any(|one| one == other))
        };
        for exporter in Exporter::ALL.map(Exporter::as_str) {
            let passed_on = format!("loaddensity-metrics-shell/{exporter}");
            assert!(features[exporter].is_array(), "{shell} needs a feature {exporter:?}");
            assert!(has("default", exporter), "{exporter:?} must be a default feature of {shell}");
            assert!(
                shell == "loaddensity-metrics-shell" || has(exporter, &passed_on),
                "the feature {exporter:?} of {shell} must switch on {passed_on:?}"
            );
        }
    }
}

/// The version of Rust is one, and is the one that the README promises. `ci/msrv.sh` shows that it is enough.
#[test]
fn one_version_of_rust_is_stated() {
    let workspace = metadata("Cargo.toml");
    let stated = text(packages(&workspace).next().expect("the workspace has packages"), "rust_version").to_owned();
    for manifest in ["Cargo.toml", "examples/Cargo.toml", "fuzz/Cargo.toml", "core/no-std-proof/Cargo.toml"] {
        for package in packages(&metadata(manifest)) {
            assert_eq!(text(package, "rust_version"), stated, "{}", text(package, "name"));
        }
    }
    assert!(read(&root().join("README.md")).contains(&format!("It needs Rust {stated} and nothing else")));
}

/// The only example that cannot be compiled where it stands: the macro makes tests of a crate that has a runtime.
#[test]
fn the_line_that_runs_the_conformance_suite_is_a_shells() {
    let line = "\nloaddensity_metrics_conformance::conformance!(loaddensity_metrics_tokio::Tokio);\n";
    for file in ["conformance/README.md", "shell-tokio/tests/conformance.rs"] {
        assert!(read(&root().join(file)).contains(line), "{file} must have {line:?}");
    }
}

/// What cargo says of a workspace and its packages.
fn metadata(manifest: &str) -> Value {
    let cargo = std::env::var_os("CARGO").expect("run by cargo");
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(root().join(manifest))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{manifest}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo writes JSON")
}

fn packages(workspace: &Value) -> impl Iterator<Item = &Value> {
    workspace["packages"].as_array().into_iter().flatten()
}

fn is_published(package: &Value) -> bool {
    package["publish"].is_null()
}

fn folder(package: &Value) -> PathBuf {
    Path::new(text(package, "manifest_path")).parent().expect("a manifest lies in a folder").to_owned()
}

fn text<'a>(package: &'a Value, what: &str) -> &'a str {
    package[what].as_str().unwrap_or_default()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
