//! A chat template, ready to render.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use minijinja::Value as TemplateValue;
use serde_json::{Map, Value};
use temper_recipe::{Digest, Hasher};

use super::date::DateTime;
use super::functions::{Generated, Progress, StrftimeNow};
use super::guard::guarded;
use super::message::{Conversation, template_map, template_value};
use super::methods::cut::strip;
use super::source::GENERATED;
use crate::error::{ConversationFault, Error};
use compiled::{Compiled, TEMPLATE, failure, stop};

mod compiled;

/// What one rendering may do, in the engine's units: an instruction is one, 64 bytes of text made or
/// read are one. It bounds what is made to 128 MiB, and time to about a second; a conversation of
/// 100 000 tokens takes a few percent of it.
pub const RENDER_WORK: u64 = 2_000_000;

/// What the engine does not count (comparing values with many parts in common) is bounded by time
/// instead. A rendering that is this late is abandoned.
const RENDER_TIME: Duration = Duration::from_secs(10);

/// Values that a template finds under their names: `bos_token` and its like.
pub type SpecialTokens = BTreeMap<String, String>;

/// How to render.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RenderOptions {
    /// End with what begins the assistant's next message.
    pub add_generation_prompt: bool,
    /// Leave the last message open, so that the model goes on with it.
    pub continue_final_message: bool,
    /// What `strftime_now` reads; a template that calls it is refused without one.
    pub now: Option<DateTime>,
    /// Further values for the template, such as `enable_thinking`.
    pub variables: Map<String, Value>,
}

/// A rendered conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The text, special tokens as their names.
    pub text: String,
    /// What the template marks with `{% generation %}`, as byte ranges of the text, in order.
    pub generated: Vec<Range<usize>>,
}

/// A chat template as `transformers` runs it, without a machine around it: no files, no
/// environment, no clock, a bound on work and memory ([`RENDER_WORK`]).
///
/// Differences from transformers that a template can see: `strftime_now` reads
/// [`RenderOptions::now`], `%` does not format strings (the filter `format` does), `dict.items` without
/// a call is the key `items`, `autoescape` is refused.
#[derive(Debug)]
pub struct ChatTemplate {
    name: String,
    default: Arc<Compiled>,
    tool_use: Option<Arc<Compiled>>,
    special_tokens: SpecialTokens,
}

impl ChatTemplate {
    /// A template from its text; `name` says in messages where it comes from.
    ///
    /// # Errors
    /// [`Error::ChatTemplate`] for text that is no Jinja, with its line.
    pub fn new(name: &str, text: &str, special_tokens: SpecialTokens) -> Result<Self, Error> {
        let default = Compiled::new(name, text)?;
        Ok(Self { name: name.to_owned(), default, tool_use: None, special_tokens })
    }

    /// The same with a second template for conversations that have tools.
    ///
    /// # Errors
    /// As [`ChatTemplate::new`].
    pub fn with_tool_use(self, text: &str) -> Result<Self, Error> {
        let tool_use = Compiled::new(&format!("{} (tool_use)", self.name), text)?;
        Ok(Self { tool_use: Some(tool_use), ..self })
    }

    /// Where the template comes from.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The template's text, as it was read.
    pub fn text(&self) -> &str {
        &self.default.text
    }

    /// Names what decides what it renders: its texts and special tokens.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new();
        let mut add = |part: &str| {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        };
        add(&self.default.text);
        add(self.tool_use.as_ref().map_or("", |tool_use| &tool_use.text));
        for (name, token) in &self.special_tokens {
            add(name);
            add(token);
        }
        hasher.finish()
    }

    /// True when the template for this conversation marks what the model writes.
    pub fn marks_generation(&self, conversation: &Conversation) -> bool {
        self.compiled(conversation).marks_generation
    }

    /// The text outside of tags and the string constants in them, of all templates.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        let all = [Some(&self.default), self.tool_use.as_ref()].into_iter().flatten();
        all.flat_map(|compiled| compiled.literals.iter().map(String::as_str))
    }

    fn compiled(&self, conversation: &Conversation) -> &Arc<Compiled> {
        match &self.tool_use {
            Some(tool_use) if conversation.tools().is_some() => tool_use,
            _ => &self.default,
        }
    }

    /// Renders a conversation, as `apply_chat_template(…, tokenize=False)` does.
    ///
    /// # Errors
    /// [`Error::ChatTemplateRaised`] in the template's own words, [`Error::ChatTemplate`] with the
    /// line where it fails, [`Error::ChatTemplateWork`] or [`Error::ChatTemplateTime`] when it does
    /// not end (after the latter its thread runs on: end the process), [`Error::Conversation`] for a
    /// final message that cannot be continued.
    pub fn render(
        &self,
        conversation: &Conversation,
        options: &RenderOptions,
    ) -> Result<Rendered, Error> {
        if options.continue_final_message {
            return self.render_open(conversation, options);
        }
        self.render_within(conversation, options, RENDER_TIME)
    }

    fn render_within(
        &self,
        conversation: &Conversation,
        options: &RenderOptions,
        limit: Duration,
    ) -> Result<Rendered, Error> {
        let progress = Arc::new(Progress::default());
        let mut output = Output { bytes: Vec::new(), progress: progress.clone() };
        let context = self.context(conversation, options, progress.clone());
        let compiled = self.compiled(conversation).clone();
        let done = guarded(limit, move || {
            let template = compiled.env.get_template(TEMPLATE)?;
            template.render_captured_to(context, &mut output)?;
            Ok(output.bytes)
        });
        let done = done.map_err(|stopped| stop(&self.name, stopped))?;
        let bytes = done.map_err(|error| failure(&self.name, &error))?;

        let text = String::from_utf8(bytes).map_err(|error| self.problem(error.to_string()))?;
        let mut generated = Vec::new();
        for (start, part) in progress.take_generated() {
            // Inside a macro or a set block the text may have been moved or changed.
            let end = start + part.len();
            if text.get(start..end) != Some(&part) {
                return Err(self.problem(
                    "`{% generation %}` inside a macro or a set block, where the text it marks \
                     cannot be found again; expected it where the text is printed"
                        .to_owned(),
                ));
            }
            generated.push(start..end);
        }
        Ok(Rendered { text, generated })
    }

    fn context(
        &self,
        conversation: &Conversation,
        options: &RenderOptions,
        progress: Arc<Progress>,
    ) -> TemplateValue {
        let special = self.special_tokens.iter().map(|(name, token)| (name.as_str(), token.into()));
        let variables =
            options.variables.iter().map(|(name, value)| (name.as_str(), template_value(value)));
        let list = |items: Option<&[Value]>| match items {
            None => TemplateValue::from(()),
            Some(items) => items.iter().map(template_value).collect(),
        };
        let ours = [
            ("messages", conversation.messages().iter().map(template_map).collect()),
            ("tools", list(conversation.tools())),
            ("documents", list(conversation.documents())),
            ("add_generation_prompt", options.add_generation_prompt.into()),
            ("strftime_now", TemplateValue::from_object(StrftimeNow(options.now))),
            (GENERATED, TemplateValue::from_object(Generated(progress))),
        ];
        // The later one of two with the same name counts.
        TemplateValue::from_pairs(special.chain(variables).chain(ours))
    }

    /// Renders with a mark at the end of the last message's text, and cuts there; as transformers
    /// does for `continue_final_message`.
    fn render_open(
        &self,
        conversation: &Conversation,
        options: &RenderOptions,
    ) -> Result<Rendered, Error> {
        const MARK: &str = "CONTINUE_FINAL_MESSAGE_TAG ";
        let refused = |problem: &str| {
            let (fault, problem) = (ConversationFault::Form, problem.to_owned());
            Err(Error::Conversation { fault, problem })
        };
        if options.add_generation_prompt {
            return refused(
                "either the final message is continued or a new one is begun, not both",
            );
        }
        let Some((marked, last)) = conversation.prolonged(MARK) else {
            return refused("the final message has no text that could be continued");
        };
        let closed = RenderOptions { continue_final_message: false, ..options.clone() };
        let mut rendered = self.render(&marked, &closed)?;
        let last = strip(&last, None, true, true);
        let at = rendered.text.rfind(MARK.trim_end()).filter(|_| rendered.text.contains(last));
        let Some(at) = at else {
            return refused(
                "the template does not print the final message as it is, so it cannot be continued",
            );
        };
        let kept = rendered.text[at..].starts_with(MARK);
        rendered.text.truncate(at);
        if !kept {
            // The template strips the message, and so must the open one be.
            let stripped = strip(&rendered.text, None, false, true).len();
            rendered.text.truncate(stripped);
        }
        let end = rendered.text.len();
        for range in &mut rendered.generated {
            *range = range.start.min(end)..range.end.min(end);
        }
        Ok(rendered)
    }

    fn problem(&self, problem: String) -> Error {
        Error::ChatTemplate { template: self.name.clone(), line: None, problem }
    }
}

/// What has been rendered, counted while it grows.
struct Output {
    bytes: Vec<u8>,
    progress: Arc<Progress>,
}

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        self.progress.written.store(self.bytes.len(), Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
