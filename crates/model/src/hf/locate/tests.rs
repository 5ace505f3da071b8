use std::{fs, path::Path};

use burn::tensor::Device;
use tempfile::TempDir;

use super::locate;
use crate::hf::Kind;
use crate::{
    hf::{
        LoadOptions, load_located,
        testing::{check_error, copy, loaded},
    },
    testing::FIXTURES,
};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A cache with `org/name` at `main`.
fn cache() -> TempDir {
    let (cache, model) = (TempDir::new().unwrap(), copy(FIXTURES[0]));
    let repository = cache.path().join("models--org--name");
    fs::create_dir_all(repository.join("refs")).unwrap();
    fs::write(repository.join("refs/main"), COMMIT).unwrap();
    let snapshot = repository.join("snapshots").join(COMMIT);
    fs::create_dir_all(&snapshot).unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::rename(model.path().join(file), snapshot.join(file)).unwrap();
    }
    cache
}

#[test]
fn a_model_of_the_hub_is_found_by_name_revision_and_commit() {
    let (cache, root) = (cache(), TempDir::new().unwrap());
    for asked in ["org/name", "org/name@main", &format!("org/name@{COMMIT}")] {
        let found = locate(asked, root.path(), Some(cache.path())).unwrap();
        assert_eq!(found.kind(), Kind::HubSnapshot, "{asked}");
        assert_eq!(found.snapshot.as_ref().unwrap().commit, COMMIT);
        let (decoder, _) = load_located(&found, &Device::flex(), LoadOptions::default()).unwrap();
        assert_eq!(decoder.values(), loaded(copy(FIXTURES[0]).path()).values());
    }
}

#[track_caller]
fn check(asked: &str, change: impl FnOnce(&Path), expected: &[&str]) {
    let (cache, root) = (cache(), TempDir::new().unwrap());
    change(&cache.path().join("models--org--name"));
    check_error(locate(asked, root.path(), Some(cache.path())), expected);
}

#[test]
fn what_the_cache_does_not_have_is_named_with_the_command_that_fetches_it() {
    check("org/other", |_| (), &["`org/other`", "`hf download org/other`"]);
    check("org/name@v2", |_| (), &["only main", "`hf download org/name --revision v2`"]);
    check(
        "org/name",
        |repository| {
            let weights = repository.join("snapshots").join(COMMIT).join("model.safetensors");
            fs::remove_file(weights).unwrap();
        },
        &["no `model.safetensors`", "not complete", "`hf download org/name`"],
    );
    // A reference leads to a snapshot and nowhere else.
    check(
        "org/name",
        |repository| fs::write(repository.join("refs/main"), "../../..").unwrap(),
        &["no revision `main`"],
    );
    check_error(
        locate("org/name", Path::new(""), None),
        &["no cache is known", "`hf download org/name`"],
    );
}

#[test]
fn names_of_nothing_are_refused() {
    let root = TempDir::new().unwrap();
    for asked in ["nothing", "a/b/c", "../up/there", "org/name@../../etc", "/none/at/all", "o/.n"] {
        check_error(locate(asked, root.path(), None), &["no checkpoint", "hint: "]);
    }
}

#[test]
fn a_trainers_checkpoint_is_one_and_its_output_folder_names_them() {
    let root = TempDir::new().unwrap();
    let out = root.path().join("out");
    for step in ["checkpoint-500", "checkpoint-1000"] {
        fs::create_dir_all(out.join(step)).unwrap();
        let model = copy(FIXTURES[0]);
        for file in ["config.json", "model.safetensors"] {
            fs::rename(model.path().join(file), out.join(step).join(file)).unwrap();
        }
        fs::write(out.join(step).join("trainer_state.json"), "{\"global_step\": 7}").unwrap();
    }
    let found = locate("out/checkpoint-500", root.path(), None).unwrap();
    assert_eq!((found.kind(), found.step), (Kind::TrainerCheckpoint, Some(7)));
    check_error(
        locate("out", root.path(), None),
        &["checkpoint-500, checkpoint-1000", "the last one is", "out/checkpoint-1000"],
    );
}

#[test]
fn an_adapter_without_its_base_is_refused() {
    let root = TempDir::new().unwrap();
    let adapter = root.path().join("adapter");
    fs::create_dir(&adapter).unwrap();
    let config = |base: &str| {
        format!(
            "{{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 4, \"target_modules\": \
             [\"q_proj\"], \"base_model_name_or_path\": \"{base}\"}}"
        )
    };
    fs::write(adapter.join("adapter_config.json"), config("no such folder")).unwrap();
    check_error(locate("adapter", root.path(), None), &["there is no base `no such folder`"]);
    fs::write(adapter.join("adapter_config.json"), config("org/base")).unwrap();
    check_error(locate("adapter", root.path(), None), &["`hf download org/base`"]);
    fs::write(adapter.join("adapter_config.json"), "{\"peft_type\": \"IA3\"}").unwrap();
    check_error(locate("adapter", root.path(), None), &["`peft_type`", "IA3", "merge_and_unload"]);
}
