//! What holds for every mix.

use super::*;

/// Parts of a hundred percent for each name.
fn percents(names: &'static [&'static str]) -> impl Strategy<Value = toml::Table> {
    prop::collection::vec(0_u32..=1_000_000, names.len() - 1).prop_map(move |mut cuts| {
        cuts.extend([0, 1_000_000]);
        cuts.sort_unstable();
        let parts = cuts.windows(2).map(|pair| f64::from(pair[1] - pair[0]) / 1e4);
        names.iter().map(|name| (*name).to_owned()).zip(parts.map(toml::Value::from)).collect()
    })
}

prop_compose! {
    /// A recipe as a human may write it.
    fn recipe_file()(
        (seed, name) in (0..i64::MAX, "[a-z0-9][a-zA-Z0-9._-]{0,20}"),
        (tokens, length, lanes, rows) in (1..i64::MAX, 1_i64..4096, 1_i64..9, 1_i64..64),
        (bos, eos) in (any::<bool>(), any::<bool>()),
        percent in 0_u32..=1_000_000,
        customer in percents(&["chem", "notes"]),
        curated in percents(&["prose", "encyclopedic", "technical"]),
        (lr, ratio, beta, decay) in (1e-9_f64..1.0, 0.0_f64..=1.0, 0.0_f64..1.0, 0.0_f64..1.0),
        (kind, dtype) in (prop::sample::select(vec!["wsd", "cosine", "linear", "infinite"]), prop::sample::select(vec!["f32", "bf16"])),
        forgetting in any::<bool>(),
    ) -> toml::Table {
        let percent = f64::from(percent) / 1e4;
        let mut file = toml::toml! {
            schema = 1
            stage = "mid-train"
            [model]
            from = "a/b"
            [training]
            [data_mixing]
            dataset_catalog = "small"
            [data_mixing.sources.customer_data]
            [optimizer]
            [optimizer.schedule]
            [checkpoint]
        };
        let mut set = |path: &[&str], value: toml::Value| {
            let (last, parents) = path.split_last().unwrap();
            let table = parents.iter().fold(&mut file, |table, key| table[*key].as_table_mut().unwrap());
            table.insert((*last).to_owned(), value);
        };
        set(&["seed"], seed.into());
        set(&["name"], name.into());
        set(&["training", "max_tokens"], tokens.into());
        set(&["training", "sequence_length"], length.into());
        set(&["training", "global_batch_size"], (lanes * rows).into());
        set(&["training", "micro_batch_size"], rows.into());
        set(&["tokenization"], toml::Table::from_iter([("bos".to_owned(), bos.into()), ("eos".to_owned(), eos.into())]).into());
        set(&["data_mixing", "sources", "customer_data", "percent"], percent.into());
        set(&["data_mixing", "sources", "customer_data", "corpora"], customer.into());
        set(&["data_mixing", "sources", "curated_data"], curated.into());
        set(&["optimizer", "lr"], lr.into());
        set(&["optimizer", "betas"], vec![beta, 1.0 - ratio.max(1e-9)].into());
        set(&["optimizer", "schedule", "kind"], kind.into());
        set(&["optimizer", "schedule", "min_lr"], (lr * ratio).into());
        set(&["optimizer", "schedule", "warmup"], ((1.0 - decay) * ratio).into());
        if kind == "wsd" || kind == "infinite" {
            set(&["optimizer", "schedule", "decay"], decay.into());
        }
        if kind == "infinite" {
            set(&["optimizer", "schedule", "min_lr"], (lr * ratio.max(1e-3)).into());
            set(&["optimizer", "schedule", "start_lr"], (lr * ratio).into());
            let cooldown = (1.0 - decay) * (1.0 - ratio) / 2.0;
            set(&["optimizer", "schedule", "cooldown"], cooldown.into());
        }
        set(&["checkpoint", "dtype"], dtype.into());
        if forgetting {
            set(&["forgetting"], toml::Table::from_iter([("suite".to_owned(), "small".into())]).into());
        }
        file
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn toml_and_yaml_say_the_same_and_resolved_reads_back(file in recipe_file()) {
        let fixture = Fixture::new();
        let toml = fixture.write("r.toml", &toml::to_string(&file).unwrap());
        let yaml = fixture.write("r.yaml", &serde_norway::to_string(&file).unwrap());
        let recipe = load(&toml, &[]).unwrap().recipe;
        prop_assert_eq!(&recipe, &load(&yaml, &[]).unwrap().recipe);
        prop_assert_eq!(&Recipe::from_resolved(&recipe.to_toml()).unwrap(), &recipe);
        let shares = recipe.mixture.sources.iter().map(|source| recipe.mixture.shares.stated(&source.corpus).unwrap());
        prop_assert!(Share::sum_is_one(shares));
    }

    #[test]
    fn differences_are_named_if_and_only_if_digests_differ(a in recipe_file(), b in recipe_file(), same in any::<bool>()) {
        let fixture = Fixture::new();
        let resolved = |file: &toml::Table| {
            load(&fixture.write("r.toml", &toml::to_string(file).unwrap()), &[]).unwrap().recipe
        };
        let mut b = if same { a.clone() } else { b };
        b.insert("name".to_owned(), "other".into());
        let (a, b) = (resolved(&a), resolved(&b));
        prop_assert_eq!(a.digest() == b.digest(), diff(&a, &b).is_empty());
        prop_assert!(!same || a.digest() == b.digest());
    }
}

#[test]
fn percent_is_not_normalised_by_a_third() {
    // Three thirds of four decimals are no hundred: the human has to say which third is the larger.
    let third = Percent::new(33.3333).unwrap();
    assert_eq!(Percent::sum([third; 3]), 99.9999);
}
