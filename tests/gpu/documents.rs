//! Documents of drawn ids, for every kind of row that a recipe learns from.

use temper_recipe::{Recipe, Stage};
use temper_tokens::{DocumentOrigin, TokenSource};

use crate::ids;

/// A document, and which of its ids are learned.
#[derive(Clone, Debug, Default)]
struct Document {
    ids: Vec<u32>,
    mask: Vec<bool>,
    second_half: usize,
    label: Option<bool>,
}

pub(crate) struct Documents(Vec<Document>);

impl Documents {
    /// What the recipe's mix draws from.
    pub(crate) fn of(recipe: &Recipe) -> Self {
        Self((0..24).map(|n| Document::of(recipe, n)).collect())
    }

    /// What is replayed beside it: conversations, of which answers are learned.
    pub(crate) fn beside() -> Self {
        let conversation = |n: usize| {
            let part = |number: usize| ids((1000 + 10 * n + number) as u64, 6 + n % 5, 96);
            Document::default().and(&part(0), false).and(&part(1), true)
        };
        Self((0..24).map(conversation).collect())
    }
}

impl Document {
    fn and(mut self, ids: &[u32], is_learned: bool) -> Self {
        self.ids.extend(ids);
        self.mask.resize(self.ids.len(), is_learned);
        self
    }

    /// Document `n` of what the recipe learns from.
    fn of(recipe: &Recipe, n: usize) -> Self {
        let part = |number: usize, length: usize| ids((100 * n + number) as u64, length, 96);
        if recipe.stage == Stage::Rl {
            return Self::default().and(&part(0, 4 + n % 3), true);
        }
        let Some(preference) = &recipe.preference else {
            return Self::default().and(&part(0, 12 + n % 4 * 12), true);
        };
        let question = part(0, 4 + n % 3);
        let answered = Self::default().and(&question, false).and(&part(1, 5 + n % 4), true);
        if preference.is_unpaired() {
            return Self { label: Some(n.is_multiple_of(2)), ..answered };
        }
        let second_half = answered.ids.len();
        Self { second_half, ..answered.and(&question, false).and(&part(2, 5 + n % 5), true) }
    }
}

impl TokenSource for Documents {
    fn n_documents(&self) -> usize {
        self.0.len()
    }

    fn document_len(&self, document: usize) -> usize {
        self.0[document].ids.len()
    }

    fn has_silent_ids(&self) -> bool {
        self.0.iter().any(|document| document.mask.contains(&false))
    }

    fn read_mask(&self, document: usize, start: usize, mask: &mut [bool]) {
        mask.copy_from_slice(&self.0[document].mask[start..][..mask.len()]);
    }

    fn n_supervised(&self, document: usize, start: usize, len: usize) -> usize {
        self.0[document].mask[start..][..len].iter().filter(|carries| **carries).count()
    }

    fn second_half(&self, document: usize) -> usize {
        self.0[document].second_half
    }

    fn label(&self, document: usize) -> Option<bool> {
        self.0[document].label
    }

    fn read(&self, document: usize, start: usize, out: &mut [u32]) {
        out.copy_from_slice(&self.0[document].ids[start..][..out.len()]);
    }

    fn origin(&self, document: usize) -> DocumentOrigin {
        DocumentOrigin { file: 0, row_group: 0, row: document as u32 }
    }
}
