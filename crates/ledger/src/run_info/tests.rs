use std::collections::BTreeMap;

use super::*;

fn plan() -> PlanRecord {
    PlanRecord {
        steps: 10,
        tokens: 400,
        own_tokens: None,
        rows: 20,
        mix_from: 0,
        tokenizer: Digest::of(b"tokenizer"),
        sources: vec![SourceData {
            source: "chem".to_owned(),
            manifest: Digest::of(b"manifest"),
            shards: "0123".to_owned(),
            digest: Digest::of(b"shards"),
            n_documents: 5,
            n_tokens: 500,
            seen: None,
            dropped: BTreeMap::new(),
            too_long: None,
            dropped_rows: Vec::new(),
        }],
    }
}

#[track_caller]
fn check(change: impl FnOnce(&mut PlanRecord), expected: &[&str]) {
    let mut now = plan();
    change(&mut now);
    let changes = plan().changed_data(&now);
    assert_eq!(changes.len(), expected.len(), "{changes:?}");
    for (change, expected) in changes.iter().zip(expected) {
        assert!(change.starts_with(expected), "{change}");
    }
}

#[test]
fn changed_data_is_named() {
    check(|_| {}, &[]);
    check(|plan| plan.steps = 20, &[]);
    check(|plan| plan.sources[0].shards = "elsewhere".to_owned(), &[]);
    check(|plan| plan.tokenizer = Digest::of(b"x"), &["tokenizer: found 2d711642b726"]);
    check(
        |plan| {
            plan.sources[0].manifest = Digest::of(b"x");
            plan.sources[0].digest = Digest::of(b"x");
        },
        &["manifest of `chem`: found", "shards of `chem`: found"],
    );
    // A remix may leave a source out.
    check(|plan| plan.sources.clear(), &[]);
}

#[test]
fn a_run_answers_for_all_data_it_drew_from() {
    let mut now = plan();
    let prose = SourceData { source: "prose".to_owned(), ..now.sources.remove(0) };
    now.sources.push(prose.clone());
    let [chem] = plan().sources.try_into().unwrap();
    assert_eq!(now.after(&plan()).sources, [chem, prose]);
    assert_eq!(plan().after(&plan()), plan());
}
