use std::{io, path::PathBuf};

/// What can go wrong between a checkpoint folder and a decoder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the checkpoint cannot be read.
    #[error("cannot read `{}`\n\nhint: name the folder of a Hugging Face checkpoint, with files that can be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of the checkpoint cannot be written.
    #[error("cannot write `{}`\n\nhint: check free space and permissions", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `config.json` is not the JSON it should be.
    #[error("`{}` is not a Hugging Face config.json\n\nhint: download or write the file again", path.display())]
    ConfigSyntax {
        /// The file.
        path: PathBuf,
        /// Where the parser stopped.
        source: serde_json::Error,
    },
    /// A field of `config.json` has a value that is not computed, or does not fit the others.
    #[error("`{}`: `{field}` is {found}, expected {expected}\n\nhint: take the config.json that came with the weights; a model that needs this value is not supported", path.display())]
    ConfigValue {
        /// The file.
        path: PathBuf,
        /// The field as config.json names it.
        field: String,
        /// What it says.
        found: String,
        /// What is supported.
        expected: String,
    },
    /// `config.json` has a field whose meaning is not implemented, so logits might be wrong.
    #[error("`{}`: `{field}` is {found}; its meaning for this model_type is not known here\n\nhint: remove the field if it changes nothing that the model computes", path.display())]
    ConfigUnknown {
        /// The file.
        path: PathBuf,
        /// The field as config.json names it.
        field: String,
        /// What it says.
        found: String,
    },
    /// A folder holds neither `model.safetensors` nor `model.safetensors.index.json`.
    #[error(
        "checkpoint `{}` has no `model.safetensors` and no `model.safetensors.index.json`\n\nhint: only safetensors weights are read; convert a PyTorch `.bin` checkpoint with transformers' `save_pretrained`",
        path.display()
    )]
    NoWeights {
        /// The folder.
        path: PathBuf,
    },
    /// The safetensors header cannot be trusted: its length, its JSON or its offsets are wrong.
    #[error("`{}`: corrupt safetensors header: {found}, expected {expected}\n\nhint: download or write the file again", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What the header says.
        found: String,
        /// What it should say.
        expected: String,
    },
    /// The file ends before, or goes on after, the data its header announces.
    #[error("`{}` has {found} bytes, its header announces {expected}; tensor `{tensor}` is the last one in it\n\nhint: the file is truncated or not the one that was written; download or write it again", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// The tensor whose data should end the file.
        tensor: String,
        /// Bytes in the file.
        found: u64,
        /// Bytes announced.
        expected: u64,
    },
    /// A tensor is in a data type that is not read.
    #[error("`{}`: tensor `{tensor}` is {found}, expected F32, BF16 or F16\n\nhint: save the checkpoint in one of these types; quantized weights have to be dequantized first", path.display())]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor's name in the file.
        tensor: String,
        /// Its type.
        found: String,
    },
    /// A tensor has not the shape that config.json implies.
    #[error("`{}`: tensor `{tensor}` has shape {found:?}, config.json implies {expected:?}\n\nhint: put the config.json beside it that the weights were saved with", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor's name in the file.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape config.json implies.
        expected: Vec<usize>,
    },
    /// Weights that config.json implies are not there.
    #[error("`{}`: tensor `{}` is missing{}\n\nhint: download the checkpoint again, all of it, with the config.json it was saved with", path.display(), names[0], others(names))]
    Missing {
        /// The folder.
        path: PathBuf,
        /// All missing names.
        names: Vec<String>,
    },
    /// The file has weights that this architecture does not have, so logits would be wrong without them.
    #[error("`{}`: tensor `{}` is not part of a Llama decoder{}\n\nhint: the checkpoint has an architecture other than the one `config.json` names", path.display(), names[0], others(names))]
    Unused {
        /// The folder.
        path: PathBuf,
        /// All unused names.
        names: Vec<String>,
    },
    /// Values handed in for the parameters have the wrong number.
    #[error(
        "{found} parameter values given, the decoder has {expected}\n\nhint: they belong to weights of another shape"
    )]
    ValueCount {
        /// How many were given.
        found: usize,
        /// How many there are.
        expected: usize,
    },
    /// A prompt leaves no room to generate.
    #[error("prompt has {found} tokens, expected 1 to {expected}\n\nhint: the model's context (`max_position_embeddings`) is {} tokens; shorten the prompt", expected + 1)]
    Prompt {
        /// Its length.
        found: usize,
        /// The longest that leaves room for one token.
        expected: usize,
    },
    /// An id lies outside the vocabulary.
    #[error(
        "token id {found} lies outside the model's vocabulary of {vocab_size}\n\nhint: the text was tokenized with another tokenizer than the model's"
    )]
    TokenId {
        /// The id.
        found: u32,
        /// The number of rows of the embedding.
        vocab_size: usize,
    },
}

fn others(names: &[String]) -> String {
    match names.len() {
        0 | 1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    }
}
