use super::*;

fn plan() -> PlanRecord {
    PlanRecord {
        steps: 10,
        tokens: 400,
        rows: 20,
        tokenizer: Digest::of(b"tokenizer"),
        sources: vec![SourceData {
            source: "chem".to_owned(),
            manifest: Digest::of(b"manifest"),
            shards: "0123".to_owned(),
            digest: Digest::of(b"shards"),
            n_documents: 5,
            n_tokens: 500,
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
    check(|plan| plan.sources.clear(), &["sources: found , the run was started with chem"]);
}
