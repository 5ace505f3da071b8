//! A decoder like Llama's or Qwen's in double precision, written as its definition reads: what gradients are
//! held against by finite differences.

use std::collections::BTreeMap;

use crate::{
    Config, PackedRows,
    names::{BlockField as B, Field, fields},
    rope::{Rotation, Stretch},
};

/// A decoder's shape, and the temperature.
type Of<'a> = (&'a Config, f64);

/// The sum of the losses of all positions, each times what `weight` says.
pub(crate) fn loss(
    of: Of<'_>,
    values: &[f64],
    rows: &PackedRows,
    weight: impl Fn(usize) -> f64,
) -> f64 {
    let logits = log_probabilities(of, values, rows).into_iter();
    let each = logits.map(|(place, row)| -weight(place) * row[rows.targets[place] as usize]);
    each.sum()
}

/// The sum of the divergences of all positions from a model with the values `starting`, each times what `weight`
/// says.
pub(crate) fn divergence(
    of: Of<'_>,
    values: &[f64],
    starting: &[f64],
    rows: &PackedRows,
    weight: impl Fn(usize) -> f64,
) -> f64 {
    let starting = log_probabilities(of, starting, rows);
    let pairs = log_probabilities(of, values, rows).into_iter().zip(starting);
    let each = pairs.map(|((place, now), (_, starting))| {
        let apart =
            starting.iter().zip(&now).map(|(starting, now)| starting.exp() * (starting - now));
        weight(place) * apart.sum::<f64>()
    });
    each.sum()
}

/// Of each position that carries loss its place and the log-probabilities of all ids.
fn log_probabilities(
    (config, temperature): Of<'_>,
    values: &[f64],
    rows: &PackedRows,
) -> Vec<(usize, Vec<f64>)> {
    let mut rest = values;
    let mut tensors = BTreeMap::new();
    for field in fields(config) {
        let (tensor, behind) = rest.split_at(field.shape(config).iter().product());
        tensors.insert(field, tensor);
        rest = behind;
    }
    let table = tensors[&if config.tie_word_embeddings { Field::Embedding } else { Field::Head }];
    let mut all = Vec::new();
    for span in rows.spans() {
        let at = span.start..span.start + span.len;
        let hidden = config.hidden_size;
        let mut x: Vec<Vec<f64>> = rows.inputs[at.clone()]
            .iter()
            .map(|id| tensors[&Field::Embedding][*id as usize * hidden..][..hidden].to_vec())
            .collect();
        for block in 0..config.n_layers() {
            let of = |field| tensors[&Field::Block(block, field)];
            let y = attention(config, &x, &of);
            add(&mut x, &y);
            let y = mlp(config, &x, &of);
            add(&mut x, &y);
        }
        for (row, place) in x.iter().zip(at) {
            if rows.loss_mask[place] {
                let logits = through(table, &norm(config, row, tensors[&Field::Norm]));
                let logits: Vec<f64> = logits.iter().map(|logit| logit / temperature).collect();
                let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = logits.iter().map(|logit| (logit - largest).exp()).sum();
                let log_sum = largest + sum.ln();
                all.push((place, logits.iter().map(|logit| logit - log_sum).collect()));
            }
        }
    }
    all
}

fn attention<'a>(config: &Config, x: &[Vec<f64>], of: &impl Fn(B) -> &'a [f64]) -> Vec<Vec<f64>> {
    let dim = config.head_dim;
    let normed: Vec<_> = x.iter().map(|row| norm(config, row, of(B::AttentionNorm))).collect();
    let all = |weight: B| normed.iter().map(|row| through(of(weight), row)).collect::<Vec<_>>();
    let (mut query, mut key, mut value) = (all(B::Query), all(B::Key), all(B::Value));
    if config.qkv_bias {
        let biases = [B::QueryBias, B::KeyBias, B::ValueBias];
        for (rows, bias) in [&mut query, &mut key, &mut value].into_iter().zip(biases) {
            rows.iter_mut().for_each(|row| add_row(row, of(bias)));
        }
    }
    if config.qk_norm.is_some() {
        for (rows, weight) in [(&mut query, B::QueryNorm), (&mut key, B::KeyNorm)] {
            for head in rows.iter_mut().flat_map(|row| row.chunks_exact_mut(dim)) {
                let normed = norm(config, head, of(weight));
                head.copy_from_slice(&normed);
            }
        }
    }
    let stretch = Stretch { first: 0, len: x.len() };
    let rotation = Rotation::new(&config.ropes[0], [stretch].into_iter());
    for rows in [&mut query, &mut key] {
        for (position, row) in rows.iter_mut().enumerate() {
            for head in row.chunks_exact_mut(dim) {
                for at in 0..dim / 2 {
                    let angle = position * (dim / 2) + at;
                    let (cos, sin) =
                        (f64::from(rotation.cos[angle]), f64::from(rotation.sin[angle]));
                    let (low, high) = (head[at], head[at + dim / 2]);
                    head[at] = low * cos - high * sin;
                    head[at + dim / 2] = high * cos + low * sin;
                }
            }
        }
    }
    let mixed = (0..x.len()).map(|position| {
        let mut row = vec![0.0; config.n_heads * dim];
        for (head, mixed) in row.chunks_exact_mut(dim).enumerate() {
            let kv = head / (config.n_heads / config.n_kv_heads) * dim;
            let query = &query[position][head * dim..][..dim];
            let scores: Vec<f64> = key[..=position]
                .iter()
                .map(|key| dot(query, &key[kv..][..dim]) * config.attention_scale)
                .collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
            for (score, value) in scores.iter().zip(&value) {
                let weight = (score - largest).exp() / sum;
                mixed
                    .iter_mut()
                    .zip(&value[kv..])
                    .for_each(|(mixed, value)| *mixed += weight * value);
            }
        }
        through(of(B::Output), &row)
    });
    mixed.collect()
}

fn mlp<'a>(config: &Config, x: &[Vec<f64>], of: &impl Fn(B) -> &'a [f64]) -> Vec<Vec<f64>> {
    let row = |row: &Vec<f64>| {
        let row = norm(config, row, of(B::MlpNorm));
        let (gate, up) = (through(of(B::Gate), &row), through(of(B::Up), &row));
        let active = gate.iter().zip(&up).map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up);
        through(of(B::Down), &active.collect::<Vec<_>>())
    };
    x.iter().map(row).collect()
}

fn norm(config: &Config, x: &[f64], weight: &[f64]) -> Vec<f64> {
    let scale = 1.0 / (dot(x, x) / x.len() as f64 + config.norm_epsilon).sqrt();
    x.iter().zip(weight).map(|(x, weight)| x * scale * weight).collect()
}

/// `weight · x` for a weight `[out, in]`.
fn through(weight: &[f64], x: &[f64]) -> Vec<f64> {
    weight.chunks_exact(x.len()).map(|row| dot(row, x)).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(x: &mut [Vec<f64>], y: &[Vec<f64>]) {
    x.iter_mut().zip(y).for_each(|(x, y)| add_row(x, y));
}

fn add_row(x: &mut [f64], y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}
