use std::fs;

use serde_json::json;
use temper_recipe::OnBadRow;

use super::*;
use crate::corpus::Corpus;
use crate::import::{ImportOptions, RowForm, TextUnit, import};
use crate::testing::{manifest, strings, told, write_bytes, write_message_bytes, write_parquet};

/// Two conversations, one with tools.
fn conversations() -> Vec<Value> {
    vec![
        json!({ "messages": [
            { "role": "user", "content": "1 + 2?" },
            { "role": "assistant", "tool_calls": [
                { "id": "a", "type": "function", "function": { "name": "add", "arguments": { "a": 1 } } },
            ] },
            { "role": "tool", "tool_call_id": "a", "content": "3" },
            { "role": "assistant", "content": "3", "reasoning_content": "The tool says so." },
        ], "tools": [{ "type": "function", "function": { "name": "add" } }] }),
        json!({ "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": "Why?" },
            { "role": "assistant", "content": "Because." },
        ] }),
    ]
}

fn read(corpus: &Corpus) -> Vec<Result<Content, String>> {
    let documents = corpus.read_row_group(0, 0).unwrap();
    documents
        .map(|document| document.map(|document| document.content).map_err(|e| e.to_string()))
        .collect()
}

#[test]
fn what_is_imported_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = conversations().iter().map(|line| format!("{line}\n")).collect();
    let input = folder.path().join("chat.jsonl");
    fs::write(&input, lines).unwrap();
    let options = ImportOptions {
        form: RowForm::Conversations,
        text: "text".to_owned(),
        id: None,
        keep: Vec::new(),
        unit: TextUnit::File,
        on_bad_row: OnBadRow::Refuse,
        replaces: false,
        manifest: None,
    };
    import(&[input], &folder.path().join("chat.parquet"), &options).unwrap();
    let mut manifest = manifest(folder.path(), &["chat.parquet"]);
    manifest.columns.messages = Some("messages".to_owned());
    manifest.columns.tools = Some("tools".to_owned());
    let corpus = Corpus::open(&manifest, folder.path()).unwrap();
    let expected: Vec<_> = conversations()
        .into_iter()
        .map(|json| Ok(Content::Conversation(Conversation::from_json(json).unwrap())))
        .collect();
    assert_eq!(read(&corpus), expected);
    // With rows left out, the others keep their places.
    manifest.max_documents = Some(1);
    let corpus = Corpus::open(&manifest, folder.path()).unwrap();
    assert_eq!(read(&corpus), expected[..1]);
}

#[test]
fn json_in_strings_is_read_and_what_is_none_is_refused_by_row() {
    let folder = tempfile::tempdir().unwrap();
    let whole = conversations();
    let mut called = whole[0]["messages"].clone();
    let arguments = |messages: &mut Value, arguments: &str| {
        messages[1]["tool_calls"][0]["function"]["arguments"] = arguments.into();
        messages.to_string()
    };
    let texts = [
        whole[1]["messages"].to_string(),
        "[{\"role\"".to_owned(),
        arguments(&mut called, "{\"a\": 1}"),
        arguments(&mut called, "a = 1"),
    ];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    write_parquet(&folder.path().join("chat.parquet"), 10, vec![("chat", strings(&texts))]);
    let mut manifest = manifest(folder.path(), &["chat.parquet"]);
    manifest.columns.messages = Some("chat".to_owned());
    let found = read(&Corpus::open(&manifest, folder.path()).unwrap());
    let expected = Conversation::from_json(whole[1].clone()).unwrap();
    assert_eq!(found[0], Ok(Content::Conversation(expected)));
    let problem = found[1].as_ref().unwrap_err();
    assert!(problem.contains("row group 0, row 1: chat: "), "{problem}");
    // As the same call in an object.
    let expected = Conversation::from_json(whole[0]["messages"].clone()).unwrap();
    assert_eq!(found[2], Ok(Content::Conversation(expected)));
    let problem = found[3].as_ref().unwrap_err();
    let expected = "row 3: chat: message 1: `tool_calls`, call 0: `arguments` is no JSON object: ";
    assert!(problem.contains(expected), "{problem}");
    assert_eq!(found.len(), 4);
}

#[test]
fn older_keys_are_read_as_those_of_today() {
    let folder = tempfile::tempdir().unwrap();
    let older = json!([
        { "role": "user", "content": "1 + 2?", "function_call": null },
        { "role": "assistant", "content": null,
            "function_call": { "name": "add", "arguments": "{\"a\": 1}" } },
        { "role": "function", "name": "add", "content": "3" },
        { "role": "assistant", "content": "3", "function_call": null },
    ]);
    let column = strings(&[older.to_string().as_str()]);
    write_parquet(&folder.path().join("chat.parquet"), 10, vec![("chat", column)]);
    let mut manifest = manifest(folder.path(), &["chat.parquet"]);
    manifest.columns.messages = Some("chat".to_owned());
    let today = json!([
        { "role": "user", "content": "1 + 2?" },
        { "role": "assistant", "tool_calls": [
            { "type": "function", "function": { "name": "add", "arguments": { "a": 1 } } },
        ] },
        { "role": "tool", "name": "add", "content": "3" },
        { "role": "assistant", "content": "3" },
    ]);
    let expected = Content::Conversation(Conversation::from_json(today).unwrap());
    assert_eq!(read(&Corpus::open(&manifest, folder.path()).unwrap()), [Ok(expected)]);
}

#[test]
fn what_is_no_utf8_is_refused_by_row_and_place() {
    let folder = tempfile::tempdir().unwrap();
    let check = |column: &str, expected: &[Result<(), &str>]| {
        let mut manifest = manifest(folder.path(), &["chat.parquet"]);
        manifest.columns.messages = Some(column.to_owned());
        let corpus = Corpus::open(&manifest, folder.path()).unwrap();
        let found = corpus.read_row_group(0, 0).unwrap().map(|row| match row {
            Ok(_) => Ok(()),
            Err(error) => {
                let told = told(folder.path(), &error);
                Err(told.lines().next().unwrap_or_default().to_owned())
            }
        });
        let expected = expected.iter().map(|row| row.map_err(str::to_owned));
        assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    };
    let path = folder.path().join("chat.parquet");
    let asked = ("user", "naïve?".as_bytes());
    let rows: [&[(&str, &[u8])]; 3] = [
        &[asked, ("assistant", b"Yes.")],
        &[asked, ("assistant", b"na\xefve")],
        &[asked, ("assistant", b"No.")],
    ];
    write_message_bytes(&path, &rows);
    let refused =
        "`x/chat.parquet`, row group 0, row 1: `messages[1].content` is no UTF-8 from byte 2 on";
    check("messages", &[Ok(()), Err(refused), Ok(())]);

    let said = br#"[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]"#;
    write_bytes(&path, &[b"[\xef", said]);
    let refused = "`x/chat.parquet`, row group 0, row 0: `text` is no UTF-8 from byte 1 on";
    check("text", &[Err(refused), Ok(())]);
}

#[test]
fn whole_numbers_are_read_whole_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let said = |number: &str| {
        format!(
            r#"[{{"role": "user", "content": "a"}}, {{"role": "assistant", "tool_calls":
                [{{"name": "f", "arguments": {{"n": {number}}}}}]}}]"#
        )
    };
    let texts = ["18446744073709551615", "18446744073709551616"].map(said);
    write_parquet(&folder.path().join("chat.parquet"), 10, vec![("chat", strings(&texts))]);
    let mut manifest = manifest(folder.path(), &["chat.parquet"]);
    manifest.columns.messages = Some("chat".to_owned());
    let found = read(&Corpus::open(&manifest, folder.path()).unwrap());
    assert!(found[0].is_ok(), "{found:?}");
    let problem = found[1].as_ref().unwrap_err();
    assert!(problem.contains("row 1: chat: it has a whole number beyond 64 bits"), "{problem}");
}
