use std::fs;

use serde_json::json;

use crate::{
    hf::testing::{check_refused, copy, edit_json, parts, write_parts},
    testing::FIXTURES,
};

#[track_caller]
fn check_file(name: &str, expected: &[&str]) {
    let dir = copy(FIXTURES[0]);
    fs::remove_file(dir.path().join("model.safetensors")).unwrap();
    fs::write(dir.path().join(name), "x").unwrap();
    check_refused(dir.path(), expected);
}

#[test]
fn other_forms_are_refused_with_the_command_that_converts_them() {
    check_file("pytorch_model.bin", &["PyTorch's pickle", "`python3 -c", "save_pretrained"]);
    check_file("pytorch_model.bin.index.json", &["PyTorch's pickle", "save_pretrained"]);
    check_file("model-q4.gguf", &["GGUF", "gguf_file=sys.argv[3]", "model-q4.gguf"]);
    check_file("tf_model.h5", &["TensorFlow", "from_tf=True"]);
    check_file("flax_model.msgpack", &["Flax", "from_flax=True"]);
    check_file("consolidated.00.pth", &["Meta's own form"]);
    check_file("model.ckpt", &["PyTorch's pickle", "torch.load"]);
    // A Trainer's other state is no weights.
    check_file("optimizer.pt", &["no `model.safetensors`"]);
}

#[test]
fn a_folder_that_a_shell_would_split_is_quoted() {
    let dir = copy(FIXTURES[0]);
    let folder = dir.path().join("my model's");
    fs::create_dir(&folder).unwrap();
    fs::rename(dir.path().join("config.json"), folder.join("config.json")).unwrap();
    fs::write(folder.join("pytorch_model.bin"), "x").unwrap();
    check_refused(&folder, &[r"my model'\''s'"]);
}

#[test]
fn quantized_weights_are_refused_by_their_method() {
    let dir = copy(FIXTURES[0]);
    edit_json(&dir.path().join("config.json"), |config| {
        config.insert("quantization_config".into(), json!({ "quant_method": "gptq", "bits": 4 }));
    });
    check_refused(dir.path(), &["quantized with gptq", "`quantization_config`", "dequantize"]);

    let dir = copy(FIXTURES[0]);
    let weights = dir.path().join("model.safetensors");
    let (mut header, data) = parts(&weights);
    let tensor = header.remove("model.norm.weight").unwrap();
    header.insert("model.norm.qweight".into(), tensor);
    write_parts(&weights, &header, &data);
    check_refused(dir.path(), &["quantized with GPTQ or AWQ", "`model.norm.qweight`"]);
}
