use serde_json::{Value, json};
use temper_ledger::{Measure, StepRecord, StepReport};
use temper_recipe::{
    Budget, Normalisation, Packing, Reward, Stage, Unit, VerifierName, VerifierReward,
};

use super::*;
use crate::rederive::{plan_over, row_record};
use crate::testing::TestProject;

const GROUP: usize = 2;

fn recipe(test: &TestProject) -> Recipe {
    let mut recipe = test.recipe();
    recipe.stage = Stage::Rl;
    recipe.training.budget = Budget::Steps(6);
    recipe.training.sequence_length = 64;
    recipe.mixture.unit = Unit::Documents;
    recipe.mixture.packing = Packing::Pad;
    let exact =
        VerifierReward { verifier: VerifierName::Exact, weight: 1.0, pattern: None, schema: None };
    recipe.rl = Some(Rl {
        group_size: GROUP,
        max_new_tokens: 4,
        temperature: 1.0,
        normalisation: Normalisation::Dapo,
        clip: [0.2, 0.28],
        kl: 0.0,
        updates_per_rollout: 1,
        max_drift: None,
        refill: 2,
        mask_truncated: false,
        rewards: vec![Reward::Verifier(exact)],
        environment: None,
    });
    recipe
}

/// A line of the journal for each completion of what stood in the rows of a step, the last group of each row
/// with rewards that differ.
fn lines(plan: &Plan, step: &PlannedStep, stood: &Stood) -> Vec<Value> {
    let group = |((row, refill), document): (&(usize, u32), &u64)| {
        let differs = *refill == step.rows[*row].refills;
        let source = &plan.sources()[step.rows[*row].source].name;
        let line = |sample: usize| {
            let reward = if differs { sample as f64 } else { 0.7 };
            let advantage = if differs { sample as f64 - 0.5 } else { 0.0 };
            json!({
                "row": row, "refill": refill, "sample": sample, "source": source,
                "document": document, "reward": reward, "advantage": advantage,
            })
        };
        (0..GROUP).map(line).collect::<Vec<_>>()
    };
    stood.iter().flat_map(group).collect()
}

/// Records two steps whose rows were refilled (1, 0, 2) and (0, 2, 0) times, changes what is recorded of the
/// second, and expects findings that begin so.
#[track_caller]
fn check(change: impl FnOnce(&mut LedgerStep, &mut Vec<Value>), expected: &[&str]) {
    let test = TestProject::new();
    let (run, recipe) = (test.new_run(), recipe(&test));
    let plan = plan_over(&recipe, recipe.training.budget, test.documents(), None).unwrap();
    let order = RefillOrder::new(&plan).unwrap();
    let mut refills = Refills::default();
    let mut recorded = Vec::new();
    for (mut step, counts) in plan.walk(plan.start()).unwrap().zip([[1, 0, 2], [0, 2, 0]]) {
        let planned = step.clone();
        step.next.refills = refills;
        let stood = order.replace_all(&mut step, &counts);
        refills = step.next.refills.clone();
        let lines = lines(&plan, &step, &stood);
        let rows: Vec<_> = (0..3).map(|row| row_record(&plan, &step, row, &recipe)).collect();
        let measures = plan.sources().iter().map(|source| {
            let rows = rows.iter().filter(|row| row.source == source.name);
            let value = rows.map(|row| f64::from(row.refills)).sum();
            Measure { source: source.name.clone(), name: "refills".to_owned(), value }
        });
        let report = StepReport {
            step: step.index,
            tokens: step.tokens(),
            learning_rate: 0.0,
            loss: 0.0,
            gradient_norm: 0.0,
            sources: Vec::new(),
            measures: measures.collect(),
        };
        let chain = report.chain(&recipe.digest());
        recorded.push((planned, LedgerStep { step: StepRecord { report, chain }, rows }, lines));
    }
    let (_, second, lines) = &mut recorded[1];
    change(second, lines);
    let mut findings = Findings::default();
    let mut refilled = Refilled::new(&recipe, &run);
    std::fs::create_dir_all(&refilled.journal).unwrap();
    for (planned, recorded, lines) in recorded {
        let path = refilled.journal.join(format!("step-{:06}.jsonl", planned.index));
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        if !lines.is_empty() {
            std::fs::write(path, text).unwrap();
        }
        let derived = refilled.checked(&plan, planned, &recorded, &mut findings);
        for (row, found) in recorded.rows.iter().enumerate() {
            let expected = row_record(&plan, &derived, row, &recipe);
            if *found != expected {
                findings.add(
                    What::Row,
                    format!("step {}, row {row}", derived.index),
                    "it",
                    "other",
                );
            }
        }
    }
    let found: Vec<String> = findings.kept.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "found {found}\nexpected {expected}");
    }
}

#[test]
fn refills_follow_from_their_number_and_that_from_what_was_sampled() {
    check(|_, _| {}, &[]);
    // A journal that was removed says nothing.
    check(|_, lines| lines.clear(), &[]);
    check(
        |step, _| step.rows[1].refills = 1,
        &[
            "step: step 1, refills of `",
            "rollout: step 1 in the journal, row 1, refill 2: found completions, expected none",
            "rollout: step 1 in the journal, row 1, refill 1: found rewards that are all equal",
            "row: step 1, row 1",
        ],
    );
}

#[test]
fn a_journal_that_does_not_fit_is_named() {
    let place = "rollout: step 1 in the journal, row 1, refill";
    check(
        |_, lines| {
            // The first group of the row was good and bad.
            let group = lines.iter_mut().filter(|line| line["row"] == 1 && line["refill"] == 0);
            for (line, reward) in group.zip([0.0, 1.0]) {
                line["reward"] = json!(reward);
            }
        },
        &[&format!("{place} 0: found rewards that differ")],
    );
    check(
        |_, lines| {
            for line in lines.iter_mut().filter(|line| line["row"] == 0) {
                (line["reward"], line["advantage"]) = (json!(1.0), json!(0.0));
            }
        },
        &["rollout: step 1 in the journal, row 0, refill 0: found rewards that are all equal"],
    );
    check(
        |_, lines| {
            let line = lines.iter_mut().find(|line| line["row"] == 1 && line["refill"] == 1);
            line.unwrap()["document"] = json!(9999);
        },
        &[&format!("{place} 1: found document 9999 of `")],
    );
    check(
        |_, lines| _ = lines.pop(),
        &["rollout: step 1 in the journal, row 2, refill 0: found 1 completions, expected 2"],
    );
    check(
        |_, lines| lines[0] = json!({ "row": 0 }),
        &["rollout: step 1 in the journal: found missing field"],
    );
}
