use std::sync::Arc;

use temper_recipe::{Budget, Exhausted, Packing, Share, Shares, Unit};

use super::*;
use crate::spec::{PlanSource, PlanSpec};
use crate::testing::Lengths;

fn plan() -> Plan {
    let half = Share::new(1, 2).unwrap();
    let source = |name: &str| PlanSource { name: name.to_owned(), max_epochs: 4 };
    let spec = PlanSpec {
        whole_documents: false,
        replay: None,
        seed: 1,
        budget: Budget::Steps(3),
        sequence_length: 16,
        rows_per_step: 3,
        packing: Packing::BestFit,
        packing_window: 8,
        unit: Unit::Tokens,
        shares: Shares::Stated(["a", "b"].map(|name| (name.to_owned(), half)).into()),
        phases: Vec::new(),
        on_exhausted: Exhausted::Refuse,
        sources: vec![source("a"), source("b")],
    };
    // Source `a` holds ids below 640, source `b` those from 640 on: any id tells its source.
    let a = Lengths::starting_at(0, &[5; 128]);
    let b = Lengths::starting_at(640, &[40; 16]);
    Plan::new(spec, vec![Arc::new(a), Arc::new(b)]).unwrap()
}

#[test]
fn lanes_hold_what_was_planned() {
    let plan = plan();
    for step in plan.walk(plan.start()).unwrap() {
        let lanes = plan.lanes(&step, 2);
        assert_eq!(lanes.iter().map(|lane| lane.n_rows).collect::<Vec<_>>(), [2, 1]);
        let rows = lanes.iter().flat_map(|lane| {
            (0..lane.n_rows).map(move |row| (lane, row * lane.length, &lane.segments[row]))
        });
        for ((lane, first, segments), planned) in rows.zip(&step.rows) {
            let mut at = first;
            for length in segments {
                for i in at..at + length {
                    assert!(lane.loss_mask[i]);
                    assert_eq!(lane.targets[i], lane.inputs[i] + 1);
                    assert_eq!(usize::from(lane.inputs[i] >= 640), planned.source);
                }
                at += length;
            }
            assert!(lane.loss_mask[at..first + lane.length].iter().all(|carries| !carries));
        }
    }
}

#[test]
fn a_row_digest_tells_rows_apart() {
    let plan = plan();
    let step = plan.walk(plan.start()).unwrap().next().unwrap();
    let digests: Vec<_> = step.rows.iter().map(|row| row_digest(&plan, row)).collect();
    assert!(digests[0] != digests[1] && digests[1] != digests[2] && digests[0] != digests[2]);
}
