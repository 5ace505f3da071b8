//! Supervised fine-tuning: conversations beside texts, and what of them carries loss.

use serde_json::{Value, json};

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

/// Two questions, the first of which takes a call to answer; each of the assistant's turns has its reasoning.
fn call(number: usize) -> String {
    let substance = ["benzene", "solvent", "acid"][number % 3];
    let id = format!("call-{number}");
    let function = json!({ "name": "melts", "arguments": json!({ "of": substance }).to_string() });
    let said = |reasoning: &str, content: String| {
        let role = "assistant";
        json!({ "role": role, "reasoning_content": reasoning, "content": content })
    };
    let messages = json!([
        { "role": "user", "content": format!("When does {substance} melt?") },
        {
            "role": "assistant", "reasoning_content": "A table knows.", "content": "",
            "tool_calls": [{ "id": id, "type": "function", "function": function }],
        },
        { "role": "tool", "tool_call_id": id, "content": number.to_string() },
        said("It says so.", format!("At {number} degrees.")),
        { "role": "user", "content": "And when does it boil?" },
        said("Later than that.", format!("At {} degrees.", number + 100)),
    ]);
    format!("{}\n", json!({ "messages": messages }))
}

/// A project with conversations that call and reason, a template of Qwen 3's kind and a recipe `sft.toml`.
fn project_with_reasoning() -> Project {
    let project = Project::new();
    project.edit(
        "model/config.json",
        "\"max_position_embeddings\": 128",
        "\"max_position_embeddings\": 512",
    );
    project.edit("recipe.toml", "max_steps = 24", "max_steps = 4");
    project.temper(&["run", "recipe.toml"]).expect_success();
    project.write("calls.jsonl", &(0..60).map(call).collect::<String>());
    let import = "corpus import calls.jsonl --conversations --out data-manifests/calls.parquet --id calls \
                  --category dialog --licence CC0-1.0 --source made-by-a-test";
    project.temper(&import.split_whitespace().collect::<Vec<_>>()).expect_success();
    std::fs::copy("../../tests/fixtures/chat/qwen3.jinja", project.path("qwen3.jinja")).unwrap();
    let recipe = std::fs::read_to_string(project.path("recipe.toml")).unwrap();
    let recipe = recipe
        .replace("name = \"small\"", "name = \"sft\"")
        .replace("stage = \"pretrain\"", "stage = \"sft\"")
        .replace("init = \"model\"", "from = \"runs/small\"\nchat_template = \"qwen3.jinja\"")
        .replace(
            "percent = 75, corpora = { customer = 100 }",
            "percent = 100, corpora = { calls = 100 }",
        )
        .replace("max_steps = 4\nsequence_length = 64", "max_tokens = 900\nsequence_length = 512");
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
    // Whoever looks says the same: before anything is tokenized, in the plan, in the run and in its ledger.
    let n = |what: &str| pass[what].as_u64().unwrap();
    let (truncated, left_out) = (n("truncated_documents"), n("left_out_documents"));
    let checked = project.temper(&["check", "sft.toml", "--json"]).expect_success().json();
    let rows = checked["rows"].as_array().unwrap();
    let of = |name: &str| rows.iter().find(|rows| rows["source"] == name).unwrap();
    assert_eq!(
        (&of("chat")["truncated"], &of("chat")["left_out"]),
        (&truncated.into(), &left_out.into())
    );
    assert_eq!(of("general")["truncated"], 0);
    let said =
        format!("longer than a row of 64 positions: {truncated} truncated, {left_out} left out");
    for verb in ["check", "plan"] {
        let found = project.temper(&[verb, "sft.toml"]).expect_success().stdout;
        assert!(found.contains(&said), "{found}");
    }

    let ran = project.temper(&["run", "sft.toml"]).expect_success();
    let rows = |n: u64| if n == 1 { "1 row".to_owned() } else { format!("{n} rows") };
    for line in [
        format!("chat: {} dropped: {left_out} longer than a row", rows(left_out)),
        format!("chat: {} truncated: longer than a row", rows(truncated)),
    ] {
        assert!(ran.stdout.contains(&line), "{}", ran.stdout);
    }
    for (table, n) in [("truncated", truncated), ("dropped", left_out)] {
        let sql = format!("SELECT source, rows FROM {table}");
        let counts = project.temper(&["query", "runs/sft", &sql, "--json"]).expect_success().json();
        assert_eq!(counts, json!([{ "source": "chat", "rows": n }]));
    }
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

/// The template drops the reasoning of turns before the last question, so that nobody can tell these from the text.
#[test]
fn last_turns_are_learned_where_a_template_drops_reasoning() {
    let project = project_with_reasoning();
    let refused = project.temper(&["run", "sft.toml"]).expect_code(2).stderr;
    for expected in ["`qwen3.jinja`, message 1: the text up to its end", "`sft.turns = \"last\"`"] {
        assert!(refused.contains(expected), "{refused}");
    }
    assert!(!project.path("runs/sft").exists());
    let last =
        |verb: &str, recipe: &str| project.temper(&[verb, recipe, "--set", "sft.turns=last"]);
    last("check", "sft.toml").expect_success();
    last("run", "sft.toml").expect_success();
    project.temper(&["audit", "runs/sft"]).expect_success();
    let sums = "SELECT SUM(tokens) AS tokens, SUM(supervised) AS supervised FROM ledger WHERE source = 'calls'";
    let sums = project.temper(&["query", "runs/sft", sums, "--json"]).expect_success().json();
    let of = |key: &str| sums[0][key].as_u64().unwrap();
    // One turn of three, the questions and what the tool says.
    assert!(of("supervised") > 0 && of("tokens") > 3 * of("supervised"), "{sums}");
    let refused = last("plan", "recipe.toml").expect_code(2).stderr;
    let expected = "sft: found in the stage `pretrain`, expected it in `sft` only";
    assert!(refused.contains(expected), "{refused}");
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

#[test]
fn advice_on_the_start_counts_the_demonstrations_that_are_taken() {
    let project = project();
    let check = |learns_from: &str, documents: u64| -> u64 {
        let checked = project.temper(&["check", "sft.toml", "--json"]).expect_success().json();
        let start = &checked["start"];
        assert_eq!(start["learns_from"], learns_from, "{start}");
        assert_eq!(start["documents"], documents, "{start}");
        start["tokens"].as_u64().unwrap()
    };
    let all = check("demonstrations", 300);
    // Texts beside them demonstrate nothing, and are what is learned where they are alone.
    project.edit("sft.toml", "{ chat = 100 }", "{ chat = 50, customer = 50 }");
    assert_eq!(check("demonstrations", 300), all);
    let manifest = std::fs::read_to_string(project.path("data-manifests/chat.toml")).unwrap();
    project.write("data-manifests/chat.toml", &format!("max_documents = 30\n{manifest}"));
    let some = check("demonstrations", 30);
    assert!(some.abs_diff(all / 10) <= 1, "{some} of {all}");
    project.edit("sft.toml", "{ chat = 50, customer = 50 }", "{ customer = 100 }");
    check("texts", 600);
}
