//! Help for what is done with checkpoints.

use expect_test::expect;

use super::check;

#[test]
fn verbs_for_checkpoints() {
    check(
        &["eval"],
        expect![[r#"
            Score a checkpoint on a suite

            Usage: temper eval [OPTIONS] <CHECKPOINT>

            Arguments:
              <CHECKPOINT>  Hugging Face folder, adapter, model of the Hub (org/name) or run (runs/x, runs/x@400)

            Options:
                  --suite <SUITE>              Suite id
                  --chat-template <FILE>       Chat template (Jinja), if the checkpoint has none, such as a base model
                  --prompts <CORPUS>           Instead of a suite a corpus of prompts; completions are judged
                  --verifier <VERIFIER>        What judges completions [possible values: number, choice, exact, regex, json, json-schema, tool-call, constraints]
                  --rewards <RECIPE>           Judge completions by the rewards of this recipe or run: verifiers, programs and services
                  --pass-from <REWARD>         The reward from which on a completion passes; without it the most that the rewards can reach
                  --samples <N>                Completions of each prompt [default: 1]
                  --max-tokens <MAX_TOKENS>    At most this many new tokens [default: 64]
                  --temperature <TEMPERATURE>  0 takes the likeliest token [default: 1]
                  --seed <SEED>                Seed of the sampling [default: 0]
                  --json                       Machine-readable output, with the score of every item
                  --device <DEVICE>            cpu, cuda:N, wgpu or vulkan; the last three when built with that feature. Training spreads over a list such as cuda:0,cuda:1 [default: cpu]
              -h, --help                       Print help
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
                  --suite <SUITE>         Suite id; without it that of the run that AFTER comes from
                  --chat-template <FILE>  Chat template (Jinja) of a checkpoint that has none, such as a base model
                  --json                  Machine-readable output
                  --device <DEVICE>       cpu, cuda:N, wgpu or vulkan; the last three when built with that feature. Training spreads over a list such as cuda:0,cuda:1 [default: cpu]
              -h, --help                  Print help
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
                  --chat
                      Prompts are a user's messages: written by the checkpoint's chat template, and answered
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
                      cpu, cuda:N, wgpu or vulkan; the last three when built with that feature. Training spreads over a list such as cuda:0,cuda:1 [default: cpu]
              -h, --help
                      Print help
        "#]],
    );
}

#[test]
fn verbs_of_checkpoint() {
    check(
        &["checkpoint", "show"],
        expect![[r#"
        Family, shapes, parameters, types, tokenizer and lineage

        Usage: temper checkpoint show [OPTIONS] <CHECKPOINT>

        Arguments:
          <CHECKPOINT>  Hugging Face folder, adapter, model of the Hub (org/name) or run (runs/x, runs/x@400)

        Options:
              --lineage  Also every run behind it, and what these were trained on
              --json     Machine-readable output, with every tensor
          -h, --help     Print help
    "#]],
    );
    check(
        &["checkpoint", "convert"],
        expect![[r#"
        Write a checkpoint to a new folder in another type, with its lineage; an adapter is merged

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
                  --device <DEVICE>  cpu, cuda:N, wgpu or vulkan; the last three when built with that feature. Training spreads over a list such as cuda:0,cuda:1 [default: cpu]
              -h, --help             Print help
        "#]],
    );
}
