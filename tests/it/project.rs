//! A small project in a folder of its own: corpora, tokenizer, model, recipe.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// The binary under test.
pub(crate) const TEMPER: &str = env!("CARGO_BIN_EXE_temper");

/// A project that is removed when the test ends.
pub(crate) struct Project {
    folder: TempDir,
}

/// What a call of the binary left.
pub(crate) struct Call {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Project {
    /// Two corpora (`general`, `customer`) with telling texts, a tokenizer of 320 tokens, a suite
    /// and `recipe.toml`, which trains a two-layer model from scratch in 24 steps.
    pub(crate) fn new() -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(project.path("data-manifests/suites")).unwrap();
        fs::create_dir_all(project.path("data-manifests/catalogs")).unwrap();
        fs::create_dir_all(project.path("model")).unwrap();
        for (id, category, words) in [
            ("general", "prose", ["river", "stone", "morning", "letter", "walked", "slowly"]),
            (
                "customer",
                "chemistry",
                ["benzene", "solvent", "titration", "mole", "reacts", "acid"],
            ),
        ] {
            project.import(id, category, "train", &texts(&words, 0..600));
            project.import(&format!("{id}-heldout"), category, "heldout", &texts(&words, 600..620));
        }
        project.write("data-manifests/catalogs/small.toml", CATALOG);
        project.write("data-manifests/suites/small.toml", SUITE);
        project.write("model/config.json", CONFIG);
        project.write("recipe.toml", RECIPE);
        let train =
            ["tokenizer", "train", "general", "customer", "--vocabulary", "320", "--out", "model"];
        project.temper(&train).expect_success();
        project
    }

    /// Another project with the same files.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self { folder: tempfile::tempdir().unwrap() };
        for file in self.files() {
            let path = copy.path(&file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::copy(self.path(&file), path).unwrap();
        }
        copy
    }

    /// All files, by path; links are not followed.
    pub(crate) fn files(&self) -> Vec<String> {
        let (mut folders, mut files) = (vec![self.path("")], Vec::new());
        while let Some(folder) = folders.pop() {
            for path in list(&folder) {
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                } else {
                    let path = path.strip_prefix(self.path("")).unwrap();
                    files.push(path.to_str().unwrap().to_owned());
                }
            }
        }
        files.sort();
        files
    }

    /// A path in the project.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Writes a file.
    pub(crate) fn write(&self, relative: &str, text: &str) {
        fs::write(self.path(relative), text).unwrap();
    }

    /// Replaces text that must be in the file.
    pub(crate) fn edit(&self, relative: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(relative)).unwrap();
        assert!(text.contains(from), "{relative} has no {from:?}:\n{text}");
        self.write(relative, &text.replace(from, to));
    }

    /// A command that runs the binary in the project.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(TEMPER);
        command.args(arguments).current_dir(self.folder.path());
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn temper(&self, arguments: &[&str]) -> Call {
        Call::of(self.command(arguments).output().unwrap())
    }

    /// Everything that must be the same twice in a run: ledger files and the last weights, by name.
    pub(crate) fn results(&self, run: &str) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<PathBuf> = list(&self.path(&format!("{run}/ledger")));
        let last = list(&self.path(&format!("{run}/checkpoints"))).into_iter().max().unwrap();
        files.extend(list(&last).into_iter().filter(|path| path.is_file()));
        files.extend(list(&last.join("temper")));
        let root = self.path(run);
        let name = |path: &Path| path.strip_prefix(&root).unwrap().display().to_string();
        let mut results: Vec<_> =
            files.iter().map(|path| (name(path), fs::read(path).unwrap())).collect();
        results.sort();
        results
    }

    pub(crate) fn import(&self, id: &str, category: &str, split: &str, lines: &str) {
        let jsonl = format!("{id}.jsonl");
        self.write(&jsonl, lines);
        let out = format!("data-manifests/{id}.parquet");
        self.temper(&[
            "corpus",
            "import",
            &jsonl,
            "--out",
            &out,
            "--id",
            id,
            "--category",
            category,
            "--licence",
            "CC0-1.0",
            "--source",
            "made by a test",
            "--split",
            split,
        ])
        .expect_success();
    }
}

impl Call {
    /// What a process left that has ended.
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Panics with the output unless the call succeeded.
    #[track_caller]
    pub(crate) fn expect_success(self) -> Self {
        self.expect_code(0)
    }

    /// Panics with the output unless the call ended with `code`.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}:\n{}", self.stdout))
    }
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Short documents of a few words each; every number gives another one.
pub(crate) fn texts(words: &[&str; 6], numbers: std::ops::Range<usize>) -> String {
    numbers
        .map(|number| {
            let picked: Vec<&str> =
                (0..4 + number % 9).map(|i| words[(number / 7 + i * i) % 6]).collect();
            format!("{{\"text\": \"{} number {number}.\"}}\n", picked.join(" "))
        })
        .collect()
}

const CONFIG: &str = r#"{
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 320,
  "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
  "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 128, "rms_norm_eps": 1e-5,
  "rope_theta": 10000.0, "tie_word_embeddings": true, "initializer_range": 0.02, "hidden_act": "silu",
  "attention_bias": false, "mlp_bias": false, "bos_token_id": 0, "eos_token_id": 1
}"#;

const CATALOG: &str = r#"
schema = 1
id = "small"
[categories.prose]
percent = 100
corpora = { general = 100 }
"#;

const SUITE: &str = r#"
schema = 1
id = "small"
sequence_length = 128
[[tasks]]
id = "general-loss"
group = "general"
kind = "loss"
corpus = "general-heldout"
[[tasks]]
id = "customer-loss"
group = "customer"
kind = "loss"
corpus = "customer-heldout"
"#;

const RECIPE: &str = r#"
schema = 1
name = "small"
stage = "pretrain"
seed = 3

[model]
init = "model"

[training]
max_steps = 24
sequence_length = 64
global_batch_size = 4
micro_batch_size = 2

[data_mixing]
dataset_catalog = "small"
packing_window = 64

[data_mixing.sources]
customer_data = { percent = 75, corpora = { customer = 100 } }

[optimizer]
lr = 3e-3
schedule = { kind = "wsd", warmup = 0.1, decay = 0.2 }

[checkpoint]
every = 4
keep_last = 2

[forgetting]
suite = "small"
every = 8
tolerance = { loss = 0.1, accuracy = 0.1 }
action = "warn"
on_undecided = "warn"
"#;
