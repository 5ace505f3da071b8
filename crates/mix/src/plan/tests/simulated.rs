//! A plan of a size that no corpus here has.

use super::*;

/// A source of any size, in no memory: the lengths of its documents come round and round.
struct Simulated {
    n_documents: usize,
    lengths: Vec<usize>,
}

impl TokenSource for Simulated {
    fn n_documents(&self) -> usize {
        self.n_documents
    }

    fn document_len(&self, document: usize) -> usize {
        self.lengths[document % self.lengths.len()]
    }

    fn n_positions(&self) -> u64 {
        let rounds = (self.n_documents / self.lengths.len()) as u64;
        rounds * self.lengths.iter().map(|length| *length as u64 - 1).sum::<u64>()
    }

    fn read(&self, _: usize, _: usize, out: &mut [u32]) {
        out.fill(0);
    }

    fn origin(&self, document: usize) -> temper_tokens::DocumentOrigin {
        temper_tokens::DocumentOrigin { file: 0, row_group: 0, row: document as u32 }
    }
}

const SOURCES: usize = 200;

/// Shares are these parts of [`WHOLE`], down to one in a million.
fn weights() -> Vec<u64> {
    let mut weights: Vec<u64> =
        (0..SOURCES as u64).map(|i| 20 + (i * i * i * i) % 199_999).collect();
    weights[0] += WHOLE - weights.iter().sum::<u64>();
    weights
}

const WHOLE: u64 = 20_000_000;

fn plan_of_twenty_trillion() -> Plan {
    let name = |i: usize| format!("corpus-{i:03}");
    let weights = weights();
    let shares = weights.iter().enumerate();
    let shares = shares.map(|(i, weight)| (name(i), Share::new(*weight, WHOLE).unwrap())).collect();
    let spec = PlanSpec {
        whole_documents: false,
        replay: None,
        seed: 3,
        budget: Budget::Tokens(20_000_000_000_000),
        sequence_length: 4096,
        rows_per_step: 1024,
        packing: Packing::BestFit,
        packing_window: 256,
        unit: Unit::Tokens,
        shares: Shares::Stated(shares),
        phases: Vec::new(),
        on_exhausted: Exhausted::Refuse,
        sources: (0..SOURCES).map(|i| PlanSource { name: name(i), max_epochs: 1 }).collect(),
    };
    let tokens: Vec<Arc<dyn TokenSource + Send>> = (0..SOURCES)
        .map(|i| {
            let lengths = (0..97).map(|k| 200 + (i * 131 + k * k * 17) % 9000).collect();
            Arc::new(Simulated { n_documents: 97 * 200_000_000, lengths }) as _
        })
        .collect();
    Plan::new(spec, tokens).unwrap()
}

/// The rule as it is written down, every source looked at for every row.
struct Rule {
    weights: Vec<u64>,
    sources: Vec<SourceRows>,
    drawn: Vec<u64>,
    total: u64,
}

impl Rule {
    fn at(plan: &Plan, cursor: &Cursor) -> Self {
        let drawn: Vec<u64> = cursor.sources.iter().map(|source| source.units).collect();
        let sources = (0..SOURCES).map(|i| plan.rows(i, cursor.sources[i])).collect();
        Self { weights: weights(), sources, total: drawn.iter().sum(), drawn }
    }

    fn next(&mut self) -> (usize, crate::rows::RowSize) {
        let Self { weights, sources, drawn, total } = self;
        let row = |i: usize| u64::from(sources[i].next_size().unwrap().tokens);
        let scaled = |units: u64, by: u64| i128::from(units) * i128::from(by);
        let ahead = |i: &usize| {
            scaled(drawn[*i] + row(*i), WHOLE) - scaled(*total + row(*i), weights[*i])
                <= scaled(4096, WHOLE)
        };
        let next = (0..SOURCES)
            .filter(ahead)
            .min_by(|a, b| {
                scaled(drawn[*a] + 4096, weights[*b]).cmp(&scaled(drawn[*b] + 4096, weights[*a]))
            })
            .unwrap();
        let size = sources[next].next_size().unwrap();
        drawn[next] += u64::from(size.tokens);
        *total += u64::from(size.tokens);
        sources[next].advance();
        (next, size)
    }
}

#[test]
fn twenty_trillion_tokens_of_two_hundred_corpora_follow_the_rule() {
    const FIRST: usize = 20_000;
    const PLACES: usize = 100;
    const UP_TO: u64 = 200_000;
    let plan = plan_of_twenty_trillion();
    let mut walk = plan.walk(plan.start()).unwrap();
    let mut rule = Rule::at(&plan, plan.start());
    for _ in 0..FIRST {
        assert_eq!(walk.skip_row(), Some(rule.next()));
    }
    // Then a hundred rows from each of a hundred places.
    let mut state = 1_u64;
    let mut places: Vec<u64> = (0..PLACES)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 16) % UP_TO
        })
        .collect();
    places.sort_unstable();
    let mut row = FIRST as u64;
    for place in places {
        while row < place {
            walk.skip_row();
            row += 1;
        }
        let mut rule = Rule::at(&plan, &walk.cursor());
        for _ in 0..100 {
            assert_eq!(walk.skip_row(), Some(rule.next()), "row {row}");
            row += 1;
        }
    }
}
