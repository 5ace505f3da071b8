//! Items of a suite that stand in what is trained on.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use temper_corpus::Corpus;
use temper_tokens::DocumentOrigin;

use crate::error::Error;
use crate::scan::{DocumentPlace, Watch, gather};
use crate::words::{runs, words};

/// What counts as contamination.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContaminationOptions {
    /// Words of a run that is looked for; of a shorter item, all its words.
    pub words: usize,
    /// Items with fewer words are not looked for: any text may hold them.
    pub fewest_words: usize,
    /// Runs in more documents than this are wording that everybody uses, and tell nothing.
    pub most_documents: usize,
    /// An item is contaminated if more than this part of its telling runs stands in documents, 0 to 1.
    pub overlap: f64,
}

impl Default for ContaminationOptions {
    /// Runs of 13 words, and not those that occur more than ten times (Brown et al. 2020, arXiv
    /// 2005.14165, appendix C); more than half of them make an item contaminated.
    fn default() -> Self {
        Self { words: 13, fewest_words: 6, most_documents: 10, overlap: 0.5 }
    }
}

/// One item of a suite: everything that would give it away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuiteItem {
    /// The task.
    pub task: String,
    /// The item, unique in its task.
    pub id: String,
    /// The document, or context and right answer.
    pub text: String,
}

/// What of a suite stands in corpora.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contamination {
    /// In the order of the suite.
    pub tasks: Vec<TaskContamination>,
    /// Documents that hold a telling run of a contaminated item, in the order of the corpora.
    pub documents: Vec<DocumentPlace>,
}

/// What of a task stands in corpora.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskContamination {
    /// The task.
    pub task: String,
    /// Items in it.
    pub items: u64,
    /// Items too short to be looked for.
    pub too_short: u64,
    /// In the order of the task.
    pub contaminated: Vec<ContaminatedItem>,
}

/// An item that stands in corpora.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContaminatedItem {
    /// The item.
    pub item: String,
    /// The part of its telling runs that stands in documents, 0 to 1.
    pub overlap: f64,
    /// The document that holds most of them, the first of several.
    pub document: DocumentPlace,
}

/// The runs of all items.
struct Runs {
    /// By its hash, the number of a run.
    numbers: HashMap<u64, usize>,
    /// Numbers of words that runs have.
    lengths: BTreeSet<usize>,
    /// By item, the numbers of its runs; empty for one that is too short.
    of_items: Vec<Vec<usize>>,
}

/// Where the runs stand in a row group: by run, how many documents, and the first of them.
type Hits = BTreeMap<usize, (usize, Vec<(usize, DocumentOrigin)>)>;

/// Looks for the items of a suite in the documents of `corpora`.
///
/// Words are compared in lower case, without punctuation. An item's *telling* runs are those in at
/// most [`ContaminationOptions::most_documents`] documents; an item without one is contaminated where
/// the whole of it stands in a document. Memory grows with the suite, not with
/// the corpora.
///
/// # Errors
/// [`Error::Corpus`] for documents that cannot be read, [`Error::Stopped`].
pub fn contamination(
    items: &[SuiteItem],
    corpora: &[&Corpus],
    options: ContaminationOptions,
    watch: Watch<'_>,
) -> Result<Contamination, Error> {
    let runs = Runs::new(items, options);
    let parts = gather(corpora, watch, |hits: &mut Hits, corpus, document| {
        for run in runs.found(&document.text()) {
            let (n, places) = hits.entry(run).or_default();
            *n += 1;
            if places.len() <= options.most_documents {
                places.push((corpus, document.origin));
            }
        }
    })?;
    let mut hits = Hits::new();
    for (run, (n, places)) in parts.into_iter().flatten().flatten() {
        let (so_far, first) = hits.entry(run).or_default();
        *so_far += n;
        let room = (options.most_documents + 1).saturating_sub(first.len());
        first.extend(places.into_iter().take(room));
    }
    let is_common = |run: &usize| hits.get(run).is_some_and(|(n, _)| *n > options.most_documents);
    let mut found = Contamination { tasks: Vec::new(), documents: Vec::new() };
    let mut documents = BTreeSet::new();
    for (item, of_item) in items.iter().zip(&runs.of_items) {
        let task = task_of(&mut found.tasks, &item.task);
        task.items += 1;
        task.too_short += u64::from(of_item.is_empty());
        let mut telling: Vec<usize> =
            of_item.iter().copied().filter(|run| !is_common(run)).collect();
        let is_all_common = telling.is_empty();
        if is_all_common {
            telling.clone_from(of_item);
        }
        let standing: Vec<usize> =
            telling.iter().copied().filter(|run| hits.contains_key(run)).collect();
        let overlap = standing.len() as f64 / telling.len().max(1) as f64;
        let mut n_runs: BTreeMap<(usize, DocumentOrigin), usize> = BTreeMap::new();
        for place in standing.iter().flat_map(|run| &hits[run].1) {
            *n_runs.entry(*place).or_default() += 1;
        }
        let most = n_runs.values().max().copied().unwrap_or(0);
        // Pieces of wording do not give an item away, a copy of the whole does, however many there are.
        let is_whole = most == telling.len();
        if overlap <= options.overlap || is_all_common && !is_whole {
            continue;
        }
        let first = n_runs.iter().find(|(_, n)| **n == most);
        let ((corpus, origin), _) = first.expect("a run that stands somewhere");
        let document = DocumentPlace::new(corpora[*corpus], *origin);
        documents.extend(n_runs.keys().copied());
        task.contaminated.push(ContaminatedItem { item: item.id.clone(), overlap, document });
    }
    let place =
        |(corpus, origin): &(usize, DocumentOrigin)| DocumentPlace::new(corpora[*corpus], *origin);
    found.documents = documents.iter().map(place).collect();
    Ok(found)
}

fn task_of<'a>(tasks: &'a mut Vec<TaskContamination>, task: &str) -> &'a mut TaskContamination {
    let at = tasks.iter().position(|known| known.task == task).unwrap_or_else(|| {
        let task = task.to_owned();
        tasks.push(TaskContamination { task, items: 0, too_short: 0, contaminated: Vec::new() });
        tasks.len() - 1
    });
    &mut tasks[at]
}

impl Runs {
    fn new(items: &[SuiteItem], options: ContaminationOptions) -> Self {
        let mut all = Self {
            numbers: HashMap::new(),
            lengths: BTreeSet::new(),
            of_items: Vec::with_capacity(items.len()),
        };
        for item in items {
            let words = words(&item.text);
            let length = options.words.min(words.len());
            let mut of_item = BTreeSet::new();
            if length >= options.fewest_words {
                all.lengths.insert(length);
                for run in runs(&words, length) {
                    let next = all.numbers.len();
                    of_item.insert(*all.numbers.entry(run).or_insert(next));
                }
            }
            all.of_items.push(of_item.into_iter().collect());
        }
        all
    }

    /// The numbers of the runs that stand in `text`, each once.
    fn found(&self, text: &str) -> BTreeSet<usize> {
        let words = words(text);
        let of_length = |length: &usize| runs(&words, *length);
        let hashes = self.lengths.iter().flat_map(of_length);
        hashes.filter_map(|run| self.numbers.get(&run).copied()).collect()
    }
}

impl Contamination {
    /// True when no item stands in the corpora.
    pub fn is_clean(&self) -> bool {
        self.tasks.iter().all(|task| task.contaminated.is_empty())
    }
}

#[cfg(test)]
mod tests;
