use std::sync::Arc;

use temper_mix::{PlanSource, PlanSpec};
use temper_recipe::{Budget, Exhausted, Packing, Share, Shares, Unit};
use temper_tokens::{DocumentOrigin, TokenSource};

use super::*;

/// Documents whose ids tell the source: those of one are below 64, those of the other from 64 on.
#[derive(Debug)]
struct Telling {
    first: u32,
    n_ids: u32,
}

impl TokenSource for Telling {
    fn n_documents(&self) -> usize {
        60
    }

    fn document_len(&self, document: usize) -> usize {
        2 + document * 7 % 40
    }

    fn read(&self, document: usize, start: usize, out: &mut [u32]) {
        for (at, id) in out.iter_mut().enumerate() {
            *id = self.first + (document * 13 + start + at) as u32 % self.n_ids;
        }
    }

    fn origin(&self, document: usize) -> DocumentOrigin {
        DocumentOrigin { file: 0, row_group: 0, row: document as u32 }
    }
}

fn plan() -> Plan {
    let share = |part| Share::new(part, 4).unwrap();
    let source = |name: &str| PlanSource { name: name.to_owned(), max_epochs: 8 };
    let spec = PlanSpec {
        whole_documents: false,
        replay: None,
        seed: 5,
        budget: Budget::Tokens(4000),
        sequence_length: 32,
        rows_per_step: 6,
        packing: Packing::BestFit,
        packing_window: 16,
        unit: Unit::Tokens,
        shares: Shares::Stated([("a".to_owned(), share(3)), ("b".to_owned(), share(1))].into()),
        phases: Vec::new(),
        on_exhausted: Exhausted::Refuse,
        sources: vec![source("a"), source("b")],
    };
    let a = Telling { first: 0, n_ids: 64 };
    let b = Telling { first: 64, n_ids: 192 };
    Plan::new(spec, vec![Arc::new(a), Arc::new(b)]).unwrap()
}

fn batches(plan: &Plan, cursor: &Cursor, rows_per_lane: usize, ahead: usize) -> Vec<Batch> {
    with_batches(plan, cursor, rows_per_lane, ahead, |batches| Ok(batches.iter().collect()))
        .unwrap()
}

#[test]
fn the_same_batches_come_however_many_wait() {
    let plan = plan();
    let all = batches(&plan, plan.start(), 2, AHEAD);
    for ahead in [0, 1, 7, 1000] {
        assert!(batches(&plan, plan.start(), 2, ahead) == all, "{ahead} ahead");
    }
    for (i, batch) in all.iter().enumerate() {
        assert!(batches(&plan, &batch.step.next, 2, 1) == all[i + 1..], "after step {i}");
    }
}

#[test]
fn what_is_trained_on_is_what_the_ledger_is_told() {
    let plan = plan();
    for rows_per_lane in [1, 2, 4, 8] {
        for batch in batches(&plan, plan.start(), rows_per_lane, AHEAD) {
            let mut told = [0_u64; 2];
            batch.rows.iter().for_each(|row| {
                told[usize::from(row.source == "b")] += u64::from(row.supervised);
            });
            let mut trained = [0_u64; 2];
            for lane in &batch.lanes {
                let targets = lane.targets.iter().zip(&lane.loss_mask);
                targets.filter(|(_, carries)| **carries).for_each(|(id, _)| {
                    trained[usize::from(*id >= 64)] += 1;
                });
            }
            assert_eq!(trained, told, "step {}", batch.step.index);
        }
    }
}

#[test]
fn training_may_end_before_the_batches_do() {
    let plan = plan();
    let first = with_batches(&plan, plan.start(), 2, 0, |batches| Ok(batches.recv().unwrap()));
    assert_eq!(first.unwrap().step.index, 0);
}
