use std::fs;
use std::path::PathBuf;

use temper_ledger::Ledger;

use super::*;
use crate::testing::{EVERY, TestProject};

mod edited;
mod measured;

fn messages(report: &AuditReport) -> Vec<String> {
    report.findings.iter().map(Finding::to_string).collect()
}

#[track_caller]
fn check_clean(test: &TestProject, run: &RunDir) -> AuditReport {
    let report = audit(run.path(), &test.project).unwrap();
    assert_eq!(messages(&report), [""; 0]);
    report
}

#[test]
fn a_run_as_recorded_is_clean() {
    let test = TestProject::new();
    let run = test.finished_run();
    let report = check_clean(&test, &run);
    let forecast = test.plan(test.recipe().training.budget).forecast().unwrap();
    assert_eq!(
        (report.steps, report.rows, report.tokens),
        (forecast.steps, forecast.rows, forecast.tokens)
    );
    for (source, planned) in report.sources.iter().zip(&forecast.sources) {
        assert_eq!((source.tokens, source.rows), (planned.tokens, planned.rows));
        assert_eq!(source.epochs, Some(planned.epochs));
        assert_eq!(source.first_step, Some(planned.first_step));
        assert_eq!(source.largest_deviation.units.abs(), planned.largest_deviation);
        assert!((source.realised - source.asked.unwrap()).abs() < 0.05, "{source:?}");
    }
    let (_, largest) = report.largest_deviation.as_ref().unwrap();
    assert!(largest.rows.abs() <= 1.0 && largest.units == largest.rows * 16.0, "{largest:?}");
    assert!(report.checks.iter().all(|check| check.n > 0), "{:?}", report.checks);
}

#[test]
fn an_extended_run_is_clean() {
    let test = TestProject::new();
    let run = test.extended_run();
    let report = check_clean(&test, &run);
    assert!(report.tokens >= 700, "{}", report.tokens);
}

#[test]
fn an_interrupted_run_is_clean() {
    let test = TestProject::new();
    let run = test.new_run();
    assert_eq!(check_clean(&test, &run).steps, 0);
    let plan = test.plan(test.recipe().training.budget);
    let mut ledger = Ledger::create(&run, EVERY).unwrap();
    for step in plan.walk(plan.start()).unwrap().take(6) {
        test.append(&mut ledger, &plan, &step);
    }
    ledger.flush().unwrap();
    assert_eq!(check_clean(&test, &run).steps, 6);
}

/// Damages a finished run, or the project under it, and expects each finding to begin as listed.
#[track_caller]
fn check(damage: impl FnOnce(&TestProject, &RunDir), expected: &[&str]) {
    let test = TestProject::new();
    let run = test.finished_run();
    damage(&test, &run);
    let report = audit(run.path(), &test.project).unwrap();
    let found = messages(&report);
    for expected in expected {
        assert!(found.iter().any(|found| found.starts_with(expected)), "{expected}: {found:#?}");
    }
    let unexpected: Vec<&String> = found
        .iter()
        .filter(|found| !expected.iter().any(|expected| found.starts_with(expected)))
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}

#[track_caller]
fn edit(path: PathBuf, from: &str, to: &str) {
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// Records the run again with some steps changed; the checkpoints stay.
#[track_caller]
fn check_rewritten(change: impl Fn(&mut LedgerStep), expected: &[&str]) {
    check(
        |_, run| {
            let steps: Vec<LedgerStep> =
                LedgerReader::open(run).unwrap().steps().collect::<Result<_, _>>().unwrap();
            fs::remove_dir_all(run.ledger_folder()).unwrap();
            fs::create_dir(run.ledger_folder()).unwrap();
            let mut ledger = Ledger::create(run, EVERY).unwrap();
            for mut step in steps {
                change(&mut step);
                ledger.append(step.step.report, step.rows).unwrap();
            }
            ledger.finish().unwrap();
        },
        expected,
    );
}

#[test]
fn nothing_to_audit_is_an_error() {
    let test = TestProject::new();
    let run = test.new_run();
    fs::write(run.path().join("recipe.resolved.toml"), "name =").unwrap();
    let error = audit(run.path(), &test.project).unwrap_err();
    assert!(matches!(error, Error::Recipe { .. }), "{error}");
    let error = audit(&run.path().join("missing"), &test.project).unwrap_err();
    assert!(error.to_string().contains("is no run"), "{error}");
}

#[test]
fn the_report_is_json() {
    let test = TestProject::new();
    let run = test.finished_run();
    let report = serde_json::to_value(audit(run.path(), &test.project).unwrap()).unwrap();
    assert_eq!(report["run"], "a");
    assert_eq!(report["sources"][0]["source"], "chem");
    assert_eq!(report["findings"], serde_json::json!([]));
}
