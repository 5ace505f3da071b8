//! Prompts with the answers to others, on which the divergence from the start is estimated
//! (Ethayarajh et al. 2024, arXiv 2402.01306, section 4.1).

use temper_mix::{Plan, PlannedStep};
use temper_model::PackedRows;

use super::documents;

/// A prompt with the answer to another; both by source and number of their documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mismatched {
    pub(crate) prompt: (usize, u64),
    pub(crate) answer: (usize, u64),
}

/// What the answers of a step are mismatched to: each prompt gets the answer before its own, the first one
/// the last, in the order of the step's rows, as TRL does it. A step of one answer has none.
pub(crate) fn of_step(step: &PlannedStep) -> Vec<Mismatched> {
    let prompts: Vec<(usize, u64)> = documents(step).collect();
    if prompts.len() < 2 {
        return Vec::new();
    }
    let mut answers = prompts.clone();
    answers.rotate_right(1);
    let both = prompts.into_iter().zip(answers);
    both.map(|(prompt, answer)| Mismatched { prompt, answer }).collect()
}

/// The sequences one a row of the plan's length, `rows_per_lane` rows to a lane: the shapes that a step has
/// anyway. What is longer is cut at its end; a prompt leaves room for a token at least, since its own answer
/// has one.
pub(crate) fn lanes<'a>(
    plan: &'a Plan,
    all: &'a [Mismatched],
    rows_per_lane: usize,
) -> impl Iterator<Item = PackedRows> + 'a {
    all.chunks(rows_per_lane).map(|chunk| {
        let sequences: Vec<_> =
            chunk.iter().map(|mismatched| sequence(plan, *mismatched)).collect();
        packed(&sequences, plan.sequence_length())
    })
}

/// The ids of a sequence, and which of them carry loss.
fn sequence(plan: &Plan, mismatched: Mismatched) -> (Vec<u32>, Vec<bool>) {
    let Mismatched { prompt, answer } = mismatched;
    let (mut ids, mut mask) = document(plan, prompt);
    let asked = start_of_answer(&mask);
    ids.truncate(asked);
    mask.truncate(asked);
    let (answer, of_answer) = document(plan, answer);
    let answered = start_of_answer(&of_answer);
    ids.extend(&answer[answered..]);
    mask.extend(&of_answer[answered..]);
    let most = plan.sequence_length() + 1;
    ids.truncate(most);
    mask.truncate(most);
    (ids, mask)
}

fn document(plan: &Plan, (source, document): (usize, u64)) -> (Vec<u32>, Vec<bool>) {
    let (tokens, document) = (plan.tokens(source), document as usize);
    let n_ids = tokens.document_len(document);
    let (mut ids, mut mask) = (vec![0; n_ids], vec![false; n_ids]);
    tokens.read(document, 0, &mut ids);
    tokens.read_mask(document, 0, &mut mask);
    (ids, mask)
}

/// The first id that carries loss: the last turn begins with it.
fn start_of_answer(mask: &[bool]) -> usize {
    mask.iter().position(|carries| *carries).expect("a judged answer has ids that carry loss")
}

fn packed(sequences: &[(Vec<u32>, Vec<bool>)], length: usize) -> PackedRows {
    let mut rows = PackedRows::empty(sequences.len(), length);
    for (row, (ids, mask)) in sequences.iter().enumerate() {
        let (at, n) = (row * length, ids.len() - 1);
        rows.inputs[at..at + n].copy_from_slice(&ids[..n]);
        rows.targets[at..at + n].copy_from_slice(&ids[1..]);
        rows.loss_mask[at..at + n].copy_from_slice(&mask[1..]);
        rows.segments[row].push(n);
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use temper_mix::{PlanSource, PlanSpec};
    use temper_recipe::{Budget, Exhausted, Packing, Share, Shares, Unit};
    use temper_tokens::{DocumentOrigin, TokenSource};

    use super::*;

    /// Documents of a question of `10 n + 1, 10 n + 2, …` and an answer of `100 n, 100 n, …`.
    struct Telling(Vec<[usize; 2]>);

    impl Telling {
        fn asked(&self, document: usize) -> usize {
            self.0[document][0]
        }
    }

    impl TokenSource for Telling {
        fn n_documents(&self) -> usize {
            self.0.len()
        }

        fn document_len(&self, document: usize) -> usize {
            self.0[document].iter().sum()
        }

        fn has_silent_ids(&self) -> bool {
            true
        }

        fn read_mask(&self, document: usize, start: usize, mask: &mut [bool]) {
            for (at, carries) in (start..).zip(mask) {
                *carries = at >= self.asked(document);
            }
        }

        fn n_supervised(&self, document: usize, start: usize, len: usize) -> usize {
            (start..start + len).filter(|at| *at >= self.asked(document)).count()
        }

        fn label(&self, _document: usize) -> Option<bool> {
            Some(true)
        }

        fn read(&self, document: usize, start: usize, out: &mut [u32]) {
            let n = document as u32 + 1;
            for (at, id) in (start..).zip(out) {
                *id = if at < self.asked(document) { 10 * n + at as u32 + 1 } else { 100 * n };
            }
        }

        fn origin(&self, document: usize) -> DocumentOrigin {
            DocumentOrigin { file: 0, row_group: 0, row: document as u32 }
        }
    }

    fn plan(documents: &[[usize; 2]]) -> Plan {
        let spec = PlanSpec {
            seed: 1,
            budget: Budget::Epochs(1.0),
            sequence_length: 6,
            rows_per_step: 3,
            packing: Packing::Pad,
            packing_window: 8,
            unit: Unit::Documents,
            shares: Shares::Stated([("telling".to_owned(), Share::ONE)].into()),
            phases: Vec::new(),
            on_exhausted: Exhausted::Refuse,
            whole_documents: true,
            sources: vec![PlanSource { name: "telling".to_owned(), max_epochs: 1 }],
            replay: None,
        };
        Plan::new(spec, vec![Arc::new(Telling(documents.to_vec()))]).unwrap()
    }

    #[test]
    fn prompts_get_the_answers_before_their_own() {
        let plan = plan(&[[2, 1], [1, 2], [3, 2], [2, 2]]);
        let steps: Vec<_> = plan.walk(plan.start()).unwrap().collect();
        let order: Vec<(usize, u64)> = documents(&steps[0]).collect();
        let found = of_step(&steps[0]);
        assert_eq!(found.iter().map(|found| found.prompt).collect::<Vec<_>>(), order);
        for (at, found) in found.iter().enumerate() {
            assert_eq!(found.answer, order[(at + 2) % 3]);
        }
        // The last step has one answer, and nothing to mismatch it to.
        assert_eq!(documents(&steps[1]).count(), 1);
        assert_eq!(of_step(&steps[1]), []);
    }

    #[test]
    fn sequences_are_a_question_and_another_answer_cut_at_the_end_of_a_row() {
        let plan = plan(&[[2, 1], [1, 6], [5, 2]]);
        let pair = |prompt, answer| Mismatched { prompt: (0, prompt), answer: (0, answer) };
        let all = [pair(0, 1), pair(1, 0), pair(2, 1)];
        let lanes: Vec<PackedRows> = lanes(&plan, &all, 2).collect();
        assert_eq!(lanes.iter().map(|rows| rows.n_rows).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(lanes[0].segments, [[6], [1]]);
        let row = |rows: &PackedRows, row: usize| {
            let place = 6 * row..6 * (row + 1);
            let mask: Vec<u8> =
                rows.loss_mask[place.clone()].iter().map(|is| u8::from(*is)).collect();
            (rows.inputs[place.clone()].to_vec(), rows.targets[place].to_vec(), mask)
        };
        let expected = (
            vec![11, 12, 200, 200, 200, 200],
            vec![12, 200, 200, 200, 200, 200],
            vec![0, 1, 1, 1, 1, 1],
        );
        assert_eq!(row(&lanes[0], 0), expected);
        let expected = (vec![21, 0, 0, 0, 0, 0], vec![100, 0, 0, 0, 0, 0], vec![1, 0, 0, 0, 0, 0]);
        assert_eq!(row(&lanes[0], 1), expected);
        let expected =
            (vec![31, 32, 33, 34, 35, 200], vec![32, 33, 34, 35, 200, 200], vec![0, 0, 0, 0, 1, 1]);
        assert_eq!(row(&lanes[1], 0), expected);
    }
}
