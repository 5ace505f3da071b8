//! Items and scores for tests.

use std::collections::BTreeMap;

use temper_recipe::{Digest, Group, TaskKind};

use crate::{
    Baselines, Item, ItemScore, LoadedTask, Provenance, ScoreOptions, SuiteScore, TaskScore,
};

pub(crate) fn document(id: &str, cluster: &str, ids: Vec<u32>) -> Item {
    Item::Loss { id: id.into(), cluster: cluster.into(), bytes: 3 * ids.len(), ids }
}

pub(crate) fn answer(id: &str, context: Vec<u32>, answer: Vec<u32>) -> Item {
    Item::AnswerLoss { id: id.into(), cluster: id.into(), context, bytes: 1, answer }
}

pub(crate) fn choice(id: &str, context: Vec<u32>, choices: Vec<Vec<u32>>, gold: usize) -> Item {
    Item::Choice { id: id.into(), cluster: id.into(), context, choices, gold, confounder: None }
}

/// A task of the kind of its first item.
pub(crate) fn task(items: Vec<Item>) -> LoadedTask {
    let kind = items.first().map_or(TaskKind::Loss, Item::kind);
    LoadedTask {
        id: "task".into(),
        group: Group::General,
        kind,
        category: "prose".into(),
        per_token: false,
        periods: BTreeMap::new(),
        items,
    }
}

pub(crate) fn provenance(weights: &str) -> Provenance {
    Provenance {
        weights: Digest::of(weights.as_bytes()),
        suite: Digest::of(b"suite"),
        tokenizer: Digest::of(b"tokenizer"),
        items: Digest::of(b"items"),
        device: "cpu".into(),
        options: ScoreOptions { sequence_length: 16, batch_rows: 4 },
    }
}

/// A document of ten tokens and thirty bytes.
pub(crate) fn loss_item(number: usize, cluster: &str, nats: f64) -> ItemScore {
    ItemScore {
        id: format!("d{number}"),
        cluster: cluster.into(),
        nats,
        tokens: 10,
        bytes: 30,
        correct: None,
        dropped: 0,
        period: None,
    }
}

pub(crate) fn choice_item(number: usize, cluster: &str, correct: bool) -> ItemScore {
    ItemScore {
        id: format!("c{number}"),
        cluster: cluster.into(),
        nats: 1.0,
        tokens: 1,
        bytes: 0,
        correct: Some(correct),
        dropped: 0,
        period: None,
    }
}

pub(crate) fn task_score(id: &str, items: Vec<ItemScore>) -> TaskScore {
    let is_choice = items[0].correct.is_some();
    let baselines = Baselines { chance: 0.5, majority: None, confounder_only: None };
    TaskScore {
        id: id.into(),
        group: Group::General,
        kind: if is_choice { TaskKind::Choice } else { TaskKind::Loss },
        category: "prose".into(),
        items,
        baselines: is_choice.then_some(baselines),
    }
}

pub(crate) fn suite_score(weights: &str, tasks: Vec<TaskScore>) -> SuiteScore {
    SuiteScore { provenance: provenance(weights), tasks }
}
