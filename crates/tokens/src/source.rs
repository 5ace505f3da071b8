//! What the mix asks of a corpus: its documents as token ids.

use serde::{Deserialize, Serialize};
use temper_recipe::{Digest, Hasher};

/// Where a document came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DocumentOrigin {
    /// Index of the file in the manifest.
    pub file: u32,
    /// Index of the row group in the file.
    pub row_group: u32,
    /// Index of the row in the row group.
    pub row: u32,
}

/// Documents as token ids, numbered from 0 in corpus order.
///
/// A document may have no ids at all (an empty text without BOS and EOS).
/// The methods panic on an index that does not exist: asking for one is a bug of the caller.
pub trait TokenSource: Sync {
    /// How many documents there are.
    fn n_documents(&self) -> usize;

    /// Ids of a document, BOS and EOS included.
    fn document_len(&self, document: usize) -> usize;

    /// Whether some ids carry no loss.
    fn has_silent_ids(&self) -> bool {
        false
    }

    /// Says of each id from `start` on whether it carries loss where it is predicted; all do, unless
    /// the source has parts that are there to be read.
    fn read_mask(&self, _document: usize, _start: usize, mask: &mut [bool]) {
        mask.fill(true);
    }

    /// How many of `len` ids from `start` on carry loss.
    fn n_supervised(&self, _document: usize, _start: usize, len: usize) -> usize {
        len
    }

    /// Where the second half of a pair begins, a sequence of its own, counted in ids of the document; 0 in
    /// sources of other documents.
    fn second_half(&self, _document: usize) -> usize {
        0
    }

    /// Whether the answer that a document ends with was liked; `None` in sources of other documents.
    fn label(&self, _document: usize) -> Option<bool> {
        None
    }

    /// Positions of all documents, each of `n` ids giving `n - 1`: the first id is never predicted.
    fn n_positions(&self) -> u64 {
        let documents = 0..self.n_documents();
        documents.map(|document| self.document_len(document).saturating_sub(1) as u64).sum()
    }

    /// Copies the ids from `start` on into `out`, which must not reach past the document's end.
    fn read(&self, document: usize, start: usize, out: &mut [u32]);

    /// Where the document came from.
    fn origin(&self, document: usize) -> DocumentOrigin;

    /// Tells documents apart by what they hold, in whichever corpus and run: the first 64 bits of the SHA-256
    /// of the ids as little-endian 32-bit words and of the label, a byte, where the document was judged.
    fn ids_digest(&self, document: usize) -> u64 {
        let mut ids = vec![0; self.document_len(document)];
        self.read(document, 0, &mut ids);
        let mut hasher = Hasher::new();
        ids.iter().for_each(|id| hasher.update(&id.to_le_bytes()));
        if let Some(label) = self.label(document) {
            hasher.update(&[u8::from(label)]);
        }
        first_64_bits(&hasher.finish())
    }
}

/// As a big-endian number.
pub(crate) fn first_64_bits(digest: &Digest) -> u64 {
    u64::from_be_bytes(digest.bytes()[..8].try_into().expect("a digest has 32 bytes"))
}
