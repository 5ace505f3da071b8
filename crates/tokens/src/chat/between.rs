//! What a template writes between an answer that a model has sampled and its next one.

use serde_json::{Value, json};

use super::message::{Conversation, Message, is_assistant};
use super::template::{ChatTemplate, RenderOptions};
use crate::error::{ConversationFault, Error};
use crate::tokenizer::Tokenizer;

impl Conversation {
    /// The same conversation, gone on with.
    ///
    /// # Errors
    /// As [`Conversation::new`].
    pub fn extended(&self, more: impl IntoIterator<Item = Message>) -> Result<Self, Error> {
        self.with_messages(self.messages().iter().cloned().chain(more))
    }

    /// Other messages, with the same tools and documents.
    fn with_messages(&self, messages: impl IntoIterator<Item = Message>) -> Result<Self, Error> {
        let messages = messages.into_iter().map(Value::Object).collect();
        let (tools, documents) = (self.tools(), self.documents());
        Self::new(messages, tools.map(<[_]>::to_vec), documents.map(<[_]>::to_vec))
    }
}

impl ChatTemplate {
    /// What is written behind the text of a conversation's last answer: its end, what was said to it, and
    /// what begins the next answer.
    ///
    /// It does not depend on the answer, which stays as it was sampled: neither a template that trims it nor one
    /// that leaves its reasoning out later on changes anything.
    ///
    /// # Errors
    /// As [`ChatTemplate::render`]; [`Error::Conversation`] where nothing was answered, or the template does not
    /// print what was.
    pub fn render_between(&self, conversation: &Conversation) -> Result<String, Error> {
        let options = RenderOptions { add_generation_prompt: true, ..RenderOptions::default() };
        self.render_behind(conversation, &options)
    }

    /// The special token that is written first behind an answer which ends a conversation; `None` where none is.
    ///
    /// # Errors
    /// As [`ChatTemplate::render_between`] and [`Tokenizer::encode_rendered`].
    pub fn end_of_answer(&self, tokenizer: &Tokenizer) -> Result<Option<u32>, Error> {
        let said = json!([
            { "role": "user", "content": "a" }, { "role": "assistant", "content": "b" },
        ]);
        let behind =
            self.render_behind(&Conversation::from_json(said)?, &RenderOptions::default())?;
        let tokens = tokenizer.encode_rendered(&behind)?;
        Ok(tokens.into_iter().map(|(id, _)| id).find(|id| tokenizer.is_special(*id)))
    }

    /// What is written behind the text of a conversation's last answer.
    fn render_behind(
        &self,
        conversation: &Conversation,
        options: &RenderOptions,
    ) -> Result<String, Error> {
        let messages = conversation.messages();
        let answer = messages.iter().rposition(is_assistant);
        let answer = answer.ok_or_else(|| problem("the assistant says nothing"))?;
        let mark = unused(messages);
        let mut marked = messages.to_vec();
        marked[answer].insert("content".to_owned(), Value::String(mark.clone()));
        let marked = conversation.with_messages(marked)?;
        let text = self.render(&marked, options)?.text;
        let behind = text.rsplit_once(mark.as_str()).map(|(_, behind)| behind.to_owned());
        behind.ok_or_else(|| {
            problem(&format!("`{}` does not print the answer of message {answer}", self.name()))
        })
    }

    /// The ids of what [`ChatTemplate::render_between`] gives, without the first where that is `ended`: the model
    /// has sampled it already.
    ///
    /// # Errors
    /// As [`ChatTemplate::render_between`] and [`Tokenizer::encode_rendered`].
    pub fn tokenize_between(
        &self,
        conversation: &Conversation,
        ended: u32,
        tokenizer: &Tokenizer,
    ) -> Result<Vec<u32>, Error> {
        let tokens = tokenizer.encode_rendered(&self.render_between(conversation)?)?;
        let is_repeated = tokens.first().is_some_and(|(id, _)| *id == ended);
        let tokens = tokens.into_iter().skip(usize::from(is_repeated));
        Ok(tokens.map(|(id, _)| id).collect())
    }
}

/// A word that nobody says.
fn unused(messages: &[Message]) -> String {
    let said = serde_json::to_string(messages).expect("messages are JSON");
    let words = (0_u64..).map(|number| format!("ANSWER_{number}_"));
    let mut unsaid = words.filter(|word| !said.contains(word.as_str()));
    unsaid.next().expect("there are more words than are said")
}

fn problem(problem: &str) -> Error {
    Error::Conversation { fault: ConversationFault::Form, problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::chat::SpecialTokens;
    use crate::testing::trained;

    fn said(turns: &[(&str, &str)]) -> Conversation {
        let message = |(role, content): &(&str, &str)| json!({ "role": role, "content": content });
        Conversation::from_json(turns.iter().map(message).collect()).unwrap()
    }

    #[track_caller]
    fn check(template: &str, conversation: &Conversation, expected: &str) {
        let template = ChatTemplate::new("t", template, SpecialTokens::new()).unwrap();
        let found = template.render_between(conversation);
        assert_eq!(found.unwrap_or_else(|error| error.to_string()), expected);
    }

    const PLAIN: &str = "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</>\n{% endfor %}\
                         {% if add_generation_prompt %}<assistant>{% endif %}";

    #[test]
    fn is_what_stands_behind_the_last_answer() {
        let conversation = said(&[("user", "a"), ("assistant", " b "), ("user", "c")]);
        check(PLAIN, &conversation, "</>\n<user>c</>\n<assistant>");
        let tools = said(&[("user", "a"), ("assistant", "b"), ("tool", "c"), ("tool", "d")]);
        check(PLAIN, &tools, "</>\n<tool>c</>\n<tool>d</>\n<assistant>");
        // Whatever is said, also the word that marks the answer's place.
        let marks = [("user", "ANSWER_0_"), ("assistant", "ANSWER_1_"), ("user", "ANSWER_0_")];
        check(PLAIN, &said(&marks), "</>\n<user>ANSWER_0_</>\n<assistant>");
        let hint = "\n\nhint: a message is {\"role\": \"user\", \"content\": \"…\"}";
        let refused = format!("conversation: the assistant says nothing{hint}");
        check(PLAIN, &said(&[("user", "a")]), &refused);
        let refused = format!("conversation: `t` does not print the answer of message 1{hint}");
        check("{{ messages[0].content }}", &conversation, &refused);
    }

    #[test]
    fn earlier_reasoning_may_be_left_out_by_a_template() {
        let text = fs::read_to_string("../../tests/fixtures/chat/qwen3.jinja").unwrap();
        let answer = "<think>\nlong\n</think>\n\nb";
        let conversation = said(&[("user", "a"), ("assistant", answer), ("user", "c")]);
        let expected = "<|im_end|>\n<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n";
        check(&text, &conversation, expected);
    }

    #[test]
    fn sampled_ids_and_those_between_are_the_whole_conversation() {
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = trained(folder.path());
        let template = ChatTemplate::new("t", PLAIN, SpecialTokens::new()).unwrap();
        let ids = |text: &str| -> Vec<u32> {
            let tokens = tokenizer.encode_rendered(text).unwrap();
            tokens.into_iter().map(|(id, _)| id).collect()
        };
        let conversation = said(&[("user", "a"), ("assistant", "b"), ("user", "c")]);
        let between = ids("</>\n<user>c</>\n<assistant>");
        // One that the model did not end with stays.
        let other = between[0] + 1;
        let found = |ended| template.tokenize_between(&conversation, ended, &tokenizer).unwrap();
        assert_eq!(found(between[0]), between[1..]);
        assert_eq!(found(other), between);
    }

    #[test]
    fn answers_end_with_a_special_token() {
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = trained(folder.path());
        let check = |turn: &str, expected: Option<&str>| {
            let text = format!("{{% for m in messages %}}<|user|>{turn}{{% endfor %}}");
            let template = ChatTemplate::new("t", &text, SpecialTokens::new()).unwrap();
            let expected = expected.map(|token| tokenizer.token_id(token).unwrap());
            assert_eq!(template.end_of_answer(&tokenizer).unwrap(), expected, "{turn}");
        };
        check("{{ m.content }}<|eos|>\n", Some("<|eos|>"));
        // Of white space before it nothing ends; Llama 2 has a space there.
        check(" {{ m.content }} <|eos|><|pad|>", Some("<|eos|>"));
        let marked = "{% generation %}{{ m.content }}{% endgeneration %}<|pad|>";
        check(marked, Some("<|pad|>"));
        check("{{ m.content }}\n", None);
    }

    #[test]
    fn extended_conversations_keep_their_tools() {
        let tools = vec![json!({ "name": "f" })];
        let conversation = said(&[("user", "a")]).with_tools(tools.clone()).unwrap();
        let more = said(&[("assistant", "b"), ("user", "c")]);
        let longer = conversation.extended(more.messages().to_vec()).unwrap();
        assert_eq!(longer.messages().len(), 3);
        assert_eq!(longer.tools(), Some(&tools[..]));
    }
}
