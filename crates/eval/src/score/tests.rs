use std::path::Path;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use serde_json::json;
use temper_model::PackedRows;
use temper_recipe::Group;

use super::*;
use crate::item::tasks_digest;
use crate::testing::{answer, choice, document, task};

const VOCAB: u32 = 61;

fn decoder(device: &Device) -> Decoder {
    // The spread is far from uniform, so that a misplaced target shows.
    let file = json!({
        "model_type": "llama", "vocab_size": VOCAB, "hidden_size": 16, "intermediate_size": 24,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 4,
        "max_position_embeddings": 64, "rope_theta": 1e4, "rms_norm_eps": 1e-5,
        "tie_word_embeddings": true, "initializer_range": 0.5,
    });
    let config = Config::from_json(&file.to_string(), Path::new("config.json")).unwrap();
    Decoder::init(&config, 5, device)
}

fn ids(seed: u32, n: usize) -> Vec<u32> {
    (0..n as u32).map(|k| (seed * 31 + k * k * 7 + k * 13) % VOCAB).collect()
}

fn tasks() -> Vec<LoadedTask> {
    let documents = (0..9).map(|n| document(&format!("d{n}"), "c", ids(n, 2 + 5 * n as usize)));
    let answers = (0..5).map(|n| answer(&format!("a{n}"), ids(n, 3 + n as usize), ids(n + 40, 4)));
    let choices = (0..7).map(|n| {
        let lengths = [2, 5, 1 + n as usize];
        // No two of them are the same.
        let option = |(at, &length): (u32, &usize)| ids(n + 11 * at + length as u32, length);
        let options = (0..).zip(&lengths).map(option).collect();
        choice(&format!("q{n}"), ids(n, 1 + 3 * n as usize), options, n as usize % 3)
    });
    let named = |id: &str, items: Vec<Item>| LoadedTask {
        id: id.into(),
        group: Group::Customer,
        ..task(items)
    };
    let choices: Vec<Item> = choices.collect();
    vec![
        named("documents", documents.collect()),
        named("answers", answers.collect()),
        named("choices", choices.clone()),
        LoadedTask { per_token: true, ..named("choices per token", choices) },
    ]
}

fn provenance(tasks: &[LoadedTask], sequence_length: usize, batch_rows: usize) -> Provenance {
    Provenance {
        items: tasks_digest(tasks),
        options: ScoreOptions { sequence_length, batch_rows },
        ..crate::testing::provenance("w")
    }
}

fn scored(decoder: &Decoder, sequence_length: usize, batch_rows: usize) -> SuiteScore {
    let tasks = tasks();
    let provenance = provenance(&tasks, sequence_length, batch_rows);
    score(decoder, &tasks, &provenance, &mut |_, _| (), &AtomicBool::new(false)).unwrap()
}

/// The losses of one sequence, alone in its row.
fn alone(decoder: &Decoder, ids: &[u32]) -> Vec<f64> {
    let rows = PackedRows::from_documents(&[ids], ids.len() - 1);
    decoder.token_losses(&rows).into_data().iter::<f64>().collect()
}

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 2e-4 * (1.0 + expected.abs()),
        "found {found}, expected {expected}"
    );
}

#[test]
fn packed_scores_are_those_of_each_item_alone() {
    let decoder = decoder(&Device::flex());
    let tasks = tasks();
    let score = scored(&decoder, 48, 2);
    for (task, scored) in tasks.iter().zip(&score.tasks) {
        for (item, scored) in task.items.iter().zip(&scored.items) {
            let nats: Vec<f64> = item
                .sequences()
                .iter()
                .map(|sequence| {
                    let losses = alone(&decoder, &[sequence.context, sequence.scored].concat());
                    losses[sequence.context.len() - 1..].iter().sum()
                })
                .collect();
            let Item::Choice { gold, .. } = item else {
                close(scored.nats, nats[0]);
                assert_eq!(scored.correct, None);
                continue;
            };
            close(scored.nats, nats[*gold]);
            let mean = |at: &usize| nats[*at] / item.sequences()[*at].scored.len() as f64;
            let of = |at: &usize| if task.per_token { mean(at) } else { nats[*at] };
            let likeliest = (0..nats.len()).min_by(|a, b| of(a).total_cmp(&of(b))).unwrap();
            assert_eq!(scored.correct, Some(likeliest == *gold));
        }
    }
    let n_right = score.tasks[2].items.iter().filter(|item| item.correct == Some(true)).count();
    assert!((1..7).contains(&n_right), "the test has right and wrong answers: {n_right}");
    let differ = score.tasks[2].items.iter().zip(&score.tasks[3].items);
    assert!(differ.filter(|(sum, mean)| sum.correct != mean.correct).count() > 0);
}

#[test]
fn long_documents_are_scored_window_by_window() {
    let decoder = decoder(&Device::flex());
    let score = scored(&decoder, 10, 3);
    for (item, scored) in tasks()[0].items.iter().zip(&score.tasks[0].items) {
        let Item::Loss { ids, .. } = item else { unreachable!("a task of documents") };
        let windows =
            (0..ids.len() - 1).step_by(10).map(|start| &ids[start..ids.len().min(start + 11)]);
        close(scored.nats, windows.flat_map(|window| alone(&decoder, window)).sum());
        assert_eq!(scored.tokens, ids.len() as u64 - 1);
    }
    // A context of 19 and a choice of 7 lose 15 tokens to a window of 10 positions.
    assert_eq!(score.tasks[2].items[6].dropped, 15);
}

#[test]
fn the_same_twice_and_nearly_so_in_other_batches() {
    let decoder = decoder(&Device::flex());
    let score = scored(&decoder, 16, 4);
    assert_eq!(score.to_json().unwrap(), scored(&decoder, 16, 4).to_json().unwrap());
    for batch_rows in [1, 3, 1_000] {
        let other = scored(&decoder, 16, batch_rows);
        for (task, other) in score.tasks.iter().zip(&other.tasks) {
            task.items
                .iter()
                .zip(&other.items)
                .for_each(|(item, other)| close(other.nats, item.nats));
        }
    }
}

#[test]
fn a_decoder_in_training_scores_the_same() {
    let plain = scored(&decoder(&Device::flex()), 16, 4);
    let trained = scored(&decoder(&Device::flex().autodiff()), 16, 4);
    assert_eq!(plain, trained);
}

#[test]
fn progress_ends_and_stop_stops() {
    let decoder = decoder(&Device::flex());
    let tasks = tasks();
    let provenance = provenance(&tasks, 16, 4);
    let mut seen = Vec::new();
    score(
        &decoder,
        &tasks,
        &provenance,
        &mut |done, total| seen.push((done, total)),
        &AtomicBool::new(false),
    )
    .unwrap();
    assert!(seen.is_sorted() && seen.len() > 3, "{seen:?}");
    assert!(seen.last().is_some_and(|(done, total)| done == total));

    let stop = AtomicBool::new(false);
    let mut stopping = |done, _| stop.store(done > 4, Ordering::Relaxed);
    let stopped = score(&decoder, &tasks, &provenance, &mut stopping, &stop);
    assert!(matches!(stopped, Err(Error::Stopped { done: 8, .. })), "{stopped:?}");
}

#[track_caller]
fn check_refused(tasks: &[LoadedTask], options: (usize, usize), expected: &str) {
    let decoder = decoder(&Device::flex());
    let provenance = provenance(tasks, options.0, options.1);
    let refused = score(&decoder, tasks, &provenance, &mut |_, _| (), &AtomicBool::new(false));
    let message = refused.unwrap_err().to_string();
    let checked = check_tasks(tasks, provenance.options, decoder.config());
    assert_eq!(checked.unwrap_err().to_string(), message);
    assert!(message.contains(expected), "{message}");
}

#[test]
fn what_cannot_be_scored_is_refused() {
    check_refused(
        &tasks(),
        (0, 4),
        "`sequence_length` is 0, expected 1 to 64, the model's context",
    );
    check_refused(&tasks(), (65, 4), "`sequence_length` is 65");
    check_refused(&tasks(), (16, 0), "`batch_rows` is 0, expected at least 1");
    check_refused(&[tasks(), tasks()].concat(), (16, 4), "task `documents` occurs twice");
    check_refused(
        &[task(vec![document("d", "c", vec![1, VOCAB])])],
        (16, 4),
        "token id 61 lies outside",
    );
}

#[test]
fn a_loss_that_is_no_number_is_refused() {
    let mut decoder = decoder(&Device::flex());
    let n = decoder.values().len();
    decoder.set_values(&vec![f32::NAN; n]).unwrap();
    let tasks = [task(vec![document("d", "c", vec![1, 2])])];
    let refused = score(
        &decoder,
        &tasks,
        &provenance(&tasks, 16, 4),
        &mut |_, _| (),
        &AtomicBool::new(false),
    );
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("item `d`: the loss is not finite"), "{message}");
}

#[test]
fn a_tie_is_wrong() {
    assert!(is_likeliest(&[2.0, 1.0, 3.0], 1));
    assert!(!is_likeliest(&[1.0, 1.0], 0));
    assert!(!is_likeliest(&[1.0, 0.5], 0));
}
