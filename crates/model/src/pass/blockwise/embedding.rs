//! The gradient of the embedding table: rows that flow back into it, added by id.

use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorData};

use super::ByField;
use crate::{Decoder, PackedRows, names::Field, pass::destinations::Destinations};

/// How rows get into the table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Adding {
    /// One after another, into the table that is there: a second one would be large. What the CPU does.
    Scattered,
    /// Summed before, as a scatter would occupy a few threads of a GPU.
    Gathered,
}

/// Adds what flows back into the embedding to the gradient of a tied output matrix, if there is one.
///
/// # Shapes
/// - dx: `[n_rows × length, hidden]`
pub(super) fn gradient(
    decoder: &Decoder,
    rows: &PackedRows,
    dx: Tensor<2>,
    adding: Adding,
    found: &mut ByField,
) {
    let config = decoder.config();
    let shape = [config.vocab_size, config.hidden_size];
    let dx = match config.embedding_scale {
        1.0 => dx,
        scale => dx * scale,
    };
    let tied = found.remove(&Field::Embedding).map(|table| table.reshape(shape));
    let table = match adding {
        Adding::Scattered => {
            let ids: Vec<i32> = rows.inputs.iter().map(|id| *id as i32).collect();
            let ids = TensorData::new(ids, [rows.inputs.len()]);
            let ids = Tensor::<1, Int>::from_data(ids, &decoder.device());
            let table = tied.unwrap_or_else(|| Tensor::zeros(shape, &decoder.device()));
            table.select_assign(0, ids, dx, IndexingUpdateOp::Add)
        }
        Adding::Gathered => {
            let sums = Destinations::of_ids(&rows.inputs, config.vocab_size).sums(dx);
            match tied {
                Some(tied) => tied + sums,
                None => sums,
            }
        }
    };
    found.insert(Field::Embedding, table.reshape([shape[0] * shape[1]]));
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use serde_json::json;

    use super::*;
    use crate::testing::{config_with, ids};

    #[test]
    fn both_ways_add_each_row_where_its_id_says() {
        #[track_caller]
        fn check(tied: bool, scale: f64) {
            let mut config = config_with(json!({ "tie_word_embeddings": tied }));
            config.embedding_scale = scale;
            let decoder = Decoder::init(&config, 3, &Device::flex());
            let (n_rows, length, hidden) = (2, 45, config.hidden_size);
            let mut rows = PackedRows::empty(n_rows, length);
            // Ids that meet often, and others that never stand.
            rows.inputs = ids(1, n_rows * length, 12);
            // Sums of small whole numbers are the same in any order.
            let whole = |seed, n| -> Vec<f32> {
                ids(seed, n, 9).into_iter().map(|id| id as f32 - 4.0).collect()
            };
            let dx = whole(2, n_rows * length * hidden);
            let output = whole(3, config.vocab_size * hidden);
            let mut expected = if tied { output.clone() } else { vec![0.0; output.len()] };
            for (id, row) in rows.inputs.iter().zip(dx.chunks(hidden)) {
                let into = &mut expected[*id as usize * hidden..][..hidden];
                into.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * scale as f32);
            }
            for adding in [Adding::Scattered, Adding::Gathered] {
                let device = decoder.device();
                let mut found = ByField::new();
                if tied {
                    let table = TensorData::new(output.clone(), [output.len()]);
                    found.insert(Field::Embedding, Tensor::from_data(table, &device));
                }
                let dx = TensorData::new(dx.clone(), [n_rows * length, hidden]);
                let dx = Tensor::from_data(dx, &device);
                gradient(&decoder, &rows, dx, adding, &mut found);
                let table = found.remove(&Field::Embedding).unwrap();
                let table: Vec<f32> = table.into_data().try_into_vec().unwrap();
                assert!(table == expected, "{adding:?}, tied {tied}, scale {scale}");
            }
        }
        for tied in [false, true] {
            check(tied, 1.0);
            check(tied, 4.0);
        }
    }
}
