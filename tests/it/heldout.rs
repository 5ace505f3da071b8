//! What is scored is not trained on, and what is tracked is what its manifests say.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use crate::documents::{column, first_turns, n_rows, sha256};

/// What corpora in this repository may be under, alone or joined by AND and OR.
const LICENCES: [&str; 4] = ["CC0-1.0", "MIT", "Apache-2.0", "CC-BY-4.0"];

/// A held-out passage that shares this many words in a row with training shows memory, not ability.
const RUN_WORDS: usize = 13;

/// One corpus of this repository.
struct Corpus {
    id: String,
    manifest: toml::Table,
    files: Vec<PathBuf>,
}

impl Corpus {
    /// All of them, or those of one split.
    fn of_split(split: Option<&str>) -> Vec<Self> {
        let folder = Path::new("../../data-manifests");
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<PathBuf> =
            paths.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
        paths.sort();
        let corpora = paths.iter().map(|path| {
            let manifest: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
            let files = manifest["files"].as_array().unwrap().iter();
            let files = files.map(|file| folder.join(file["path"].as_str().unwrap())).collect();
            Self { id: manifest["id"].as_str().unwrap().to_owned(), manifest, files }
        });
        corpora.filter(|corpus| split.is_none_or(|split| corpus.text("split") == split)).collect()
    }

    /// A text of the manifest; empty when it is not there.
    fn text(&self, key: &str) -> &str {
        self.manifest.get(key).map_or("", |value| value.as_str().unwrap())
    }

    /// The strings of the column `name` in all files; none when a file does not have it.
    fn column(&self, name: &str) -> Vec<String> {
        self.files.iter().flat_map(|file| column(file, name).unwrap_or_default()).collect()
    }

    /// The column that the manifest gives the role `role`.
    fn role(&self, role: &str) -> Vec<String> {
        let columns = self.manifest["columns"].as_table().unwrap();
        columns.get(role).map_or_else(Vec::new, |name| self.column(name.as_str().unwrap()))
    }

    /// Its texts, or what is asked in its conversations.
    fn texts(&self) -> Vec<String> {
        let questions =
            self.files.iter().flat_map(|file| first_turns(file).unwrap_or_default()).collect();
        [self.role("text"), questions].concat()
    }

    /// The numbers of its sums, `1 7 + 4 2` being of 17 and 42.
    fn operands(&self) -> BTreeSet<String> {
        let texts = self.texts();
        texts.iter().flat_map(|text| text.split(" + ").map(str::to_owned)).collect()
    }
}

/// True for corpora of text that people wrote, which are held apart by book, country or document.
fn is_general(corpus: &Corpus) -> bool {
    corpus.text("category") != "chemistry"
}

/// Values of `column` that a held-out corpus which is `wanted` has in common with any training
/// corpus, after how many it has.
fn shared(column: &str, wanted: impl Fn(&Corpus) -> bool) -> (usize, Vec<String>) {
    let mut trained: BTreeMap<String, String> = BTreeMap::new();
    for corpus in Corpus::of_split(Some("train")) {
        trained.extend(corpus.column(column).into_iter().map(|value| (value, corpus.id.clone())));
    }
    let mut found = Vec::new();
    let mut n_heldout = 0;
    for corpus in Corpus::of_split(Some("heldout")).into_iter().filter(wanted) {
        let heldout: BTreeSet<String> = corpus.column(column).into_iter().collect();
        n_heldout += heldout.len();
        let both = heldout.iter().filter_map(|value| Some((value, trained.get(value)?)));
        found.extend(
            both.map(|(value, id)| format!("`{value}` is in `{}` and in `{id}`", corpus.id)),
        );
    }
    (n_heldout, found)
}

/// Digests of all runs of `n` words.
fn runs(text: &str, n: usize) -> Vec<u64> {
    let text = text.to_lowercase();
    let words: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .collect();
    let digest = |run: &[&str]| {
        let mut hasher = DefaultHasher::new();
        run.hash(&mut hasher);
        hasher.finish()
    };
    words.windows(n).map(digest).collect()
}

#[test]
fn files_are_what_their_manifests_say() {
    for corpus in Corpus::of_split(None) {
        let listed = corpus.manifest["files"].as_array().unwrap();
        for (file, path) in listed.iter().zip(&corpus.files) {
            let expected =
                (file["sha256"].as_str().unwrap().to_owned(), file["rows"].as_integer().unwrap());
            assert_eq!((sha256(path), n_rows(path)), expected, "{}", path.display());
        }
    }
}

#[test]
fn licences_allow_a_copy_here() {
    for corpus in Corpus::of_split(None) {
        let licence = corpus.text("licence");
        let joined = ["AND", "OR"];
        let words = licence
            .split([' ', '(', ')'])
            .filter(|word| !word.is_empty() && !joined.contains(word));
        for word in words.clone() {
            assert!(LICENCES.contains(&word), "{}: `{word}` in `{licence}`", corpus.id);
        }
        assert!(words.clone().next().is_some(), "{}", corpus.id);
        let asks_for_names = words.clone().any(|word| word != "CC0-1.0");
        assert!(!asks_for_names || !corpus.text("attribution").is_empty(), "{}", corpus.id);
    }
}

#[test]
fn no_held_out_book_country_or_document_is_trained_on() {
    let (n_heldout, found) = shared("cluster", is_general);
    assert!(n_heldout > 100);
    assert_eq!(found, [""; 0]);
}

#[test]
fn no_held_out_molecule_is_trained_on() {
    let (n_heldout, found) = shared("molecule", |corpus| !is_general(corpus));
    assert!(n_heldout > 300);
    assert_eq!(found, [""; 0]);
}

#[test]
fn no_held_out_text_is_trained_on() {
    let mut heldout: HashSet<String> = HashSet::new();
    for corpus in Corpus::of_split(Some("heldout")) {
        heldout.extend(corpus.texts());
    }
    assert!(heldout.len() > 200);
    for corpus in Corpus::of_split(Some("train")) {
        let texts = corpus.texts();
        assert!(!texts.is_empty(), "{}", corpus.id);
        for text in texts {
            assert!(!heldout.contains(&text), "{}: {text}", corpus.id);
        }
    }
}

#[test]
fn no_held_out_operand_is_trained_on() {
    let operands = |split: &str| -> BTreeSet<String> {
        let corpora = Corpus::of_split(Some(split)).into_iter();
        let sums = corpora.filter(|corpus| corpus.text("category") == "arithmetic");
        sums.flat_map(|corpus| corpus.operands()).collect()
    };
    let (trained, heldout) = (operands("train"), operands("heldout"));
    assert_eq!((trained.len(), heldout.len()), (86, 14));
    assert_eq!(trained.intersection(&heldout).count(), 0);
}

#[test]
fn no_held_out_passage_shares_thirteen_words_with_general_training() {
    // Notes on molecules are made from templates: those are held apart by molecule instead.
    let mut heldout: HashSet<u64> = HashSet::new();
    for corpus in Corpus::of_split(Some("heldout")).into_iter().filter(is_general) {
        heldout.extend(corpus.role("text").iter().flat_map(|text| runs(text, RUN_WORDS)));
    }
    assert!(heldout.len() > 10_000);
    for corpus in Corpus::of_split(Some("train")).into_iter().filter(is_general) {
        for text in corpus.role("text") {
            let shared =
                runs(&text, RUN_WORDS).into_iter().filter(|run| heldout.contains(run)).count();
            assert_eq!(shared, 0, "{}: {}", corpus.id, &text[..text.floor_char_boundary(200)]);
        }
    }
}
