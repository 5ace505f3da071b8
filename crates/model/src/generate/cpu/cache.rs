//! Keys and values of the tokens seen so far, in pages that sequences share.
//!
//! Samples of one prompt point at the same pages; the last page, which is still being filled, is
//! copied by whoever writes to it first while others hold it.

use std::sync::Arc;

/// Positions in a page.
pub(super) const PAGE: usize = 64;

/// Keys and values of one sequence in one layer.
#[derive(Clone, Debug, Default)]
pub(super) struct LayerCache {
    pages: Vec<Arc<Page>>,
}

/// Keys and values of [`PAGE`] positions, `[n_kv_heads, PAGE, head_dim]` each.
#[derive(Clone, Debug)]
struct Page {
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl LayerCache {
    /// Puts the key and the value of a position, all heads one behind the other, in their place.
    pub(super) fn put(&mut self, position: usize, key: &[f32], value: &[f32], head_dim: usize) {
        let (number, at) = (position / PAGE, position % PAGE);
        if number == self.pages.len() {
            let zeros = || vec![0.0; key.len() * PAGE];
            self.pages.push(Arc::new(Page { keys: zeros(), values: zeros() }));
        }
        let page = Arc::make_mut(&mut self.pages[number]);
        let heads = key.chunks_exact(head_dim).zip(value.chunks_exact(head_dim));
        for (head, (key, value)) in heads.enumerate() {
            let start = (head * PAGE + at) * head_dim;
            page.keys[start..][..head_dim].copy_from_slice(key);
            page.values[start..][..head_dim].copy_from_slice(value);
        }
    }

    /// How many heads there are; a position has to be there.
    pub(super) fn n_heads(&self, head_dim: usize) -> usize {
        self.pages[0].keys.len() / (PAGE * head_dim)
    }

    /// Keys and values of a head at the positions `first..end` of one page, `[n, head_dim]` each.
    pub(super) fn head(
        &self,
        head: usize,
        first: usize,
        end: usize,
        head_dim: usize,
    ) -> (&[f32], &[f32]) {
        let (number, at) = (first / PAGE, first % PAGE);
        let range = (head * PAGE + at) * head_dim..(head * PAGE + at + end - first) * head_dim;
        let page = &self.pages[number];
        (&page.keys[range.clone()], &page.values[range])
    }
}
