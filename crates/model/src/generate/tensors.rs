//! Generation in burn's operations, on any device.
//!
//! Sequences stand right-aligned in one tensor: what is to the left of a shorter one is padding
//! that nothing sees.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use crate::{
    Decoder,
    attention::{Surroundings, first_seen},
    rope::{Rotation, Stretch},
};

/// The sequences in the making, and their keys and values.
#[derive(Debug)]
pub(crate) struct TensorEngine<'a> {
    decoder: &'a Decoder,
    /// Positions that may still follow the prompts.
    max_tokens: usize,
    caches: Vec<LayerCache>,
    /// Padding to the left of each sequence.
    padding: Vec<usize>,
    /// Columns in use, padding among them.
    len: usize,
}

impl<'a> TensorEngine<'a> {
    pub(crate) fn new(decoder: &'a Decoder, max_tokens: usize) -> Self {
        Self { decoder, max_tokens, caches: Vec::new(), padding: Vec::new(), len: 0 }
    }

    /// Logits after the last token of each prompt, `[prompts, vocab_size]`; forgets what was there.
    pub(crate) fn prefill(&mut self, prompts: &[&[u32]]) -> Vec<f32> {
        let longest = prompts.iter().map(|prompt| prompt.len()).max().unwrap_or(0);
        self.padding = prompts.iter().map(|prompt| longest - prompt.len()).collect();
        self.len = 0;
        let config = self.decoder.config();
        let shape = [
            prompts.len(),
            config.n_kv_heads,
            // What a full context leaves out is never written.
            (longest + self.max_tokens).min(longest.max(config.context())),
            config.head_dim,
        ];
        let device = self.decoder.device();
        self.caches = (0..config.n_layers()).map(|_| LayerCache::new(shape, &device)).collect();
        let ids: Vec<u32> = prompts
            .iter()
            .zip(&self.padding)
            .flat_map(|(prompt, padding)| std::iter::repeat_n(&0, *padding).chain(prompt.iter()))
            .copied()
            .collect();
        self.extend(&ids, longest)
    }

    /// Makes the rows with these numbers the rows there are; one may occur several times.
    pub(crate) fn select(&mut self, rows: &[usize]) {
        let is_identity = rows.iter().enumerate().all(|(at, row)| at == *row);
        if is_identity && rows.len() == self.padding.len() {
            return;
        }
        self.padding = rows.iter().map(|row| self.padding[*row]).collect();
        let ids: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
        let rows =
            Tensor::<1, Int>::from_data(TensorData::new(ids, [rows.len()]), &self.decoder.device());
        self.caches.iter_mut().for_each(|cache| cache.select(&rows));
    }

    /// Logits after one more token of each row, `[rows, vocab_size]`.
    pub(crate) fn step(&mut self, tokens: &[u32]) -> Vec<f32> {
        self.extend(tokens, 1)
    }

    /// Puts `seq` columns behind those there, and gives the logits of the last.
    fn extend(&mut self, ids: &[u32], seq: usize) -> Vec<f32> {
        let config = self.decoder.config();
        let device = self.decoder.device();
        let columns = self.len..self.len + seq;
        let rotations = config.ropes.iter().map(|rope| {
            let stretches = self.padding.iter().flat_map(|padding| {
                // Padding is turned too, by angles that nobody reads.
                let padded = padding.saturating_sub(columns.start).min(seq);
                let first = columns.start.saturating_sub(*padding);
                [Stretch { first: 0, len: padded }, Stretch { first, len: seq - padded }]
            });
            Rotation::new(rope, stretches).to_tensors(self.padding.len(), &device)
        });
        let around = Surroundings {
            rotations: rotations.collect(),
            hidden: (self.decoder.windows().into_iter())
                .map(|window| (window, self.mask(seq, window, &device)))
                .collect(),
        };
        let x = self.decoder.embed_ids(ids, self.padding.len());
        let x = self.decoder.hidden(x, &around, Some(&mut self.caches));
        self.len += seq;
        let [_, seq, _] = x.dims();
        let logits = self.decoder.project(x.narrow(1, seq - 1, 1));
        logits.into_data().try_into_vec().expect("logits are f32")
    }

    /// True where a query must not see a column: `[rows, 1, seq, len + seq]`.
    fn mask(&self, seq: usize, window: Option<usize>, device: &Device) -> Tensor<4, Bool> {
        let columns = self.len + seq;
        let mut hidden = Vec::with_capacity(self.padding.len() * seq * columns);
        for padding in &self.padding {
            for query in self.len..columns {
                let first = first_seen(query, window).max(*padding);
                // Padding sees itself, which keeps every softmax over at least one key.
                hidden.extend((0..columns).map(|key| key != query && (key > query || key < first)));
            }
        }
        let shape = [self.padding.len(), 1, seq, columns];
        Tensor::from_data(TensorData::new(hidden, shape), device)
    }
}

/// Keys and values of one block for the tokens seen so far.
#[derive(Debug)]
pub(crate) struct LayerCache {
    /// `[rows, n_kv_heads, capacity, head_dim]`, filled up to `len`; taken out while it is written.
    key: Option<Tensor<4>>,
    value: Option<Tensor<4>>,
    len: usize,
}

impl LayerCache {
    fn new(shape: [usize; 4], device: &Device) -> Self {
        let zeros = || Some(Tensor::zeros(shape, device));
        Self { key: zeros(), value: zeros(), len: 0 }
    }

    fn select(&mut self, rows: &Tensor<1, Int>) {
        for slot in [&mut self.key, &mut self.value] {
            *slot = slot.take().map(|all| all.select(0, rows.clone()));
        }
    }

    /// Puts new keys and values behind the old ones and gives all of them.
    pub(crate) fn extend(&mut self, key: Tensor<4>, value: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let [rows, n_kv_heads, seq, head_dim] = key.dims();
        let past = self.len;
        self.len += seq;
        let append = |slot: &mut Option<Tensor<4>>, new: Tensor<4>| {
            // Taken out of its slot the buffer has one owner, so the assignment happens in place.
            let all = slot.take().expect("a cache is written by one block at a time");
            let all =
                all.slice_assign([0..rows, 0..n_kv_heads, past..past + seq, 0..head_dim], new);
            *slot = Some(all.clone());
            all.narrow(2, 0, past + seq)
        };
        (append(&mut self.key, key), append(&mut self.value, value))
    }
}
