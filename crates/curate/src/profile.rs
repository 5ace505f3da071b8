//! What a corpus holds.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use temper_corpus::{Corpus, Document};
use temper_recipe::Manifest;
use temper_tokens::TokenSource;
use xxhash_rust::xxh3::xxh3_128;

use crate::error::Error;
use crate::scan::{Watch, gather};

/// What one corpus holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profile {
    /// The corpus.
    pub corpus: String,
    /// Its category, as the manifest says it.
    pub category: String,
    /// Its licence, as the manifest says it.
    pub licence: String,
    /// Who must be named, where the licence asks for it.
    pub attribution: Option<String>,
    /// Rows in its files.
    pub rows: u64,
    /// Rows that the manifest takes.
    pub documents: u64,
    /// Bytes of text.
    pub bytes: u64,
    /// Unicode characters of text.
    pub characters: u64,
    /// Documents equal to an earlier one, white space at both ends aside.
    pub duplicates: u64,
    /// By number of documents, the most common first.
    pub languages: Vec<Language>,
    /// Documents by length in characters, the shortest first.
    pub lengths: Vec<LengthBin>,
    /// By tokenizer.
    pub tokens: BTreeMap<String, TokenCount>,
}

/// Documents in one language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Language {
    /// ISO 639-3, or `unknown` where the text is too short or too odd to tell.
    pub language: String,
    /// How many.
    pub documents: u64,
    /// Bytes of their text.
    pub bytes: u64,
}

/// Documents of about one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LengthBin {
    /// The shortest that belong here; the longest are shorter than twice this.
    pub from: u64,
    /// How many.
    pub documents: u64,
    /// Their lengths together.
    pub total: u64,
}

/// What a tokenizer makes of a corpus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TokenCount {
    /// Ids, with what is inserted around each document.
    pub tokens: u64,
    /// Documents by length in ids, the shortest first.
    pub lengths: Vec<LengthBin>,
}

/// What is gathered of a row group.
#[derive(Default)]
struct Gathered {
    bytes: u64,
    lengths: Lengths,
    languages: BTreeMap<&'static str, (u64, u64)>,
    texts: Vec<u128>,
}

/// Documents and their lengths together, by power of two.
#[derive(Default)]
struct Lengths(BTreeMap<u32, (u64, u64)>);

/// Reads the documents of `corpora`, opened from `manifests`, once.
///
/// The language of a document is that of its first two thousand characters. Takes 16 bytes a
/// document.
///
/// # Errors
/// [`Error::Corpus`] for documents that cannot be read, [`Error::Stopped`].
pub fn profile(
    manifests: &[Manifest],
    corpora: &[&Corpus],
    watch: Watch<'_>,
) -> Result<Vec<Profile>, Error> {
    let gathered = gather(corpora, watch, |gathered: &mut Gathered, _, document| {
        gathered.add(&document);
    })?;
    let all = manifests.iter().zip(corpora).zip(gathered);
    Ok(all.map(|((manifest, corpus), parts)| of_parts(manifest, corpus, parts)).collect())
}

impl Gathered {
    fn add(&mut self, document: &Document) {
        let text = document.text();
        let bytes = text.len() as u64;
        self.bytes += bytes;
        self.lengths.add(text.chars().count() as u64);
        let (documents, of_language) = self.languages.entry(language(&text)).or_default();
        *documents += 1;
        *of_language += bytes;
        self.texts.push(xxh3_128(text.trim().as_bytes()));
    }
}

fn language(text: &str) -> &'static str {
    /// Enough to tell; the whole of a book would take seconds.
    const CHARACTERS: usize = 2000;
    let end = text.char_indices().nth(CHARACTERS).map_or(text.len(), |(at, _)| at);
    let found = whatlang::detect(&text[..end]).filter(whatlang::Info::is_reliable);
    found.map_or("unknown", |info| info.lang().code())
}

fn of_parts(manifest: &Manifest, corpus: &Corpus, parts: Vec<Gathered>) -> Profile {
    let mut whole = Gathered::default();
    let (mut seen, mut duplicates) = (HashSet::new(), 0);
    for part in parts {
        whole.bytes += part.bytes;
        whole.lengths.merge(part.lengths);
        for (language, (documents, bytes)) in part.languages {
            let so_far = whole.languages.entry(language).or_default();
            *so_far = (so_far.0 + documents, so_far.1 + bytes);
        }
        duplicates += part.texts.iter().filter(|text| !seen.insert(**text)).count() as u64;
    }
    let mut languages: Vec<Language> = whole
        .languages
        .into_iter()
        .map(|(language, (documents, bytes))| Language {
            language: language.to_owned(),
            documents,
            bytes,
        })
        .collect();
    languages.sort_by_key(|language| std::cmp::Reverse(language.documents));
    Profile {
        corpus: manifest.id.clone(),
        category: manifest.category.clone(),
        licence: manifest.licence.clone(),
        attribution: manifest.attribution.clone(),
        rows: manifest.files.iter().map(|file| file.rows).sum(),
        documents: corpus.n_documents(),
        bytes: whole.bytes,
        characters: whole.lengths.total(),
        duplicates,
        languages,
        lengths: whole.lengths.bins(),
        tokens: BTreeMap::new(),
    }
}

impl TokenCount {
    /// Counts what a tokenizer made of a corpus.
    pub fn of(tokens: &dyn TokenSource) -> Self {
        let mut lengths = Lengths::default();
        (0..tokens.n_documents()).for_each(|at| lengths.add(tokens.document_len(at) as u64));
        Self { tokens: lengths.total(), lengths: lengths.bins() }
    }
}

impl Lengths {
    fn add(&mut self, length: u64) {
        self.put(length.checked_ilog2().map_or(0, |power| power + 1), (1, length));
    }

    fn put(&mut self, power: u32, (documents, total): (u64, u64)) {
        let so_far = self.0.entry(power).or_default();
        *so_far = (so_far.0 + documents, so_far.1 + total);
    }

    fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|(power, bin)| self.put(power, bin));
    }

    fn total(&self) -> u64 {
        self.0.values().map(|(_, total)| total).sum()
    }

    fn bins(&self) -> Vec<LengthBin> {
        // The first bin holds what is empty.
        let from = |power: u32| if power == 0 { 0 } else { 1 << (power - 1) };
        let bin = |(power, (documents, total)): (&u32, &(u64, u64))| LengthBin {
            from: from(*power),
            documents: *documents,
            total: *total,
        };
        self.0.iter().map(bin).collect()
    }
}

#[cfg(test)]
mod tests;
