//! Groups that teach nothing, and how far a step may go with those that teach something.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::killed::killed_after_a_checkpoint;
use crate::project::Project;
use crate::rl;

/// Groups of two are often equally good.
const REFILLED: [&str; 4] = ["rl.group_size=2", "rl.refill=2", "rl.kl=0", "rl.temperature=0.9"];

/// The project of the tests of `rl`, with prompts of two sources.
fn project() -> Project {
    let project = rl::project();
    let prompt = |number: usize| {
        format!("{{\"prompt\": \"please river {number}\", \"answer\": \"stone\"}}\n")
    };
    project.write("others.jsonl", &(0..6).map(prompt).collect::<String>());
    let import = "corpus import others.jsonl --prompts --out data-manifests/others.parquet --id others \
                  --category dialog --licence CC0-1.0 --source made-by-a-test";
    project.temper(&import.split_whitespace().collect::<Vec<_>>()).expect_success();
    project.edit("rl.toml", "asked = 1", "asked = 1\nothers = 1");
    project
}

fn call<'a>(sets: &[&'a str]) -> Vec<&'a str> {
    ["run", "rl.toml"].into_iter().chain(sets.iter().flat_map(|set| ["--set", set])).collect()
}

fn query(project: &Project, run: &str, sql: &str) -> Vec<Value> {
    let found = project.temper(&["query", run, sql, "--json"]).expect_success().json();
    found.as_array().unwrap().clone()
}

/// The sum of a measure over the sources and steps.
fn sum(project: &Project, run: &str, measure: &str) -> f64 {
    let sql = format!("SELECT SUM(value) AS sum FROM measures WHERE measure = '{measure}'");
    query(project, run, &sql)[0]["sum"].as_f64().unwrap()
}

/// Updates, step by step.
fn updates(project: &Project, run: &str) -> Vec<f64> {
    let sql = "SELECT step, value FROM measures WHERE source = 'stage' AND measure = 'updates' ORDER BY step";
    query(project, run, sql).iter().map(|line| line["value"].as_f64().unwrap()).collect()
}

fn journal(step: u64) -> String {
    format!("runs/rl/private/rollouts/step-{step:06}.jsonl")
}

/// The completions of a step, by row and refill.
fn groups(project: &Project, step: u64) -> BTreeMap<(u64, u64), Vec<Value>> {
    let mut groups: BTreeMap<_, Vec<Value>> = BTreeMap::new();
    for line in fs::read_to_string(project.path(&journal(step))).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let refill = line.get("refill").map_or(0, |refill| refill.as_u64().unwrap());
        groups.entry((line["row"].as_u64().unwrap(), refill)).or_default().push(line);
    }
    groups
}

#[test]
fn groups_that_teach_nothing_are_replaced_and_everything_is_on_record() {
    let project = project();
    project.temper(&call(&REFILLED)).expect_success();
    project.temper(&["audit", "runs/rl"]).expect_success();
    let lines = |columns: &str| {
        let sql = format!("SELECT step, row, source, {columns} ORDER BY step, row");
        query(&project, "runs/rl", &sql)
    };
    let (rows, segments) = (lines("refills FROM rows"), lines("document FROM segments"));
    assert_eq!((rows.len(), segments.len()), (12 * 4, 12 * 4));
    let (mut n_refills, mut n_groups, mut refilled) = (0, 0, None);
    for (row, segment) in rows.iter().zip(&segments) {
        let number = |name: &str| row[name].as_u64().unwrap();
        let (step, at, refills) = (number("step"), number("row"), number("refills"));
        let groups = groups(&project, step);
        let of_row = groups.range((at, 0)..(at + 1, 0)).collect::<Vec<_>>();
        assert_eq!(of_row.len() as u64, refills + 1, "{row}");
        for ((_, refill), group) in of_row {
            let [first, second] = &group[..] else { panic!("a group of two: {group:?}") };
            let is_equal = first["reward"] == second["reward"];
            assert!(group.iter().all(|one| one["source"] == row["source"]), "{row}: {group:?}");
            // The last one is that of the row, and teaches something unless nothing did.
            if *refill < refills {
                assert!(is_equal, "{row}: {group:?}");
            } else {
                assert!(!is_equal || refills == 2, "{row}: {group:?}");
                assert_eq!(first["document"], segment["document"]);
            }
            n_groups += 1;
        }
        n_refills += refills;
        refilled = refilled.or((refills > 0).then_some((step, at, refills)));
    }
    assert!((6..96).contains(&n_refills), "{n_refills}");
    assert_eq!(sum(&project, "runs/rl", "refills"), n_refills as f64);
    assert_eq!(sum(&project, "runs/rl", "groups"), f64::from(n_groups));
    assert_eq!(sum(&project, "runs/rl", "completions"), f64::from(2 * n_groups));
    // Shares count prompts as before.
    let of_source = |name: &str| rows.iter().filter(|row| row["source"] == name).count();
    assert_eq!((of_source("asked"), of_source("others")), (24, 24));

    let (step, row, refills) = refilled.unwrap();
    let place = [step.to_string(), row.to_string()];
    let trace = ["trace", "runs/rl", "--step", &place[0], "--row", &place[1]];
    let traced = project.temper(&[&trace[..], &["--json"]].concat()).expect_success().json();
    assert_eq!(
        (&traced["as_recorded"], &traced["rows"][0]["refills"]),
        (&true.into(), &refills.into())
    );
    assert_eq!(traced["rollouts"].as_array().unwrap().len() as u64, 2 * (refills + 1));
    assert!(project.temper(&trace).expect_success().stdout.contains("refill"));
    // Later steps are traced as well: what came before is counted.
    let last = project.temper(&["trace", "runs/rl", "--step", "11", "--json"]);
    assert_eq!(last.expect_success().json()["as_recorded"], true);
    let report = project.temper(&["report", "runs/rl"]).expect_success().stdout;
    assert!(report.contains("refills"), "{report}");

    // A reason that was changed is found; one that was removed with all that is private is not asked for.
    let text = fs::read_to_string(project.path(&journal(step))).unwrap();
    let mut lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let first = lines.iter_mut().find(|line| line["row"] == row && line.get("refill").is_none());
    first.unwrap()["reward"] = 7.into();
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    project.write(&journal(step), &lines);
    let audited = project.temper(&["audit", "runs/rl"]).expect_code(1);
    let expected = format!(
        "rollout: step {step} in the journal, row {row}, refill 0: found rewards that differ"
    );
    let said = format!("{}{}", audited.stdout, audited.stderr);
    assert!(said.contains(&expected), "expected {expected} in\n{said}");
    fs::remove_dir_all(project.path("runs/rl/private")).unwrap();
    project.temper(&["audit", "runs/rl"]).expect_success();
}

#[test]
fn killed_and_resumed_it_ends_with_the_same_bytes() {
    let project = project();
    let (again, other) = (project.copy(), project.copy());
    let sets = [&REFILLED[..], &["rl.max_drift=0.01", "rl.updates_per_rollout=4"]].concat();
    project.temper(&call(&sets)).expect_success();
    assert!(sum(&project, "runs/rl", "refills") > 0.0);
    let again = killed_after_a_checkpoint(&again, &call(&sets), "runs/rl");
    again.temper(&["resume", "runs/rl"]).expect_success();
    again.temper(&["audit", "runs/rl"]).expect_success();
    for (found, expected) in again.results("runs/rl").iter().zip(project.results("runs/rl")) {
        assert!(*found == expected, "{} and {}", found.0, expected.0);
    }
    let of = |project: &Project, step| fs::read(project.path(&journal(step))).unwrap();
    for step in 0..12 {
        assert!(of(&again, step) == of(&project, step), "step {step}");
    }
    // What is sampled does not depend on lanes, nor what takes its place on the budget.
    let lanes = ["training.micro_batch_size=4", "training.max_steps=2"];
    other.temper(&call(&[&sets[..], &lanes].concat())).expect_success();
    assert!(of(&other, 0) == of(&project, 0));
}

#[test]
fn an_extended_and_remixed_run_goes_on_with_them() {
    let project = project();
    project.edit("rl.toml", "group_size = 8", "group_size = 2\nrefill = 2");
    project.edit("rl.toml", "max_steps = 12", "max_tokens = \"300\"");
    project.temper(&call(&[])).expect_success();
    project.temper(&["resume", "runs/rl", "--extend", "100"]).expect_success();
    project.temper(&["audit", "runs/rl"]).expect_success();
    project.edit("rl.toml", "others = 1", "others = 3");
    let remix = ["resume", "runs/rl", "--extend", "200", "--remix", "rl.toml"];
    project.temper(&remix).expect_success();
    project.temper(&["audit", "runs/rl"]).expect_success();
    let last =
        query(&project, "runs/rl", "SELECT MAX(step) AS step FROM steps")[0]["step"].to_string();
    assert!(last.parse::<u64>().unwrap() > 15, "{last}");
    let sql = format!("SELECT SUM(refills) AS n FROM rows WHERE step > {last} - 4");
    assert!(query(&project, "runs/rl", &sql)[0]["n"].as_u64() > Some(0));
    let trace = ["trace", "runs/rl", "--step", &last, "--json"];
    assert_eq!(project.temper(&trace).expect_success().json()["as_recorded"], true);
}

#[test]
fn where_nothing_differs_nothing_is_learned_and_the_anchor_holds() {
    let project = project();
    // 24 rows of 6 prompts are four passes: a fifth is left for what takes their place.
    let sets = [
        "rl.group_size=2",
        "rl.refill=2",
        "rl.kl=0",
        "rl.rewards=[{verifier=\"regex\",pattern=\"no such words\"}]",
        "data_mixing.max_epochs=5",
    ];
    let ran = project.temper(&call(&sets)).expect_success().stdout;
    project.temper(&["audit", "runs/rl"]).expect_success();
    for (measure, expected) in
        [("refills", 12.0), ("groups", 60.0), ("equal_groups", 60.0), ("completions", 120.0)]
    {
        assert_eq!(sum(&project, "runs/rl", measure), expected, "{measure}");
    }
    let by_source =
        "SELECT source, SUM(value) AS sum FROM measures WHERE measure = 'refills' GROUP BY source";
    assert!(query(&project, "runs/rl", by_source).iter().all(|line| line["sum"] == 6.0));
    assert_eq!(updates(&project, "runs/rl"), [0.0; 12]);
    // What was sampled has an entropy; nothing was compared with a starting model.
    assert!(sum(&project, "runs/rl", "entropy") > 0.0);
    let divergence = "SELECT COUNT(*) AS n FROM measures WHERE measure = 'divergence'";
    assert_eq!(query(&project, "runs/rl", divergence)[0]["n"], 0);
    let last = ran.lines().find(|line| line.contains("last tenth")).unwrap();
    let cells: Vec<&str> = last.split_whitespace().rev().take(4).collect();
    assert_eq!((cells[0], cells[1], cells[3]), ("–", "–", "–"), "{last}");
    assert!(cells[2].parse::<f64>().unwrap() > 0.0, "{last}");
    assert!(ran.contains("asked: rewards taught nothing in the last tenth"), "{ran}");
    let weights = |checkpoint: &str| {
        fs::read(project.path(&format!("runs/{checkpoint}/model.safetensors"))).unwrap()
    };
    assert!(weights("rl/checkpoints/step-000012") == weights("sft/checkpoints/step-000030"));

    let held = [&sets[..], &["name=held", "anchor.l2=0.5", "optimizer.weight_decay=0.1"]].concat();
    project.temper(&call(&held)).expect_success();
    project.temper(&["audit", "runs/held"]).expect_success();
    assert_eq!(updates(&project, "runs/held"), [2.0; 12]);
    let terms = query(
        &project,
        "runs/held",
        "SELECT step, value FROM measures WHERE source = 'anchor' AND measure = 'l2' ORDER BY step",
    );
    assert_eq!(terms.len(), 12);
    // Weight decay moves what the anchor holds.
    assert!(terms[11]["value"].as_f64() > Some(0.0), "{terms:?}");
}

#[test]
fn a_step_goes_no_further_than_it_may() {
    let project = project();
    let run = |name: &str, sets: &[&str]| {
        let name = format!("name={name}");
        let shared = [&name, "training.max_steps=6", "rl.updates_per_rollout=8"];
        project.temper(&call(&[&shared[..], sets].concat())).expect_success();
    };
    run("free", &[]);
    assert_eq!(updates(&project, "runs/free"), [8.0; 6]);
    assert!(sum(&project, "runs/free", "drift") > 0.0);
    run("held", &["rl.max_drift=1e-9"]);
    assert_eq!(updates(&project, "runs/held"), [1.0; 6]);
    assert_eq!(sum(&project, "runs/held", "clipped_tokens"), 0.0);
    run("near", &["rl.max_drift=0.005"]);
    let made = updates(&project, "runs/near");
    assert!(made.iter().all(|made| (1.0..=8.0).contains(made)), "{made:?}");
    assert!(made.iter().sum::<f64>() < 48.0, "{made:?}");
    for step in 0..6 {
        let of = |measure: &str| {
            let sql = format!(
                "SELECT SUM(value) AS sum FROM measures WHERE measure = '{measure}' AND step = {step}"
            );
            query(&project, "runs/near", &sql)[0]["sum"].as_f64().unwrap()
        };
        let drift = of("drift") / of("learned_tokens");
        assert!((0.0..=0.005).contains(&drift), "step {step}: {drift}");
    }
    project.temper(&["audit", "runs/near"]).expect_success();
}

#[test]
fn what_cannot_be_refilled_or_bounded_is_refused() {
    let project = rl::project();
    for (sets, expected) in [
        (&["rl.refill=17"][..], "rl.refill: found `17`, expected 0 to 16"),
        (&["rl.refill=-1"], "rl.refill"),
        (&["rl.max_drift=0"], "rl.max_drift: found `0`, expected more than 0 nats per token"),
        (&["rl.max_drift=inf"], "rl.max_drift: found `inf`"),
        (
            &["rl.max_drift=0.01", "rl.updates_per_rollout=1"],
            "rl.max_drift: found `0.01`, expected none with one update per rollout",
        ),
        (&["rl.temperature=0"], "rl.temperature: found `0`, expected more than 0"),
    ] {
        let mut call = vec!["check", "rl.toml"];
        call.extend(sets.iter().flat_map(|set| ["--set", set]));
        let refused = project.temper(&call).expect_code(2).stderr;
        assert!(refused.contains(expected), "{sets:?}: {refused}");
    }
    let check = ["check", "rl.toml", "--set", "rl.refill=2"];
    let said = project.temper(&check).expect_success().stdout;
    assert!(said.contains("groups that teach nothing are replaced, 2 times at most"), "{said}");
}
