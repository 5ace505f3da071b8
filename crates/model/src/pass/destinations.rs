//! Rows added where they belong, without a scatter.
//!
//! ```text
//! rows        0  1  2  3  4  5        to   7  2  7  7  –  2
//! a round     [0 2 3]  [1 5]          rows of a destination side by side, a few at a time, and summed
//! the last    –  –  1  –  –  –  –  0  of each destination: its sum, or nothing
//! ```
//!
//! Backends add rows at given indices one after another, which occupies a few threads of a GPU for as long as there
//! are rows. Which rows meet is known on the host: here each round gathers them and sums, all at once, and the order
//! of the sums follows from the destinations alone.

use burn::tensor::{Tensor, TensorData};

/// What is gathered is padded to a multiple of this share of all positions: a device that prepares kernels by shape
/// meets few of them.
pub(super) const SHAPES: usize = 8;

/// Rows of a destination that one round adds up.
const AT_A_TIME: usize = 4;

/// Where each of some rows goes.
pub(super) struct Destinations {
    /// Of each round, for every row of its result the rows that it sums, [`AT_A_TIME`] each; a number behind the
    /// last row is a row of zeros.
    rounds: Vec<Vec<i32>>,
    /// For every destination the row that is its sum; none where these are the rows as they are.
    last: Option<Vec<i32>>,
}

impl Destinations {
    /// For each id its row of a table of `vocab_size`.
    pub(super) fn of_ids(ids: &[u32], vocab_size: usize) -> Self {
        let to: Vec<Option<usize>> = ids.iter().map(|id| Some(*id as usize)).collect();
        Self::new(&to, vocab_size)
    }

    /// For each row one of `n` destinations, or none.
    pub(super) fn new(to: &[Option<usize>], n: usize) -> Self {
        let rows = to.iter().zip(0..).filter_map(|(to, row)| Some(((*to)?, row)));
        let mut rows: Vec<(usize, i32)> = rows.collect();
        // Stable: rows of a destination stay in their order.
        rows.sort_by_key(|(to, _)| *to);
        let mut n_rows = to.len();
        let mut rounds = Vec::new();
        while rows.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            let (mut summed, mut sums) = (Vec::new(), Vec::new());
            for part in rows.chunk_by(|a, b| a.0 == b.0).flat_map(|group| group.chunks(AT_A_TIME)) {
                sums.push((part[0].0, sums.len() as i32));
                summed.extend(part.iter().map(|(_, row)| *row));
                summed.resize(sums.len() * AT_A_TIME, n_rows as i32);
            }
            let padded = sums.len().next_multiple_of(to.len().div_ceil(SHAPES));
            summed.resize(padded * AT_A_TIME, n_rows as i32);
            rounds.push(summed);
            (rows, n_rows) = (sums, padded);
        }
        let mut last = vec![n_rows as i32; n];
        for (to, row) in rows {
            last[to] = row;
        }
        let is_same = n == n_rows && last.iter().zip(0..).all(|(row, at)| *row == at);
        Self { rounds, last: (!is_same).then_some(last) }
    }

    /// The sum of the rows that go to each destination, zeros where none does.
    ///
    /// # Shapes
    /// - rows: `[n_rows, width]`
    /// - output: `[n, width]`
    pub(super) fn sums(&self, rows: Tensor<2>) -> Tensor<2> {
        let [_, width] = rows.dims();
        let sums = self.rounds.iter().fold(rows, |rows, summed| {
            let shape = [summed.len() / AT_A_TIME, AT_A_TIME, width];
            gather(rows, summed).reshape(shape).sum_dim(1).squeeze_dim(1)
        });
        match &self.last {
            Some(last) => gather(sums, last),
            None => sums,
        }
    }
}

/// These rows, zeros behind the last one.
fn gather(rows: Tensor<2>, numbers: &[i32]) -> Tensor<2> {
    let [_, width] = rows.dims();
    let device = rows.device();
    let numbers = Tensor::from_data(TensorData::new(numbers.to_vec(), [numbers.len()]), &device);
    Tensor::cat(vec![rows, Tensor::zeros([1, width], &device)], 0).select(0, numbers)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_meet_where_they_go(
            to in prop::collection::vec(prop::option::of(0..9_usize), 1..90),
            width in 1..4_usize,
        ) {
            // Sums of small whole numbers are the same in any order.
            let values: Vec<f32> = (0..to.len() * width).map(|at| (at % 17) as f32 - 8.0).collect();
            let mut expected = vec![0.0; 9 * width];
            for (row, to) in to.iter().enumerate() {
                let Some(to) = to else { continue };
                for column in 0..width {
                    expected[to * width + column] += values[row * width + column];
                }
            }
            let rows = Tensor::from_data(TensorData::new(values, [to.len(), width]), &Device::flex());
            let found = Destinations::new(&to, 9).sums(rows);
            prop_assert_eq!(found.dims(), [9, width]);
            prop_assert_eq!(found.into_data().try_into_vec::<f32>().unwrap(), expected);
        }
    }

    #[test]
    fn rows_in_place_are_not_moved() {
        let to: Vec<Option<usize>> = (0..5).map(Some).collect();
        assert!(Destinations::new(&to, 5).last.is_none());
        assert!(Destinations::new(&to, 6).last.is_some());
    }

    #[test]
    fn rounds_are_few_and_their_shapes_too() {
        // A word that stands everywhere, and others that stand once.
        let shapes = |n_others: usize| {
            let to: Vec<Option<usize>> =
                (0..4096).map(|at| Some(if at < n_others { at + 1 } else { 0 })).collect();
            let rounds = Destinations::new(&to, 4096).rounds;
            rounds.iter().map(|summed| summed.len() / AT_A_TIME).collect::<Vec<_>>()
        };
        assert_eq!(shapes(0), [1024, 512, 512, 512, 512, 512]);
        assert_eq!(shapes(100), shapes(90));
    }
}
