//! `temper generate`: a look at the model, and continuations for other programs.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use serde_json::{Value, json};
use temper_model::{Completion, Ending, GenerateOptions, Prompt, Sampling};
use temper_recipe::{Recipe, Tokenization};
use temper_tokens::{ChatTemplate, Conversation, RenderOptions, Tokenizer};

use crate::args::GenerateArguments;
use crate::checkpoint::Checkpoint;
use crate::exit::Failure;
use crate::{device, print, stop_ids};

/// Continues prompts until the end of the document, a stop string or the limit.
pub(crate) fn generate(arguments: &GenerateArguments) -> Result<(), Failure> {
    check(arguments)?;
    let device = device::open(&arguments.device.device)?;
    let checkpoint = Checkpoint::find(Path::new(""), &arguments.checkpoint)?;
    let tokenizer = tokenizer(arguments, &checkpoint)?;
    let template = arguments.chat.then(|| chat_template(arguments, &checkpoint)).transpose()?;
    let prompts: Vec<Prompt> = match &tokenizer {
        Some(tokenizer) if arguments.ids.is_empty() => {
            let texts = arguments.prompt.iter();
            let bos = begins_with_bos(&checkpoint, tokenizer)?;
            let of = |text: &String| match &template {
                Some(template) => of_message(arguments, tokenizer, template, text),
                None => of_text(arguments, tokenizer, bos, text),
            };
            texts.map(of).collect::<Result<_>>()?
        }
        _ => arguments.ids.iter().map(|ids| of_ids(arguments, ids)).collect::<Result<_>>()?,
    };
    let is_stopped = |ids: &[u32]| {
        let text = tokenizer.as_ref().and_then(|tokenizer| tokenizer.decode(ids, true).ok());
        text.is_some_and(|text| arguments.stop.iter().any(|stop| text.contains(stop)))
    };
    let stop_ids = match arguments.ignore_eos {
        true => Vec::new(),
        false => {
            let companions = checkpoint.located.companions()?;
            let mut ids = stop_ids::of_texts(&checkpoint.config, &companions, tokenizer.as_ref());
            if let (Some(template), Some(tokenizer)) = (&template, &tokenizer) {
                ids.extend(template.end_of_answer(tokenizer)?);
            }
            ids
        }
    };
    let options = GenerateOptions {
        max_tokens: arguments.max_tokens,
        sampling: Sampling {
            temperature: arguments.temperature,
            top_k: arguments.top_k,
            top_p: arguments.top_p,
            min_p: arguments.min_p,
            repetition_penalty: arguments.repetition_penalty,
        },
        stop_ids,
        is_complete: (!arguments.stop.is_empty()).then_some(&is_stopped),
    };
    let (decoder, _) = checkpoint.load(None, &device)?;
    let completions = temper_model::generate(&decoder, &prompts, &options)?;
    let completions: Vec<Continued> = (completions.into_iter().enumerate())
        .flat_map(|(prompt, samples)| {
            samples.into_iter().map(move |completion| Continued { prompt, completion })
        })
        .collect();
    if arguments.json {
        let values: Vec<Value> =
            completions.iter().map(|one| one.json(tokenizer.as_ref())).collect::<Result<_>>()?;
        let text = match &values[..] {
            [one] => serde_json::to_string(one)?,
            several => serde_json::to_string(several)?,
        };
        print::data(&text);
    } else {
        for continued in &completions {
            print::data(&continued.text(arguments, tokenizer.as_ref())?);
        }
    }
    Ok(())
}

/// Refuses values that no distribution has.
fn check(arguments: &GenerateArguments) -> Result<()> {
    let wrong = |option: &str, found: f64, expected: &str| {
        bail!("{option}: found {found}, expected {expected}\n\nhint: `temper generate --help`")
    };
    let GenerateArguments { temperature, top_p, min_p, repetition_penalty, .. } = *arguments;
    if arguments.samples == 0 {
        return wrong("--samples", 0.0, "1 or more");
    }
    if arguments.stop.iter().any(String::is_empty) {
        bail!("--stop: found an empty text, expected some characters\n\nhint: leave `--stop` out");
    }
    if !(temperature.is_finite() && temperature >= 0.0) {
        return wrong("--temperature", temperature, "0 or more");
    }
    if !(top_p > 0.0 && top_p <= 1.0) {
        return wrong("--top-p", top_p, "more than 0 and at most 1");
    }
    if !(0.0..=1.0).contains(&min_p) {
        return wrong("--min-p", min_p, "0 to 1");
    }
    if !(repetition_penalty.is_finite() && repetition_penalty > 0.0) {
        return wrong("--repetition-penalty", repetition_penalty, "more than 0");
    }
    Ok(())
}

/// The tokenizer, which ids alone do not need.
fn tokenizer(arguments: &GenerateArguments, checkpoint: &Checkpoint) -> Result<Option<Tokenizer>> {
    let folder = checkpoint.located.tokenizer_folder();
    let is_needed = arguments.ids.is_empty() || !arguments.stop.is_empty();
    if !is_needed && !folder.join("tokenizer.json").is_file() {
        return Ok(None);
    }
    Ok(Some(Tokenizer::load(folder)?))
}

/// What the checkpoint writes conversations with.
fn chat_template(arguments: &GenerateArguments, checkpoint: &Checkpoint) -> Result<ChatTemplate> {
    ChatTemplate::load(checkpoint.located.tokenizer_folder())?.ok_or_else(|| {
        anyhow!(
            "--chat: `{}` has no chat template, expected a model that was trained on conversations\n\n\
             hint: without `--chat` the prompt is continued as it is",
            arguments.checkpoint
        )
    })
}

/// A run's checkpoint goes on as it was trained, another one as its tokenizer says.
fn begins_with_bos(checkpoint: &Checkpoint, tokenizer: &Tokenizer) -> Result<bool> {
    match &checkpoint.origin.run {
        Some((run, _)) => Ok(Recipe::from_resolved(&run.resolved_recipe()?)?.tokenization.bos),
        None => Ok(tokenizer.begins_with_bos()),
    }
}

fn of_text(
    arguments: &GenerateArguments,
    tokenizer: &Tokenizer,
    bos: bool,
    text: &str,
) -> Result<Prompt> {
    let policy = Tokenization { bos, eos: false };
    let ids = tokenizer.add_specials(tokenizer.encode(text)?, policy)?;
    Ok(Prompt { ids, n_samples: arguments.samples, seed: arguments.seed })
}

/// What the template writes of a user's message, up to the answer.
fn of_message(
    arguments: &GenerateArguments,
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    text: &str,
) -> Result<Prompt> {
    let said = Conversation::from_json(json!([{ "role": "user", "content": text }]))?;
    let options = RenderOptions { add_generation_prompt: true, ..RenderOptions::default() };
    let written = template.render(&said, &options)?.text;
    let ids = tokenizer.encode_rendered(&written)?.into_iter().map(|(id, _)| id).collect();
    Ok(Prompt { ids, n_samples: arguments.samples, seed: arguments.seed })
}

fn of_ids(arguments: &GenerateArguments, text: &str) -> Result<Prompt> {
    let ids = text.split(',').map(|id| {
        id.trim().parse().map_err(|_| {
            anyhow!("--ids: found `{id}`, expected a token id\n\nhint: write `--ids 1,2,3`")
        })
    });
    let ids = ids.collect::<Result<_>>()?;
    Ok(Prompt { ids, n_samples: arguments.samples, seed: arguments.seed })
}

/// A continuation, and the number of its prompt.
struct Continued {
    prompt: usize,
    completion: Completion,
}

impl Continued {
    fn json(&self, tokenizer: Option<&Tokenizer>) -> Result<Value> {
        let Completion { ids, logprobs, sampled_logprobs, ending } = &self.completion;
        let ending = match ending {
            Ending::Stop => "stop",
            Ending::MaxTokens => "max-tokens",
            Ending::Context => "context",
        };
        let mut value = json!({
            "ids": ids, "logprobs": logprobs, "sampled_logprobs": sampled_logprobs,
            "prompt": self.prompt, "ending": ending,
        });
        if let Some(tokenizer) = tokenizer {
            value["text"] = tokenizer.decode(ids, true)?.into();
        }
        Ok(value)
    }

    /// The prompt and what follows it, or the answer to it; ids where there are no texts.
    fn text(&self, arguments: &GenerateArguments, tokenizer: Option<&Tokenizer>) -> Result<String> {
        let ids = &self.completion.ids;
        let Some(tokenizer) = tokenizer else {
            return Ok(ids.iter().map(u32::to_string).collect::<Vec<_>>().join(","));
        };
        let prompt = arguments.prompt.get(self.prompt).filter(|_| !arguments.chat);
        let prompt = prompt.map_or("", String::as_str);
        Ok(format!("{prompt}{}", tokenizer.decode(ids, true)?))
    }
}
