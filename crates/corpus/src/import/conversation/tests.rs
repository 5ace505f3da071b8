use expect_test::{Expect, expect};
use serde_json::Value;

use super::*;

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
        expect!["message 0: found `from` `narrator`, expected human, gpt, system or tool"],
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

#[test]
fn calls_are_json_and_have_results() {
    let with = |calls: &str, result: &str| {
        format!(
            r#"{{"messages": [{{"role": "user", "content": "a"}},
                {{"role": "assistant", "content": "b", "tool_calls": {calls}}},
                {{"role": "tool", "content": "c"{result}}}, {{"role": "assistant", "content": "d"}}]}}"#
        )
    };
    check(
        &with(r#""[{\"id\": \"x\"}]""#, r#", "tool_call_id": "x""#),
        expect![[r#"
            user: a
            assistant: b calls=[{"id": "x"}]
            tool: c answers=x
            assistant: d"#]],
    );
    check(
        &with(r#""not json""#, ""),
        expect!["message 1: `tool_calls` is no JSON: expected ident at line 1 column 2"],
    );
    check(
        &with("3", ""),
        expect![
            "conversation: message 1: `tool_calls` is a number, expected a list of calls, each an object"
        ],
    );
    check(
        &with(r#"[{"id": "x"}]"#, ""),
        expect![
            "conversation: message 2: it has no `tool_call_id`, expected that of the call it answers, as `x`"
        ],
    );
    check(
        r#"{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "<tool_call>"},
            {"from": "tool", "value": "b"}, {"from": "gpt", "value": "c"}]}"#,
        expect![[r#"
            user: a
            assistant: <tool_call>
            tool: b
            assistant: c"#]],
    );
    check(
        r#"{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"},
            {"from": "tool", "value": "b"}, {"from": "gpt", "value": "c"}]}"#,
        expect!["conversation: message 2: it answers a call, and the assistant made none"],
    );
}
