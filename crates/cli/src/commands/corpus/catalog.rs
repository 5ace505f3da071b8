//! A catalog's figures: shown, and filled with what was counted.

use std::fs;

use anyhow::{Context as _, Result};
use temper_curate::Profile;
use temper_recipe::{Catalog, CatalogCategory, Project};
use temper_tokens::Staged;

use crate::print::{self, Table, thousands};

/// What is known of one category, from its corpora.
struct Figures {
    licences: Vec<String>,
    documents: u64,
    tokens: Option<u64>,
}

fn figures(category: &CatalogCategory, profiles: &[Profile]) -> Figures {
    let of = || profiles.iter().filter(|profile| category.corpora.contains_key(&profile.corpus));
    let mut licences: Vec<String> = of().map(|profile| profile.licence.clone()).collect();
    licences.sort();
    licences.dedup();
    // Of several tokenizers the first is the catalog's.
    let tokens = of().map(|profile| profile.tokens.values().next().map(|count| count.tokens));
    Figures {
        licences,
        documents: of().map(|profile| profile.documents).sum(),
        tokens: tokens.sum(),
    }
}

/// The catalog as a table.
pub(super) fn text(catalog: &Catalog, profiles: &[Profile]) -> String {
    let mut table =
        Table::new(&["category", "percent", "documents", "tokens", "licences", "description"]);
    for (name, category) in &catalog.categories {
        let Figures { licences, documents, tokens } = figures(category, profiles);
        table.row(vec![
            name.clone(),
            category.percent.to_string(),
            thousands(documents),
            tokens.map_or("–".to_owned(), thousands),
            licences.join(", "),
            category.description.clone().unwrap_or_default(),
        ]);
    }
    let description = catalog.description.as_deref().unwrap_or("no description");
    format!("{}: {description}\n{table}", catalog.id)
}

/// Writes the figures into the catalog's file. One with comments is not touched: what it would say
/// is printed.
pub(super) fn fill(project: &Project, catalog: &Catalog, profiles: &[Profile]) -> Result<()> {
    let mut filled = catalog.clone();
    let tokenizer = profiles.first().and_then(|profile| profile.tokens.keys().next());
    filled.tokenizer = tokenizer.cloned().or(filled.tokenizer);
    for category in filled.categories.values_mut() {
        let Figures { licences, documents, tokens } = figures(category, profiles);
        (category.licences, category.documents) = (licences, Some(documents));
        category.tokens = tokens.or(category.tokens);
    }
    let path = project.manifests_dir().join(format!("catalogs/{}.toml", catalog.id));
    let text = toml::to_string(&filled).context("a catalog as TOML")?;
    let before =
        fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    if before.contains('#') {
        print::note(&format!(
            "`{}` has comments, which would be lost: it is left as it is, and would say\n\n{text}",
            print::path(&path)
        ));
        return Ok(());
    }
    Staged::write(&path, text.as_bytes())?;
    print::note(&format!("filled: `{}`", print::path(&path)));
    Ok(())
}
