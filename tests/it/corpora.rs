//! What is in corpora: profiles, copies, and items of a suite.

use std::fs;

use crate::project::{Project, texts};

const WORDS: [&str; 6] = ["harbour", "lantern", "meadow", "window", "quietly", "turned"];

/// A corpus `doubled`: what `general` has in its first hundred documents, then forty of its own, twice.
fn doubled(project: &Project) {
    let general = ["river", "stone", "morning", "letter", "walked", "slowly"];
    let own = texts(&WORDS, 0..40);
    project.import(
        "doubled",
        "prose",
        "train",
        &[texts(&general, 0..100), own.clone(), own].concat(),
    );
}

#[test]
fn copies_are_found_and_left_out() {
    let project = Project::new();
    doubled(&project);
    let arguments = ["corpus", "dedup", "doubled", "--against", "general"];
    let found = project.temper(&[&arguments[..], &["--json"]].concat()).expect_success().json();
    let counts = &found["corpora"][1];
    assert_eq!(
        (&counts["exact_within"], &counts["exact_across"]),
        (&40.into(), &100.into()),
        "{counts:#}"
    );
    let text = project.temper(&arguments).expect_success().stdout;
    assert!(
        text.contains("doubled:0:0.0 is general:0:0.0 (1.00)") && text.contains("and 130 more"),
        "{text}"
    );

    project.temper(&[&arguments[..], &["--write", "once"]].concat()).expect_success();
    let left = ["corpus", "dedup", "doubled-once", "--against", "general", "--json"];
    let left = project.temper(&left).expect_success().json();
    assert_eq!(
        (&left["duplicates"], &left["corpora"][1]["documents"]),
        (&serde_json::json!([]), &40.into())
    );
    let manifest = fs::read_to_string(project.path("data-manifests/doubled-once.toml")).unwrap();
    assert!(manifest.contains("; without 140 copies"), "{manifest}");
    // What is there is not replaced.
    let again = project.temper(&[&arguments[..], &["--write", "once"]].concat()).expect_code(2);
    assert!(again.stderr.contains("cannot write corpus `doubled-once`"), "{}", again.stderr);
    // Near copies are more than equal ones: numbers differ, words repeat.
    let near = ["corpus", "dedup", "general", "--near", "0.5", "--json"];
    let near = project.temper(&near).expect_success().json();
    assert!(near["corpora"][0]["near_within"].as_u64().unwrap() > 0, "{:#}", near["corpora"]);
    let wrong = project.temper(&["corpus", "dedup", "general", "--near", "2"]).expect_code(2);
    assert!(wrong.stderr.contains("--near: found 2"), "{}", wrong.stderr);
}

#[test]
fn a_profile_fills_a_catalog() {
    let project = Project::new();
    let catalog = ["corpus", "profile", "--catalog", "small", "--tokenizer", "model"];
    let text = project.temper(&catalog).expect_success().stdout;
    assert!(text.contains("prose") && text.contains("tokens (model)"), "{text}");
    let file = "data-manifests/catalogs/small.toml";
    let before = fs::read_to_string(project.path(file)).unwrap();
    project.temper(&[&catalog[..], &["--write"]].concat()).expect_success();
    let after = fs::read_to_string(project.path(file)).unwrap();
    assert_ne!(after, before);
    assert!(
        after.contains("tokenizer = \"model\"") && after.contains("documents = 600"),
        "{after}"
    );
    // The tokens are those that a plan of this tokenizer finds.
    let plan = project.temper(&["plan", "recipe.toml", "--json"]).expect_success().json();
    let sources = plan["plan"]["sources"].as_array().unwrap();
    let general = sources.iter().find(|source| source["source"] == "general").unwrap();
    assert!(after.contains(&format!("tokens = {}", general["n_tokens"])), "{after}\n{general:#}");
    // Comments are not lost.
    let commented = format!("# Ours.\n{after}");
    project.write(file, &commented);
    let said = project.temper(&[&catalog[..], &["--write"]].concat()).expect_success().stderr;
    assert!(said.contains("has comments"), "{said}");
    assert_eq!(fs::read_to_string(project.path(file)).unwrap(), commented);
}

/// Puts the first held-out text of the customer among what is trained on.
fn contaminate(project: &Project) {
    let heldout = fs::read_to_string(project.path("customer-heldout.jsonl")).unwrap();
    let words = ["benzene", "solvent", "titration", "mole", "reacts", "acid"];
    for file in ["customer.toml", "customer.parquet"] {
        fs::remove_file(project.path("data-manifests").join(file)).unwrap();
    }
    let first = heldout.lines().next().unwrap();
    project.import(
        "customer",
        "chemistry",
        "train",
        &format!("{}{first}\n", texts(&words, 0..600)),
    );
}

#[test]
fn a_run_does_not_train_on_what_it_is_scored_on() {
    let project = Project::new();
    project.temper(&["check", "recipe.toml", "--deep"]).expect_success();
    contaminate(&project);
    let refused = project.temper(&["run", "recipe.toml"]).expect_code(2).stderr;
    assert!(refused.contains("some of its items stand in what is trained on"), "{refused}");
    assert!(
        refused.contains("in customer:0:0.600")
            && refused.contains("forgetting.accept_contaminated"),
        "{refused}"
    );
    assert!(!project.path("runs/small").exists());

    let look = ["corpus", "decontaminate", "customer", "--suite", "small"];
    let found = project.temper(&[&look[..], &["--json"]].concat()).expect_success().json();
    assert_eq!(found["documents"].as_array().unwrap().len(), 1, "{found:#}");
    project.temper(&[&look[..], &["--write", "clean"]].concat()).expect_success();
    let clean = ["corpus", "decontaminate", "customer-clean", "--suite", "small"];
    assert!(project.temper(&clean).expect_success().stdout.contains("0 documents hold them"));
    let other = "data_mixing.sources.customer_data.corpora={ customer-clean = 100 }";
    project.temper(&["run", "recipe.toml", "--set", other, "--set", "name=clean"]).expect_success();

    // Or it is accepted by name, which the resolved recipe then says.
    let task = found["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|task| task["contaminated"] != serde_json::json!([]));
    let task = task.unwrap()["task"].as_str().unwrap();
    let accept = |task: &str| format!("forgetting.accept_contaminated=[\"{task}\"]");
    let unknown =
        project.temper(&["run", "recipe.toml", "--set", &accept("nothing")]).expect_code(2).stderr;
    assert!(unknown.contains("`nothing` is no task of `small`"), "{unknown}");
    project.temper(&["run", "recipe.toml", "--set", &accept(task)]).expect_success();
    let resolved = fs::read_to_string(project.path("runs/small/recipe.resolved.toml")).unwrap();
    assert!(resolved.contains("accept_contaminated"), "{resolved}");
    // The answer is kept, privately, until the cache is cleaned.
    let kept = project.path(".temper/cache/contamination");
    assert!(fs::read_dir(&kept).unwrap().count() > 0);
    project.temper(&["cache", "clean"]).expect_success();
    assert!(!kept.exists());
}
