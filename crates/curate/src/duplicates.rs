//! Documents that stand in corpora more than once.

use std::collections::HashMap;

use serde::Serialize;
use temper_corpus::{Corpus, Document};
use temper_tokens::DocumentOrigin;
use xxhash_rust::xxh3::xxh3_128;

use crate::error::Error;
use crate::minhash::{PERMUTATIONS, Signature, rows_per_band, signature, similarity};
use crate::scan::{DocumentPlace, Watch, gather};
use crate::words::words;

/// What counts as a copy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DuplicateOptions {
    /// Documents at least this alike are copies too: the Jaccard similarity of their runs of five
    /// words, 0 to 1. `None` looks for equal texts only.
    pub near: Option<f64>,
}

/// Copies found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Duplicates {
    /// In the order in which they were given.
    pub corpora: Vec<CorpusDuplicates>,
    /// In the order of the corpora, then of their documents.
    pub duplicates: Vec<Duplicate>,
}

/// The copies of one corpus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CorpusDuplicates {
    /// The corpus.
    pub corpus: String,
    /// Documents in it.
    pub documents: u64,
    /// Of them, equal to an earlier one of this corpus.
    pub exact_within: u64,
    /// Equal to one of a corpus before this.
    pub exact_across: u64,
    /// Nearly equal to an earlier one of this corpus.
    pub near_within: u64,
    /// Nearly equal to one of a corpus before this.
    pub near_across: u64,
    /// Bytes of text in the corpus.
    pub bytes: u64,
    /// Bytes of text in its copies.
    pub duplicate_bytes: u64,
}

/// A document that stands somewhere before.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Duplicate {
    /// The copy.
    pub document: DocumentPlace,
    /// What it is a copy of; that one stays.
    pub of: DocumentPlace,
    /// 1 for equal texts, else estimated from 128 numbers of each.
    pub similarity: f64,
}

/// One document, as far as it is compared.
struct Print {
    corpus: usize,
    origin: DocumentOrigin,
    text: u128,
    bytes: u64,
    signature: Option<Box<Signature>>,
}

/// Finds the copies in `corpora`. Of documents that are copies of each other the first stays.
///
/// White space at both ends of a text makes no difference. Near copies are found by MinHash: two
/// documents just as alike as the threshold meet with a probability above 0.85, more alike ones
/// almost surely; a chain of near copies counts as one. Takes 80 bytes a document, and 600 where
/// near copies are asked for.
///
/// # Errors
/// [`Error::Corpus`] for documents that cannot be read, [`Error::Stopped`].
pub fn duplicates(
    corpora: &[&Corpus],
    options: DuplicateOptions,
    watch: Watch<'_>,
) -> Result<Duplicates, Error> {
    let gathered = gather(corpora, watch, |prints: &mut Vec<Print>, corpus, document| {
        prints.push(print(corpus, &document, options.near.is_some()));
    })?;
    let prints: Vec<Print> = gathered.into_iter().flatten().flatten().collect();
    let mut of: Vec<Option<usize>> = equal(&prints);
    if let Some(threshold) = options.near {
        near(&prints, threshold, &mut of);
    }
    Ok(report(corpora, &prints, &of))
}

fn print(corpus: usize, document: &Document, with_signature: bool) -> Print {
    let text = document.text();
    let text = text.trim();
    Print {
        corpus,
        origin: document.origin,
        text: xxh3_128(text.as_bytes()),
        bytes: document.text().len() as u64,
        signature: if with_signature { signature(&words(text)) } else { None },
    }
}

/// By document, the first one with the same text, if that is another.
fn equal(prints: &[Print]) -> Vec<Option<usize>> {
    let mut first = HashMap::new();
    prints
        .iter()
        .enumerate()
        .map(|(at, print)| {
            Some(*first.entry(print.text).or_insert(at)).filter(|other| *other != at)
        })
        .collect()
}

/// Adds near copies to `of`, which knows the equal ones.
fn near(prints: &[Print], threshold: f64, of: &mut [Option<usize>]) {
    let rows = rows_per_band(threshold);
    let mut first: Vec<usize> = (0..prints.len()).collect();
    for band in 0..PERMUTATIONS / rows {
        let mut keys: Vec<(u128, usize)> = prints
            .iter()
            .enumerate()
            .filter(|(at, _)| of[*at].is_none())
            .filter_map(|(at, print)| {
                let part = &print.signature.as_ref()?[band * rows..(band + 1) * rows];
                let bytes: Vec<u8> = part.iter().flat_map(|value| value.to_le_bytes()).collect();
                Some((xxh3_128(&bytes), at))
            })
            .collect();
        keys.sort_unstable();
        for alike in keys.chunk_by(|a, b| a.0 == b.0) {
            // To the first and to the one before: all pairs would take the square of a large group.
            for (i, (_, at)) in alike.iter().enumerate().skip(1) {
                for (_, other) in [alike[0], alike[i - 1]] {
                    if similar(prints, *at, other) >= threshold {
                        join(&mut first, *at, other);
                    }
                }
            }
        }
    }
    for (at, of) in of.iter_mut().enumerate() {
        let other = root(&mut first, at);
        if of.is_none() && other != at {
            *of = Some(other);
        }
    }
    // An equal text is a copy of whatever its first one is a copy of.
    for at in 0..prints.len() {
        if let Some(next) = of[at].and_then(|other| of[other]) {
            of[at] = Some(next);
        }
    }
}

fn similar(prints: &[Print], a: usize, b: usize) -> f64 {
    if prints[a].text == prints[b].text {
        return 1.0;
    }
    match (&prints[a].signature, &prints[b].signature) {
        (Some(a), Some(b)) => similarity(a, b),
        _ => 0.0,
    }
}

/// The smallest number of the set that `at` is in.
fn root(first: &mut [usize], at: usize) -> usize {
    let mut root = at;
    while first[root] != root {
        // Halving the path keeps later walks short.
        first[root] = first[first[root]];
        root = first[root];
    }
    root
}

fn join(first: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root(first, a), root(first, b));
    first[a.max(b)] = a.min(b);
}

fn report(corpora: &[&Corpus], prints: &[Print], of: &[Option<usize>]) -> Duplicates {
    let start = |corpus: &&Corpus| CorpusDuplicates {
        corpus: corpus.id().to_owned(),
        ..CorpusDuplicates::default()
    };
    let mut counts: Vec<CorpusDuplicates> = corpora.iter().map(start).collect();
    let place = |at: usize| {
        let Print { corpus, origin, .. } = prints[at];
        DocumentPlace::new(corpora[corpus], origin)
    };
    let mut duplicates = Vec::new();
    for (at, print) in prints.iter().enumerate() {
        let count = &mut counts[print.corpus];
        count.documents += 1;
        count.bytes += print.bytes;
        let Some(other) = of[at] else { continue };
        count.duplicate_bytes += print.bytes;
        let (is_exact, is_within) =
            (prints[other].text == print.text, prints[other].corpus == print.corpus);
        *match (is_exact, is_within) {
            (true, true) => &mut count.exact_within,
            (true, false) => &mut count.exact_across,
            (false, true) => &mut count.near_within,
            (false, false) => &mut count.near_across,
        } += 1;
        duplicates.push(Duplicate {
            document: place(at),
            of: place(other),
            similarity: similar(prints, at, other),
        });
    }
    Duplicates { corpora: counts, duplicates }
}

#[cfg(test)]
mod tests;
