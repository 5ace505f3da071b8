//! Tensors that stay as they are.
//!
//! ```text
//! all weights      embed │ q │ k │ v │ … │ norm │ head          Place, in the decoder
//!                    ╳     │   │   │       │      ╳    frozen = ["model.embed_tokens.*", "lm_head.*"]
//! what moves             q │ k │ v │ … │ norm                   Place, in moments and means
//! ```
//!
//! A frozen tensor has no moments, its gradient counts as zero, in the global norm too, and neither decay nor
//! any other term reaches it.

use temper_model::{Config, Decoder, Gradients, Parameter, Place, parameters};
use temper_recipe::Recipe;

use crate::error::Error;
use crate::lora;

/// The tensors that move, and where what is kept of them stands.
#[derive(Clone, Debug)]
pub(crate) struct Trainable {
    /// By the number of a tensor in the decoder: its place among those that move; `None` where it is frozen.
    moving: Vec<Option<Place>>,
    /// Those that move, as checkpoints store them.
    parameters: Vec<Parameter>,
}

impl Trainable {
    /// All but those that a pattern of `frozen` names.
    ///
    /// # Errors
    /// [`Error::Frozen`] for a pattern that names none, and when nothing would move.
    pub(crate) fn new(config: &Config, frozen: &[String]) -> Result<Self, Error> {
        let stored = parameters(config);
        let moves = moving(&stored, frozen)?;
        // A tensor of a file is one or more of the decoder's, in the same order.
        let mut ends = Vec::with_capacity(stored.len());
        for parameter in &stored {
            ends.push(ends.last().copied().unwrap_or(0) + parameter.n_values());
        }
        let (mut number, mut start) = (0, 0);
        let place = |place: Place| {
            let of = ends.partition_point(|end| *end <= place.range.start);
            moves[of].then(|| {
                let range = start..start + place.range.len();
                start = range.end;
                number += 1;
                Place { number: number - 1, range, ..place }
            })
        };
        let moving = Place::all(config).into_iter().map(place).collect();
        let parameters = stored.into_iter().zip(moves).filter(|(_, moves)| *moves);
        Ok(Self { moving, parameters: parameters.map(|(parameter, _)| parameter).collect() })
    }

    /// All tensors of a decoder of this shape.
    pub(crate) fn all(config: &Config) -> Self {
        Self::new(config, &[]).expect("without a pattern there is nothing wrong with one")
    }

    /// Where what is kept of a tensor of the decoder stands; `None` where it is frozen.
    pub(crate) fn place(&self, of: &Place) -> Option<&Place> {
        self.moving[of.number].as_ref()
    }

    /// Whether the embedding table or the output matrix of a decoder moves.
    pub(crate) fn has_table(&self, decoder: &Decoder) -> bool {
        let places = decoder.places();
        places.iter().any(|place| place.is_table && self.place(place).is_some())
    }

    /// The places of what moves, in order.
    pub(crate) fn places(&self) -> Vec<Place> {
        self.moving.iter().flatten().cloned().collect()
    }

    /// What moves, as checkpoints store it.
    pub(crate) fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// How many values move.
    pub(crate) fn n_values(&self) -> usize {
        self.parameters.iter().map(Parameter::n_values).sum()
    }

    /// Of the values of all tensors those that move.
    pub(crate) fn gather(&self, decoder: &Decoder, all: &[f32]) -> Vec<f32> {
        let places = decoder.places();
        let moving = places.iter().filter(|place| self.place(place).is_some());
        moving.flat_map(|place| &all[place.range.clone()]).copied().collect()
    }

    /// Puts values of what moves among those of all tensors.
    pub(crate) fn scatter(&self, decoder: &Decoder, moving: &[f32], all: &mut [f32]) {
        for place in decoder.places() {
            if let Some(of) = self.place(&place) {
                all[place.range].copy_from_slice(&moving[of.range.clone()]);
            }
        }
    }

    /// Takes frozen tensors out of the gradient.
    pub(crate) fn silence(&self, decoder: &Decoder, gradients: &mut Gradients) {
        let places = decoder.places();
        for place in places.iter().filter(|place| self.place(place).is_none()) {
            match gradients {
                Gradients::Flat(values) => values[place.range.clone()].fill(0.0),
                Gradients::Tensors(tensors) => {
                    tensors[place.number] = tensors[place.number].zeros_like();
                }
            }
        }
    }
}

/// How many values a recipe trains of a decoder of this shape: weights, or the factors of their changes.
///
/// # Errors
/// [`Error::Frozen`] for a pattern that names no tensor or when all are frozen, [`Error::Lora`] for targets
/// that are not there.
pub fn trained_values(recipe: &Recipe, config: &Config) -> Result<usize, Error> {
    if let Some(lora) = &recipe.lora {
        return lora::n_values(lora, config);
    }
    let stored = parameters(config);
    let moves = moving(&stored, &recipe.training.frozen)?;
    let moving = stored.iter().zip(moves).filter(|(_, moves)| *moves);
    Ok(moving.map(|(parameter, _)| parameter.n_values()).sum())
}

/// Which of the tensors no pattern names.
fn moving(stored: &[Parameter], frozen: &[String]) -> Result<Vec<bool>, Error> {
    for pattern in frozen {
        if !stored.iter().any(|parameter| matches(pattern, &parameter.name)) {
            let names = stored.iter().map(|parameter| parameter.name.as_str());
            return Err(Error::Frozen {
                found: format!("`{pattern}`, which names no tensor"),
                expected: "names of tensors, or patterns with `*`".to_owned(),
                hint: format!("the nearest names: {}", nearest(pattern, names).join(", ")),
            });
        }
    }
    let is_frozen =
        |parameter: &Parameter| frozen.iter().any(|pattern| matches(pattern, &parameter.name));
    let moves: Vec<bool> = stored.iter().map(|parameter| !is_frozen(parameter)).collect();
    if !moves.contains(&true) {
        return Err(Error::Frozen {
            found: format!("patterns that name all {} tensors", stored.len()),
            expected: "some that move".to_owned(),
            hint: "`temper eval` scores a model as it is".to_owned(),
        });
    }
    Ok(moves)
}

/// Whether `pattern` describes the whole of `name`: `*` stands for any characters, `?` for one.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    // How much of `name` each part of the pattern may describe, the pattern growing by a character.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for wanted in pattern {
        let before = std::mem::replace(&mut reached, vec![false; name.len() + 1]);
        match wanted {
            '*' => {
                let first = before.iter().position(|is_reached| *is_reached);
                first.into_iter().for_each(|first| reached[first..].fill(true));
            }
            _ => {
                for (at, found) in name.iter().enumerate() {
                    reached[at + 1] = before[at] && (wanted == '?' || wanted == *found);
                }
            }
        }
    }
    reached[name.len()]
}

/// The three names that need the fewest changes to be the pattern, the nearest first.
fn nearest<'a>(pattern: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut near: Vec<(usize, &str)> = names.map(|name| (distance(pattern, name), name)).collect();
    near.sort();
    near.into_iter().take(3).map(|(_, name)| format!("`{name}`")).collect()
}

/// Levenshtein's: characters to put in, take out or change, what `*` stands for being free.
fn distance(pattern: &str, name: &str) -> usize {
    let name: Vec<char> = name.chars().collect();
    let mut row: Vec<usize> = (0..=name.len()).collect();
    for wanted in pattern.chars() {
        let before = std::mem::take(&mut row);
        row.push(before[0] + usize::from(wanted != '*'));
        for (at, found) in name.iter().enumerate() {
            let changed =
                before[at] + usize::from(wanted != *found && !matches!(wanted, '*' | '?'));
            let (extra, missing) = match wanted {
                '*' => (before[at + 1], row[at]),
                _ => (before[at + 1] + 1, row[at] + 1),
            };
            row.push(changed.min(extra).min(missing));
        }
    }
    row[name.len()]
}

#[cfg(test)]
mod tests;
