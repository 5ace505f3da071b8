use tempfile::TempDir;

use super::*;
use crate::testing::{info, recipe, run};

#[test]
fn a_run_appears_whole() {
    let folder = TempDir::new().unwrap();
    let (run, _lock) = run(folder.path(), "a");
    let identity = run.identity().unwrap();
    assert_eq!((identity.name, identity.recipe), ("a".to_owned(), recipe("a").digest()));
    assert_eq!(identity.info, info());
    assert_eq!(run.resolved_recipe().unwrap(), recipe("a").to_toml());
    assert_eq!(read(&run.path().join("recipe.source")).unwrap(), b"name = \"x\"\n");
    assert_eq!(names(run.path().parent().unwrap()).unwrap(), ["a"]);
    assert_eq!((run.plan().unwrap(), run.outcome().unwrap()), (None, None));
}

#[cfg(unix)]
#[test]
fn the_private_folder_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    let (run, _lock) = run(folder.path(), "a");
    let mode = fs::metadata(run.private_folder()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn an_existing_run_is_refused() {
    let folder = TempDir::new().unwrap();
    let (first, _lock) = run(folder.path(), "a");
    let error =
        RunDir::create(first.path().parent().unwrap(), &recipe("a"), "", &info()).unwrap_err();
    assert!(matches!(error, Error::RunExists { .. }), "{error}");
    assert!(error.to_string().contains("`temper resume "), "{error}");
}

#[test]
fn what_a_kill_left_of_a_creation_is_taken_over() {
    let folder = TempDir::new().unwrap();
    let left = folder.path().join("runs/.a.new/ledger");
    create_folder(&left).unwrap();
    fs::write(folder.path().join("runs/.a.new/recipe.source"), "torn").unwrap();
    let (run, _lock) = run(folder.path(), "a");
    assert_eq!(read(&run.path().join("recipe.source")).unwrap(), b"name = \"x\"\n");
}

#[test]
fn a_creation_that_fails_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let runs = folder.path().join("runs");
    // A folder where a file should go.
    create_folder(&runs.join(".a.new/recipe.source/x")).unwrap();
    let message = RunDir::create(&runs, &recipe("a"), "", &info()).unwrap_err().to_string();
    assert!(message.contains("recipe.source"), "{message}");
    assert_eq!(names(&runs).unwrap(), [""; 0]);
}

#[test]
fn only_a_run_without_a_plan_is_removed() {
    let folder = TempDir::new().unwrap();
    let (unplanned, _lock) = run(folder.path(), "a");
    assert!(unplanned.remove_unplanned().unwrap());
    assert_eq!(names(&folder.path().join("runs")).unwrap(), [""; 0]);

    let (planned, _lock) = run(folder.path(), "a");
    fs::write(planned.path().join("plan.json"), "{}").unwrap();
    assert!(!planned.remove_unplanned().unwrap());
    assert!(planned.path().join("run.json").exists());
}

#[test]
fn a_run_in_use_is_refused_with_the_process() {
    let folder = TempDir::new().unwrap();
    let (run, lock) = run(folder.path(), "a");
    assert!(run.is_running());
    let message = run.lock().unwrap_err().to_string();
    assert!(message.contains(&format!("in use by process {}", std::process::id())), "{message}");
    drop(lock);
    assert!(!run.is_running());
    run.lock().unwrap();
}

#[test]
fn locking_sweeps_what_a_kill_left() {
    let folder = TempDir::new().unwrap();
    let (run, lock) = run(folder.path(), "a");
    drop(lock);
    let left = [
        run.path().join(".plan.json.new"),
        run.ledger_folder().join(".rows-000000-000003.parquet.new"),
        run.evals_folder().join(".step-000004.json.new"),
    ];
    for path in &left {
        fs::write(path, "torn").unwrap();
    }
    create_folder(&run.checkpoints_folder().join(".step-000004.old/temper")).unwrap();
    run.lock().unwrap();
    assert!(left.iter().all(|path| !path.exists()));
    assert_eq!(names(&run.checkpoints_folder()).unwrap(), [""; 0]);
}

#[test]
fn other_folders_are_no_runs() {
    let folder = TempDir::new().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("missing")] {
        let message = RunDir::open(&path).unwrap_err().to_string();
        assert!(message.contains("is no run: found no `run.json`"), "{message}");
    }
}

#[test]
fn a_folder_of_runs_that_is_a_file_is_refused() {
    let folder = TempDir::new().unwrap();
    let runs = folder.path().join("runs");
    fs::write(&runs, "").unwrap();
    let message = RunDir::create(&runs, &recipe("a"), "", &info()).unwrap_err().to_string();
    assert!(message.starts_with("cannot write"), "{message}");
    assert!(message.contains("hint: a file stands where a folder is needed"), "{message}");
}
