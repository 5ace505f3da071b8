//! From a conversation to ids and the mask of what the assistant wrote.

use std::ops::Range;

use super::message::{Conversation, is_assistant};
use super::template::{ChatTemplate, RenderOptions, Rendered};
use crate::error::Error;
use crate::tokenizer::Tokenizer;

/// Which of the assistant's turns are masked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Turns {
    /// All of them.
    #[default]
    Every,
    /// The last one only. For templates that drop the reasoning of earlier turns (Qwen 3) it is
    /// the only one that is printed as the model wrote it.
    Last,
}

impl Turns {
    /// The way out of a hint that is left where not only the last turn is asked for.
    pub(crate) fn or_fewer(self) -> &'static str {
        match self {
            Self::Every => ", or fine-tune on last turns only: `sft.turns = \"last\"`",
            Self::Last => "",
        }
    }
}

/// A conversation as token ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenizedChat {
    /// The rendered text.
    pub text: String,
    /// Its ids, nothing added.
    pub ids: Vec<u32>,
    /// One for each id: true when any of its characters is the assistant's, so a token across the
    /// border between prompt and answer counts as the answer's, as it does in transformers.
    pub assistant_mask: Vec<bool>,
    /// Tokens across such a border. A model that continues the prompt alone never sees them;
    /// usually the template lacks a line end or a special token there.
    pub straddling: usize,
}

impl ChatTemplate {
    /// Renders a conversation and says where the assistant's text is, as byte ranges in order.
    ///
    /// Where the template has `{% generation %}` it decides. Else a turn is what the rendering up
    /// to and with it has more than the rendering before it with the generation prompt; both must
    /// be what the whole text begins with. That includes what closes the turn (`<|im_end|>` and the
    /// line end after it).
    ///
    /// # Errors
    /// As [`ChatTemplate::render`]; [`Error::AssistantMask`] for a turn that the template prints
    /// differently when the conversation ends there.
    pub fn render_masked(
        &self,
        conversation: &Conversation,
        options: &RenderOptions,
        turns: Turns,
    ) -> Result<(String, Vec<Range<usize>>), Error> {
        let Rendered { text, generated } = self.render(conversation, options)?;
        let messages = conversation.messages();
        let mut of_assistant = (0..messages.len()).filter(|i| is_assistant(&messages[*i]));
        let wanted: Vec<usize> = match turns {
            Turns::Every if self.marks_generation(conversation) => return Ok((text, generated)),
            Turns::Every => of_assistant.collect(),
            Turns::Last => of_assistant.next_back().into_iter().collect(),
        };
        let mut spans = Vec::with_capacity(wanted.len());
        for message in wanted {
            let span = self.difference(conversation, options, &text, message);
            let refused = |problem| {
                let template = self.name().to_owned();
                Error::AssistantMask { template, message, turns, problem }
            };
            spans.push(span.map_err(refused)?);
        }
        if self.marks_generation(conversation) {
            let within = |span: &Range<usize>, part: &Range<usize>| {
                let both = span.start.max(part.start)..span.end.min(part.end);
                (both.start < both.end).then_some(both)
            };
            spans = spans
                .iter()
                .flat_map(|span| generated.iter().filter_map(|part| within(span, part)))
                .collect();
        }
        Ok((text, spans))
    }

    /// What message `turn` adds to the text, or why nobody can tell.
    fn difference(
        &self,
        conversation: &Conversation,
        options: &RenderOptions,
        text: &str,
        turn: usize,
    ) -> Result<Range<usize>, String> {
        let prefix = |n: usize, add_generation_prompt: bool, what: &str| {
            let options = RenderOptions {
                add_generation_prompt,
                continue_final_message: false,
                ..options.clone()
            };
            let rendered = self.render(&conversation.first(n), &options);
            let part = rendered.map_err(|error| {
                let error = error.to_string();
                // One way out is enough, and it is this error's own.
                let problem = error.split("\n\n").next().unwrap_or_default();
                format!("{what} cannot be rendered: {problem}")
            })?;
            if text.starts_with(&part.text) {
                return Ok(part.text.len());
            }
            let same = text.bytes().zip(part.text.bytes()).take_while(|(a, b)| a == b).count();
            let same = (0..=same).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            Err(format!(
                "{what} is not what the whole conversation begins with: from character {} on it is `{}`, in the whole `{}`",
                text[..same].chars().count(),
                excerpt(&part.text, same),
                excerpt(text, same),
            ))
        };
        let start = prefix(turn, true, "the text before it, with the generation prompt,")?;
        let last = turn + 1 == conversation.messages().len();
        if last && options.continue_final_message {
            return Ok(start..text.len());
        }
        let end = prefix(turn + 1, false, "the text up to its end")?;
        if end < start {
            let problem = "the text up to its end is shorter than the text before it with the generation prompt";
            return Err(problem.to_owned());
        }
        Ok(start..end)
    }

    /// Renders a conversation, encodes it as `apply_chat_template(…, tokenize=True)` does, and
    /// masks what the assistant wrote.
    ///
    /// Names of special tokens in the text become those tokens, also where a message spells one.
    ///
    /// # Errors
    /// As [`ChatTemplate::render_masked`] and [`Tokenizer::encode_rendered`].
    pub fn tokenize(
        &self,
        conversation: &Conversation,
        options: &RenderOptions,
        turns: Turns,
        tokenizer: &Tokenizer,
    ) -> Result<TokenizedChat, Error> {
        let (text, spans) = self.render_masked(conversation, options, turns)?;
        let tokens = tokenizer.encode_rendered(&text)?;
        let assistant_mask = mask(tokens.iter().map(|(_, range)| range), &spans);
        let straddles = |token: &Range<usize>| {
            let mut borders = spans.iter().flat_map(|span| [span.start, span.end]);
            borders.any(|border| token.start < border && border < token.end)
        };
        let straddling = tokens.iter().filter(|(_, range)| straddles(range)).count();
        let ids = tokens.iter().map(|(id, _)| *id).collect();
        Ok(TokenizedChat { text, ids, assistant_mask, straddling })
    }
}

/// True for each token that overlaps a span; both in order.
fn mask<'a>(tokens: impl Iterator<Item = &'a Range<usize>>, spans: &[Range<usize>]) -> Vec<bool> {
    let mut spans = spans.iter().peekable();
    tokens
        .map(|token| {
            while spans.next_if(|span| token.start >= span.end).is_some() {}
            spans.peek().is_some_and(|span| token.end > span.start)
        })
        .collect()
}

/// A few characters from `at` on, for a message.
fn excerpt(text: &str, at: usize) -> String {
    let text = text.get(at..).unwrap_or_default();
    let mut excerpt: String = text.chars().take(24).collect();
    if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    excerpt.replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
