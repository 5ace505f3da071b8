//! Calls of tools, as each format writes them, and their results.

use expect_test::expect;

use super::check;

#[test]
fn calls_of_share_gpt_stand_in_turns_of_their_own() {
    let called = |call: &str| {
        format!(
            r#"{{"tools": "", "conversations": [{{"from": "human", "value": "1 + 2?"}},
                {{"from": "function_call", "value": {call}}},
                {{"from": "observation", "value": "3"}}, {{"from": "gpt", "value": "It is 3."}}]}}"#
        )
    };
    check(
        &called(r#""{\"name\": \"add\", \"arguments\": {\"a\": 1}}""#),
        expect![[r#"
            user: 1 + 2?
            assistant: - calls=[{"type":"function","function":{"name":"add","arguments":{"a":1}}}]
            tool: 3
            assistant: It is 3."#]],
    );
    check(
        &called(
            r#""[{\"name\": \"f\", \"arguments\": \"{}\"}, {\"name\": \"g\", \"arguments\": {}}]""#,
        ),
        expect![[r#"
            user: 1 + 2?
            assistant: - calls=[{"type":"function","function":{"name":"f","arguments":{}}},{"type":"function","function":{"name":"g","arguments":{}}}]
            tool: 3
            assistant: It is 3."#]],
    );
    for call in [
        r#"{"name": "add", "arguments": {"a": 1}}"#,
        r#"[{"name": "add", "arguments": "{\"a\": 1}"}]"#,
    ] {
        check(
            &called(call),
            expect![[r#"
                user: 1 + 2?
                assistant: - calls=[{"type":"function","function":{"name":"add","arguments":{"a":1}}}]
                tool: 3
                assistant: It is 3."#]],
        );
    }
    check(&called("null"), expect!["message 1: it has no `value`, expected a call"]);
    for none in ["[]", r#""[]""#] {
        check(&called(none), expect!["message 1: it has no call, expected one or more"]);
    }
    check(
        &called(r#""{\"name\": \"add\", \"arguments\": {\"a\": 100000000000000000000}}""#),
        expect!["message 1: its call has a whole number beyond 64 bits, write it as a text"],
    );
    check(
        &called(r#""add(1)""#),
        expect!["message 1: its call is no JSON: expected value at line 1 column 1"],
    );
    check(
        &called(r#""[1]""#),
        expect!["message 1: its call is `1`, expected `name` and `arguments`"],
    );
    check(
        &called(r#""{\"name\": \"add\", \"arguments\": 1}""#),
        expect![
            "message 1: `tool_calls`, call 0: `arguments` is no JSON object: invalid type: integer `1`, expected a map at line 1 column 1"
        ],
    );
}

#[test]
fn one_call_is_one_whatever_it_is_read_from() {
    let openai = |arguments: &str| {
        format!(
            r#"{{"messages": [{{"role": "user", "content": "1 + 2?"}},
                {{"role": "assistant", "content": null, "tool_calls": [
                    {{"id": "t1", "type": "function", "function": {{"name": "add", "arguments": {arguments}}}}}]}},
                {{"role": "tool", "tool_call_id": "t1", "content": "3"}},
                {{"role": "assistant", "content": "3"}}]}}"#
        )
    };
    let converse = r#"{"schemaVersion": "bedrock-conversation-2024", "messages": [
        {"role": "user", "content": [{"text": "1 + 2?"}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "add", "input": {"a": 1, "b": 2}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": "3"}]}}]},
        {"role": "assistant", "content": [{"text": "3"}]}]}"#;
    let (text, object) = (openai(r#""{\"a\": 1, \"b\": 2}""#), openai(r#"{"a": 1, "b": 2}"#));
    for row in [text.as_str(), object.as_str(), converse] {
        check(
            row,
            expect![[r#"
                user: 1 + 2?
                assistant: - calls=[{"id":"t1","type":"function","function":{"name":"add","arguments":{"a":1,"b":2}}}]
                tool: 3 answers=t1
                assistant: 3"#]],
        );
    }
    check(
        &openai(r#""a = 1""#),
        expect![
            "message 1: `tool_calls`, call 0: `arguments` is no JSON object: expected value at line 1 column 1"
        ],
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
        &with(r#""[{\"id\": \"x\", \"name\": \"f\"}]""#, r#", "tool_call_id": "x""#),
        expect![[r#"
            user: a
            assistant: b calls=[{"id":"x","name":"f"}]
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
        &with(r#"[{"id": "x", "name": "f"}]"#, ""),
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
