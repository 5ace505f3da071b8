use std::path::Path;
use std::sync::Arc;

use arrow::array::StringArray;
use temper_recipe::{Manifest, OnBadRow, Tokenization};
use temper_tokens::{
    ChatTemplate, LONGEST_PIECE_BYTES, SpecialTokens, TokenCorpus, TokenSource as _, Turns,
};

use super::*;
use crate::chat_format::Supervised;
use crate::testing::{
    Digits, manifest, strings, text_manifest, tokenizer, told, write_bytes, write_parquet,
};
use crate::tokenize::tokenize;

const POLICY: Tokenization = Tokenization { bos: true, eos: true };

/// Refuses what says `never`.
const TEMPLATE: &str = "{% for message in messages %}{% if message.content == 'never' %}\
                        {{ raise_exception('never say never') }}{% endif %}\
                        <{{ message.role }}>{{ message.content }}{% endfor %}";

const GOOD: &str = r#"[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]"#;

/// Good rows first, last and between bad ones.
fn rows() -> Vec<Option<&'static str>> {
    vec![
        Some(GOOD),
        None,
        Some("[{"),
        Some(r#"[{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]"#),
        Some(
            r#"[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
                {"role": "tool", "tool_call_id": "x", "content": "c"}]"#,
        ),
        Some(GOOD),
        Some(r#"[{"role": "user", "content": "a"}]"#),
        Some(r#"[{"role": "user", "content": "never"}, {"role": "assistant", "content": "b"}]"#),
        Some(GOOD),
    ]
}

/// Row groups of two rows.
fn corpus(folder: &Path, rows: &[Option<&str>]) -> Corpus {
    let messages = Arc::new(StringArray::from(rows.to_vec()));
    write_parquet(&folder.join("0.parquet"), 2, vec![("messages", messages)]);
    let mut manifest = manifest(folder, &["0.parquet"]);
    manifest.columns.messages = Some("messages".to_owned());
    Corpus::open(&manifest, folder).unwrap()
}

fn template() -> ChatTemplate {
    ChatTemplate::new("x.jinja", TEMPLATE, SpecialTokens::new()).unwrap()
}

fn format(template: &ChatTemplate, on_bad_row: OnBadRow) -> ChatFormat<'_> {
    let supervised = Supervised::Assistant(Turns::Every);
    ChatFormat { template, supervised, on_bad_row, references: None }
}

#[test]
fn bad_rows_are_named_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (tokenizer, corpus) = (tokenizer(folder.path()), corpus(folder.path(), &rows()));
    let template = template();
    let chat = format(&template, OnBadRow::Refuse);
    let (go, mut seen) = (AtomicBool::new(false), 0);
    let found =
        BadRows::find(&corpus, &tokenizer, Some(chat), None, &go, &mut |n| seen = n).unwrap();
    assert_eq!((found.n(), found.n_documents, seen), (6, 9, 9));
    let named: Vec<_> = found
        .named
        .iter()
        .map(|BadRow { place, fault, problem, .. }| {
            (2 * place.row_group + place.row, *fault, problem.as_str())
        })
        .collect();
    let expected = [
        (1, Fault::Missing, "`messages` is null"),
        (2, Fault::Form, "messages: it is no JSON: EOF"),
        (3, Fault::Order, "message 1: found `user` after user"),
        (4, Fault::Calls, "message 2: it answers the call `x`, which nobody made"),
        (6, Fault::NoAnswer, "the assistant says nothing"),
        (7, Fault::Template, "never say never"),
    ];
    assert_eq!(named.len(), expected.len());
    for ((row, fault, problem), expected) in named.into_iter().zip(expected) {
        assert_eq!((row, fault), (expected.0, expected.1), "{problem}");
        assert!(problem.contains(expected.2), "{problem}");
    }
    assert!(found.counts.values().all(|n| *n == 1));
    // Only what the template refuses may need another template.
    for BadRow { fault, hint, .. } in &found.named {
        let expected = "change the conversation as the template asks for, or use another template";
        let is_of_template = *fault == Fault::Template;
        assert_eq!(hint.as_deref(), is_of_template.then_some(expected), "{fault}");
    }
    let error =
        BadRows::find(&corpus, &tokenizer, Some(chat), None, &AtomicBool::new(true), &mut |_| {});
    assert!(matches!(error, Err(Error::Stopped { .. })), "{error:?}");
}

#[test]
fn dropped_rows_are_no_documents_and_looked_for_once() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(folder.path());
    let (template, cache) = (template(), folder.path().join("cache"));
    let chat = Some(format(&template, OnBadRow::Drop));
    let dropped = |stop: bool| {
        let corpus = corpus(folder.path(), &rows());
        let stop = AtomicBool::new(stop);
        corpus.without_bad_rows(&tokenizer, POLICY, chat, &cache, &stop, &mut |_| {})
    };
    let go = AtomicBool::new(false);
    let left = dropped(false).unwrap();
    let tokens = tokenize(&left, &tokenizer, POLICY, chat, &cache, &go, &mut |_| {}).unwrap();
    let origins: Vec<u32> = (0..tokens.n_documents())
        .map(|at| tokens.origin(at))
        .map(|origin| 2 * origin.row_group + origin.row)
        .collect();
    assert_eq!(origins, [0, 5, 8]);
    assert_eq!(left.n_documents(), 3);
    let named = left
        .dropped_rows()
        .iter()
        .map(|DroppedRow { origin, fault }| (2 * origin.row_group + origin.row, *fault));
    let (first, last) = ((1, Fault::Missing), (7, Fault::Template));
    let named: Vec<_> = named.collect();
    assert_eq!((named.len(), named.first(), named.last()), (6, Some(&first), Some(&last)));
    assert_eq!(tokens.set().dropped["turns out of order"], 1);
    assert_eq!(tokens.set().dropped.values().sum::<u64>(), 6);
    // A second look would be stopped.
    assert_eq!(dropped(true).unwrap().n_documents(), 3);
    // Where they are refused, the first one is named.
    let corpus = corpus(folder.path(), &rows()[5..]);
    let chat = Some(format(&template, OnBadRow::Refuse));
    let kept = corpus.without_bad_rows(&tokenizer, POLICY, chat, &cache, &go, &mut |_| {}).unwrap();
    let error = tokenize(&kept, &tokenizer, POLICY, chat, &cache, &go, &mut |_| {}).unwrap_err();
    let error = told(folder.path(), &error);
    assert!(error.contains("`x/0.parquet`, row group 0, row 1: cannot be learned from"), "{error}");
    assert!(error.contains("on_bad_row = \"drop\""), "{error}");
}

#[test]
fn of_refused_rows_the_first_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (tokenizer, template) = (tokenizer(folder.path()), template());
    let chat = Some(format(&template, OnBadRow::Refuse));
    let go = AtomicBool::new(false);
    let rows = rows();
    // What cannot be read, and what is read and refused, in both orders and in one row group.
    for order in [[2, 6], [6, 2], [7, 1], [1, 7]] {
        let corpus = corpus(folder.path(), &order.map(|row| rows[row]));
        let found = BadRows::find(&corpus, &tokenizer, chat, None, &go, &mut |_| {}).unwrap();
        let cache = folder.path().join("cache");
        let error = tokenize(&corpus, &tokenizer, POLICY, chat, &cache, &go, &mut |_| {});
        let error = error.unwrap_err();
        assert_eq!(error.place(), Some(&found.named[0].place), "{error}");
        assert_eq!(error.problem(), found.named[0].problem);
    }
}

/// Prompts in row groups of two rows, with their references.
fn prompts(folder: &Path, answers: &[Option<&str>]) -> Corpus {
    let asked = |number: usize| match number {
        // Answered already.
        4 => GOOD.to_owned(),
        _ => format!("[{{\"role\": \"user\", \"content\": \"{number}\"}}]"),
    };
    let messages: Vec<String> = (0..answers.len()).map(asked).collect();
    let answers = Arc::new(StringArray::from(answers.to_vec()));
    let columns = vec![("messages", strings(&messages)), ("answer", answers as _)];
    write_parquet(&folder.join("0.parquet"), 2, columns);
    let mut manifest = manifest(folder, &["0.parquet"]);
    manifest.columns.messages = Some("messages".to_owned());
    manifest.columns.answer = Some("answer".to_owned());
    Corpus::open(&manifest, folder).unwrap()
}

#[test]
fn references_that_nobody_can_judge_by_are_bad_rows() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(folder.path());
    let (template, cache) = (template(), folder.path().join("cache"));
    let go = AtomicBool::new(false);
    let answers = [Some("1"), None, Some("x"), None, Some("y"), Some("6"), Some("7")];
    let asked = |on_bad_row, references| ChatFormat {
        supervised: Supervised::Prompt,
        references,
        ..format(&template, on_bad_row)
    };
    let digits = Some(References { column: "answer", check: &Digits });
    let find = |references| {
        let chat = asked(OnBadRow::Refuse, references);
        let corpus = prompts(folder.path(), &answers);
        let found = BadRows::find(&corpus, &tokenizer, Some(chat), None, &go, &mut |_| {}).unwrap();
        let named = found.named.into_iter().map(|BadRow { place, fault, problem, .. }| {
            (2 * place.row_group + place.row, fault, problem)
        });
        named.collect::<Vec<_>>()
    };
    let null = "`answer`: found null, expected a reference".to_owned();
    let wrong = "`answer`: found `x`, expected digits".to_owned();
    let answered = find(None);
    assert_eq!((answered.len(), answered[0].0, answered[0].1), (1, 4, Fault::Order));
    let expected = vec![
        (1, Fault::Missing, null.clone()),
        (2, Fault::Reference, wrong),
        (3, Fault::Missing, null),
        // Of two faults of a row the first one counts.
        answered[0].clone(),
    ];
    assert_eq!(find(digits), expected);

    // What is dropped depends on who judges, and is remembered for each.
    let left = |references| {
        let chat = Some(asked(OnBadRow::Drop, references));
        let corpus = prompts(folder.path(), &answers);
        let left =
            corpus.without_bad_rows(&tokenizer, POLICY, chat, &cache, &go, &mut |_| {}).unwrap();
        let tokens = tokenize(&left, &tokenizer, POLICY, chat, &cache, &go, &mut |_| {}).unwrap();
        assert_eq!(tokens.n_documents() as u64, left.n_documents());
        left.read_answers("answer", references.map(|references| references.check)).unwrap()
    };
    let texts = |answers: &[Option<&str>]| -> Vec<Option<String>> {
        answers.iter().map(|answer| answer.map(str::to_owned)).collect()
    };
    for _ in 0..2 {
        assert_eq!(left(digits), texts(&[Some("1"), Some("6"), Some("7")]));
        let all_prompts = [Some("1"), None, Some("x"), None, Some("6"), Some("7")];
        assert_eq!(left(None), texts(&all_prompts));
    }
}

#[test]
fn a_corpus_of_bad_rows_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(folder.path());
    let (template, go) = (template(), AtomicBool::new(false));
    let chat = Some(format(&template, OnBadRow::Drop));
    let cache = folder.path().join("cache");
    let corpus = corpus(folder.path(), &rows()[1..5]);
    let error = corpus.without_bad_rows(&tokenizer, POLICY, chat, &cache, &go, &mut |_| {});
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("none of its rows can be learned from: 1 a value is missing"),
        "{error}"
    );
}

/// Two files: texts around null in row groups of two rows, and texts around what is no UTF-8 and what cannot be cut.
fn texts(folder: &Path) -> Manifest {
    let texts = Arc::new(StringArray::from(vec![Some("a"), None, Some(""), Some("b")]));
    write_parquet(&folder.join("0.parquet"), 2, vec![("text", texts)]);
    let long = "x".repeat(LONGEST_PIECE_BYTES + 1);
    write_bytes(&folder.join("1.parquet"), &[b"good", b"na\xefve", long.as_bytes(), b"end"]);
    text_manifest(folder, &["0.parquet", "1.parquet"])
}

/// What is left of a corpus where bad rows are dropped, as tokens.
fn left_of(corpus: Corpus, tokenizer: &Tokenizer, cache: &Path, stop: bool) -> TokenCorpus {
    let (go, stop) = (AtomicBool::new(false), AtomicBool::new(stop));
    let left = corpus.without_bad_rows(tokenizer, POLICY, None, cache, &stop, &mut |_| {}).unwrap();
    tokenize(&left, tokenizer, POLICY, None, cache, &go, &mut |_| {}).unwrap()
}

#[test]
fn rows_that_are_no_text_are_bad_rows() {
    let folder = tempfile::tempdir().unwrap();
    let (tokenizer, manifest) = (tokenizer(folder.path()), texts(folder.path()));
    let open = || Corpus::open(&manifest, folder.path()).unwrap();
    let (go, mut seen) = (AtomicBool::new(false), 0);
    let found = BadRows::find(&open(), &tokenizer, None, None, &go, &mut |n| seen = n).unwrap();
    assert_eq!((found.n(), found.n_documents, seen), (3, 8, 8));
    let named: Vec<String> = found
        .named
        .iter()
        .map(|BadRow { place, fault, problem, .. }| {
            let place = place.to_string().replace(&folder.path().display().to_string(), "x");
            format!("{place}: {problem} ({fault})")
        })
        .collect();
    let expected = [
        "`x/0.parquet`, row group 0, row 1: `text` is null (a value is missing)",
        "`x/1.parquet`, row group 0, row 1: `text` is no UTF-8 from byte 2 on (no UTF-8)",
        "`x/1.parquet`, row group 0, row 2: a stretch of 1048577 bytes has no place where this tokenizer can be \
         split without changing its ids, expected at most 1048576 (refused by the tokenizer)",
    ];
    assert_eq!(named, expected);

    let cache = folder.path().join("cache");
    let tokens = left_of(open(), &tokenizer, &cache, false);
    let origins: Vec<(u32, u32)> = (0..tokens.n_documents())
        .map(|document| tokens.origin(document))
        .map(|origin| (origin.file, 2 * origin.row_group + origin.row))
        .collect();
    assert_eq!(origins, [(0, 0), (0, 2), (0, 3), (1, 0), (1, 3)]);
    let dropped = [("a value is missing", 1), ("no UTF-8", 1), ("refused by the tokenizer", 1)];
    let found: Vec<(&str, u64)> =
        tokens.set().dropped.iter().map(|(reason, n)| (reason.as_str(), *n)).collect();
    assert_eq!(found, dropped);
    // A second look would be stopped.
    assert_eq!(left_of(open(), &tokenizer, &cache, true).digest(), tokens.digest());
    // Where they are refused, the first one is named with the way out.
    let error = tokenize(&open(), &tokenizer, POLICY, None, &cache, &go, &mut |_| {}).unwrap_err();
    let error = told(folder.path(), &error);
    assert!(error.contains("`x/0.parquet`, row group 0, row 1: `text` is null"), "{error}");
    assert!(error.contains("data_mixing.on_bad_row = \"drop\""), "{error}");
}

#[test]
fn texts_without_bad_rows_are_the_same_where_these_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(folder.path());
    write_parquet(&folder.path().join("0.parquet"), 2, vec![("text", strings(&["a", "", "c"]))]);
    let manifest = text_manifest(folder.path(), &["0.parquet"]);
    let open = || Corpus::open(&manifest, folder.path()).unwrap();
    let go = AtomicBool::new(false);
    let refused = folder.path().join("refused");
    let kept = tokenize(&open(), &tokenizer, POLICY, None, &refused, &go, &mut |_| {}).unwrap();
    for cache in [folder.path().join("dropped"), refused] {
        let tokens = left_of(open(), &tokenizer, &cache, false);
        assert_eq!((tokens.digest(), tokens.set().key), (kept.digest(), kept.set().key));
        // What is written whole has no bad row: nobody looks again.
        left_of(open(), &tokenizer, &cache, true);
    }
}

#[test]
fn rows_longer_than_a_row_of_tokens_are_counted_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let (tokenizer, template) = (tokenizer(folder.path()), template());
    // Byte by byte: three marks of a role and two contents.
    let said = |question: usize, answer: usize| {
        let (question, answer) = ("q".repeat(question), "z".repeat(answer));
        format!(
            "[{{\"role\": \"user\", \"content\": \"{question}\"}}, \
              {{\"role\": \"assistant\", \"content\": \"{answer}\"}}]"
        )
    };
    let rows = [said(1, 1), said(1, 200), said(200, 1), said(1, 2), said(300, 5)];
    let rows: Vec<Option<&str>> = rows.iter().map(|row| Some(row.as_str())).collect();
    let corpus = corpus(folder.path(), &rows);
    let check = |supervised, whole_documents, positions, expected: (u64, &[u32])| {
        let chat = ChatFormat { supervised, ..format(&template, OnBadRow::Refuse) };
        let limit = RowLimit { positions, whole_documents };
        let (go, chat) = (AtomicBool::new(false), Some(chat));
        let found =
            BadRows::find(&corpus, &tokenizer, chat, Some(limit), &go, &mut |_| {}).unwrap();
        assert_eq!(found.n(), 0, "{:?}", found.named);
        let LongRows { truncated, left_out, named } = found.long;
        let rows: Vec<u32> = named
            .iter()
            .map(|row| {
                assert!(row.n_positions > positions as u64, "{row:?}");
                2 * row.place.row_group + row.place.row
            })
            .collect();
        assert_eq!(
            (truncated, rows.as_slice(), left_out),
            (expected.0, expected.1, rows.len() as u64)
        );
    };
    let every = Supervised::Assistant(Turns::Every);
    check(every, false, 100, (1, &[2, 4]));
    check(every, false, 1000, (0, &[]));
    check(every, true, 100, (0, &[1, 2, 4]));
    // Where everything carries loss, rows go on as texts do.
    check(Supervised::Everything, false, 100, (0, &[]));
}
