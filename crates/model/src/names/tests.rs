use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{BLOCK_FIELDS, Field, parameters};
use crate::{Config, testing::config};

fn any_field() -> impl Strategy<Value = Field> {
    let block = (0..200_usize, 0..BLOCK_FIELDS.len())
        .prop_map(|(number, field)| Field::Block(number, BLOCK_FIELDS[field].0));
    prop_oneof![Just(Field::Embedding), Just(Field::Norm), Just(Field::Head), block]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_field_has_one_name_and_back(field in any_field()) {
        prop_assert_eq!(Field::parse(&field.name()), Some(field));
    }

    #[test]
    fn every_name_that_parses_is_the_one_of_its_field(number in "[0-9]{1,3}|-1|\\+1", field in 0..BLOCK_FIELDS.len()) {
        let name = format!("model.layers.{number}.{}", BLOCK_FIELDS[field].1);
        if let Some(field) = Field::parse(&name) {
            prop_assert_eq!(field.name(), name);
        }
    }
}

#[test]
fn names_and_fields_of_the_table_are_distinct() {
    let names: BTreeSet<_> = BLOCK_FIELDS.iter().map(|(_, name)| name).collect();
    let fields: BTreeSet<_> = BLOCK_FIELDS.iter().map(|(field, _)| format!("{field:?}")).collect();
    assert_eq!((names.len(), fields.len()), (BLOCK_FIELDS.len(), BLOCK_FIELDS.len()));
}

#[test]
fn other_names_are_no_fields() {
    for name in [
        "",
        "model",
        "model.layers.0",
        "model.layers.x.mlp.up_proj.weight",
        "model.layers.0.mlp.up_proj.bias",
        "lm_head.bias",
    ] {
        assert_eq!(Field::parse(name), None, "{name}");
    }
}

#[test]
fn a_decoder_has_every_tensor_once() {
    let untied = Config { tie_word_embeddings: false, ..config() };
    let names: Vec<_> = parameters(&untied).into_iter().map(|parameter| parameter.name).collect();
    assert_eq!(names.len(), 2 * 9 + 3);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    assert_eq!(
        (names[0].as_str(), names[20].as_str()),
        ("model.embed_tokens.weight", "lm_head.weight")
    );
    assert_eq!(parameters(&config()).len(), 2 * 9 + 2);
}
