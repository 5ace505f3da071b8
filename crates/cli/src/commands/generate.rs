//! `temper generate`: a look at the model.

use std::path::Path;

use temper_model::GenerateOptions;
use temper_recipe::Tokenization;

use crate::args::GenerateArguments;
use crate::exit::Failure;
use crate::model::Model;
use crate::{device, print};

/// Continues a prompt until the end of the document or the limit.
pub(crate) fn generate(arguments: &GenerateArguments) -> Result<(), Failure> {
    let device = device::open(&arguments.device.device)?;
    let model = Model::find(Path::new(""), &arguments.checkpoint)?;
    let decoder = model.decoder(0, &device)?;
    let policy = Tokenization { bos: model.tokenizer.bos_id().is_some(), eos: false };
    let prompt =
        model.tokenizer.add_specials(model.tokenizer.encode(&arguments.prompt)?, policy)?;
    let options = GenerateOptions {
        max_tokens: arguments.max_tokens,
        temperature: arguments.temperature,
        top_p: arguments.top_p,
        seed: arguments.seed,
        stop: model
            .tokenizer
            .eos_id()
            .into_iter()
            .chain(model.config.eos_token_ids.clone())
            .collect(),
    };
    let ids = temper_model::generate(&decoder, &prompt, &options)?;
    print::data(&format!("{}{}", arguments.prompt, model.tokenizer.decode(&ids, true)?));
    Ok(())
}
