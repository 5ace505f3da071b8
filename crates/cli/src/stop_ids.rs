//! Which ids end what a model writes.

use anyhow::Result;
use serde_json::Value;
use temper_model::Config;
use temper_model::hf::Companion;
use temper_tokens::Tokenizer;

use crate::model::Model;

/// Those of a text, and the special token that the chat template writes behind an answer.
///
/// # Errors
/// A chat template that does not print answers.
pub(crate) fn of_answers(model: &Model) -> Result<Vec<u32>> {
    let tokenizer = &model.tokenizer;
    let template = model.chat_template.as_ref();
    let behind = template.map(|template| template.end_of_answer(tokenizer)).transpose()?;
    let mut ids = of_texts(&model.config, &model.companions, Some(tokenizer));
    ids.extend(behind.flatten());
    Ok(each_once(ids))
}

/// The tokenizer's, the configuration's and those of `generation_config.json`, where chat models name theirs.
pub(crate) fn of_texts(
    config: &Config,
    companions: &[Companion],
    tokenizer: Option<&Tokenizer>,
) -> Vec<u32> {
    let mut ids: Vec<u32> = tokenizer.and_then(Tokenizer::eos_id).into_iter().collect();
    ids.extend(&config.eos_token_ids);
    let settings = companions.iter().find(|companion| companion.name == "generation_config.json");
    // Settings that cannot be read say nothing; the model's own ids still hold.
    let settings: Value = settings
        .and_then(|companion| serde_json::from_slice(&companion.bytes).ok())
        .unwrap_or_default();
    let named = &settings["eos_token_id"];
    let named = named.as_array().map_or(std::slice::from_ref(named), Vec::as_slice);
    ids.extend(named.iter().filter_map(Value::as_u64).filter_map(|id| u32::try_from(id).ok()));
    each_once(ids)
}

fn each_once(mut ids: Vec<u32>) -> Vec<u32> {
    ids.sort_unstable();
    ids.dedup();
    ids
}
