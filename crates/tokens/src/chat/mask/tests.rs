use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::{Turns, mask};
use crate::chat::{ChatTemplate, Conversation, RenderOptions, SpecialTokens};
use crate::testing::trained;

const PLAIN: &str = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

fn said(turns: &[(&str, &str)]) -> Conversation {
    let message = |(role, content): &(&str, &str)| json!({"role": role, "content": content});
    Conversation::from_json(Value::Array(turns.iter().map(message).collect())).unwrap()
}

/// What is masked, in brackets.
#[track_caller]
fn check(template: &str, turns: Turns, conversation: &Conversation, expected: Expect) {
    let template = ChatTemplate::new("t", template, SpecialTokens::new()).unwrap();
    let shown = match template.render_masked(conversation, &RenderOptions::default(), turns) {
        Ok((mut text, spans)) => {
            for span in spans.iter().rev() {
                text.insert(span.end, ']');
                text.insert(span.start, '[');
            }
            text
        }
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn turns_are_found_by_difference() {
    let two = said(&[("user", "é"), ("assistant", "水"), ("tool", "t"), ("assistant", "")]);
    check(
        PLAIN,
        Turns::Every,
        &two,
        expect![[r#"
        <|user|>é
        <|assistant|>[水
        ]<|tool|>t
        <|assistant|>[
        ]"#]],
    );
    check(
        PLAIN,
        Turns::Last,
        &two,
        expect![[r#"
        <|user|>é
        <|assistant|>水
        <|tool|>t
        <|assistant|>[
        ]"#]],
    );
    check(
        PLAIN,
        Turns::Every,
        &said(&[("user", "a")]),
        expect![[r#"
        <|user|>a
    "#]],
    );
    check(
        PLAIN,
        Turns::Every,
        &said(&[("assistant", "first")]),
        expect![[r#"
        <|assistant|>[first
        ]"#]],
    );
}

#[test]
fn generation_markers_decide_where_there_are_some() {
    let marked = "{% for m in messages %}{% if m.role == 'assistant' %}A:{% generation %}{{ m.content }}{% endgeneration %}\n{% else %}U:{{ m.content }}\n{% endif %}{% endfor %}{{ 'A:' if add_generation_prompt }}";
    let two = said(&[("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]);
    check(
        marked,
        Turns::Every,
        &two,
        expect![[r#"
        U:a
        A:[b]U:c
        A:[d]"#]],
    );
    check(
        marked,
        Turns::Last,
        &two,
        expect![[r#"
        U:a
        A:bU:c
        A:[d]"#]],
    );
}

#[test]
fn a_turn_that_is_printed_differently_is_refused_by_its_number() {
    let two = said(&[("user", "a"), ("assistant", "one"), ("user", "c"), ("assistant", "two")]);
    let shortens = "{% for m in messages %}<{{ m.content if loop.last or m.role == 'user' else '…' }}>{% endfor %}";
    check(
        shortens,
        Turns::Every,
        &two,
        expect![[r#"
        chat template `t`, message 1: the text up to its end is not what the whole conversation begins with: from character 4 on it is `one>`, in the whole `…><c><two>`

        hint: put `{% generation %}` and `{% endgeneration %}` around what the template prints for an assistant, or fine-tune on last turns only: `sft.turns = "last"`"#]],
    );
    check(shortens, Turns::Last, &two, expect!["<a><…><c>[<two>]"]);
    let counts = "{{ messages|length }}{% for m in messages %}{{ m.content }}{% endfor %}";
    check(
        counts,
        Turns::Last,
        &two,
        expect![[r#"
        chat template `t`, message 3: the text before it, with the generation prompt, is not what the whole conversation begins with: from character 0 on it is `3aonec`, in the whole `4aonectwo`

        hint: put `{% generation %}` and `{% endgeneration %}` around what the template prints for an assistant"#]],
    );
    let refuses = "{% if messages|length < 4 %}{{ raise_exception('Too short.') }}{% endif %}";
    check(
        refuses,
        Turns::Every,
        &two,
        expect![[r#"
        chat template `t`, message 1: the text before it, with the generation prompt, cannot be rendered: chat template `t` refuses the conversation: Too short.

        hint: put `{% generation %}` and `{% endgeneration %}` around what the template prints for an assistant, or fine-tune on last turns only: `sft.turns = "last"`"#]],
    );
}

/// The rule of transformers: a token counts when any of its characters does.
#[test]
fn tokens_across_a_border_count_as_the_assistants() {
    #[track_caller]
    fn check(tokens: &[(usize, usize)], spans: &[(usize, usize)], expected: &[u8]) {
        let ranges =
            |pairs: &[(usize, usize)]| pairs.iter().map(|(a, b)| *a..*b).collect::<Vec<_>>();
        let found = mask(ranges(tokens).iter(), &ranges(spans));
        assert_eq!(found.into_iter().map(u8::from).collect::<Vec<_>>(), expected);
    }
    check(&[(0, 2), (2, 4), (4, 6)], &[(2, 4)], &[0, 1, 0]);
    check(&[(0, 2), (2, 4), (4, 6)], &[(1, 5)], &[1, 1, 1]);
    check(&[(0, 2), (2, 4), (4, 6)], &[], &[0, 0, 0]);
    // One token across two spans, and two tokens of one character.
    check(&[(0, 6)], &[(0, 1), (4, 5)], &[1]);
    check(&[(0, 3), (0, 3), (3, 4)], &[(0, 3)], &[1, 1, 0]);
    check(&[(0, 4)], &[(2, 2)], &[1]);
}

#[test]
fn tokens_across_a_border_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = trained(folder.path());
    let straddling = |template: &str| {
        let template = ChatTemplate::new("t", template, SpecialTokens::new()).unwrap();
        let conversation = said(&[("user", "melts"), ("assistant", "at 37 K.")]);
        let options = RenderOptions::default();
        template.tokenize(&conversation, &options, Turns::Every, &tokenizer).unwrap()
    };
    let clean = straddling(
        "{% for m in messages %}<|user|>{{ m.content }}{% endfor %}{{ '<|user|>' if add_generation_prompt }}",
    );
    assert_eq!(clean.straddling, 0);
    assert_eq!(clean.ids.len(), clean.assistant_mask.len());
    assert_eq!(clean.ids.iter().filter(|id| **id == 3).count(), 2);
    // ` at` is one token; the prompt ends between its space and its letters.
    let torn = straddling("{% for m in messages %}{{ m.content }} {% endfor %}");
    assert_eq!(torn.text, "melts at 37 K. ");
    assert_eq!(torn.straddling, 1);
    let at = tokenizer.encode(" at").unwrap();
    let place = torn.ids.iter().position(|id| *id == at[0]).unwrap();
    assert!(torn.assistant_mask[place] && !torn.assistant_mask[place - 1]);
}

#[test]
fn long_conversations_are_cut_where_nothing_changes() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = trained(folder.path());
    let text = crate::testing::texts().concat().repeat(8);
    let template = ChatTemplate::new("t", PLAIN, SpecialTokens::new()).unwrap();
    let conversation = said(&[("user", &text), ("assistant", "<|eos|>"), ("user", &text)]);
    let chat = template
        .tokenize(&conversation, &RenderOptions::default(), Turns::Every, &tokenizer)
        .unwrap();
    assert!(chat.text.len() > 2 * crate::pieces::PIECE_BYTES);
    // `<|user|>` is a token, `<|assistant|>` is not, and the message spells one that is.
    let newline = tokenizer.encode("\n").unwrap();
    let own: Vec<u32> = chat
        .ids
        .iter()
        .zip(&chat.assistant_mask)
        .filter(|(_, own)| **own)
        .map(|(id, _)| *id)
        .collect();
    assert_eq!(own, [&[1], &newline[..]].concat());
    let whole = tokenizer.encode_rendered(&text).unwrap();
    let plain: Vec<u32> = whole.iter().map(|(id, _)| *id).collect();
    assert_eq!(plain, tokenizer.encode(&text).unwrap());
    let pieces: Vec<&str> = whole.iter().map(|(_, range)| &text[range.clone()]).collect();
    assert!(pieces.concat().len() >= text.len());
}
