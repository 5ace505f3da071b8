//! Suites of conversations and pairs, written by the model's chat template.

use serde_json::Value;

use crate::dpo;
use crate::project::Project;

/// That of pairs, with a suite `chats` of held-out ones.
fn project() -> Project {
    let project = dpo::project();
    let line = |number: usize| {
        format!(
            "{{\"prompt\": \"river {number}?\", \"chosen\": \"acid acid\", \"rejected\": \"benzene {number} solvent\"}}\n"
        )
    };
    project.write("asked.jsonl", &(100..130).map(line).collect::<String>());
    let import = "corpus import asked.jsonl --pairs --out data-manifests/asked.parquet --id asked \
                  --category dialog --licence CC0-1.0 --source made-by-a-test --split heldout";
    project.temper(&import.split_whitespace().collect::<Vec<_>>()).expect_success();
    project.write(
        "data-manifests/suites/chats.toml",
        "schema = 1\nid = \"chats\"\nsequence_length = 128\n\
         [[tasks]]\nid = \"answers\"\ngroup = \"customer\"\nkind = \"answer-loss\"\ncorpus = \"asked\"\n\
         [[tasks]]\nid = \"preferred\"\ngroup = \"customer\"\nkind = \"choice\"\ncorpus = \"asked\"\nper_token = true\n",
    );
    let recipe = std::fs::read_to_string(project.path("dpo.toml")).unwrap();
    project.write("dpo.toml", &format!("{recipe}[forgetting]\nsuite = \"chats\"\n"));
    project
}

fn task<'a>(report: &'a Value, name: &str) -> &'a Value {
    let tasks = report["forgetting"]["tasks"].as_array().unwrap();
    tasks.iter().find(|task| task["task"] == name).unwrap()
}

#[test]
fn answers_and_pairs_are_scored_before_and_after() {
    let project = project();
    project.temper(&["run", "dpo.toml"]).expect_success();
    let report = project.temper(&["report", "runs/dpo", "--json"]).expect_success().json();
    let preferred = task(&report, "preferred");
    assert_eq!(
        (preferred["metric"].as_str(), preferred["n_items"].as_u64()),
        (Some("accuracy"), Some(30))
    );
    // What is preferred in training is preferred in pairs that it has not seen.
    assert!(preferred["after"].as_f64() > Some(0.9), "{preferred}");
    assert!(preferred["before"].as_f64() < preferred["after"].as_f64(), "{preferred}");
    let answers = task(&report, "answers");
    assert_eq!((answers["metric"].as_str(), answers["n_items"].as_u64()), (Some("loss"), Some(30)));
    // A task of choices has the loss of the right one too, the same ids.
    let scores =
        project.temper(&["query", "runs/dpo", "SELECT * FROM evals WHERE step = 0", "--json"]);
    let scores = scores.expect_success().json();
    let of = |task: &str| -> Vec<f64> {
        let rows = scores.as_array().unwrap().iter().filter(|row| row["task"] == task);
        rows.map(|row| row["nats"].as_f64().unwrap()).collect()
    };
    assert_eq!(of("answers").len(), 30);
    for (answer, preferred) in of("answers").iter().zip(of("preferred")) {
        assert!((answer - preferred).abs() < 1e-3, "{answer} {preferred}");
    }
}

#[test]
fn a_suite_that_the_corpus_does_not_fit_is_refused() {
    let project = project();
    let suite = "data-manifests/suites/chats.toml";
    project.edit(suite, "kind = \"answer-loss\"", "kind = \"loss\"\nper_token = true");
    let refused = project.temper(&["run", "dpo.toml"]).expect_code(2).stderr;
    assert!(
        refused.contains("`loss` needs columns that `asked` does not have: `text`"),
        "{refused}"
    );
    assert!(refused.contains("`per_token` is found with"), "{refused}");
    project.edit(suite, "kind = \"loss\"\nper_token = true", "kind = \"answer-loss\"");
    // A score of the bare checkpoint has no template to write with.
    let refused = project.temper(&["eval", "runs/small", "--suite", "chats"]).expect_code(2).stderr;
    assert!(refused.contains("the model has no chat template"), "{refused}");
    let named = ["--suite", "chats", "--chat-template", "chat.jinja"];
    project.temper(&[&["eval", "runs/small"], &named[..]].concat()).expect_success();
    let compared = [&["compare", "runs/small", "runs/small", "--json"], &named[..]].concat();
    let compared = project.temper(&compared).expect_success().json();
    assert_eq!(compared["tasks"][0]["delta"], 0.0, "{compared}");
    let missing = ["eval", "runs/small", "--suite", "chats", "--chat-template", "none.jinja"];
    let refused = project.temper(&missing).expect_code(2).stderr;
    assert!(refused.contains("cannot read `none.jinja`"), "{refused}");
}
