//! Corpora for tests, and nobody who watches.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use temper_corpus::{Corpus, ImportOptions, ManifestSkeleton, RowForm, TextUnit, import};
use temper_recipe::{Manifest, OnBadRow, Split};

use crate::scan::Watch;

static GO_ON: AtomicBool = AtomicBool::new(false);

pub(crate) fn nobody() -> Watch<'static> {
    Watch { stop: &GO_ON, seen: &|_| {} }
}

/// A corpus of `texts` in `folder`, one paragraph each.
pub(crate) fn corpus(folder: &Path, id: &str, texts: &[&str]) -> (Manifest, Corpus) {
    let path = folder.join(format!("{id}.toml"));
    let text = folder.join(format!("{id}.txt"));
    std::fs::write(&text, texts.join("\n\n")).unwrap();
    let options = ImportOptions {
        form: RowForm::Texts,
        text: "text".to_owned(),
        id: None,
        keep: Vec::new(),
        unit: TextUnit::Paragraph,
        on_bad_row: OnBadRow::Refuse,
        replaces: true,
        manifest: Some(ManifestSkeleton {
            path: path.clone(),
            category: "prose".to_owned(),
            licence: "CC0-1.0".to_owned(),
            source: "made for tests".to_owned(),
            split: Split::Train,
        }),
    };
    import(&[text], &folder.join(format!("{id}.parquet")), &options).unwrap();
    let manifest: Manifest = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let corpus = Corpus::open(&manifest, folder).unwrap();
    (manifest, corpus)
}
