//! Every `--help`, as it stands: `UPDATE_EXPECT=1` writes a changed one here.

use std::process::Command;

use expect_test::{Expect, expect};

use crate::project::{Call, TEMPER};

#[track_caller]
fn check(verb: &[&str], expected: Expect) {
    let output = Command::new(TEMPER).args(verb).arg("--help").output().unwrap();
    expected.assert_eq(&Call::of(output).expect_success().stdout);
}

#[test]
fn the_top_level_lists_the_verbs() {
    check(
        &[],
        expect![[r#"
            Continues the training of language-model checkpoints on a mix, and proves what was trained on and what was forgotten

            Usage: temper <COMMAND>

            Commands:
              check       Validate a recipe: grammar, manifests, shares; with --deep also data, model and one step
              plan        Show what a run would draw from each source, without training
              run         Train: tokenize, score before, train, score after
              resume      Continue an interrupted run, or extend a finished one
              runs        List the runs and their state
              eval        Score a checkpoint on a suite
              compare     What changed between two checkpoints, task by task
              audit       Re-derive a run's ledger from recipe, manifests and shards, and compare
              trace       Name the documents of one step
              query       Ask the ledger in SQL (tables: rows, segments, steps)
              report      Print the forgetting report of a run again
              generate    Continue a prompt
              checkpoint  Look at checkpoints, compare and convert them
              tokenizer   Make a tokenizer, or look at what one does to a conversation
              corpus      Make corpora
              cache       The cache of token shards and baselines, which holds customer data
              help        Print this message or the help of the given subcommand(s)

            Options:
              -h, --help     Print help
              -V, --version  Print version
        "#]],
    );
    // Without arguments the same text is an answer to wrong usage.
    let bare = Call::of(Command::new(TEMPER).output().unwrap()).expect_code(2);
    let help = Call::of(Command::new(TEMPER).arg("--help").output().unwrap());
    assert_eq!(bare.stderr, help.stdout);
}

#[test]
fn verbs_for_recipes() {
    check(
        &["check"],
        expect![[r#"
            Validate a recipe: grammar, manifests, shares; with --deep also data, model and one step

            Usage: temper check [OPTIONS] <RECIPE>

            Arguments:
              <RECIPE>  Recipe file (TOML or YAML)

            Options:
                  --set <KEY=VALUE>  Change one value for this call, such as training.max_tokens=2M
                  --json             Machine-readable output
                  --deep             Also read a row of each source, take the first step and round-trip a checkpoint
                  --device <DEVICE>  cpu, cuda:N, wgpu or vulkan; the last three when built with that feature [default: cpu]
              -h, --help             Print help
        "#]],
    );
    check(
        &["plan"],
        expect![[r#"
        Show what a run would draw from each source, without training

        Usage: temper plan [OPTIONS] <RECIPE>

        Arguments:
          <RECIPE>  Recipe file (TOML or YAML)

        Options:
              --set <KEY=VALUE>  Change one value for this call, such as training.max_tokens=2M
              --json             Machine-readable output
          -h, --help             Print help
    "#]],
    );
    check(
        &["run"],
        expect![[r#"
            Train: tokenize, score before, train, score after

            Usage: temper run [OPTIONS] <RECIPE>

            Arguments:
              <RECIPE>  Recipe file (TOML or YAML)

            Options:
                  --set <KEY=VALUE>  Change one value for this call, such as seed=18 or name=second-try
                  --json             Machine-readable report
                  --device <DEVICE>  cpu, cuda:N, wgpu or vulkan; the last three when built with that feature [default: cpu]
              -h, --help             Print help
        "#]],
    );
}

#[test]
fn verbs_for_runs() {
    check(
        &["resume"],
        expect![[r#"
            Continue an interrupted run, or extend a finished one

            Usage: temper resume [OPTIONS] <RUN>

            Arguments:
              <RUN>  Run directory

            Options:
                  --extend <TOKENS>      Train this many tokens beyond the budget, such as 500k
                  --allow-device-change  Go on although the device is of another kind: the data stays exact, the weights will differ
                  --json                 Machine-readable report
                  --device <DEVICE>      cpu, cuda:N, wgpu or vulkan; the last three when built with that feature [default: cpu]
              -h, --help                 Print help
        "#]],
    );
    check(
        &["runs"],
        expect![[r#"
            List the runs and their state

            Usage: temper runs [OPTIONS] [FOLDER]

            Arguments:
              [FOLDER]  Folder of runs; without it that of the project around the current folder

            Options:
                  --json  Machine-readable output
              -h, --help  Print help
        "#]],
    );
    check(
        &["audit"],
        expect![[r#"
        Re-derive a run's ledger from recipe, manifests and shards, and compare

        Usage: temper audit [OPTIONS] <RUN>

        Arguments:
          <RUN>  Run directory

        Options:
              --json  Machine-readable output
          -h, --help  Print help
    "#]],
    );
    check(
        &["trace"],
        expect![[r#"
        Name the documents of one step

        Usage: temper trace [OPTIONS] --step <STEP> <RUN>

        Arguments:
          <RUN>  Run directory

        Options:
              --step <STEP>  The step, from 0
              --json         Machine-readable output
          -h, --help         Print help
    "#]],
    );
    check(
        &["query"],
        expect![[r#"
        Ask the ledger in SQL (tables: rows, segments, steps)

        Usage: temper query [OPTIONS] <RUN> <SQL>

        Arguments:
          <RUN>  Run directory
          <SQL>  Such as "SELECT source, SUM(tokens) AS tokens FROM rows GROUP BY source"

        Options:
              --json  Machine-readable output
          -h, --help  Print help
    "#]],
    );
    check(
        &["report"],
        expect![[r#"
        Print the forgetting report of a run again

        Usage: temper report [OPTIONS] <RUN>

        Arguments:
          <RUN>  Run directory

        Options:
              --json  Machine-readable output
          -h, --help  Print help
    "#]],
    );
}

#[test]
fn verbs_for_checkpoints() {
    check(
        &["eval"],
        expect![[r#"
            Score a checkpoint on a suite

            Usage: temper eval [OPTIONS] --suite <SUITE> <CHECKPOINT>

            Arguments:
              <CHECKPOINT>  Hugging Face folder, adapter, model of the Hub (org/name) or run (runs/x, runs/x@400)

            Options:
                  --suite <SUITE>    Suite id
                  --json             Machine-readable output, with the score of every item
                  --device <DEVICE>  cpu, cuda:N, wgpu or vulkan; the last three when built with that feature [default: cpu]
              -h, --help             Print help
        "#]],
    );
    check(
        &["compare"],
        expect![[r#"
            What changed between two checkpoints, task by task

            Usage: temper compare [OPTIONS] <BEFORE> <AFTER>

            Arguments:
              <BEFORE>  The checkpoint before
              <AFTER>   The checkpoint after

            Options:
                  --suite <SUITE>    Suite id; without it that of the run that AFTER comes from
                  --json             Machine-readable output
                  --device <DEVICE>  cpu, cuda:N, wgpu or vulkan; the last three when built with that feature [default: cpu]
              -h, --help             Print help
        "#]],
    );
    check(
        &["generate"],
        expect![[r#"
            Continue a prompt

            Usage: temper generate [OPTIONS] <CHECKPOINT>

            Arguments:
              <CHECKPOINT>  Hugging Face folder, adapter, model of the Hub (org/name) or run (runs/x, runs/x@400)

            Options:
                  --prompt <PROMPT>
                      What to continue; may be given again
                  --ids <IDS>
                      Token ids to continue, separated by commas; may be given again
                  --max-tokens <MAX_TOKENS>
                      At most this many new tokens [default: 64]
                  --samples <N>
                      Continuations of each prompt [default: 1]
                  --temperature <TEMPERATURE>
                      0 takes the likeliest token [default: 0]
                  --top-k <TOP_K>
                      Sample from this many of the likeliest tokens; 0 from all [default: 0]
                  --top-p <TOP_P>
                      Sample from the likeliest tokens that hold this much probability [default: 1]
                  --min-p <MIN_P>
                      Sample from tokens at least this probable relative to the likeliest [default: 0]
                  --repetition-penalty <REPETITION_PENALTY>
                      Above 1, tokens that occurred already become less likely [default: 1]
                  --stop <STOP>
                      A text that ends a continuation; may be given again
                  --ignore-eos
                      Go on behind the token that ends a text
                  --seed <SEED>
                      Seed of the sampling [default: 0]
                  --json
                      Machine-readable output: ids and their log-probabilities
                  --device <DEVICE>
                      cpu, cuda:N, wgpu or vulkan; the last three when built with that feature [default: cpu]
              -h, --help
                      Print help
        "#]],
    );
}

#[test]
fn verbs_for_data() {
    check(
        &["tokenizer"],
        expect![[r#"
            Make a tokenizer, or look at what one does to a conversation

            Usage: temper tokenizer <COMMAND>

            Commands:
              train   Train a byte-level BPE tokenizer on corpora
              render  Print a conversation as the checkpoint's chat template renders it
              help    Print this message or the help of the given subcommand(s)

            Options:
              -h, --help  Print help
        "#]],
    );
    check(
        &["checkpoint", "logits"],
        expect![[r#"
        The logits after each token id

        Usage: temper checkpoint logits [OPTIONS] --ids <IDS> <CHECKPOINT>

        Arguments:
          <CHECKPOINT>  Hugging Face folder, adapter, model of the Hub (org/name) or run (runs/x, runs/x@400)

        Options:
              --ids <IDS>        Token ids, separated by commas
              --last <N>         Only after the last N ids
              --json             A list of lists, one number for each token of the vocabulary; without it the likeliest tokens
              --device <DEVICE>  cpu, cuda:N, wgpu or vulkan; the last three when built with that feature [default: cpu]
          -h, --help             Print help
    "#]],
    );
    check(
        &["checkpoint", "diff"],
        expect![[r#"
        How far apart the tensors of two checkpoints lie

        Usage: temper checkpoint diff [OPTIONS] <A> <B>

        Arguments:
          <A>  One checkpoint
          <B>  The other one

        Options:
              --json  Machine-readable output
          -h, --help  Print help
    "#]],
    );
    check(
        &["checkpoint", "convert"],
        expect![[r#"
        Write a checkpoint to a new folder in another type; an adapter is merged

        Usage: temper checkpoint convert [OPTIONS] <CHECKPOINT> <OUT>

        Arguments:
          <CHECKPOINT>  Hugging Face folder, adapter, model of the Hub (org/name) or run (runs/x, runs/x@400)
          <OUT>         Folder to write; must not be there

        Options:
              --dtype <DTYPE>          The type of the weights [default: bf16] [possible values: f32, f16, bf16]
              --max-shard-size <SIZE>  The largest file of weights, such as 5GB [default: 5GB]
              --json                   Machine-readable output
          -h, --help                   Print help
    "#]],
    );
    check(
        &["checkpoint", "show"],
        expect![[r#"
        Family, shapes, parameters, types, tokenizer and lineage

        Usage: temper checkpoint show [OPTIONS] <CHECKPOINT>

        Arguments:
          <CHECKPOINT>  Hugging Face folder, adapter, model of the Hub (org/name) or run (runs/x, runs/x@400)

        Options:
              --json  Machine-readable output, with every tensor
          -h, --help  Print help
    "#]],
    );
    check(
        &["tokenizer", "render"],
        expect![[r#"
        Print a conversation as the checkpoint's chat template renders it

        Usage: temper tokenizer render [OPTIONS] <CHECKPOINT> <FILE>

        Arguments:
          <CHECKPOINT>  Hugging Face folder, adapter, model of the Hub (org/name) or run (runs/x, runs/x@400)
          <FILE>        JSON file with an array of messages, or an object with messages, tools and documents; - reads standard input

        Options:
              --tools <FILE>           JSON file with an array of tools
              --add-generation-prompt  End with what begins the assistant's next message
              --now <DATE>             The moment that the template may print, such as 2026-07-26
              --json                   Text, token ids and the mask of the assistant's tokens
          -h, --help                   Print help
    "#]],
    );
    check(
        &["tokenizer", "train"],
        expect![[r#"
            Train a byte-level BPE tokenizer on corpora

            Usage: temper tokenizer train [OPTIONS] --out <OUT> <CORPORA>...

            Arguments:
              <CORPORA>...  Corpus ids

            Options:
                  --vocabulary <VOCABULARY>  Tokens in the vocabulary, markers included [default: 4096]
                  --context <CONTEXT>        Tokens the model will read at once [default: 2048]
                  --out <OUT>                Folder for tokenizer.json and its companions
                  --json                     Machine-readable output
              -h, --help                     Print help
        "#]],
    );
    check(
        &["corpus"],
        expect![[r#"
            Make corpora

            Usage: temper corpus <COMMAND>

            Commands:
              import  Make Parquet of JSONL, CSV, plain text or other Parquet, and a manifest of it
              help    Print this message or the help of the given subcommand(s)

            Options:
              -h, --help  Print help
        "#]],
    );
    check(
        &["corpus", "import"],
        expect![[r#"
            Make Parquet of JSONL, CSV, plain text or other Parquet, and a manifest of it

            Usage: temper corpus import [OPTIONS] --out <OUT> <INPUTS>...

            Arguments:
              <INPUTS>...  Files to read, in order (.jsonl, .csv, .tsv, .txt, .md, .parquet)

            Options:
                  --out <OUT>            Parquet file to write
                  --text <COLUMN>        The field or column with the text [default: text]
                  --id-column <COLUMN>   The field or column with the row's id; without it rows are numbered
                  --keep <COLUMN>        A field or column to keep beside the text; may be given again
                  --paragraphs           In plain text, a blank line ends a document
                  --id <ID>              Also write a manifest with this id; needs --category, --licence and --source
                  --category <CATEGORY>  The manifest's category
                  --licence <LICENCE>    The manifest's licence (SPDX)
                  --source <SOURCE>      Where the text comes from
                  --split <SPLIT>        What the rows may be used for [default: train] [possible values: train, heldout]
                  --json                 Machine-readable output
              -h, --help                 Print help
        "#]],
    );
    check(
        &["cache"],
        expect![[r#"
        The cache of token shards and baselines, which holds customer data

        Usage: temper cache <COMMAND>

        Commands:
          list   What is cached, and how large it is
          clean  Delete all of it
          help   Print this message or the help of the given subcommand(s)

        Options:
          -h, --help  Print help
    "#]],
    );
    check(
        &["cache", "list"],
        expect![[r#"
        What is cached, and how large it is

        Usage: temper cache list [OPTIONS]

        Options:
              --json  Machine-readable output
          -h, --help  Print help
    "#]],
    );
    check(
        &["cache", "clean"],
        expect![[r#"
        Delete all of it

        Usage: temper cache clean [OPTIONS]

        Options:
              --json  Machine-readable output
          -h, --help  Print help
    "#]],
    );
}
