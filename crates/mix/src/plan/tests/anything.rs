//! What holds for any mix: shares, sizes, lengths, phases, packing, kills, remixes and threads.

use std::collections::HashMap;

use super::*;
use crate::testing::Telling;
use crate::{PlannedRow, PlannedStep};

/// A run of any kind.
#[derive(Clone, Debug)]
struct Any {
    spec: PlanSpec,
    /// Documents of each source; their ids tell the source.
    lengths: Vec<Vec<usize>>,
    /// How long the turns of their conversations are, where they are such.
    turns: Option<usize>,
    /// Another mix, and after which part of the steps.
    remix: Option<(f64, Vec<u64>)>,
}

fn any_spec() -> impl Strategy<Value = PlanSpec> {
    let weights = proptest::collection::vec(1..60u64, 2..6);
    let packings = prop_oneof![Just(Packing::BestFit), Just(Packing::Concat), Just(Packing::Pad)];
    let units =
        prop_oneof![3 => Just(Unit::Tokens), 1 => Just(Unit::Rows), 1 => Just(Unit::Documents)];
    let phase =
        (0.1..0.9f64, proptest::option::of(0.01..0.3f64), proptest::collection::vec(0..60u64, 6));
    (weights, packings, units, 8..80usize, 1..6usize, 1..20usize, 200..6000u64, any::<u64>(), phase)
        .prop_map(|(weights, packing, unit, length, rows, window, budget, seed, phase)| {
            let mut spec = spec(&weights, Budget::Tokens(budget), u32::MAX);
            (spec.seed, spec.packing, spec.unit) = (seed, packing, unit);
            (spec.sequence_length, spec.rows_per_step, spec.packing_window) =
                (length, rows, window);
            let (at, ramp, shares) = phase;
            let shares = &shares[..weights.len()];
            if unit == Unit::Tokens && shares.iter().sum::<u64>() > 0 {
                let fraction = |part: f64| {
                    Moment::Fraction(Share::new((part * 100.0) as u64 + 1, 200).unwrap())
                };
                let (at, ramp) = (fraction(at), ramp.map(fraction));
                spec.phases = vec![PhaseSpec { at, ramp, shares: stated(shares) }];
            }
            spec
        })
}

fn any_run() -> impl Strategy<Value = Any> {
    let lengths = proptest::collection::vec(proptest::collection::vec(0..150usize, 3..40), 6);
    let remix = proptest::option::of((0.1..0.9f64, proptest::collection::vec(0..60u64, 6)));
    let turns = proptest::option::of(1..100usize);
    (any_spec(), lengths, remix, turns).prop_map(|(spec, lengths, remix, turns)| Any {
        spec,
        lengths,
        turns,
        remix,
    })
}

impl Any {
    fn sources(&self, names: &[PlanSource]) -> Vec<Arc<dyn TokenSource + Send>> {
        let source = |source: &PlanSource| {
            let number = source.name.bytes().next().unwrap() - b'a';
            let lengths = &self.lengths[usize::from(number)];
            let ids = u32::from(number) * 64..u32::from(number + 1) * 64;
            Arc::new(Telling::new(ids, lengths).with_turns(self.turns)) as _
        };
        names.iter().map(source).collect()
    }

    /// The plan for the rest of the run, with sources left out and added.
    fn remixed(&self, weights: &[u64], before: &Plan, cursor: &Cursor) -> Result<Plan, Error> {
        let named = weights.iter().zip('a'..).filter(|(weight, _)| **weight > 0);
        let source =
            |(_, name): (&u64, char)| PlanSource { name: name.to_string(), max_epochs: u32::MAX };
        let sources: Vec<PlanSource> = named.map(source).collect();
        let mut shares = stated(weights);
        shares.retain(|_, share| !share.is_zero());
        let spec = PlanSpec {
            whole_documents: false,
            replay: None,
            shares: Shares::Stated(shares),
            phases: Vec::new(),
            sources: sources.clone(),
            ..self.spec.clone()
        };
        let start = cursor.remixed(before.sources(), &sources)?;
        Plan::continued(spec, self.sources(&sources), start)
    }
}

/// Whether every source is within a row of its target after every row, exactly.
fn keeps_shares(plan: &Plan, steps: &[PlannedStep], unit: Unit) -> bool {
    let (mut drawn, mut total) = (vec![0_u64; plan.sources().len()], 0);
    let whole = i128::from(plan.targets().whole());
    let a_row = i128::from(plan.largest_row()) * whole;
    steps.iter().flat_map(|step| &step.rows).all(|row| {
        let units = match unit {
            Unit::Tokens => row.tokens(),
            Unit::Rows => 1,
            Unit::Documents => {
                row.segments.iter().filter(|segment| segment.start == 0).count() as u64
            }
        };
        drawn[row.source] += units;
        total += units;
        let lead = |source: usize| {
            i128::from(drawn[source]) * whole - plan.targets().target(source, total) as i128
        };
        (0..drawn.len()).all(|source| lead(source).abs() <= a_row)
    })
}

/// What a run has shown of its sources.
#[derive(Default)]
struct Seen {
    /// How often each position came, by source, pass and document.
    positions: HashMap<(String, u32, u64, u32), u32>,
    /// Positions of each pass of each source that carry loss.
    passes: BTreeMap<(String, u32), u64>,
}

impl Seen {
    fn add(&mut self, source: &str, row: &PlannedRow) {
        *self.passes.entry((source.to_owned(), row.epoch)).or_default() += row.tokens();
        for segment in &row.segments {
            for position in segment.start..segment.start + segment.len {
                let place = (source.to_owned(), row.epoch, segment.document, position);
                *self.positions.entry(place).or_default() += 1;
            }
        }
    }

    /// No position comes twice in a pass, and no pass begins before the one before it is whole.
    fn is_in_passes(&self, whole: impl Fn(&str) -> u64) -> bool {
        self.positions.values().all(|times| *times == 1)
            && self.passes.iter().all(|((source, pass), positions)| {
                let is_last = !self.passes.contains_key(&(source.clone(), pass + 1));
                is_last || *positions == whole(source)
            })
    }
}

/// What lanes hold, row after row, and whether every id is of the source that the plan names and as many
/// carry loss as it says.
fn ids(plan: &Plan, step: &PlannedStep, rows_per_lane: usize) -> (Vec<u32>, bool) {
    let lanes = plan.lanes(step, rows_per_lane);
    let ids: Vec<u32> = lanes.iter().flat_map(|lane| lane.inputs.clone()).collect();
    let carries: Vec<bool> = lanes.iter().flat_map(|lane| lane.loss_mask.clone()).collect();
    let length = plan.sequence_length();
    let is_told = (0..ids.len()).filter(|at| carries[*at]).all(|at| {
        let source = &plan.sources()[step.rows[at / length].source];
        ids[at] / 64 == u32::from(source.name.bytes().next().unwrap() - b'a')
    });
    let counted = carries.chunks(length).map(|row| row.iter().filter(|carries| **carries).count());
    let is_counted = counted.zip(&step.rows).all(|(n, row)| n as u64 == row.tokens());
    (ids, is_told && is_counted)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn any_run_keeps_the_contracts(run in any_run(), kill in 0.0..1.0f64) {
        let tokens = run.sources(&run.spec.sources);
        let Ok(plan) = Plan::new(run.spec.clone(), tokens.clone()) else { return Ok(()) };
        let mut done = steps(&plan, plan.start());
        let mut seen = Seen::default();
        let mut show = |plan: &Plan, steps: &[PlannedStep]| {
            for row in steps.iter().flat_map(|step| &step.rows) {
                seen.add(&plan.sources()[row.source].name, row);
            }
        };
        // Killed anywhere and resumed from what a checkpoint holds, the same rows come.
        let at = (kill * done.len() as f64) as usize;
        if let Some(step) = done.get(at) {
            let cursor = serde_json::to_string(&step.next).unwrap();
            let again = Plan::new(run.spec.clone(), tokens.clone()).unwrap();
            prop_assert_eq!(&steps(&again, &serde_json::from_str(&cursor).unwrap()), &done[at + 1..]);
        }
        // The same bytes come for any number of threads and rows to a lane.
        for workers in [1, 2, 4, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(workers).build().unwrap();
            let again = Plan::new(run.spec.clone(), tokens.clone()).unwrap();
            prop_assert_eq!(pool.install(|| again.forecast()).unwrap(), plan.forecast().unwrap());
            for (step, other) in done.iter().zip(again.walk(again.start()).unwrap()) {
                let (ids_of_one, is_told) = ids(&plan, step, 1);
                prop_assert!(is_told);
                prop_assert_eq!(ids_of_one, ids(&again, &other, workers).0);
            }
        }
        if let Some((part, weights)) = &run.remix {
            let end = (part * done.len() as f64) as usize;
            let seam = end.checked_sub(1).and_then(|last| done.get(last)).map(|step| step.next.clone());
            let seam = seam.filter(|_| weights.iter().sum::<u64>() > 0);
            let next = seam.and_then(|seam| Some((run.remixed(weights, &plan, &seam).ok()?, seam)));
            if let Some((next, seam)) = next {
                    done.truncate(end);
                    let rest = steps(&next, next.start());
                    prop_assert_eq!(rest.first().map(|step| step.index), Some(seam.step));
                    prop_assert!(keeps_shares(&next, &rest, run.spec.unit));
                    let all: u64 = done.iter().chain(&rest).map(PlannedStep::tokens).sum();
                    let last = &rest.last().unwrap().next;
                    prop_assert_eq!(last.tokens(), all);
                    prop_assert_eq!(next.forecast().unwrap().steps, rest.len() as u64);
                    prop_assert!(next.progress(last) >= 1.0 && next.progress(&seam) < 1.0);
                    show(&next, &rest);
            }
        }
        prop_assert!(keeps_shares(&plan, &done, run.spec.unit));
        show(&plan, &done);
        let whole = |name: &str| {
            let source = PlanSource { name: name.to_owned(), max_epochs: u32::MAX };
            run.spec.tokens_of_pass(run.sources(&[source])[0].as_ref())
        };
        prop_assert!(seen.is_in_passes(whole));
    }
}

#[test]
fn a_remix_has_what_was_not_drawn_before() {
    let lengths: &[usize] = &[11; 30];
    let before = plan(&[1, 1], lengths, Budget::Tokens(400), 1).unwrap();
    let seam = steps(&before, before.start())[0].next.clone();
    let drawn = seam.sources[0].tokens;
    let refused = |weights: &[u64], budget: u64| {
        let spec = spec(weights, Budget::Tokens(budget), 1);
        let start = seam.remixed(before.sources(), &spec.sources).unwrap();
        let tokens = weights.iter().map(|_| Arc::new(Lengths::new(lengths)) as _).collect();
        Plan::continued(spec, tokens, start).map(|plan| plan.forecast().unwrap())
    };
    let forecast = refused(&[1], seam.tokens() + 300 - drawn).unwrap();
    assert_eq!(forecast.tokens, 300 - drawn);
    expect![[r#"
        plan: `a` cannot supply its share: needed 201 tokens, available 200 (300 × max_epochs 1, less 100 drawn before)

        hint: raise `max_epochs` to 2, lower the budget to 420 tokens, or give `a` a smaller percent"#]]
        .assert_eq(&refused(&[1], seam.tokens() + 301 - drawn).unwrap_err().to_string());
    expect![[r#"
        plan: the budget is used up after 1 steps and 220 tokens, expected something left to mix

        hint: `--extend 500k` raises the budget"#]]
    .assert_eq(&refused(&[1], 100).unwrap_err().to_string());
}
