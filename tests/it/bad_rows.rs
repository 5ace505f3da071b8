//! Rows that a stage cannot learn from: named, or dropped and counted.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use temper_recipe::Digest;

use crate::dpo::TEMPLATE;
use crate::project::Project;

/// Bad rows among 60: one in ten has two questions in a row, row 33 has no answer.
fn messages() -> Vec<String> {
    let row = |number: usize| match number {
        33 => "[{\"role\": \"user\", \"content\": \"river?\"}]".to_owned(),
        _ if number % 10 == 4 => {
            "[{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"user\", \"content\": \"b\"}]"
                .to_owned()
        }
        _ => format!(
            "[{{\"role\": \"user\", \"content\": \"river {number}?\"}}, \
             {{\"role\": \"assistant\", \"content\": \"stone {number}\"}}]"
        ),
    };
    (0..60).map(row).collect()
}

/// A corpus that nobody imported, which would have been refused, and the recipe `sft.toml` on it.
fn project() -> Project {
    let project = Project::new();
    project.edit("recipe.toml", "max_steps = 24", "max_steps = 4");
    project.temper(&["run", "recipe.toml"]).expect_success();
    write(&project.path("data-manifests/chat.parquet"), &messages());
    manifest(&project, 60);
    project.write("chat.jinja", TEMPLATE);
    project.write(
        "sft.toml",
        "schema = 1\nname = \"sft\"\nstage = \"sft\"\n\
         [model]\nfrom = \"runs/small\"\nchat_template = \"chat.jinja\"\n\
         [training]\nmax_tokens = 600\nsequence_length = 64\nglobal_batch_size = 4\n\
         [data_mixing]\nweights = { chat = 75, general = 25 }\n\
         [optimizer]\nlr = 1e-3\n\
         [forgetting]\nsuite = \"small\"\naction = \"warn\"\n",
    );
    project
}

fn write(path: &PathBuf, messages: &[String]) {
    let column: ArrayRef = Arc::new(StringArray::from_iter_values(messages));
    let batch = RecordBatch::try_from_iter([("messages", column)]).unwrap();
    let file = fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn manifest(project: &Project, rows: usize) {
    let sha256 = Digest::of_file(&project.path("data-manifests/chat.parquet")).unwrap();
    project.write(
        "data-manifests/chat.toml",
        &format!(
            "schema = 1\nid = \"chat\"\ncategory = \"dialog\"\nlicence = \"CC0-1.0\"\nsource = \"a test\"\n\
             split = \"train\"\ncolumns = {{ messages = \"messages\" }}\n\
             [[files]]\npath = \"chat.parquet\"\nsha256 = \"{sha256}\"\nrows = {rows}\n"
        ),
    );
}

#[test]
fn bad_rows_are_refused_by_name() {
    let project = project();
    let checked = project.temper(&["check", "sft.toml"]).expect_code(1).stdout;
    let expected = "`chat`: 7 of 60 rows cannot be learned from: 6 turns out of order, 1 no answer to learn from";
    assert!(checked.contains(expected), "{checked}");
    assert!(
        checked.contains("row group 0, row 4: message 1: found `user` after user"),
        "{checked}"
    );
    assert!(checked.contains("and 2 more"), "{checked}");
    assert!(checked.contains("on_bad_row"), "{checked}");
    let summary = project.temper(&["check", "sft.toml", "--json"]).expect_code(1).json();
    assert_eq!(summary["rows"][0]["bad"], 7);
    assert_eq!(summary["rows"][0]["named"][1]["row"], 14);
    assert_eq!(summary["rows"][0]["named"][1]["fault"], "order");

    let refused = project.temper(&["run", "sft.toml"]).expect_code(2).stderr;
    assert!(refused.contains("chat.parquet`, row group 0, row 4"), "{refused}");
    assert!(refused.contains("data_mixing.on_bad_row = \"drop\""), "{refused}");
    assert!(!project.path("runs/sft").exists());
    let set = ["check", "sft.toml", "--set", "data_mixing.on_bad_row=keep"];
    let refused = project.temper(&set).expect_code(2).stderr;
    assert!(refused.contains("data_mixing.on_bad_row"), "{refused}");
}

#[test]
fn dropped_rows_are_counted_in_plan_and_report() {
    let project = project();
    project.edit("sft.toml", "[data_mixing]", "[data_mixing]\non_bad_row = \"drop\"");
    let checked = project.temper(&["check", "sft.toml"]).expect_success().stdout;
    assert!(checked.contains("`chat`: 7 of 60 rows are dropped: 6 turns"), "{checked}");
    let planned = project.temper(&["plan", "sft.toml", "--json"]).expect_success().json();
    let chat = &planned["plan"]["sources"][0];
    assert_eq!((&chat["source"], &chat["n_documents"]), (&"chat".into(), &53.into()));
    assert_eq!(chat["dropped"]["turns out of order"], 6);

    let ran = project.temper(&["run", "sft.toml"]).expect_success();
    let line = "chat: 7 rows dropped: 1 no answer to learn from, 6 turns out of order";
    assert!(ran.stdout.contains(line) && ran.stderr.contains(line), "{}", ran.stderr);
    project.temper(&["audit", "runs/sft"]).expect_success();
    let report = project.temper(&["report", "runs/sft"]).expect_success().stdout;
    assert!(report.contains(line), "{report}");
    let resolved = fs::read_to_string(project.path("runs/sft/recipe.resolved.toml")).unwrap();
    assert!(resolved.contains("on_bad_row = \"drop\""), "{resolved}");
    // No row that was dropped was trained on.
    let sql = "SELECT DISTINCT group_row FROM segments WHERE source = 'chat'";
    let rows = project.temper(&["query", "runs/sft", sql, "--json"]).expect_success().json();
    for row in rows.as_array().unwrap() {
        let row = row["group_row"].as_u64().unwrap();
        assert!(row != 33 && row % 10 != 4, "{row}");
    }
    // The data are the same after the run; without a shard they are found again.
    fs::remove_dir_all(project.path(".temper/cache")).unwrap();
    project.temper(&["resume", "runs/sft", "--extend", "300"]).expect_success();
    project.temper(&["audit", "runs/sft"]).expect_success();
}

#[test]
fn nothing_is_left_of_bad_rows_alone() {
    let project = project();
    project.edit("sft.toml", "[data_mixing]", "[data_mixing]\non_bad_row = \"drop\"");
    let bad: Vec<String> = messages().into_iter().skip(4).step_by(10).collect();
    write(&project.path("data-manifests/chat.parquet"), &bad);
    manifest(&project, bad.len());
    let refused = project.temper(&["run", "sft.toml"]).expect_code(2).stderr;
    assert!(
        refused.contains("corpus `chat`: none of its rows can be learned from: 6 turns"),
        "{refused}"
    );
    let checked = project.temper(&["check", "sft.toml"]).expect_code(1).stdout;
    assert!(checked.contains("no row is left"), "{checked}");
}
