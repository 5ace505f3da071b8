//! A conversation as ids, some of which the model sampled.

use std::ops::Range;

/// What was said so far, from the prompt on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sequence {
    ids: Vec<u32>,
    /// Where answers stand in it, what ended them with them.
    answers: Vec<Range<usize>>,
    /// Sum of −log p of what the model sampled, nats.
    entropy: f64,
}

/// Positions of a row whose targets the model sampled: a stretch for each answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Positions(Vec<Range<usize>>);

impl Sequence {
    /// A prompt that is not answered yet; it has an id at least.
    pub(crate) fn new(prompt: Vec<u32>) -> Self {
        Self { ids: prompt, answers: Vec::new(), entropy: 0.0 }
    }

    pub(crate) fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Sum of −log p of what the model sampled when it did, nats.
    pub(crate) fn entropy(&self) -> f64 {
        self.entropy
    }

    /// Goes on with what the model sampled; `log_probs` are those that it was sampled by.
    pub(crate) fn answer(&mut self, sampled: &[u32], log_probs: &[f32]) {
        self.entropy -= log_probs.iter().copied().map(f64::from).sum::<f64>();
        let start = self.ids.len();
        self.ids.extend(sampled);
        self.answers.push(start..self.ids.len());
    }

    /// Goes on with what is said to the model.
    pub(crate) fn hear(&mut self, said: &[u32]) {
        self.ids.extend(said);
    }

    /// Ends with the last answer; without one nothing is left.
    pub(crate) fn forget_unanswered(&mut self) {
        self.ids.truncate(self.answers.last().map_or(0, |answer| answer.end));
    }

    /// Where the model predicts what it sampled: each position predicts the id behind it.
    pub(crate) fn positions(&self) -> Positions {
        let before = |answer: &Range<usize>| answer.start - 1..answer.end - 1;
        Positions(self.answers.iter().map(before).collect())
    }
}

impl Positions {
    pub(crate) fn n_tokens(&self) -> usize {
        self.0.iter().map(Range::len).sum()
    }

    /// In the order in which they were sampled.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().flat_map(Clone::clone)
    }

    /// Of the values of a row, those at the positions.
    pub(crate) fn of<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        self.0.iter().flat_map(|stretch| &row[stretch.clone()]).copied()
    }
}

impl From<Range<usize>> for Positions {
    fn from(stretch: Range<usize>) -> Self {
        Self(vec![stretch])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_before_what_was_sampled() {
        let mut sequence = Sequence::new(vec![7, 8]);
        assert_eq!(sequence.positions().n_tokens(), 0);
        sequence.answer(&[1, 2], &[-0.5, -0.25]);
        sequence.hear(&[9]);
        sequence.answer(&[3], &[-1.0]);
        assert_eq!(sequence.entropy(), 1.75);
        assert_eq!(sequence.ids(), [7, 8, 1, 2, 9, 3]);
        let positions = sequence.positions();
        assert_eq!(positions.iter().collect::<Vec<_>>(), [1, 2, 4]);
        let predicted = positions.iter().map(|at| sequence.ids()[at + 1]);
        assert_eq!(predicted.collect::<Vec<_>>(), [1, 2, 3]);
        let row = [0.0, 0.1, 0.2, 0.3, 0.4];
        assert_eq!(positions.of(&row).collect::<Vec<_>>(), [0.1, 0.2, 0.4]);
        assert_eq!(positions.n_tokens(), 3);

        sequence.hear(&[4, 4, 4]);
        sequence.forget_unanswered();
        assert_eq!(sequence.ids(), [7, 8, 1, 2, 9, 3]);
        let mut unanswered = Sequence::new(vec![7, 8]);
        unanswered.forget_unanswered();
        assert_eq!(unanswered.ids(), [0_u32; 0]);
    }
}
