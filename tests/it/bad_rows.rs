//! Rows that a stage cannot learn from: named, or dropped and counted.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use temper_recipe::Digest;

use crate::dpo::TEMPLATE;
use crate::project::Project;
use crate::rl;

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
    write(&project.path("data-manifests/chat.parquet"), &messages(), None);
    manifest(&project, "chat", "messages = \"messages\"", 60);
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

fn write(path: &PathBuf, messages: &[String], answers: Option<Vec<Option<&str>>>) {
    let messages: ArrayRef = Arc::new(StringArray::from_iter_values(messages));
    let answers = answers.map(|answers| Arc::new(StringArray::from(answers)) as ArrayRef);
    let columns = [("messages", messages)].into_iter();
    let columns = columns.chain(answers.map(|answers| ("answer", answers)));
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn manifest(project: &Project, id: &str, columns: &str, rows: usize) {
    let path = project.path(&format!("data-manifests/{id}.parquet"));
    let sha256 = Digest::of_file(&path).unwrap();
    project.write(
        &format!("data-manifests/{id}.toml"),
        &format!(
            "schema = 1\nid = \"{id}\"\ncategory = \"dialog\"\nlicence = \"CC0-1.0\"\nsource = \"a test\"\n\
             split = \"train\"\ncolumns = {{ {columns} }}\n\
             [[files]]\npath = \"{id}.parquet\"\nsha256 = \"{sha256}\"\nrows = {rows}\n"
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
fn what_the_chat_template_refuses_has_its_own_way_out() {
    let project = project();
    let ways = "hint: change the conversation as the template asks for, or use another template";
    let refusing = |condition: &str| {
        let role = "<{{ message.role }}>";
        let raised = "{{ raise_exception('not this one') }}";
        let refusal = format!("{{% if {condition} %}}{raised}{{% endif %}}{role}");
        project.write("chat.jinja", &TEMPLATE.replace(role, &refusal));
        let checked = project.temper(&["check", "sft.toml"]).expect_code(1).stdout;
        assert!(checked.contains("refuses the conversation: not this one"), "{checked}");
        assert_eq!(checked.matches(ways).count(), 1, "{checked}");
        checked
    };
    let some = refusing("message.content == 'river 1?'");
    assert!(some.contains("`chat`: 8 of 60 rows cannot be learned from"), "{some}");
    assert!(some.contains("data_mixing.on_bad_row = \"drop\""), "{some}");
    // Whoever dropped all of them would have nothing left.
    let all = refusing("true");
    assert!(all.contains("`chat`: 60 of 60 rows cannot be learned from"), "{all}");
    assert!(all.contains("hint: no row is left; correct them") && !all.contains("drop"), "{all}");
    let summary = project.temper(&["check", "sft.toml", "--json"]).expect_code(1).json();
    assert!(ways.ends_with(summary["rows"][0]["named"][0]["hint"].as_str().unwrap()));
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
    let sql = "SELECT SUM(rows) AS rows, COUNT(*) AS reasons FROM dropped WHERE source = 'chat'";
    let dropped = project.temper(&["query", "runs/sft", sql, "--json"]).expect_success().json();
    assert_eq!((&dropped[0]["rows"], &dropped[0]["reasons"]), (&7.into(), &2.into()));
    // Each is named.
    let sql =
        "SELECT row_group, group_row, reason FROM dropped_rows WHERE source = 'chat' AND file = 0";
    let named = project.temper(&["query", "runs/sft", sql, "--json"]).expect_success().json();
    let named: Vec<_> = named.as_array().unwrap().iter().collect();
    let rows: Vec<u64> = named.iter().map(|row| row["group_row"].as_u64().unwrap()).collect();
    assert_eq!(rows, [4, 14, 24, 33, 34, 44, 54]);
    assert_eq!(named[0]["reason"], "turns out of order");
    assert_eq!(named[3]["reason"], "no answer to learn from");
    let resolved = fs::read_to_string(project.path("runs/sft/recipe.resolved.toml")).unwrap();
    assert!(resolved.contains("on_bad_row = \"drop\""), "{resolved}");
    // No row that was dropped was trained on.
    let sql = "SELECT DISTINCT group_row FROM segments WHERE source = 'chat'";
    let rows = project.temper(&["query", "runs/sft", sql, "--json"]).expect_success().json();
    for row in rows.as_array().unwrap() {
        let row = row["group_row"].as_u64().unwrap();
        assert!(row != 33 && row % 10 != 4, "{row}");
    }
    // A row that was trained on is not one that was dropped.
    let recorded = fs::read_to_string(project.path("runs/sft/plan.json")).unwrap();
    project.edit("runs/sft/plan.json", "\"row\": 14,", "\"row\": 15,");
    let audited = project.temper(&["audit", "runs/sft"]).expect_code(1).stdout;
    assert!(audited.contains("`chat`, file 0, row group 0, row 15: found dropped"), "{audited}");
    project.write("runs/sft/plan.json", &recorded);
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
    write(&project.path("data-manifests/chat.parquet"), &bad, None);
    manifest(&project, "chat", "messages = \"messages\"", bad.len());
    let refused = project.temper(&["run", "sft.toml"]).expect_code(2).stderr;
    assert!(
        refused.contains("corpus `chat`: none of its rows can be learned from: 6 turns"),
        "{refused}"
    );
    let checked = project.temper(&["check", "sft.toml"]).expect_code(1).stdout;
    assert!(checked.contains("no row is left"), "{checked}");
}

/// The project of the tests of `rl` with 12 other prompts: one has no reference, two have one that is no number.
fn prompts() -> Project {
    let project = rl::project();
    let asked = |number| format!("[{{\"role\": \"user\", \"content\": \"river {number}\"}}]");
    let messages: Vec<String> = (0..12).map(asked).collect();
    let answer = |number| match number {
        3 => None,
        5 | 7 => Some("stone"),
        _ => Some("12"),
    };
    let path = project.path("data-manifests/asked.parquet");
    write(&path, &messages, Some((0..12).map(answer).collect()));
    manifest(&project, "asked", "messages = \"messages\", answer = \"answer\"", 12);
    project
}

#[test]
fn references_are_looked_at_as_far_as_they_are_needed() {
    let project = prompts();
    let check = |rewards: &str, code, expected: &[&str]| {
        let set = format!("rl.rewards=[{rewards}]");
        let found = project.temper(&["check", "rl.toml", "--set", &set]).expect_code(code).stdout;
        for part in expected {
            assert!(found.contains(part), "expected {part:?} in\n{found}");
        }
    };
    let number = "{verifier=\"number\"}";
    check(
        number,
        1,
        &[
            "`asked`: 3 of 12 rows cannot be learned from: 1 a value is missing, 2 no reference to judge by",
            "row group 0, row 3: `answer`: found null, expected a reference",
            "row group 0, row 5: `answer`: `number` cannot judge by it: found `stone`, expected a number",
        ],
    );
    check("{verifier=\"exact\"}", 1, &["`asked`: 1 of 12 rows", "row 3: `answer`: found null"]);
    // Whoever has a pattern, or is asked outside, needs none.
    let own = "{verifier=\"regex\",pattern=\"^a\"},{program=[\"sh\",\"-c\",\"exit\"]}";
    check(own, 0, &["`asked`: all 12 rows can be learned from"]);
    let run = |rewards: &str| {
        let set = format!("rl.rewards=[{rewards}]");
        project.temper(&["run", "rl.toml", "--set", &set, "--set", "training.max_steps=3"])
    };
    let refused = run(number).expect_code(2).stderr;
    let named = "asked.parquet`, row group 0, row 3: `answer`: found null, expected a reference";
    assert!(refused.contains(named), "{refused}");
    assert!(refused.contains("data_mixing.on_bad_row = \"drop\""), "{refused}");
    assert!(!project.path("runs/rl").exists());
    run("{verifier=\"regex\",pattern=\"^a\"}").expect_success();
}

#[test]
fn prompts_without_a_reference_are_dropped_and_counted() {
    let project = prompts();
    project.edit("rl.toml", "[data_mixing]\n", "[data_mixing]\non_bad_row = \"drop\"\n");
    let set = ["--set", "rl.rewards=[{verifier=\"number\"}]", "--set", "training.max_steps=6"];
    let called = |verb: &str| project.temper(&[&[verb, "rl.toml"], &set[..]].concat());
    let checked = called("check").expect_success().stdout;
    let dropped = "1 a value is missing, 2 no reference to judge by";
    assert!(
        checked.contains(&format!("`asked`: 3 of 12 rows are dropped: {dropped}")),
        "{checked}"
    );
    let ran = called("run").expect_success();
    assert!(ran.stderr.contains(&format!("asked: 3 rows dropped: {dropped}")), "{}", ran.stderr);
    project.temper(&["audit", "runs/rl"]).expect_success();
    let sql = "SELECT DISTINCT group_row FROM segments WHERE source = 'asked'";
    let rows = project.temper(&["query", "runs/rl", sql, "--json"]).expect_success().json();
    for row in rows.as_array().unwrap() {
        assert!(![3, 5, 7].contains(&row["group_row"].as_u64().unwrap()), "{rows}");
    }
}

#[test]
fn rows_that_cannot_be_imported_are_all_named_or_left_out() {
    let project = Project::new();
    project.write("notes.jsonl", "{\"text\": \"river\"}\n{\"text\": 1}\n{}\n");
    let import = "corpus import notes.jsonl --out data-manifests/notes.parquet --id notes \
                  --category prose --licence CC0-1.0 --source made-by-a-test";
    let import: Vec<&str> = import.split_whitespace().collect();
    let refused = project.temper(&import).expect_code(2).stderr;
    for part in ["line 2: `text` is a number", "line 3: no field `text`", "--on-bad-row drop"] {
        assert!(refused.contains(part), "expected {part:?} in\n{refused}");
    }
    assert!(!project.path("data-manifests/notes.toml").exists());
    let drop = [&import[..], &["--on-bad-row", "drop", "--json"]].concat();
    let report = project.temper(&drop).expect_success().json();
    assert_eq!((&report["rows"], &report["dropped"]), (&1.into(), &2.into()), "{report}");
    assert_eq!(report["dropped_rows"][1]["line"], 3, "{report}");
}
