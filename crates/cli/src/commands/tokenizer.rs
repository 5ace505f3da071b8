//! `temper tokenizer`: a byte-level BPE tokenizer from corpora, and conversations through chat templates.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use serde_json::{Value, json};
use temper_recipe::Project;
use temper_tokens::{
    BpeSpec, ChatTemplate, Conversation, DateTime, Error, RenderOptions, Tokenizer, Turns,
    train_byte_level_bpe,
};

use crate::args::{TokenizerRenderArguments, TokenizerTrainArguments};
use crate::checkpoint::Checkpoint;
use crate::exit::Failure;
use crate::print::{self, thousands};
use crate::progress::Progress;

/// What later stages need is reserved now: ids cannot be added without growing the model.
const MARKERS: [&str; 16] = [
    "<|bos|>",
    "<|eos|>",
    "<|pad|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|end|>",
    "<|think|>",
    "<|/think|>",
    "<|tools|>",
    "<|tool_call|>",
    "<|tool_result|>",
    "<|reserved_0|>",
    "<|reserved_1|>",
    "<|reserved_2|>",
    "<|reserved_3|>",
];

/// Trains on all texts of the corpora named.
pub(crate) fn train(arguments: &TokenizerTrainArguments) -> Result<(), Failure> {
    let project = Project::find(Path::new("."))?;
    let bar = Progress::start("tokenizer", 0);
    let mut texts = Vec::new();
    for corpus in &arguments.corpora {
        let manifest = project.manifest(corpus)?;
        for text in temper_corpus::read_texts(&manifest, &project.manifests_dir())? {
            texts.push(text?);
        }
    }
    let n_texts = texts.len();
    let spec = BpeSpec {
        vocab_size: arguments.vocabulary,
        special_tokens: MARKERS.map(str::to_owned).into(),
        bos: Some(MARKERS[0].to_owned()),
        eos: Some(MARKERS[1].to_owned()),
        pad: Some(MARKERS[2].to_owned()),
        model_max_length: arguments.context,
    };
    train_byte_level_bpe(texts.into_iter(), &spec, &arguments.out)?;
    let made = Tokenizer::load(&arguments.out)?;
    let (n_tokens, n_texts) = (made.vocab_size() as u64, n_texts as u64);
    bar.finish(&format!("{} tokens from {} documents", thousands(n_tokens), thousands(n_texts)));
    if arguments.json {
        print::json(&json!({
            "out": arguments.out, "vocabulary": n_tokens, "documents": n_texts, "digest": made.digest(),
        }))?;
    }
    Ok(())
}

/// Renders a conversation with the chat template of a checkpoint.
pub(crate) fn render(arguments: &TokenizerRenderArguments) -> Result<(), Failure> {
    let located = Checkpoint::find(Path::new(""), &arguments.checkpoint)?.located;
    let folder = located.tokenizer_folder();
    let none = || Error::NoChatTemplate { folder: folder.to_owned() };
    let template = ChatTemplate::load(folder)?.ok_or_else(none)?;
    let mut conversation = read_conversation(&arguments.file)?;
    if let Some(file) = &arguments.tools {
        let tools = read_json(file)?.as_array().cloned().with_context(|| {
            let hint = "hint: write the functions as a JSON array";
            format!("`{}` is no array, expected tools\n\n{hint}", file.display())
        })?;
        conversation = conversation.with_tools(tools)?;
    }
    let now = arguments.now.as_ref().map(|text| {
        DateTime::parse(text).with_context(|| {
            let hint = "hint: write 2026-07-26 or 2026-07-26T18:05:09";
            format!("--now: found `{text}`, expected a date\n\n{hint}")
        })
    });
    let options = RenderOptions {
        add_generation_prompt: arguments.add_generation_prompt,
        now: now.transpose()?,
        ..RenderOptions::default()
    };
    if !arguments.json {
        print::data(&template.render(&conversation, &options)?.text);
        return Ok(());
    }
    let tokenizer = Tokenizer::load(folder)?;
    let chat = template.tokenize(&conversation, &options, Turns::Every, &tokenizer)?;
    print::json(&json!({
        "text": chat.text, "ids": chat.ids, "assistant_mask": chat.assistant_mask,
        "straddling": chat.straddling,
    }))?;
    Ok(())
}

/// A conversation in JSON, its calls of tools as training reads them.
fn read_conversation(file: &Path) -> Result<Conversation> {
    let mut said = read_json(file)?;
    let messages = if said.is_object() { &mut said["messages"] } else { &mut said };
    *messages = temper_corpus::normalise_messages(messages.take()).map_err(|problem| {
        let hint = "hint: correct the message; rows of a corpus are refused for this as well";
        anyhow!("`{}`: {problem}\n\n{hint}", file.display())
    })?;
    Ok(Conversation::from_json(said)?)
}

/// A JSON file, or standard input for `-`.
fn read_json(file: &Path) -> Result<Value> {
    let failed = || format!("cannot read `{}`\n\nhint: name a JSON file", file.display());
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).with_context(failed)?;
    } else {
        text = std::fs::read_to_string(file).with_context(failed)?;
    }
    serde_json::from_str(&text).with_context(failed)
}
