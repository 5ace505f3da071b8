//! What stands beside the messages of a row, or in them beside what is said.

use expect_test::expect;
use serde_json::{Value, json};

use super::check;

#[test]
fn what_stands_beside_the_messages_is_not_lost() {
    let check = |row: Value, expected| check(&row.to_string(), expected);
    let said = json!([{ "role": "user", "content": "a" }, { "role": "assistant", "content": "b" }]);
    for row in [
        json!({ "system": "s", "prompt": "a", "completion": "b" }),
        json!({ "system": "s", "messages": said }),
        json!({ "system": "s", "instruction": "a", "output": "b" }),
    ] {
        check(
            row,
            expect![[r#"
                system: s
                user: a
                assistant: b"#]],
        );
    }
    check(json!({ "system": 5, "messages": said }), expect!["`system` is `5`, expected a text"]);
    check(
        json!({ "instruction": "a", "input": { "k": 1 }, "output": "b" }),
        expect![[r#"`input` is `{"k":1}`, expected a text"#]],
    );
    check(
        json!({ "instruction": 5, "output": "b" }),
        expect!["`instruction` is `5`, expected a text"],
    );
    let mut reasoned = said.clone();
    reasoned[1]["reasoning_content"] = Value::Null;
    reasoned[1]["reasoning"] = "c".into();
    check(
        json!({ "messages": reasoned }),
        expect![[r#"
            user: a
            assistant: b reasoning=c"#]],
    );
}

#[test]
fn tools_may_stand_in_a_message() {
    let tool = |name: &str| json!([{ "type": "function", "function": { "name": name } }]);
    let row = |within: &Value, beside: &Value| {
        json!({
            "messages": [
                { "role": "user", "content": "a", "tools": within }, { "role": "assistant", "content": "b" },
            ],
            "tools": beside,
        })
    };
    let (add, none) = (tool("add"), Value::Null);
    for row in [row(&add, &none), row(&none, &add), row(&add, &add)] {
        check(
            &row.to_string(),
            expect![[r#"
                user: a
                assistant: b
                tools: [{"type":"function","function":{"name":"add"}}]"#]],
        );
    }
    check(
        &row(&tool("melt"), &add).to_string(),
        expect!["message 0: its `tools` are not those before it, expected one list"],
    );
}

#[test]
fn answers_that_are_to_be_kept_out_of_the_loss_are_refused() {
    let row = |weight: &str| {
        format!(
            r#"{{"messages": [{{"role": "user", "content": "a"}}, {{"role": "assistant", "content": "b", "weight": {weight}}}]}}"#
        )
    };
    for learned in ["1", "1.0", "null"] {
        check(
            &row(learned),
            expect![[r#"
            user: a
            assistant: b"#]],
        );
    }
    check(
        &row("0"),
        expect![[
            r#"message 1: `weight` is `0`, expected 1 or none: answers are learned from all, or the last alone by `sft.turns = "last"`"#
        ]],
    );
}
