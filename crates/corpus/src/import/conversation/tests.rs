use expect_test::{Expect, expect};
use serde_json::Value;

use super::*;

mod beside;
mod calls;

/// What is read of an object, a message a line.
#[track_caller]
fn check(json: &str, expected: Expect) {
    let Value::Object(object) = serde_json::from_str(json).unwrap() else { panic!("no object") };
    let found = match Turns::read(&object) {
        Err(problem) => problem,
        Ok(turns) => {
            let said = |turn: &Turn| {
                let fields = [
                    ("reasoning", &turn.reasoning_content),
                    ("calls", &turn.tool_calls),
                    ("answers", &turn.tool_call_id),
                ];
                let fields = fields.into_iter().filter_map(|(name, value)| {
                    value.as_ref().map(|value| format!(" {name}={value}"))
                });
                let content = turn.content.as_deref().unwrap_or("-");
                format!("{}: {content}{}", turn.role, fields.collect::<String>())
            };
            let tools = turns.tools.as_ref().map(|tools| format!("tools: {tools}"));
            turns.messages.iter().map(said).chain(tools).collect::<Vec<_>>().join("\n")
        }
    };
    expected.assert_eq(&found);
}

#[test]
fn all_formats_are_read() {
    check(
        r#"{"messages": [{"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": "c", "reasoning": "d"}]}"#,
        expect![[r#"
            system: Be brief.
            user: a
            b
            assistant: c reasoning=d"#]],
    );
    check(
        r#"{"messages": [{"role": "user", "content": "a"},
            {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{\"x\": 1}"}},
            {"role": "function", "name": "f", "content": "2"}, {"role": "assistant", "content": "b", "function_call": null}],
            "functions": [{"name": "f", "parameters": {}}]}"#,
        expect![[r#"
            user: a
            assistant: - calls=[{"type":"function","function":{"name":"f","arguments":{"x":1}}}]
            tool: 2
            assistant: b
            tools: [{"type":"function","function":{"name":"f","parameters":{}}}]"#]],
    );
    check(
        r#"{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}], "system": "s"}"#,
        expect![[r#"
            system: s
            user: a
            assistant: b"#]],
    );
    check(
        r#"{"instruction": "Add.", "input": "1 2", "output": "3"}"#,
        expect![[r#"
            user: Add.

            1 2
            assistant: 3"#]],
    );
    check(
        r#"{"prompt": "a", "completion": "b"}"#,
        expect![[r#"
            user: a
            assistant: b"#]],
    );
    check(
        r#"{"prompt": [{"role": "user", "content": "a"}], "response": [{"role": "assistant", "content": "b"}]}"#,
        expect![[r#"
            user: a
            assistant: b"#]],
    );
}

#[test]
fn tools_are_declared_in_today_s_form_and_the_older_one() {
    let rows = [
        r#""messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]"#,
        r#""conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]"#,
        r#""instruction": "a", "output": "b""#,
        r#""prompt": "a", "completion": "b""#,
    ];
    for declared in [
        r#""tools": [{"type": "function", "function": {"name": "f"}}]"#,
        r#""tools": "[{\"type\": \"function\", \"function\": {\"name\": \"f\"}}]""#,
        r#""functions": [{"name": "f"}]"#,
        r#""tools": null, "functions": [{"name": "f"}]"#,
        r#""tools": "", "functions": "[{\"name\": \"f\"}]""#,
    ] {
        for row in rows {
            check(
                &format!("{{{row}, {declared}}}"),
                expect![[r#"
                    user: a
                    assistant: b
                    tools: [{"type":"function","function":{"name":"f"}}]"#]],
            );
        }
    }
    let with = |declared: &str| format!("{{{}, {declared}}}", rows[0]);
    for none in [r#""tools": " ", "functions": null"#, r#""functions": """#] {
        check(
            &with(none),
            expect![[r#"
                user: a
                assistant: b"#]],
        );
    }
    check(
        &with(r#""functions": "f(1)""#),
        expect!["`functions` is no JSON: expected ident at line 1 column 2"],
    );
    check(&with(r#""functions": 3"#), expect!["`functions` is `3`, expected a list"]);
}

#[test]
fn history_of_alpaca_is_earlier_turns() {
    let with = |history: &str| {
        format!(
            r#"{{"instruction": "And 2?", "output": "Four.", "system": "s", "history": {history}}}"#
        )
    };
    check(
        &with(r#"[["Double 3.", "Six."], ["And 4?", "Eight."]]"#),
        expect![[r#"
            system: s
            user: Double 3.
            assistant: Six.
            user: And 4?
            assistant: Eight.
            user: And 2?
            assistant: Four."#]],
    );
    for none in ["[]", "null"] {
        check(
            &with(none),
            expect![[r#"
                system: s
                user: And 2?
                assistant: Four."#]],
        );
    }
    check(
        &with(r#"[["Double 3."]]"#),
        expect![[
            r#"`history`, turn 0 is `["Double 3."]`, expected an instruction and its answer"#
        ]],
    );
    check(&with(r#""a""#), expect![[r#"`history` is `"a"`, expected a list"#]]);
}

#[test]
fn converse_has_reasoning_and_tools() {
    check(
        r#"{"schemaVersion": "bedrock-conversation-2024", "system": [{"text": "s"}],
            "toolConfig": {"tools": [{"toolSpec": {"name": "add", "description": "adds",
                "inputSchema": {"json": {"type": "object"}}}}]},
            "messages": [
                {"role": "user", "content": [{"text": "1 + 2?"}]},
                {"role": "assistant", "content": [
                    {"reasoningContent": {"reasoningText": {"text": "I add."}}},
                    {"toolUse": {"toolUseId": "t1", "name": "add", "input": {"a": 1, "b": 2}}}]},
                {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"json": 3}]}}]},
                {"role": "assistant", "content": [{"text": "3"}]}]}"#,
        expect![[r#"
            system: s
            user: 1 + 2?
            assistant: - reasoning=I add. calls=[{"id":"t1","type":"function","function":{"name":"add","arguments":{"a":1,"b":2}}}]
            tool: 3 answers=t1
            assistant: 3
            tools: [{"type":"function","function":{"name":"add","description":"adds","parameters":{"type":"object"}}}]"#]],
    );
}

/// A row of Converse that asks, calls a tool, and goes on with the user's turn of these parts.
fn called_and_then(parts: &str) -> String {
    let rows = r#"{"schemaVersion": "bedrock-conversation-2024", "messages": [
        {"role": "user", "content": [{"text": "1 + 2?"}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "add", "input": {}}}]},
        {"role": "user", "content": PARTS},
        {"role": "assistant", "content": [{"text": "3"}]}]}"#;
    rows.replace("PARTS", parts)
}

#[test]
fn results_of_converse_stand_before_what_is_said_beside_them() {
    let result = r#"{"toolResult": {"toolUseId": "t1", "content": [{"text": "three"}, {"json": {"sum": 3}}]}}"#;
    let said = r#"{"text": "Now in words.", "toolResult": null}"#;
    for parts in [format!("[{result}, {said}]"), format!("[{said}, {result}]")] {
        check(
            &called_and_then(&parts),
            expect![[r#"
                user: 1 + 2?
                assistant: - calls=[{"id":"t1","type":"function","function":{"name":"add","arguments":{}}}]
                tool: three
                {"sum":3} answers=t1
                user: Now in words.
                assistant: 3"#]],
        );
    }
}

#[test]
fn parts_of_converse_that_are_no_text_are_refused() {
    let image = r#"{"image": {"format": "png"}}"#;
    let result = |part: &str| {
        called_and_then(&format!(
            r#"[{{"toolResult": {{"toolUseId": "t1", "content": [{part}]}}}}]"#
        ))
    };
    check(
        &result(image),
        expect![[
            r#"message 2: a part of `toolResult` is `{"image":{"format":"png"}}`, expected `text` or `json`"#
        ]],
    );
    check(
        &result(r#"{"text": 3}"#),
        expect!["message 2: `toolResult.content.text` is `3`, expected a string"],
    );
    check(
        &called_and_then(&format!("[{image}]")),
        expect![[
            r#"message 2: a part is `{"image":{"format":"png"}}`, expected one of `text`, `reasoningContent`, `toolUse` and `toolResult`"#
        ]],
    );
    check(
        &called_and_then(r#"[{"text": "a", "image": 1}]"#),
        expect![[
            r#"message 2: a part is `{"text":"a","image":1}`, expected one of `text`, `reasoningContent`, `toolUse` and `toolResult`"#
        ]],
    );
    check(
        &called_and_then(r#"[{"text": ["a"]}]"#),
        expect![[r#"message 2: `text` is `["a"]`, expected a string"#]],
    );
    check(
        &called_and_then(r#"[{"reasoningContent": {"redactedContent": "x"}}]"#),
        expect![[
            r#"message 2: `reasoningContent` is `{"redactedContent":"x"}`, expected `reasoningText`"#
        ]],
    );
    check(
        &called_and_then(r#"[{"reasoningContent": {"reasoningText": {"text": 7}}}]"#),
        expect!["message 2: `reasoningText.text` is `7`, expected a string"],
    );
    check(&called_and_then("[]"), expect!["message 2: `content` is empty, expected a part"]);
    check(
        r#"{"schemaVersion": "bedrock-conversation-2024", "messages": [],
            "toolConfig": {"tools": [{"cachePoint": {}}]}}"#,
        expect![[r#"tool 0 is `{"cachePoint":{}}`, expected `toolSpec`"#]],
    );
}

#[test]
fn what_cannot_be_learned_from_is_refused() {
    check(
        r#"{"text": "a"}"#,
        expect![[
            r#"no conversation; it has `text`, expected `messages`, `conversations`, `instruction` and `output`, or `prompt` and `completion`"#
        ]],
    );
    check(r#"{"messages": "a"}"#, expect![[r#"`messages` is `"a"`, expected a list"#]]);
    check(r#"{"prompt": "a"}"#, expect!["a `prompt` without `completion`"]);
    check(
        r#"{"conversations": [{"from": "narrator", "value": "a"}]}"#,
        expect![
            "message 0: found `from` `narrator`, expected human, gpt, system, function_call, observation or tool"
        ],
    );
    check(
        r#"{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}"#,
        expect![[r#"message 0: a part is no text but `{"type":"image_url"}`"#]],
    );
    check(
        r#"{"schemaVersion": "2020", "messages": []}"#,
        expect![[r#"`schemaVersion` is `"2020"`, expected `bedrock-conversation-2024`"#]],
    );
    check(
        r#"{"messages": [{"role": "user", "content": "a"}]}"#,
        expect!["conversation: the assistant says nothing, expected a turn to learn from"],
    );
    check(
        r#"{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}"#,
        expect!["conversation: message 1: found `user` after user, expected turns that alternate"],
    );
    check(
        r#"{"prompt": "a", "completion": " "}"#,
        expect!["conversation: the assistant says nothing, expected a turn to learn from"],
    );
}
