//! Sources for tests: every token tells where it came from.

use std::ops::Range;

use temper_tokens::{DocumentOrigin, TokenSource};

/// Documents of given lengths whose ids count up from `first` across the source.
#[derive(Debug)]
pub(crate) struct Lengths {
    lengths: Vec<usize>,
    starts: Vec<u32>,
}

impl Lengths {
    pub(crate) fn new(lengths: &[usize]) -> Self {
        Self::starting_at(0, lengths)
    }

    pub(crate) fn starting_at(first: u32, lengths: &[usize]) -> Self {
        let starts = lengths
            .iter()
            .scan(first, |next, len| {
                let start = *next;
                *next += *len as u32;
                Some(start)
            })
            .collect();
        Self { lengths: lengths.to_vec(), starts }
    }
}

impl TokenSource for Lengths {
    fn n_documents(&self) -> usize {
        self.lengths.len()
    }

    fn document_len(&self, document: usize) -> usize {
        self.lengths[document]
    }

    fn read(&self, document: usize, start: usize, out: &mut [u32]) {
        assert!(start + out.len() <= self.lengths[document]);
        for (i, id) in out.iter_mut().enumerate() {
            *id = self.starts[document] + (start + i) as u32;
        }
    }

    fn origin(&self, document: usize) -> DocumentOrigin {
        DocumentOrigin { file: 0, row_group: 0, row: document as u32 }
    }
}

/// Documents of given lengths whose ids come from one range and no other source's.
#[derive(Debug)]
pub(crate) struct Telling {
    ids: Range<u32>,
    lengths: Vec<usize>,
    /// Ids come in turns of so many, of which every other one carries no loss.
    turns: Option<usize>,
}

impl Telling {
    pub(crate) fn new(ids: Range<u32>, lengths: &[usize]) -> Self {
        Self { ids, lengths: lengths.to_vec(), turns: None }
    }

    pub(crate) fn with_turns(self, turns: Option<usize>) -> Self {
        Self { turns, ..self }
    }
}

impl TokenSource for Telling {
    fn n_documents(&self) -> usize {
        self.lengths.len()
    }

    fn document_len(&self, document: usize) -> usize {
        self.lengths[document]
    }

    fn read(&self, document: usize, start: usize, out: &mut [u32]) {
        assert!(start + out.len() <= self.lengths[document]);
        for (at, id) in out.iter_mut().enumerate() {
            let n = self.ids.end - self.ids.start;
            *id = self.ids.start + (document * 31 + start + at) as u32 % n;
        }
    }

    fn has_silent_ids(&self) -> bool {
        self.turns.is_some()
    }

    fn read_mask(&self, document: usize, start: usize, mask: &mut [bool]) {
        assert!(start + mask.len() <= self.lengths[document]);
        for (at, carries) in mask.iter_mut().enumerate() {
            let turn = self.turns.map_or(0, |turns| (document + start + at) / turns);
            *carries = turn.is_multiple_of(2);
        }
    }

    fn n_supervised(&self, document: usize, start: usize, len: usize) -> usize {
        let mut mask = vec![false; len];
        self.read_mask(document, start, &mut mask);
        mask.into_iter().filter(|carries| *carries).count()
    }

    fn origin(&self, document: usize) -> DocumentOrigin {
        DocumentOrigin { file: 0, row_group: 0, row: document as u32 }
    }
}
