//! What can go wrong between text and ids on disk.

use std::io;
use std::path::PathBuf;

use temper_recipe::Digest;

use crate::chat::Turns;

/// The crate's error. Every variant names its subject.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that should be there cannot be read.
    #[error("cannot read `{}`\n\nhint: check that the file is there and readable", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// A file or folder cannot be written; nothing is left under its name.
    #[error("cannot write `{}`{}", path.display(), way_out(.source.kind()))]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// There is no `tokenizer.json` where one was named.
    #[error("no tokenizer at `{}`: expected a file `tokenizer.json` or a folder with one\n\nhint: slow tokenizers (`tokenizer.model`, `vocab.json`) are converted by `AutoTokenizer.from_pretrained(…).save_pretrained(…)`", path.display())]
    NoTokenizer {
        /// What was named.
        path: PathBuf,
    },

    /// `tokenizer.json` or `tokenizer_config.json` is not what Hugging Face's libraries write.
    #[error("tokenizer `{}`: {problem}\n\nhint: save it again with `AutoTokenizer.from_pretrained(…).save_pretrained(…)`, or make one with `temper tokenizer train`", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },

    /// BOS or EOS is asked for and the tokenizer has none.
    #[error(
        "the recipe asks for {token} around documents, the tokenizer names none\n\nhint: set `{key}` in `tokenizer_config.json`, or `tokenization.{token} = false` in the recipe"
    )]
    NoSpecial {
        /// `bos` or `eos`.
        token: &'static str,
        /// The key in `tokenizer_config.json`.
        key: &'static str,
    },

    /// The tokenizer refused a text.
    #[error("cannot encode text that begins with `{beginning}`: {problem}")]
    Encode {
        /// The first characters.
        beginning: String,
        /// What the tokenizers library said.
        problem: String,
    },

    /// The text has a stretch without a safe place to split it.
    #[error(
        "a stretch of {bytes} bytes has no place where this tokenizer can be split without changing its ids, expected at most {limit}\n\nhint: break the text into shorter documents"
    )]
    LongPiece {
        /// Bytes of the stretch.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },

    /// Ids that no token has.
    #[error("cannot decode id {id}: the tokenizer has no such token (its highest id is {highest})")]
    UnknownId {
        /// The id.
        id: u32,
        /// The tokenizer's highest.
        highest: u32,
    },

    /// The tokenizer refused to decode.
    #[error("cannot decode {n_ids} ids: {problem}")]
    Decode {
        /// How many ids.
        n_ids: usize,
        /// What the tokenizers library said.
        problem: String,
    },

    /// Tokens cannot be added as asked.
    #[error(
        "cannot add token `{token}`: {problem}\n\nhint: leave it out, or add it with transformers' `add_special_tokens` and save the tokenizer"
    )]
    AddToken {
        /// The token.
        token: String,
        /// What was found and what was expected.
        problem: String,
    },

    /// A folder has no chat template.
    #[error("no chat template in `{}`: expected `chat_template.jinja`, or `chat_template` in `tokenizer_config.json`\n\nhint: a base model has none; write one as `chat_template.jinja` beside its weights, or give it one with `[model] chat_template` in a recipe", folder.display())]
    NoChatTemplate {
        /// The folder.
        folder: PathBuf,
    },

    /// A file that should name a chat template or its special tokens does not.
    #[error("`{}`: {problem}\n\nhint: take the file that came with the checkpoint", path.display())]
    ChatTemplateFile {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },

    /// A chat template is not Jinja, or fails while it renders.
    #[error("chat template `{template}`{}: {problem}\n\nhint: correct the template there, or use another one", at_line(*.line))]
    ChatTemplate {
        /// Where the template comes from.
        template: String,
        /// The template's line, from 1, where one is known.
        line: Option<usize>,
        /// What the template engine said.
        problem: String,
    },

    /// A chat template refuses a conversation (`raise_exception`).
    #[error(
        "chat template `{template}` refuses the conversation: {message}\n\nhint: change the conversation as the template asks for, or use another template"
    )]
    ChatTemplateRaised {
        /// Where the template comes from.
        template: String,
        /// The template's own words.
        message: String,
    },

    /// A chat template does more than any conversation needs.
    #[error("chat template `{template}`{}: not finished after {limit} units of work (an instruction, or 64 bytes of text, is one)\n\nhint: the template loops or builds huge text; if the conversation is that long, split it", at_line(*.line))]
    ChatTemplateWork {
        /// Where the template comes from.
        template: String,
        /// The template's line, from 1, where one is known.
        line: Option<usize>,
        /// The limit.
        limit: u64,
    },

    /// A chat template takes longer than any conversation needs, without doing work that is counted.
    #[error(
        "chat template `{template}`: not finished after {seconds} seconds\n\nhint: the template compares or prints huge values; use another one"
    )]
    ChatTemplateTime {
        /// Where the template comes from.
        template: String,
        /// The limit.
        seconds: u64,
    },

    /// What should be rendered is no conversation.
    #[error(
        "conversation: {problem}\n\nhint: a message is {{\"role\": \"user\", \"content\": \"…\"}}"
    )]
    Conversation {
        /// Of which kind it is.
        fault: ConversationFault,
        /// What was found and what was expected.
        problem: String,
    },

    /// A chat template does not let the assistant's text be found in the whole.
    #[error(
        "chat template `{template}`, message {message}: {problem}\n\nhint: put `{{% generation %}}` and `{{% endgeneration %}}` around what the template prints for an assistant{}",
        turns.or_fewer()
    )]
    AssistantMask {
        /// Where the template comes from.
        template: String,
        /// The message's place in the conversation, from 0.
        message: usize,
        /// Which turns were asked for.
        turns: Turns,
        /// What was found and what was expected.
        problem: String,
    },

    /// A tokenizer cannot be trained as asked.
    #[error("cannot train a tokenizer: {problem}")]
    Train {
        /// What was found and what was expected.
        problem: String,
    },

    /// A file is no shard, or a damaged one.
    #[error("shard `{}`: {problem}\n\nhint: remove its folder; the corpus is tokenized again", path.display())]
    Shard {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },

    /// An id does not fit the vocabulary the shard was made for.
    #[error("shard `{}`: id {id} is outside its vocabulary of {vocab_size}", path.display())]
    IdOutOfVocabulary {
        /// The file.
        path: PathBuf,
        /// The id.
        id: u32,
        /// Ids are below this.
        vocab_size: usize,
    },

    /// A shard's bytes are not those that were written.
    #[error("shard `{}`: digest {}…, its set says {}…; the file changed after tokenizing\n\nhint: remove its folder; the corpus is tokenized again", path.display(), found.short(), expected.short())]
    ShardDigest {
        /// The file.
        path: PathBuf,
        /// Of the bytes on disk.
        found: Digest,
        /// Of the bytes written.
        expected: Digest,
    },

    /// `tokens.json` does not describe a set of shards.
    #[error("shard set `{}`: {problem}\n\nhint: remove its folder; the corpus is tokenized again", path.display())]
    ShardSet {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },
}

/// What is wrong with a conversation, by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConversationFault {
    /// It is no list of messages with roles and contents.
    Form,
    /// Somebody speaks out of turn.
    Order,
    /// A result answers no call: nobody made it, or it has an answer already.
    Calls,
    /// Somebody else speaks before a call has its result.
    Unanswered,
    /// The assistant says nothing that could be learned.
    NoAnswer,
}

/// `, line 3` where the line is known.
fn at_line(line: Option<usize>) -> String {
    line.map(|line| format!(", line {line}")).unwrap_or_default()
}

/// What helps against the kinds of failed writes that have a cure.
fn way_out(kind: io::ErrorKind) -> &'static str {
    // The list of kinds is open; most have no cure worth a hint.
    #[allow(clippy::wildcard_enum_match_arm)]
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "\n\nhint: free space on this volume or choose a folder on another one; what is already written is kept and used again"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "\n\nhint: make the folder writable or choose another one"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "\n\nhint: a file lies where a folder is needed; move it or choose another folder"
        }
        _ => "\n\nhint: check free space, limits and permissions of the folder",
    }
}

#[cfg(test)]
mod tests;
