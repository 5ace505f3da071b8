//! `temper corpus`: corpora are made, and looked at.

use std::collections::HashSet;
use std::sync::Mutex;

use anyhow::{Result, bail};
use temper_corpus::{Corpus, write_subset};
use temper_curate::DocumentPlace;
use temper_recipe::{Manifest, Project};

use crate::print::{self, thousands};
use crate::progress::Progress;

mod catalog;
mod decontaminate;
mod dedup;
mod import;
mod profile;

pub(crate) use decontaminate::decontaminate;
pub(crate) use dedup::dedup;
pub(crate) use import::import;
pub(crate) use profile::profile;

/// Corpora, checked and ready to be read.
struct Opened {
    manifests: Vec<Manifest>,
    corpora: Vec<Corpus>,
}

impl Opened {
    fn new(project: &Project, ids: &[String]) -> Result<Self> {
        if let Some(twice) = (1..ids.len()).find(|at| ids[..*at].contains(&ids[*at])) {
            bail!("found corpus `{}` twice\n\nhint: name it once", ids[twice]);
        }
        let mut opened = Self { manifests: Vec::new(), corpora: Vec::new() };
        for id in ids {
            let manifest = project.manifest(id)?;
            opened.corpora.push(Corpus::open(&manifest, &project.manifests_dir())?);
            opened.manifests.push(manifest);
        }
        Ok(opened)
    }

    fn n_documents(&self) -> u64 {
        self.corpora.iter().map(Corpus::n_documents).sum()
    }
}

/// Runs `pass` over `n_documents` documents behind a bar; it is given what to tell of each.
pub(crate) fn with_bar<T>(
    title: &'static str,
    n_documents: u64,
    pass: impl FnOnce(&(dyn Fn(u64) + Sync)) -> T,
) -> T {
    let bar = Mutex::new(Progress::start(title, n_documents));
    let passed = pass(&|seen| {
        // Whoever comes while another thread draws has nothing newer to say.
        if let Ok(mut bar) = bar.try_lock() {
            bar.at(seen, || format!("{} documents", thousands(seen)));
        }
    });
    let bar = bar.into_inner().expect("nobody panics while drawing");
    bar.finish(&format!("{} documents", thousands(n_documents)));
    passed
}

/// Writes each corpus without the documents in `without` as `<id>-<suffix>`; gives the new manifests.
///
/// Corpora that lose nothing are left as they are.
fn write_without(
    project: &Project,
    opened: &Opened,
    without: &[DocumentPlace],
    suffix: &str,
    why: &str,
) -> Result<Vec<Manifest>> {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    if suffix.is_empty() || !suffix.chars().all(is_plain) {
        bail!(
            "--write: found `{suffix}`, expected letters, digits, `-` and `_`\n\nhint: `--write clean` makes `<id>-clean`"
        );
    }
    let mut written = Vec::new();
    for (manifest, corpus) in opened.manifests.iter().zip(&opened.corpora) {
        let id = &manifest.id;
        let gone = without.iter().filter(|place| place.corpus == *id);
        let gone: HashSet<_> = gone.map(DocumentPlace::origin).collect();
        if gone.is_empty() {
            continue;
        }
        let taken = corpus.documents_taken();
        let keep = |origin| !gone.contains(&origin) && taken(origin);
        let source = format!("{}; without {} {why}", manifest.source, thousands(gone.len() as u64));
        let name = format!("{id}-{suffix}");
        written.push(write_subset(manifest, &project.manifests_dir(), &name, &source, &keep)?);
    }
    for manifest in &written {
        let rows: u64 = manifest.files.iter().map(|file| file.rows).sum();
        print::note(&format!("written: `{}`, {} rows", manifest.id, thousands(rows)));
    }
    if written.is_empty() {
        print::note("nothing to leave out, nothing written");
    }
    Ok(written)
}
