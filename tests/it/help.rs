//! Every `--help`, as it stands: `UPDATE_EXPECT=1` writes a changed one here.

use std::process::Command;

use expect_test::{Expect, expect};

use crate::project::{Call, TEMPER};

mod checkpoints;
mod data;

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
              plan        Show what a run would draw from each source and what it would cost, without training
              run         Train: tokenize, score before, train, score after
              resume      Continue an interrupted run, or extend a finished one
              runs        List the runs and their state
              eval        Score a checkpoint on a suite
              compare     What changed between two checkpoints, task by task
              audit       Re-derive a run's ledger from recipe, manifests and shards, and compare
              trace       Name the documents of one step, or the steps of one document
              query       Ask the ledger in SQL (tables: rows, segments, steps, losses, measures, dropped, dropped_rows, truncated, evals)
              report      Print the forgetting report of a run again
              generate    Continue a prompt
              bench       Measure how fast a device trains a shape and generates with it
              checkpoint  Look at checkpoints, compare and convert them
              tokenizer   Make a tokenizer, or look at what one does to a conversation
              corpus      Make corpora, and look at what is in them
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
                  --device <DEVICE>  cpu, cuda:N, wgpu or vulkan; the last three when built with that feature. Training spreads over a list such as cuda:0,cuda:1 [default: cpu]
              -h, --help             Print help
        "#]],
    );
    check(
        &["plan"],
        expect![[r#"
            Show what a run would draw from each source and what it would cost, without training

            Usage: temper plan [OPTIONS] <RECIPE>

            Arguments:
              <RECIPE>  Recipe file (TOML or YAML)

            Options:
                  --set <KEY=VALUE>        Change one value for this call, such as training.max_tokens=2M
                  --json                   Machine-readable output
                  --budget <TOKENS>        Plan for so many tokens, such as 5B, instead of the recipe's budget
                  --suggest                Where the shares cannot be kept, say which ones nearest to them can
                  --picture <FILE.svg>     Also draw the shares over the run as a picture
                  --tokens-per-second <N>  Also say how long it takes at this speed, as `run` and `check --deep` print it
                  --device <DEVICE>        cpu, cuda:N, wgpu or vulkan; the last three when built with that feature. Training spreads over a list such as cuda:0,cuda:1 [default: cpu]
              -h, --help                   Print help
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
                  --device <DEVICE>  cpu, cuda:N, wgpu or vulkan; the last three when built with that feature. Training spreads over a list such as cuda:0,cuda:1 [default: cpu]
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
                  --extend <TOKENS>      Train this many tokens beyond a budget of tokens, such as 500k
                  --remix <RECIPE>       Plan the rest of the run by the mix (`data_mixing`) of this recipe
                  --allow-device-change  Go on although the device is of another kind: the data stays exact, the weights will differ
                  --json                 Machine-readable report
                  --device <DEVICE>      cpu, cuda:N, wgpu or vulkan; the last three when built with that feature. Training spreads over a list such as cuda:0,cuda:1 [default: cpu]
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
            Name the documents of one step, or the steps of one document

            Usage: temper trace [OPTIONS] <RUN>

            Arguments:
              <RUN>  Run directory

            Options:
                  --step <STEP>
                      The step, from 0
                  --row <ROW>
                      Only this row of the step, from 0
                  --text
                      Also print what the rows say
                  --document <CORPUS:FILE:[GROUP.]ROW>
                      A document instead: at which steps it was seen, and which checkpoints contain it
                  --json
                      Machine-readable output
              -h, --help
                      Print help
        "#]],
    );
    check(
        &["query"],
        expect![[r#"
            Ask the ledger in SQL (tables: rows, segments, steps, losses, measures, dropped, dropped_rows, truncated, evals)

            Usage: temper query [OPTIONS] <RUN> <SQL>

            Arguments:
              <RUN>  Run directory
              <SQL>  Such as "SELECT source, SUM(tokens) AS tokens FROM rows GROUP BY source"

            Options:
                  --out <FILE>  Write the answer to a new file, .csv or .parquet
                  --json        Machine-readable output
              -h, --help        Print help
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
