//! Supervised fine-tuning: conversations beside texts, and what of them carries loss.

use serde_json::Value;

use crate::killed::killed_after_a_checkpoint;
use crate::project::Project;

const TEMPLATE: &str = "{% for message in messages %}<{{ message.role }}>{% if message.role == 'assistant' %}\
                        {% generation %}{{ message.content }}</s>{% endgeneration %}{% else %}\
                        {{ message.content }}{% endif %}\n{% endfor %}";

/// A project with a checkpoint, conversations and a recipe `sft.toml` that mixes them with texts.
fn project() -> Project {
    let project = Project::new();
    project.edit("recipe.toml", "max_steps = 24", "max_steps = 4");
    project.temper(&["run", "recipe.toml"]).expect_success();
    let line = |number: usize| {
        // Some are longer than a row, and say nothing before its end.
        let question = "river stone ".repeat(1 + number % 7 * (1 + number % 3) * 3);
        let answer = ["benzene", "solvent", "acid"][number % 3];
        format!("{{\"prompt\": \"{question}{number}?\", \"completion\": \"{answer} {number}\"}}\n")
    };
    project.write("chat.jsonl", &(0..300).map(line).collect::<String>());
    let import = "corpus import chat.jsonl --conversations --out data-manifests/chat.parquet --id chat \
                  --category dialog --licence CC0-1.0 --source made-by-a-test";
    project.temper(&import.split_whitespace().collect::<Vec<_>>()).expect_success();
    project.write("chat.jinja", TEMPLATE);
    let recipe = std::fs::read_to_string(project.path("recipe.toml")).unwrap();
    let recipe = recipe
        .replace("name = \"small\"", "name = \"sft\"")
        .replace("stage = \"pretrain\"", "stage = \"sft\"")
        .replace("init = \"model\"", "from = \"runs/small\"\nchat_template = \"chat.jinja\"")
        .replace("{ customer = 100 }", "{ chat = 100 }")
        .replace("max_steps = 4", "max_tokens = 900");
    project.write("sft.toml", &recipe);
    project
}

fn plan(project: &Project) -> Value {
    project.temper(&["plan", "sft.toml", "--json"]).expect_success().json()
}

fn source<'a>(plan: &'a Value, name: &str) -> &'a Value {
    let sources = plan["sources"].as_array().unwrap();
    sources.iter().find(|source| source["source"] == name).unwrap()
}

#[test]
fn answers_alone_carry_loss_and_are_what_a_share_counts() {
    let project = project();
    let planned = plan(&project);
    let (chat, general) = (source(&planned, "chat"), source(&planned, "general"));
    // Three quarters of the tokens that carry loss, however long the questions are.
    let (of_chat, of_general) =
        (chat["tokens"].as_f64().unwrap(), general["tokens"].as_f64().unwrap());
    assert!((of_chat / (of_chat + of_general) - 0.75).abs() < 0.08, "{of_chat} {of_general}");
    let pass = &chat["pass"];
    assert!(pass["truncated_documents"].as_u64().unwrap() > 0, "{pass}");
    assert!(pass["left_out_documents"].as_u64().unwrap() > 20, "{pass}");
    assert_eq!(pass["split_documents"], 0, "{pass}");
    assert_eq!(source(&planned, "general")["pass"]["truncated_documents"], 0);

    project.temper(&["run", "sft.toml"]).expect_success();
    project.temper(&["audit", "runs/sft"]).expect_success();
    let sums = "SELECT source, SUM(tokens) AS tokens, SUM(supervised) AS supervised FROM ledger GROUP BY \
                source ORDER BY source";
    let sums = project.temper(&["query", "runs/sft", sums, "--json"]).expect_success().json();
    let of = |row: usize, key: &str| sums[row][key].as_u64().unwrap();
    assert_eq!(of(0, "supervised") as f64, of_chat, "{sums}");
    assert!(of(0, "tokens") > 2 * of(0, "supervised"), "{sums}");
    assert_eq!(of(1, "tokens"), of(1, "supervised"), "{sums}");
}

#[test]
fn killed_and_resumed_it_ends_with_the_same_bytes() {
    let project = project();
    let again = project.copy();
    project.temper(&["run", "sft.toml"]).expect_success();
    let again = killed_after_a_checkpoint(&again, &["run", "sft.toml"], "runs/sft");
    again.temper(&["resume", "runs/sft"]).expect_success();
    assert!(again.results("runs/sft") == project.results("runs/sft"));
}

#[test]
fn conversations_need_a_template_and_turns() {
    let project = project();
    project.edit("sft.toml", "\nchat_template = \"chat.jinja\"", "");
    let refused = project.temper(&["plan", "sft.toml"]).expect_code(2).stderr;
    assert!(
        refused.contains("`chat` holds conversations, and the model has no chat template"),
        "{refused}"
    );
    project.write("wrong.jsonl", "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n");
    let refused = project.temper(&[
        "corpus",
        "import",
        "wrong.jsonl",
        "--conversations",
        "--out",
        "x.parquet",
    ]);
    let refused = refused.expect_code(2).stderr;
    assert!(
        refused.contains("`wrong.jsonl`, line 1: ")
            && refused.contains("the assistant says nothing"),
        "{refused}"
    );
}
