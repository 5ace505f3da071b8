//! Running items through a decoder.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::Module;
use temper_model::{Config, Decoder};
use temper_recipe::TaskKind;

use crate::baselines::baselines;
use crate::decimal::decimal;
use crate::error::{Error, ItemProblem};
use crate::item::{Item, LoadedTask};
use crate::layout::Layout;
use crate::suite_score::{ItemScore, Provenance, ScoreOptions, SuiteScore, TaskScore};

/// Scores `decoder` on `tasks`.
///
/// It runs without autodiff, whatever device the decoder was made on. All tasks are checked before
/// the first one is computed. A choice is right when its summed log-likelihood given the context
/// is above that of every other choice, with no correction for length: `acc` of
/// lm-evaluation-harness (Gao et al. 2021), except that a tie is wrong here, where the harness takes
/// the first. In a task that is `per_token`, log-likelihoods are divided by the tokens they are of.
///
/// `provenance` states what the caller loaded; its options are used, the rest is passed on.
/// `progress` gets the rows done and all rows after every batch. `stop` is looked at before it.
///
/// # Errors
/// [`Error::Option`] for a window that is empty or longer than the model's, [`Error::RepeatedTask`],
/// [`Error::EmptyTask`], [`Error::Item`] for the first item that cannot be scored or whose loss is
/// not finite, [`Error::Stopped`].
pub fn score(
    decoder: &Decoder,
    tasks: &[LoadedTask],
    provenance: &Provenance,
    progress: &mut dyn FnMut(usize, usize),
    stop: &AtomicBool,
) -> Result<SuiteScore, Error> {
    let options = provenance.options;
    let layouts = layouts(tasks, options, decoder.config())?;
    let decoder = decoder.valid();
    let total = layouts.iter().map(|layout| layout.rows.len()).sum();
    let mut done = 0;
    let mut scores = Vec::with_capacity(tasks.len());
    for (task, layout) in tasks.iter().zip(&layouts) {
        let mut nats = vec![0.0; layout.segments.len()];
        for first in (0..layout.rows.len()).step_by(options.batch_rows) {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped { done, total });
            }
            let last = layout.rows.len().min(first + options.batch_rows);
            score_rows(&decoder, layout, first..last, &mut nats);
            done += last - first;
            progress(done, total);
        }
        scores.push(task_score(task, layout, &nats)?);
    }
    Ok(SuiteScore { provenance: provenance.clone(), tasks: scores })
}

/// Looks whether [`score`] can score `tasks` with a decoder of this shape, and computes nothing.
///
/// # Errors
/// Those of [`score`], but for losses that are not finite and [`Error::Stopped`].
pub fn check_tasks(
    tasks: &[LoadedTask],
    options: ScoreOptions,
    config: &Config,
) -> Result<(), Error> {
    layouts(tasks, options, config).map(drop)
}

/// Of tasks that have been checked, the rows that they are scored in.
fn layouts<'a>(
    tasks: &'a [LoadedTask],
    options: ScoreOptions,
    config: &Config,
) -> Result<Vec<Layout<'a>>, Error> {
    check_options(options, config.max_position_embeddings)?;
    let mut layouts = Vec::with_capacity(tasks.len());
    for (number, task) in tasks.iter().enumerate() {
        if tasks[..number].iter().any(|other| other.id == task.id) {
            return Err(Error::RepeatedTask { task: task.id.clone() });
        }
        task.check(config.vocab_size)?;
        layouts.push(Layout::new(task, options.sequence_length)?);
    }
    Ok(layouts)
}

fn check_options(options: ScoreOptions, longest: usize) -> Result<(), Error> {
    let ScoreOptions { sequence_length, batch_rows } = options;
    if !(1..=longest).contains(&sequence_length) {
        let expected = format!("1 to {longest}, the model's context");
        return Err(Error::Option { option: "sequence_length", found: sequence_length, expected });
    }
    if batch_rows == 0 {
        let expected = "at least 1".to_owned();
        return Err(Error::Option { option: "batch_rows", found: batch_rows, expected });
    }
    Ok(())
}

/// Adds up each segment of `rows` in f64, in the order of its positions.
fn score_rows(
    decoder: &Decoder,
    layout: &Layout<'_>,
    rows: std::ops::Range<usize>,
    nats: &mut [f64],
) {
    let packed = layout.batch(rows.clone());
    let losses = decoder.token_losses(&packed).into_data();
    let losses: Vec<f64> = losses.iter::<f64>().collect();
    for (row, numbers) in layout.rows[rows].iter().enumerate() {
        let mut rest = &losses[row * packed.length..];
        for &number in numbers {
            let (segment, behind) = rest.split_at(layout.segments[number].len);
            // Context adds exact zeros: the decoder masks it.
            nats[number] = segment.iter().sum();
            rest = behind;
        }
    }
}

fn task_score(
    task: &LoadedTask,
    layout: &Layout<'_>,
    segment_nats: &[f64],
) -> Result<TaskScore, Error> {
    // Segments stand in the order of items and choices, so that every sum has one order.
    let mut nats: Vec<Vec<f64>> =
        task.items.iter().map(|item| vec![0.0; item.sequences().len()]).collect();
    for (segment, value) in layout.segments.iter().zip(segment_nats) {
        nats[segment.item][segment.choice] += value;
    }
    let mut items = Vec::with_capacity(task.items.len());
    for ((item, nats), &dropped) in task.items.iter().zip(&nats).zip(&layout.dropped) {
        if nats.iter().any(|value| !value.is_finite()) {
            return Err(task.refusal(item, ItemProblem::NotFinite));
        }
        items.push(item_score(task, item, nats, dropped));
    }
    let is_choice = task.kind == TaskKind::Choice;
    Ok(TaskScore {
        id: task.id.clone(),
        group: task.group,
        kind: task.kind,
        category: task.category.clone(),
        baselines: is_choice.then(|| baselines(&task.items)),
        items,
    })
}

fn item_score(task: &LoadedTask, item: &Item, nats: &[f64], dropped: usize) -> ItemScore {
    let (scored, bytes, correct) = match item {
        Item::Loss { bytes, .. } | Item::AnswerLoss { bytes, .. } => (0, *bytes, None),
        Item::Choice { gold, choices, .. } => {
            let of = |(nats, choice): (&f64, &Vec<u32>)| match task.per_token {
                true => nats / choice.len() as f64,
                false => *nats,
            };
            let compared: Vec<f64> = nats.iter().zip(choices).map(of).collect();
            (*gold, 0, Some(is_likeliest(&compared, *gold)))
        }
    };
    ItemScore {
        id: item.id().to_owned(),
        cluster: item.cluster().to_owned(),
        // Rounding in f32 is above 10⁻⁶ nats already.
        nats: decimal(nats[scored], 6),
        tokens: item.sequences()[scored].scored.len() as u64,
        bytes: bytes as u64,
        correct,
        dropped: dropped as u64,
        period: task.periods.get(item.id()).cloned(),
    }
}

fn is_likeliest(nats: &[f64], gold: usize) -> bool {
    nats.iter().enumerate().all(|(choice, value)| choice == gold || nats[gold] < *value)
}

#[cfg(test)]
mod tests;
