//! Preference: pairs of answers, held against the starting model.

use serde_json::Value;

use crate::killed::killed_after_a_checkpoint;
use crate::project::Project;

pub(crate) const TEMPLATE: &str = "{% for message in messages %}<{{ message.role }}>{{ message.content }}</s>{% endfor %}\
                        {% if add_generation_prompt %}<assistant>{% endif %}";

/// A project with a checkpoint, two corpora of pairs and a recipe `dpo.toml` that mixes them.
pub(crate) fn project() -> Project {
    let project = Project::new();
    project.edit("recipe.toml", "max_steps = 24", "max_steps = 4");
    project.temper(&["run", "recipe.toml"]).expect_success();
    for (name, preferred) in [("solvents", "acid"), ("rivers", "stone")] {
        let line = |number: usize| {
            let question = "river ".repeat(1 + number % 5);
            format!(
                "{{\"prompt\": \"{question}{number}?\", \"chosen\": \"{preferred} {preferred}\", \
                 \"rejected\": \"benzene {number} solvent\"}}\n"
            )
        };
        // One pair is longer than a row.
        let long = format!(
            "{{\"prompt\": \"{}\", \"chosen\": \"a\", \"rejected\": \"b\"}}\n",
            "stone ".repeat(200)
        );
        let lines: String = (0..60).map(line).chain([long]).collect();
        project.write(&format!("{name}.jsonl"), &lines);
        let import = format!(
            "corpus import {name}.jsonl --pairs --out data-manifests/{name}.parquet --id {name} \
             --category dialog --licence CC0-1.0 --source made-by-a-test"
        );
        project.temper(&import.split_whitespace().collect::<Vec<_>>()).expect_success();
    }
    project.write("chat.jinja", TEMPLATE);
    project.write(
        "dpo.toml",
        "schema = 1\nname = \"dpo\"\nstage = \"dpo\"\nseed = 5\n\
         [model]\nfrom = \"runs/small\"\nchat_template = \"chat.jinja\"\n\
         [training]\nmax_steps = 12\nsequence_length = 96\nglobal_batch_size = 8\n\
         micro_batch_size = 2\n\
         [data_mixing.weights]\nsolvents = 75\nrivers = 25\n\
         [preference]\nbeta = 0.5\n\
         [optimizer]\nlr = 3e-3\nschedule = { kind = \"constant\", warmup = 0.1 }\n\
         [checkpoint]\nevery = 4\n",
    );
    project
}

fn query(project: &Project, sql: &str) -> Value {
    project.temper(&["query", "runs/dpo", sql, "--json"]).expect_success().json()
}

#[test]
fn preferences_are_learned_and_pairs_are_what_a_share_counts() {
    let project = project();
    let plan = project.temper(&["plan", "dpo.toml", "--json"]).expect_success().json();
    let sources = plan["sources"].as_array().unwrap();
    for (source, units) in sources.iter().zip([24, 72]) {
        assert_eq!(source["units"], units, "{source}");
        assert_eq!(source["pass"]["left_out_documents"], 1, "{source}");
    }
    project.temper(&["run", "dpo.toml"]).expect_success();
    project.temper(&["audit", "runs/dpo"]).expect_success();

    let sql = "SELECT step, measure, SUM(value) AS value FROM measures GROUP BY step, measure ORDER BY step";
    let measures = query(&project, sql);
    let of = |step: u64, name: &str| {
        let rows = measures.as_array().unwrap();
        let row = rows.iter().find(|row| row["step"] == step && row["measure"] == name).unwrap();
        row["value"].as_f64().unwrap()
    };
    // Before the first update the model is the reference, to the last bit.
    assert_eq!(of(0, "pairs"), 8.0);
    assert_eq!(of(0, "chosen_logprob"), of(0, "chosen_reference"));
    assert_eq!(of(0, "rejected_logprob"), of(0, "rejected_reference"));
    assert_eq!((of(0, "margin"), of(0, "correct")), (0.0, 0.0));
    let steps = query(&project, "SELECT step, loss FROM steps ORDER BY step");
    let loss = |step: usize| steps[step]["loss"].as_f64().unwrap();
    assert!((loss(0) - std::f64::consts::LN_2).abs() < 1e-12, "{}", loss(0));
    assert!(loss(11) < 0.4, "{}", loss(11));
    assert!(of(11, "correct") >= 7.0, "{}", of(11, "correct"));
    assert!(of(11, "margin") > 0.0);

    let report = project.temper(&["report", "runs/dpo"]).expect_success().stdout;
    assert!(report.contains("preference"), "{report}");
}

#[test]
fn killed_extended_and_resumed_it_ends_with_the_same_bytes() {
    let project = project();
    project.edit("dpo.toml", "max_steps = 12", "max_tokens = 1500");
    let again = project.copy();
    project.temper(&["run", "dpo.toml"]).expect_success();
    let again = killed_after_a_checkpoint(&again, &["run", "dpo.toml"], "runs/dpo");
    again.temper(&["resume", "runs/dpo"]).expect_success();
    assert!(again.results("runs/dpo") == project.results("runs/dpo"));
    // More steps draw pairs that the starting model has not seen; it is asked, not the model of today.
    again.temper(&["resume", "runs/dpo", "--extend", "300"]).expect_success();
    again.temper(&["audit", "runs/dpo"]).expect_success();
    let long = ["run", "dpo.toml", "--set", "training.max_tokens=1800", "--set", "name=long"];
    project.temper(&long).expect_success();
    for source in ["solvents", "rivers"] {
        let said = |project: &Project, run: &str| {
            std::fs::read(project.path(&format!("runs/{run}/reference/{source}.safetensors")))
                .unwrap()
        };
        assert!(said(&again, "dpo") == said(&project, "long"), "{source}");
    }
}

#[test]
fn with_lora_it_is_killed_and_resumed_to_the_same_bytes() {
    let project = project();
    let again = project.copy();
    let call = ["run", "dpo.toml", "--set", "lora.rank=4"];
    project.temper(&call).expect_success();
    let again = killed_after_a_checkpoint(&again, &call, "runs/dpo");
    again.temper(&["resume", "runs/dpo"]).expect_success();
    assert!(again.results("runs/dpo") == project.results("runs/dpo"));
    again.temper(&["audit", "runs/dpo"]).expect_success();
}

/// What the starting model said is computed once, and another run finds it.
#[test]
fn the_reference_is_shared_between_runs() {
    let project = project();
    project.temper(&["run", "dpo.toml"]).expect_success();
    let folder = project.path(".temper/cache/references");
    let read = || {
        let mut files: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.file_name(), entry.metadata().unwrap().modified().unwrap())
            })
            .collect();
        files.sort();
        files
    };
    let kept = read();
    assert_eq!(kept.len(), 2);
    let cache = project.temper(&["cache", "list", "--json"]).expect_success().json();
    let others = cache["others"].as_array().unwrap();
    assert!(others.iter().any(|of| of["kind"] == "references" && of["entries"] == 2), "{cache:#}");
    project.temper(&["run", "dpo.toml", "--set", "name=other"]).expect_success();
    assert_eq!(read(), kept);
    for source in ["solvents", "rivers"] {
        let said = |run: &str| {
            std::fs::read(project.path(&format!("runs/{run}/reference/{source}.safetensors")))
                .unwrap()
        };
        assert!(said("dpo") == said("other"));
    }
}

#[test]
fn what_is_no_preference_is_refused() {
    let project = project();
    let refused = |set: &str, expected: &str| {
        let found = project.temper(&["plan", "dpo.toml", "--set", set]).expect_code(2).stderr;
        assert!(found.contains(expected), "{found}");
    };
    refused("preference.beta=0", "preference.beta: found `0`, expected more than 0");
    refused("preference.label_smoothing=0.5", "0 to less than 0.5");
    refused("preference.loss=best", "preference.loss");
    refused("data_mixing.packing=concat", "which cuts pairs");
    refused("stage=sft", "preference: found in the stage `sft`, expected it in `dpo` only");
    project.edit("dpo.toml", "rivers = 25", "general = 25");
    refused("seed=6", "`general` has no column for `rejected`, expected pairs of answers");

    project.write("wrong.jsonl", "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"b\"}\n");
    let import = ["corpus", "import", "wrong.jsonl", "--pairs", "--out", "x.parquet"];
    let found = project.temper(&import).expect_code(2).stderr;
    assert!(
        found.contains("`wrong.jsonl`, line 1: `chosen` and `rejected` are the same"),
        "{found}"
    );
}
