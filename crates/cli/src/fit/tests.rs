use std::path::Path;

use super::*;
use temper_recipe::Bytes;

/// The nano model, with a batch and a ceiling of its own.
fn fitted(memory: Option<u64>, global_batch_size: usize) -> Result<Training> {
    let root = Path::new("../..");
    let loaded = temper_recipe::load(&root.join("recipes/quickstart.toml"), &[]).unwrap();
    let config = Config::load(&root.join("checkpoints/nano/pretrained")).unwrap();
    let training =
        Training { memory: memory.map(Bytes), global_batch_size, ..loaded.recipe.training.clone() };
    let recipe = Recipe { training, ..loaded.recipe };
    Ok(fit(recipe, &config, "cpu")?.training)
}

#[test]
fn a_ceiling_picks_as_much_as_fits() {
    let root = Path::new("../..");
    let config = Config::load(&root.join("checkpoints/nano/pretrained")).unwrap();
    let size = |training: &Training| footprint(training, &config, "cpu").bytes();
    for (megabytes, checkpointing) in [(24_000, false), (600, false), (300, false)] {
        let training = fitted(Some(megabytes * 1_000_000), 16).unwrap();
        assert!(size(&training) <= megabytes * 1_000_000);
        assert_eq!(training.activation_checkpointing, checkpointing, "{megabytes} MB");
        let rows = training.micro_batch_size;
        let more = Training { micro_batch_size: 2 * rows, ..training };
        assert!(rows == 16 || size(&more) > megabytes * 1_000_000, "{rows} at {megabytes} MB");
    }
}

#[test]
fn without_a_ceiling_nothing_changes() {
    let training = fitted(None, 16).unwrap();
    assert_eq!((training.micro_batch_size, training.activation_checkpointing), (8, false));
}

#[test]
fn a_ceiling_below_one_row_is_refused_with_what_it_takes() {
    let error = fitted(Some(1_000_000), 16).unwrap_err().to_string();
    assert!(error.starts_with("training.memory: found 1000 kB, expected at least "), "{error}");
    assert!(error.contains("hint: lower `training.sequence_length`"), "{error}");
}
