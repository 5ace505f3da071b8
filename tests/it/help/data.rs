//! Help for what is done with data: tokenizers, corpora, the cache.

use expect_test::expect;

use super::check;

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
            Make corpora, and look at what is in them

            Usage: temper corpus <COMMAND>

            Commands:
              import         Make Parquet of JSONL, CSV, plain text or other Parquet, and a manifest of it
              profile        What corpora, or those of a catalog, hold: rows, tokens, lengths, languages, copies, licences
              dedup          Find documents that stand more than once, within and across corpora
              decontaminate  Find items of a suite that stand in corpora
              help           Print this message or the help of the given subcommand(s)

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
                  --conversations        Rows are conversations, as OpenAI, Nova (Converse), ShareGPT or Alpaca write them, or prompt and completion
                  --pairs                Rows are pairs: `chosen` and `rejected`, as messages, as answers to a `prompt`, or as transcripts
                  --feedback             Rows are judged answers: a conversation and `label`, `thumbs` or `rating`; with --pairs, those that have an `edit`
                  --good-from <RATING>   Ratings from this one on are good; without it 4 of 5 stars
                  --bad-to <RATING>      Ratings up to this one are bad; without it 2 of 5 stars
                  --prompts              Rows are prompts: `messages`, `prompt` or `question`, and perhaps a reference such as `answer`
                  --text <COLUMN>        The field or column with the text [default: text]
                  --id-column <COLUMN>   The field or column with the row's id; without it rows are numbered
                  --keep <COLUMN>        A field or column to keep beside the text; may be given again
                  --paragraphs           In plain text, a blank line ends a document
                  --replace              Replace a file, and with --id a manifest, that are there already
                  --on-bad-row <WHAT>    Rows that cannot be imported: refuse counts them, names the first and writes nothing, drop leaves them out [default: refuse] [possible values: refuse, drop]
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
