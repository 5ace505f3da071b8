//! Adapters as PEFT keeps them.

use std::fs;
use std::path::Path;

use serde_json::json;
use temper_model::{Decoder, hf};
use temper_recipe::Lora;
use temper_tokens::Staged;

use super::Adapter;
use crate::error::Error;
use crate::stage::Base;
use crate::state::{read, write};

const WEIGHTS: &str = "adapter_model.safetensors";
const CONFIG: &str = "adapter_config.json";

/// Writes a folder that PEFT loads onto `base`, and that we load onto no other one.
pub(crate) fn save(
    adapter: &Adapter,
    lora: &Lora,
    base: &Base,
    folder: &Path,
) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::io("write", folder))?;
    let config = json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base.folder,
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "lora_dropout": lora.dropout,
        "use_rslora": lora.rank_stabilized,
        "target_modules": adapter.targets(),
        "bias": "none",
        "fan_in_fan_out": false,
        "init_lora_weights": true,
        "inference_mode": true,
        "modules_to_save": null,
    });
    let text = serde_json::to_string_pretty(&config).expect("names and numbers are JSON");
    let path = folder.join(CONFIG);
    Staged::write(&path, text.as_bytes())?;
    let record = hf::adapter_base(base.weights.bytes());
    Staged::write(&folder.join(record.name), &record.bytes)?;
    write(&folder.join(WEIGHTS), &adapter.parameters(), &[("", &adapter.values())])
}

/// Reads the factors back; `decoder` is the starting model, `seed` the run's.
pub(crate) fn load(
    decoder: &Decoder,
    lora: &Lora,
    seed: u64,
    folder: &Path,
) -> Result<Adapter, Error> {
    let fresh = Adapter::new(decoder, lora, seed)?;
    let values = read(&folder.join(WEIGHTS), &fresh.parameters(), "")?;
    let mut rest = &values[..];
    Adapter::with(decoder, lora, seed, |_, [out, input]| {
        let (a, behind) = rest.split_at(lora.rank * input);
        let (b, behind) = behind.split_at(out * lora.rank);
        rest = behind;
        Ok([a.to_vec(), b.to_vec()])
    })
}
