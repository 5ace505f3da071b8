//! What can go wrong between a checkpoint folder and a decoder.

use std::io;
use std::path::PathBuf;

use crate::hf::LoadReport;

/// The crate's error. Every variant names its subject.
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
    /// A file that should be JSON of a certain form is not.
    #[error("`{}` is not {expected}\n\nhint: download or write the file again", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
        /// Where the parser stopped.
        source: serde_json::Error,
    },
    /// Nothing lies where a checkpoint was asked for.
    #[error("no checkpoint `{asked}`: `{}` is no folder\n\nhint: name a folder with config.json and safetensors weights, or a model of the Hugging Face Hub as `org/name` or `org/name@revision`", path.display())]
    NotFound {
        /// As it was asked for.
        asked: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A model of the Hub does not lie in the local cache.
    #[error("model `{id}` is no folder, and of the Hub {found}\n\nhint: fetch it with `{command}`")]
    NotCached {
        /// `org/name`.
        id: String,
        /// What the cache has of it.
        found: String,
        /// What fetches it.
        command: String,
    },
    /// A model of the Hub lies in the local cache in part.
    #[error("snapshot `{}` has no `{}`{}\n\nhint: the download is not complete; go on with it: `{command}`", path.display(), missing[0], others(missing))]
    SnapshotIncomplete {
        /// The snapshot's folder.
        path: PathBuf,
        /// Names of files that are not there, at least one.
        missing: Vec<String>,
        /// What fetches them.
        command: String,
    },
    /// The output folder of a transformers Trainer whose weights lie in its checkpoints only.
    #[error("`{}` has no weights of its own, but checkpoints: {}\n\nhint: name one of them; the last one is `{}`", path.display(), few(checkpoints), path.join(last).display())]
    TrainerOutput {
        /// The folder.
        path: PathBuf,
        /// Their names, in the order of their steps.
        checkpoints: Vec<String>,
        /// The one with the most steps.
        last: String,
    },
    /// A folder holds neither `model.safetensors` nor `model.safetensors.index.json`.
    #[error(
        "checkpoint `{}` has no `model.safetensors` and no `model.safetensors.index.json`\n\nhint: name the folder of a Hugging Face checkpoint with its weights",
        path.display()
    )]
    NoWeights {
        /// The folder.
        path: PathBuf,
    },
    /// Weights in a form that is not read.
    #[error("`{}` holds weights in {form}, expected safetensors\n\nhint: {way_out}", path.display())]
    ForeignWeights {
        /// The file.
        path: PathBuf,
        /// Its form.
        form: &'static str,
        /// How to convert it.
        way_out: String,
    },
    /// Quantized weights.
    #[error("`{}`: the weights are quantized with {method} ({found}), expected F32, F16 or BF16\n\nhint: take the checkpoint that was quantized, or dequantize it with transformers' `from_pretrained(…).dequantize()` where the method allows it", path.display())]
    Quantized {
        /// The file that shows it.
        path: PathBuf,
        /// The method.
        method: String,
        /// By what it is known.
        found: String,
    },
    /// An index of shards is not true.
    #[error("`{}` names {found}, expected {expected}\n\nhint: download or write the checkpoint again, all of it", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What it should say.
        expected: String,
    },
    /// Two shards have a tensor of the same name.
    #[error("tensor `{tensor}` lies in `{}` and in `{}`, expected in one\n\nhint: the folder has shards of two checkpoints; download or write it again", first.display(), second.display())]
    Duplicate {
        /// The tensor's name.
        tensor: String,
        /// One shard.
        first: PathBuf,
        /// The other one.
        second: PathBuf,
    },
    /// The safetensors header cannot be trusted: its length or its JSON is wrong.
    #[error("`{}`: corrupt safetensors header: {found}, expected {expected}\n\nhint: download or write the file again", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What the header says.
        found: String,
        /// What it should say.
        expected: String,
    },
    /// The safetensors header gives a tensor a place that cannot be its own.
    #[error("`{}`: corrupt safetensors header: tensor `{tensor}` {found}, expected {expected}\n\nhint: download or write the file again", path.display())]
    Place {
        /// The file.
        path: PathBuf,
        /// The tensor's name in the file.
        tensor: String,
        /// What the header says of it.
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
    #[error("`{}`: tensor `{tensor}` is {found}, expected F32, F16 or BF16\n\nhint: save the checkpoint in one of these types; quantized weights have to be dequantized first", path.display())]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor's name in the file.
        tensor: String,
        /// Its type.
        found: String,
    },
    /// A weight is infinite or not a number.
    #[error("`{}`: tensor `{tensor}` is {found} at {index:?}, expected finite weights\n\nhint: the run that made them diverged, or the file is damaged; take an earlier checkpoint or download it again", path.display())]
    NotFinite {
        /// The file that is read or written.
        path: PathBuf,
        /// The tensor's name in the file.
        tensor: String,
        /// Where in the tensor, one number for each dimension.
        index: Vec<usize>,
        /// The value.
        found: f32,
    },
    /// A weight is too large for the type it should be stored in.
    #[error("`{}`: tensor `{tensor}` is {found} at {index:?}, which is too large for {dtype}\n\nhint: store the weights as bfloat16 or float32", path.display())]
    Overflow {
        /// The file that is written.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Where in the tensor, one number for each dimension.
        index: Vec<usize>,
        /// The value.
        found: f32,
        /// The type.
        dtype: &'static str,
    },
    /// The tensors are not those of the decoder that config.json describes.
    #[error(
        "the weights do not fit their config.json\n\n{report}\n\nhint: download the checkpoint again, all of it, with the config.json it was saved with"
    )]
    Unfit {
        /// What is missing, of another shape and unused.
        report: Box<LoadReport>,
    },
    /// A weight that should be drawn is larger than memory.
    #[error(
        "tensor `{tensor}` of shape {shape:?} cannot be drawn: there is not enough memory\n\nhint: look at the sizes in config.json"
    )]
    OutOfMemory {
        /// The tensor's name.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A PEFT adapter does something that is not computed, or does not fit its base.
    #[error("`{}`: {subject} is {found}, expected {expected}\n\nhint: merge the adapter with PEFT's `merge_and_unload`, save the model and name its folder", path.display())]
    Adapter {
        /// Its configuration.
        path: PathBuf,
        /// What is wrong.
        subject: String,
        /// What it is.
        found: String,
        /// What is supported.
        expected: String,
    },
    /// The base of an adapter is not where its configuration says.
    #[error("`{}`: there is no base `{base}`\n\nhint: set `base_model_name_or_path` in it to the folder of the model that the adapter was trained on", path.display())]
    NoBase {
        /// The adapter's configuration.
        path: PathBuf,
        /// The base it names.
        base: String,
    },
    /// An adapter is put on another base than it was trained on.
    #[error(
        "adapter `{}` on base `{}`: found {found}, expected weights with digest {expected}, on which it was trained\n\n\
         hint: set `base_model_name_or_path` in its adapter_config.json to the folder of that base (a copy that was \
         rounded to a narrower type is another one: merge into the original and round the result), or take the \
         checkpoint that the run wrote the adapter into, which is merged already",
        adapter.display(),
        base.display()
    )]
    OtherBase {
        /// The adapter's folder.
        adapter: PathBuf,
        /// The base's folder.
        base: PathBuf,
        /// What the base has.
        found: String,
        /// The first digits of the digest that the adapter asks for.
        expected: String,
    },
    /// Checkpoints cannot be merged in the way that was asked for.
    #[error("merge: {subject}: found {found}, expected {expected}\n\nhint: {hint}")]
    Merge {
        /// The method and its value, or the checkpoint.
        subject: String,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
        /// The way out.
        hint: String,
    },
    /// A checkpoint should be written where something lies already.
    #[error("`{}` is there and not empty\n\nhint: name a new folder, or remove this one", path.display())]
    NotEmpty {
        /// What lies there.
        path: PathBuf,
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

/// The last of many names: a message is not a listing.
fn few(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let last = &names[names.len().saturating_sub(SHOWN)..];
    let more = if last.len() < names.len() { "…, " } else { "" };
    format!("{more}{}", last.join(", "))
}

fn others(names: &[String]) -> String {
    match names.len() {
        0 | 1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    }
}
