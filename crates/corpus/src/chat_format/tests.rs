use std::collections::BTreeSet;

use serde_json::{Value, json};
use temper_tokens::SpecialTokens;

use super::*;
use crate::documents::Pair;
use crate::testing::tokenizer;

/// Marks the contents of answers, and prints no reasoning.
const MARKED: &str = "{% for message in messages %}<{{ message.role }}>\
                      {% if message.role == 'assistant' %}{% generation %}\
                      {{ message.content or '' }}{% endgeneration %}{% else %}\
                      {{ message.content }}{% endif %}{% endfor %}";

/// Marks nothing, and ends every turn.
const ENDED: &str = "{% for message in messages %}<{{ message.role }}>{{ message.content }};{% endfor %}\
                     {% if add_generation_prompt %}<assistant>{% endif %}";

/// How many ids carry loss: of a pair in its worse half.
#[track_caller]
fn check(template: &str, supervised: Supervised, content: &Content, expected: Result<usize, &str>) {
    let folder = tempfile::tempdir().unwrap();
    let template = ChatTemplate::new("x.jinja", template, SpecialTokens::new()).unwrap();
    let on_bad_row = OnBadRow::Refuse;
    let format = ChatFormat { template: &template, supervised, on_bad_row, references: None };
    match (format.encode(content, &tokenizer(folder.path())), expected) {
        (Ok(Encoded { chat, rejected, .. }), Ok(expected)) => {
            let mask = rejected.unwrap_or(chat).assistant_mask;
            assert_eq!(mask.iter().filter(|carries| **carries).count(), expected);
        }
        (Err(found), Err(expected)) => {
            let found = found.to_string();
            assert!(found.contains(expected), "{found}");
        }
        (found, expected) => panic!("found {found:?}, expected {expected:?}"),
    }
}

/// Each of these answers behind the same question.
fn conversation(answers: &[&Value]) -> Conversation {
    let asked = json!({ "role": "user", "content": "a" });
    let messages = answers.iter().flat_map(|answer| [asked.clone(), (*answer).clone()]);
    Conversation::from_json(messages.collect()).unwrap()
}

fn said(content: &str) -> Value {
    json!({ "role": "assistant", "content": content })
}

#[test]
fn what_carries_no_loss_is_refused() {
    let (b, blank) = (said("b"), said(" "));
    let thought = json!({ "role": "assistant", "reasoning_content": "b" });
    let check = |supervised, answers: &[&Value], expected| {
        let content = match supervised == Supervised::Feedback {
            true => Content::Judged(conversation(answers), true),
            false => Content::Conversation(conversation(answers)),
        };
        check(MARKED, supervised, &content, expected);
    };
    let unprinted = Err("the template prints nothing of what the assistant says");
    let says_nothing = Err("the assistant says nothing");
    check(Supervised::Assistant(Turns::Every), &[&b], Ok(1));
    check(Supervised::Assistant(Turns::Every), &[&thought], unprinted);
    check(Supervised::Assistant(Turns::Every), &[&thought, &thought], unprinted);
    check(Supervised::Assistant(Turns::Every), &[&b, &thought], Ok(1));
    check(Supervised::Assistant(Turns::Every), &[&blank], says_nothing);
    for supervised in [Supervised::Pairs, Supervised::Feedback] {
        let empty = Err("its last turn is empty, expected an answer to learn from");
        check(supervised, &[&b], Ok(1));
        check(supervised, &[&b, &thought], empty);
        check(supervised, &[&blank], says_nothing);
        check(supervised, &[&b, &blank], Err("the assistant says nothing in its last turn"));
    }
}

#[test]
fn calls_that_are_not_printed_are_refused() {
    let call = |name: &str| json!({ "role": "assistant", "tool_calls": [{ "type": "function", "function": { "name": name, "arguments": {} } }] });
    let (b, weather, escaped) = (said("b"), call("weather"), call("w\"eather"));
    // As ENDED, which has `None` in the place of calls, and with their names.
    let named = ENDED.replace(
        "{{ message.content }}",
        "{{ message.content or message.tool_calls[0].function.name }}",
    );
    let check = |template: &str, supervised, answers: &[&Value], expected: Result<usize, &str>| {
        let content = match supervised == Supervised::Feedback {
            true => Content::Judged(conversation(answers), true),
            false => Content::Conversation(conversation(answers)),
        };
        check(template, supervised, &content, expected);
    };
    let first = Err("message 1 calls `weather`, and the template prints nothing of that");
    let last = Err("message 3 calls `weather`");
    for (turns, earlier) in [(Turns::Every, first), (Turns::Last, Ok(2))] {
        check(ENDED, Supervised::Assistant(turns), &[&weather, &b], earlier);
        check(ENDED, Supervised::Assistant(turns), &[&b, &weather], last);
    }
    check(ENDED, Supervised::Feedback, &[&b, &weather], last);
    check(&named, Supervised::Assistant(Turns::Last), &[&b, &weather], Ok(7));
    // Nobody knows how a template writes it.
    check(ENDED, Supervised::Assistant(Turns::Last), &[&b, &escaped], Ok(1));
}

#[test]
fn the_worse_answer_may_be_what_ends_it_alone() {
    let check = |template, before: &[Value], answers: [&str; 2], expected| {
        let [chosen, rejected] = answers.map(|answer| {
            let answer = said(answer);
            conversation(&before.iter().chain([&answer]).collect::<Vec<_>>())
        });
        let pair = Content::Pair(Box::new(Pair::new(chosen, rejected).unwrap()));
        check(template, Supervised::Pairs, &pair, expected);
    };
    // Behind an earlier turn, too.
    for before in [&[][..], &[said("b")]] {
        check(ENDED, before, ["b", ""], Ok(1));
        check(ENDED, before, ["", "b"], Err("the assistant says nothing"));
        check(ENDED, before, [" \n", "b"], Err("the assistant says nothing"));
        check(MARKED, before, ["b", ""], Err("its last turn is empty"));
    }
}

#[test]
fn what_says_nothing_may_be_disliked_alone() {
    let check = |template, before: &[Value], liked, expected| {
        let unsaid = said("");
        let answered = conversation(&before.iter().chain([&unsaid]).collect::<Vec<_>>());
        check(template, Supervised::Feedback, &Content::Judged(answered, liked), expected);
    };
    for before in [&[][..], &[said("b")]] {
        check(ENDED, before, false, Ok(1));
        check(ENDED, before, true, Err("the assistant says nothing"));
        check(MARKED, before, false, Err("its last turn is empty"));
    }
}

#[test]
fn everything_carries_loss_whoever_says_nothing() {
    let content = Content::Conversation(conversation(&[&said(" ")]));
    let n_ids = "<user>a<assistant> ".len();
    check(MARKED, Supervised::Everything, &content, Ok(n_ids));
}

#[test]
fn what_carries_loss_is_part_of_the_name_of_shards() {
    let template = ChatTemplate::new("x", "{{ messages }}", SpecialTokens::new()).unwrap();
    let key = |supervised| {
        let (template, on_bad_row) = (&template, OnBadRow::Refuse);
        ChatFormat { template, supervised, on_bad_row, references: None }.key()
    };
    let all = [
        Supervised::Everything,
        Supervised::Assistant(Turns::Every),
        Supervised::Assistant(Turns::Last),
        Supervised::Pairs,
        Supervised::Feedback,
        Supervised::Prompt,
    ];
    assert_eq!(all.map(key).into_iter().collect::<BTreeSet<_>>().len(), all.len());
}
