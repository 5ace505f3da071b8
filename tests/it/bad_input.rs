//! Wrong input: one error that names the subject and the way out, and nothing half-written.

mod data;
mod disk;
mod model;
mod place;
mod recipe;
mod resume;
mod tampered;

use expect_test::Expect;

use crate::project::{Call, Project};

/// What systems say where nothing may be written, root included or not.
const REFUSALS: [&str; 3] = [
    "Operation not permitted (os error 1)",
    "Permission denied (os error 13)",
    "Read-only file system (os error 30)",
];

/// The main job on whatever was damaged.
const RUN: &[&str] = &["run", "recipe.toml"];

/// Damages a copy of `whole`, runs it and compares the error; the project must stay as it was.
#[track_caller]
fn check(whole: &Project, damage: impl FnOnce(&Project), expected: Expect) {
    check_call(whole, damage, RUN, expected);
}

/// [`check`] for any call.
#[track_caller]
fn check_call(whole: &Project, damage: impl FnOnce(&Project), call: &[&str], expected: Expect) {
    let project = whole.copy();
    damage(&project);
    let before = files(&project);
    expected.assert_eq(&error(&project, project.temper(call).expect_code(2)));
    assert_eq!(files(&project), before);
}

/// The one error of a call, from `error:` to its hint, with what differs from machine to machine
/// replaced by a name.
#[track_caller]
fn error(project: &Project, call: Call) -> String {
    let text = &call.stderr;
    assert!(!text.contains("panicked at"), "{text}");
    let errors = text.lines().filter(|line| line.starts_with("error:")).count();
    assert_eq!(errors, 1, "{text}");
    assert!(text.contains("hint: "), "{text}");
    let mut error = text[text.find("error:").unwrap()..].to_owned();
    for refusal in REFUSALS {
        error = error.replace(refusal, "not permitted");
    }
    mask_digests(&error.replace(project.path("").to_str().unwrap(), "")).trim_end().to_owned()
}

/// Digests, whole or short, as `…`: they change with the writer's version.
fn mask_digests(text: &str) -> String {
    let mut masked = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let (digits, rest) =
            word.split_at(word.trim_end_matches(|c: char| !c.is_ascii_hexdigit()).len());
        masked.push_str(if [12, 64].contains(&digits.len()) { "…" } else { digits });
        masked.push_str(rest);
    }
    masked
}

/// All files but whole ones in the cache, which any call may add.
fn files(project: &Project) -> Vec<String> {
    let is_draft = |path: &String| path.ends_with(".partial") || path.ends_with(".new");
    let mut files = project.files();
    files.retain(|path| !path.starts_with(".temper/") || is_draft(path));
    files
}
