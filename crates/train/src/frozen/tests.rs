use std::path::Path;

use burn::tensor::Device;
use proptest::prelude::*;
use temper_model::hf;

use super::*;

fn decoder(family: &str) -> Decoder {
    let folder = Path::new("../../tests/fixtures/families").join(family);
    hf::load(&folder, &Device::flex()).unwrap().0
}

fn patterns(patterns: &[&str]) -> Vec<String> {
    patterns.iter().map(|pattern| (*pattern).to_owned()).collect()
}

#[test]
fn patterns_describe_whole_names() {
    let check = |pattern: &str, name: &str, expected: bool| {
        assert_eq!(matches(pattern, name), expected, "{pattern} and {name}");
    };
    check("model.layers.1.*", "model.layers.1.mlp.up_proj.weight", true);
    check("model.layers.1.*", "model.layers.11.mlp.up_proj.weight", false);
    check("model.layers.?.mlp.*", "model.layers.7.mlp.up_proj.weight", true);
    check("model.layers.?.mlp.*", "model.layers.17.mlp.up_proj.weight", false);
    check("*norm.weight", "model.norm.weight", true);
    check("*norm*", "model.layers.0.input_layernorm.weight", true);
    check("model.norm", "model.norm.weight", false);
    check("model.norm.weight", "model.norm.weight", true);
    check("model?norm.weight", "model.norm.weight", true);
    check("**", "", true);
    check("?", "", false);
}

#[test]
fn frozen_tensors_have_no_place() {
    for (family, frozen, n_frozen) in [
        ("llama", &["model.layers.0.*", "model.norm.weight"][..], 10),
        // One tensor of the file, three of the decoder.
        ("phi3", &["model.layers.0.self_attn.qkv_proj.weight"], 3),
    ] {
        let decoder = decoder(family);
        let trainable = Trainable::new(decoder.config(), &patterns(frozen)).unwrap();
        let places = decoder.places();
        let is_frozen = |place: &&Place| trainable.place(place).is_none();
        assert_eq!(places.iter().filter(is_frozen).count(), n_frozen, "{family}");
        // What moves stands one behind the other.
        let mut end = 0;
        for (number, place) in trainable.places().into_iter().enumerate() {
            assert_eq!((place.number, place.range.start), (number, end));
            end = place.range.end;
        }
        assert_eq!(end, trainable.n_values());
        let all = decoder.values();
        let mut again = vec![0.0; all.len()];
        trainable.scatter(&decoder, &trainable.gather(&decoder, &all), &mut again);
        for place in &places {
            let is_there = again[place.range.clone()] == all[place.range.clone()];
            assert_eq!(is_there, !is_frozen(&place), "{family}, {place:?}");
        }
    }
}

#[test]
fn what_freezes_nothing_or_all_is_refused() {
    let decoder = decoder("llama");
    let refused = |frozen: &[&str], expected: &str| {
        let error = Trainable::new(decoder.config(), &patterns(frozen)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    refused(
        &["model.embed_token.weight"],
        "`model.embed_token.weight`, which names no tensor; expected names of tensors, or patterns with \
         `*`\n\nhint: the nearest names: `model.embed_tokens.weight`",
    );
    refused(&["model.layers.9*.q_proj.weight"], "`model.layers.0.self_attn.q_proj.weight`");
    refused(&["*"], "patterns that name all");
}

proptest! {
    /// A pattern made of a name by leaving parts out describes it, and is no change away from it.
    #[test]
    fn a_name_with_holes_describes_itself(name in "[a-z.]{1,24}", cuts in proptest::collection::vec(0..24_usize, 0..4)) {
        let mut pattern: Vec<char> = name.chars().collect();
        for cut in cuts {
            if cut < pattern.len() {
                pattern[cut] = '*';
            }
        }
        let pattern: String = pattern.into_iter().collect();
        prop_assert!(matches(&pattern, &name));
        prop_assert_eq!(distance(&pattern, &name), 0);
    }
}
