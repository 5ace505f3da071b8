//! Weights in other forms than safetensors floats, refused by name with the way out.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{json::short, weights::Weights};
use crate::Error;

/// A form of weights, known by the name of a file.
struct Form {
    name: &'static str,
    is_file: fn(&str) -> bool,
    /// From the folder and the file.
    way_out: fn(&Path, &str) -> String,
}

/// In the order in which they are looked for: those that need another command than the ending of
/// their files suggests come first.
const FORMS: &[Form] = &[
    Form {
        name: "a PEFT adapter in PyTorch's pickle",
        is_file: |file| file == "adapter_model.bin",
        way_out: |folder, _| {
            let code = "from peft import AutoPeftModelForCausalLM as M; \
                M.from_pretrained(sys.argv[1]).merge_and_unload().save_pretrained(sys.argv[2])";
            format!("merge it with {}", python(code, &[folder, &beside(folder)]))
        },
    },
    Form {
        name: "PyTorch's pickle",
        is_file: |file| {
            file.starts_with("pytorch_model")
                && (file.ends_with(".bin") || file.ends_with(".bin.index.json"))
        },
        way_out: |folder, _| {
            transformers("M.from_pretrained(sys.argv[1], dtype=\"auto\")", TOKENIZER, folder, &[])
        },
    },
    Form {
        name: "the slices of DeepSpeed's optimizer",
        is_file: |file| file == "zero_to_fp32.py",
        way_out: |folder, _| {
            let folder = quoted(folder);
            format!(
                "put them together with `python3 {folder}/zero_to_fp32.py {folder} {folder} \
                 --safe_serialization`"
            )
        },
    },
    Form {
        name: "the slices of PyTorch's FSDP",
        is_file: |file| file.starts_with("pytorch_model_fsdp") || file.ends_with(".distcp"),
        way_out: |folder, _| {
            let folder = quoted(folder);
            format!(
                "put them together with `accelerate merge-weights {folder}/pytorch_model_fsdp_0 \
                 {folder}`"
            )
        },
    },
    Form {
        name: "Meta's own form",
        is_file: |file| file.starts_with("consolidated.") && file.ends_with(".pth"),
        way_out: |folder, _| {
            format!(
                "convert it with transformers 4: `python3 -m \
                 transformers.models.llama.convert_llama_weights_to_hf --input_dir {} \
                 --output_dir {} --model_size SIZE`",
                quoted(folder),
                quoted(&beside(folder))
            )
        },
    },
    Form {
        name: "Mistral's own form",
        is_file: |file| file.starts_with("consolidated") && file.ends_with(".safetensors"),
        way_out: |_, _| "take the repository's files for transformers, model*.safetensors".into(),
    },
    Form {
        name: "GGUF",
        is_file: |file| file.ends_with(".gguf") || file.ends_with(".ggml"),
        way_out: |folder, file| {
            let command = transformers(
                "M.from_pretrained(sys.argv[1], gguf_file=sys.argv[3])",
                "T.from_pretrained(sys.argv[1], gguf_file=sys.argv[3])",
                folder,
                &[Path::new(file)],
            );
            format!("take the checkpoint it was made from, or {command}")
        },
    },
    Form {
        name: "the form of TensorFlow",
        is_file: |file| file.ends_with(".h5") || file.ends_with(".keras"),
        way_out: |folder, _| {
            let load = "M.from_pretrained(sys.argv[1], from_tf=True)";
            format!("with transformers 4, {}", transformers(load, TOKENIZER, folder, &[]))
        },
    },
    Form {
        name: "the form of Flax",
        is_file: |file| file.ends_with(".msgpack"),
        way_out: |folder, _| {
            let load = "M.from_pretrained(sys.argv[1], from_flax=True)";
            format!("with transformers 4, {}", transformers(load, TOKENIZER, folder, &[]))
        },
    },
    Form {
        name: "PyTorch's pickle",
        is_file: |file| {
            let states = ["optimizer", "scheduler", "rng_state", "scaler", "training_args"];
            !states.iter().any(|state| file.starts_with(state))
                && [".pt", ".pth", ".ckpt", ".bin"].iter().any(|end| file.ends_with(end))
        },
        way_out: |folder, file| {
            let load = "import torch; from transformers import AutoConfig as C; \
                M.from_pretrained(None, config=C.from_pretrained(sys.argv[1]), \
                state_dict=torch.load(sys.argv[3], map_location=\"cpu\"))";
            transformers(load, TOKENIZER, folder, &[&folder.join(file)])
        },
    },
];

const TOKENIZER: &str = "T.from_pretrained(sys.argv[1])";

/// The way out that loads with transformers and saves beside the folder.
fn transformers(load: &str, tokenizer: &str, folder: &Path, more: &[&Path]) -> String {
    let code = format!(
        "from transformers import AutoModelForCausalLM as M, AutoTokenizer as T; \
         {load}.save_pretrained(sys.argv[2]); {tokenizer}.save_pretrained(sys.argv[2])"
    );
    let beside = beside(folder);
    format!("convert it with {}", python(&code, &[&[folder, beside.as_path()], more].concat()))
}

/// One line of Python for a shell; the paths are its arguments.
fn python(code: &str, arguments: &[&Path]) -> String {
    let arguments: Vec<_> = arguments.iter().map(|path| quoted(path)).collect();
    format!("`python3 -c 'import sys; {code}' {}`", arguments.join(" "))
}

/// Where a conversion of a folder goes.
fn beside(folder: &Path) -> PathBuf {
    let mut beside = folder.as_os_str().to_owned();
    beside.push("-safetensors");
    beside.into()
}

/// The refusal of a folder whose weights have another form, where it has such.
pub(super) fn refusal(folder: &Path) -> Option<Error> {
    let entries = fs::read_dir(folder).ok()?;
    let mut files: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    files.sort();
    FORMS.iter().find_map(|form| {
        let file = files.iter().find(|file| (form.is_file)(file))?;
        Some(error(form, folder, file))
    })
}

/// The refusal of a file that was named in the place of a folder.
pub(super) fn refusal_of_file(path: &Path) -> Option<Error> {
    let file = path.file_name()?.to_str()?;
    let form = FORMS.iter().find(|form| (form.is_file)(file))?;
    Some(error(form, path.parent()?, file))
}

fn error(form: &Form, folder: &Path, file: &str) -> Error {
    Error::ForeignWeights {
        path: folder.join(file),
        form: form.name,
        way_out: (form.way_out)(folder, file),
    }
}

/// Refuses a configuration of quantized weights.
pub(super) fn check_config(path: &Path, text: &str) -> Result<(), Error> {
    // What is wrong with the text itself is said where the configuration is read.
    let config: Value = serde_json::from_str(text).unwrap_or_default();
    for field in ["quantization_config", "compression_config"] {
        let Some(found) = config.get(field).filter(|value| !value.is_null()) else { continue };
        let method = found.get("quant_method").and_then(Value::as_str);
        return Err(Error::Quantized {
            path: path.into(),
            method: method.map_or("an unnamed method".into(), short),
            found: format!("`{field}`"),
        });
    }
    Ok(())
}

/// What quantized tensors are called; the plain type of a weight alone does not tell the method.
const QUANTIZED: &[(&str, &str)] = &[
    (".qweight", "GPTQ or AWQ"),
    (".qzeros", "GPTQ or AWQ"),
    (".g_idx", "GPTQ"),
    (".absmax", "bitsandbytes"),
    (".quant_map", "bitsandbytes"),
    (".SCB", "bitsandbytes"),
    (".weight_packed", "compressed-tensors"),
    (".weight_scale", "compressed-tensors or FP8"),
    (".weight_scale_inv", "FP8"),
];

/// Refuses quantized weights whose configuration does not say so.
pub(super) fn check_tensors(weights: &Weights) -> Result<(), Error> {
    for name in weights.names() {
        let method = match name.contains(".quant_state.") {
            true => Some("bitsandbytes"),
            false => QUANTIZED.iter().find(|(end, _)| name.ends_with(end)).map(|found| found.1),
        };
        if let Some(method) = method {
            return Err(Error::Quantized {
                path: weights.path().into(),
                method: method.into(),
                found: format!("tensor `{}`", short(name)),
            });
        }
    }
    Ok(())
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    if !path.is_empty() && path.chars().all(plain) {
        path.into_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests;
