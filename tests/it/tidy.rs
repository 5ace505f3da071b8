//! What this repository promises about itself: who depends on whom, who prints, what is tracked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::project::{Call, TEMPER};

/// Dependencies that are the business of some crates alone.
const AT_HOME: [(&str, &[&str]); 11] = [
    ("polars", &["audit"]),
    ("parquet", &["corpus", "ledger"]),
    ("arrow", &["corpus", "ledger"]),
    ("tokenizers", &["tokens"]),
    ("burn", &["cli", "eval", "model", "train"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("anyhow", &["cli"]),
    ("reqwest", &["judge"]),
    ("tokio", &["judge"]),
    ("jsonschema", &["verify"]),
];

const MB: u64 = 1_000_000;

/// What is read of the files in `data-manifests`.
const OF_DATA: [&str; 6] = ["Columns", "Catalog", "CatalogCategory", "Suite", "Task", "Periods"];

/// Cargo runs tests in the folder of their crate.
pub(crate) fn root() -> PathBuf {
    Path::new("../..").canonicalize().unwrap()
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files that git tracks or would track, by path.
pub(crate) fn tracked() -> Vec<String> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(list).current_dir(root()).output().unwrap();
    let files = Call::of(output).expect_success().stdout;
    // A file that was just removed is still listed.
    files.lines().filter(|path| root().join(path).is_file()).map(str::to_owned).collect()
}

/// All Rust files, with their lines.
fn sources() -> Vec<(String, String)> {
    let files = tracked().into_iter().filter(|path| path.ends_with(".rs"));
    files.map(|path| (path.clone(), read(&root().join(path)))).collect()
}

/// Lines of `files` with one of the words, as `path:line`.
fn lines_with(files: impl IntoIterator<Item = (String, String)>, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        for (line, number) in text.lines().zip(1..) {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    found
}

/// The normal dependencies of every crate, by the name of its folder.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(env!("CARGO")).args(metadata).current_dir(root()).output().unwrap();
    let metadata = Call::of(output).expect_success().json();
    let names = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().clone();
        let normal = all.into_iter().filter(|dependency| dependency["kind"].is_null());
        normal.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect()
    };
    let packages = metadata["packages"].as_array().unwrap();
    let folder = |package: &Value| {
        package["name"].as_str().unwrap().strip_prefix("temper-").unwrap().to_owned()
    };
    packages.iter().map(|package| (folder(package), names(package))).collect()
}

/// Column "may use" of the code map in ARCHITECTURE.md; `None` for `all`.
fn code_map() -> BTreeMap<String, Option<BTreeSet<String>>> {
    let text = read(&root().join("ARCHITECTURE.md"));
    let rows = text.lines().skip_while(|line| !line.starts_with("| crate |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let in_back_ticks = |cell: &str| {
        let parts = cell.split('`').skip(1).step_by(2);
        parts.map(str::to_owned).collect::<BTreeSet<String>>()
    };
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`').to_owned();
        (name, (cells[3] != "all").then(|| in_back_ticks(cells[3])))
    })
    .collect()
}

#[test]
fn crates_use_what_the_code_map_allows() {
    let (found, map) = (dependencies(), code_map());
    assert_eq!(found.keys().collect::<Vec<_>>(), map.keys().collect::<Vec<_>>());
    for (name, dependencies) in found {
        let ours = dependencies.iter().filter_map(|other| other.strip_prefix("temper-"));
        let ours: BTreeSet<String> = ours.map(str::to_owned).collect();
        let Some(allowed) = &map[&name] else { continue };
        assert!(
            ours.is_subset(allowed),
            "{name} uses {ours:?}, ARCHITECTURE.md allows {allowed:?}"
        );
    }
}

#[test]
fn libraries_stay_at_home() {
    let found = dependencies();
    for (library, homes) in AT_HOME {
        let users = found.iter().filter(|(_, dependencies)| dependencies.contains(library));
        let users: Vec<&str> = users.map(|(name, _)| name.as_str()).collect();
        assert_eq!(users, homes, "users of {library}");
    }
}

#[test]
fn only_one_file_prints() {
    let printers = ["crates/cli/src/print.rs", "/benches/", "/examples/", "tests/it/tidy.rs"];
    let silent =
        sources().into_iter().filter(|(path, _)| !printers.iter().any(|part| path.contains(part)));
    assert_eq!(lines_with(silent, &["println!", "eprintln!", "print!(", "io::stdout()"]), [""; 0]);
}

#[test]
fn nothing_is_left_undone() {
    let others = sources().into_iter().filter(|(path, _)| path != "tests/it/tidy.rs");
    let words = ["#[ignore", "todo!(", "unimplemented!(", "dbg!("];
    let mut found = lines_with(others, &words);
    // An example in a crate's documentation takes for granted what is not its subject.
    found.retain(|line| !line.contains("//! #"));
    assert_eq!(found, [""; 0]);
}

#[test]
fn no_test_waits_for_a_clock() {
    let is_test = |path: &String| path.contains("tests/") || path.ends_with("tests.rs");
    let tests =
        sources().into_iter().filter(|(path, _)| is_test(path) && path != "tests/it/tidy.rs");
    assert_eq!(lines_with(tests, &["thread::sleep"]), [""; 0]);
}

#[test]
fn the_tree_stays_small() {
    let bytes = |path: &String| fs::metadata(root().join(path)).unwrap().len();
    let files = tracked();
    let large: Vec<&String> = files.iter().filter(|path| bytes(path) > 10 * MB).collect();
    assert_eq!(large, [""; 0]);
    let data =
        files.iter().filter(|path| path.starts_with("data-manifests/")).map(bytes).sum::<u64>();
    assert!(data < 10 * MB, "data-manifests has {data} bytes");
    let all = files.iter().map(bytes).sum::<u64>();
    assert!(all < 40 * MB, "the tree has {all} bytes");
}

#[test]
fn no_file_names_a_place_on_one_machine() {
    // In two halves, or this file would name them.
    let places = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
    ];
    let files = tracked().into_iter().filter_map(|path| {
        let text = String::from_utf8(fs::read(root().join(&path)).unwrap()).ok()?;
        Some((path, text))
    });
    assert_eq!(lines_with(files, &places), [""; 0]);
}

/// The keys of recipes, manifests, catalogs and suites: the fields of what is read of them.
fn keys() -> BTreeSet<String> {
    let is_grammar = |(path, _): &(String, String)| path.starts_with("crates/recipe/src/");
    let mut keys = BTreeSet::new();
    for (_, text) in sources().into_iter().filter(is_grammar) {
        for (head, rest) in text.split("struct ").skip(1).filter_map(|text| text.split_once(" {\n"))
        {
            if OF_DATA.contains(&head) || head.ends_with("File") && head != "ProjectFile" {
                let fields = rest.lines().take_while(|line| *line != "}").map(str::trim_start);
                let fields = fields.filter(|line| !line.starts_with('/'));
                let names = fields.filter_map(|line| line.split_once(": "));
                let names = names.map(|(name, _)| name.rsplit(' ').next().unwrap().to_owned());
                keys.extend(
                    names.filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_')),
                );
            }
        }
    }
    assert!(keys.len() > 80, "found {keys:?}");
    keys
}

#[test]
fn pages_name_every_key() {
    let is_page =
        |path: &String| (path.starts_with("docs/") && path.ends_with(".md")) || path == "README.md";
    let pages: String = tracked()
        .iter()
        .filter(|path| is_page(path))
        .map(|path| read(&root().join(path)))
        .collect();
    let is_named = |key: &String| {
        let forms = ["`{}`", "`{} ", "`{}.", ".{}`", "{} = ", "[{}]", ".{}]", "[{}."];
        forms.iter().any(|form| pages.contains(&form.replace("{}", key)))
    };
    let unnamed: Vec<String> = keys().into_iter().filter(|key| !is_named(key)).collect();
    assert!(unnamed.is_empty(), "no page names {unnamed:?}");
}

#[test]
fn every_recipe_checks() {
    let is_recipe = |path: &String| {
        path.starts_with("recipes/")
            && [".toml", ".yaml", ".yml"].iter().any(|end| path.ends_with(end))
    };
    let recipes: Vec<String> = tracked().into_iter().filter(is_recipe).collect();
    assert!(!recipes.is_empty());
    for recipe in recipes {
        let output =
            Command::new(TEMPER).args(["check", &recipe]).current_dir(root()).output().unwrap();
        Call::of(output).expect_success();
    }
}
