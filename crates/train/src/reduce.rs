//! Lane gradients, added along a fixed binary tree of lane numbers.

use temper_model::{Decoder, Gradients};

/// A running sum over lanes 0, 1, 2, … whose order of additions depends on their number alone.
///
/// Two subtrees of equal size are joined as soon as both are whole, and what is left is joined
/// from the right: lanes 0..5 give ((0 + 1) + (2 + 3)) + 4. Whoever carries the lanes can add
/// along the same tree, so the bits of the sum do not change with their placement.
#[derive(Debug, Default)]
pub(crate) struct LaneSum {
    /// Whole subtrees, largest first, with the logarithm of their size.
    subtrees: Vec<(u32, Gradients)>,
    /// Gradients that were added already, whose memory the next lane uses.
    spare: Vec<Gradients>,
}

impl LaneSum {
    /// Room for the gradients of a lane.
    pub(crate) fn room(&mut self, decoder: &Decoder) -> Gradients {
        self.spare.pop().unwrap_or_else(|| Gradients::of(decoder))
    }

    /// Adds the gradients of the next lane.
    pub(crate) fn push(&mut self, gradients: Gradients) {
        self.push_subtree(0, gradients);
    }

    /// Adds the sum of the next 2^`level` lanes, or of those that are left where `level` is below
    /// that of the subtrees before.
    pub(crate) fn push_subtree(&mut self, level: u32, gradients: Gradients) {
        let mut subtree = (level, gradients);
        while self.subtrees.last().is_some_and(|(level, _)| *level == subtree.0) {
            let (level, left) = self.subtrees.pop().expect("just seen");
            subtree = (level + 1, self.join(left, subtree.1));
        }
        self.subtrees.push(subtree);
    }

    /// The sum over all lanes, and an empty tree; `None` when there was no lane.
    pub(crate) fn finish(&mut self) -> Option<Gradients> {
        let (_, mut sum) = self.subtrees.pop()?;
        while let Some((_, left)) = self.subtrees.pop() {
            sum = self.join(left, sum);
        }
        Some(sum)
    }

    /// The subtrees so far, largest first, and an empty tree.
    pub(crate) fn take_subtrees(&mut self) -> Vec<(u32, Gradients)> {
        std::mem::take(&mut self.subtrees)
    }

    /// Takes back what is not needed any more. Devices other than the CPU keep their own pools.
    pub(crate) fn reuse(&mut self, gradients: Gradients) {
        if let Gradients::Flat(_) = gradients {
            self.spare.push(gradients);
        }
    }

    /// The memory that the next lanes would use.
    pub(crate) fn spare_mut(&mut self) -> &mut Vec<Gradients> {
        &mut self.spare
    }

    fn join(&mut self, left: Gradients, right: Gradients) -> Gradients {
        let sum = left.plus(&right);
        self.reuse(right);
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lanes: &[f32], expected: Option<f32>) {
        let mut sum = LaneSum::default();
        // Twice: a tree that was finished is empty.
        for _ in 0..2 {
            for lane in lanes {
                sum.push(Gradients::Flat(vec![*lane]));
            }
            assert_eq!(sum.finish().map(|total| total.to_vec()[0]), expected);
        }
    }

    #[test]
    fn additions_follow_the_tree() {
        // With 24 bits of mantissa, 2^24 + 1 is lost and 1 + 1 is not: the order shows.
        let big = 16_777_216.0;
        check(&[big, 1.0], Some(big));
        check(&[big, 0.0, 1.0, 1.0], Some(big + 2.0));
        check(&[big, 1.0, 1.0, 0.0], Some(big));
        check(&[0.0, 0.0, 0.0, 0.0, 3.0], Some(3.0));
        check(&[], None);
    }
}
