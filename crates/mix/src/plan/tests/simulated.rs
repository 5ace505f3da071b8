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

#[test]
fn twenty_trillion_tokens_of_two_hundred_corpora_are_planned_at_once() {
    const SOURCES: usize = 200;
    let weights: Vec<u64> = (0..SOURCES as u64).map(|i| 20 + (i * i * i * i) % 199_999).collect();
    let whole: u64 = 20_000_000;
    let mut weights = weights;
    weights[0] += whole - weights.iter().sum::<u64>();
    let name = |i: usize| format!("corpus-{i:03}");
    let shares = weights.iter().enumerate();
    let shares = shares.map(|(i, weight)| (name(i), Share::new(*weight, whole).unwrap())).collect();
    let spec = PlanSpec {
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
    let plan = Plan::new(spec, tokens.clone()).unwrap();

    // The rule as it is written down, every source looked at for every row.
    let start = plan.start();
    let mut sources: Vec<SourceRows> =
        (0..SOURCES).map(|i| plan.rows(i, start.sources[i])).collect();
    let (mut drawn, mut total) = (vec![0_u64; SOURCES], 0_u64);
    let mut walk = plan.walk(start).unwrap();
    for _ in 0..20_000 {
        let row = |i: usize| u64::from(sources[i].next_size().unwrap().tokens);
        let scaled = |units: u64, by: u64| i128::from(units) * i128::from(by);
        let ahead = |i: &usize| {
            scaled(drawn[*i] + row(*i), whole) - scaled(total + row(*i), weights[*i])
                <= scaled(4096, whole)
        };
        let expected = (0..SOURCES)
            .filter(ahead)
            .min_by(|a, b| {
                scaled(drawn[*a] + 4096, weights[*b]).cmp(&scaled(drawn[*b] + 4096, weights[*a]))
            })
            .unwrap();
        let size = sources[expected].next_size().unwrap();
        assert_eq!(walk.skip_row(), Some((expected, size)));
        drawn[expected] += u64::from(size.tokens);
        total += u64::from(size.tokens);
        sources[expected].advance();
    }
}
