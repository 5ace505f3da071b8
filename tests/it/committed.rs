//! The checkpoints of this repository, against the recipe that made them.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::project::{Call, TEMPER};
use crate::tidy::{read, root};

/// The digests under `recipe` in a list.
fn recipes(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["recipe"].as_str().unwrap()).collect()
}

#[test]
fn their_lineage_is_that_of_the_chain_from_random_weights_on() {
    let checked = ["check", "recipes/nano/chain.toml", "--json"];
    let checked = Command::new(TEMPER).args(checked).current_dir(root()).output().unwrap();
    let stages = Call::of(checked).expect_success().json();
    let stages = recipes(&stages);
    for (name, n_stages) in [("pretrained", 1), ("mid-trained", 2), ("post-trained", 4)] {
        let folder = root().join("checkpoints/nano").join(name);
        let lineage: Value = serde_json::from_str(&read(&folder.join("lineage.json"))).unwrap();
        assert_eq!(recipes(&lineage["runs"]), stages[..n_stages], "{name}");
        for run in lineage["runs"].as_array().unwrap() {
            assert!(
                run["trained"]["sources"].as_array().is_some_and(|sources| !sources.is_empty()),
                "{run}"
            );
        }
        let bytes: u64 = fs::read_dir(&folder)
            .unwrap()
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum();
        assert!(bytes <= 8_000_000, "{name} has {bytes} bytes");
    }
}
