//! Lane gradients, added along a fixed tree of lane numbers.

use rayon::prelude::*;

/// A running sum over lanes 0, 1, 2, … whose order of additions depends on their number alone.
///
/// Two subtrees of equal size are joined as soon as both are whole, and what is left is joined
/// from the right: lanes 0..5 give ((0 + 1) + (2 + 3)) + 4. Whoever carries the lanes can add
/// along the same tree, so the bits of the sum do not change with their placement.
#[derive(Debug, Default)]
pub(crate) struct LaneSum {
    /// Whole subtrees, largest first, with the logarithm of their size.
    subtrees: Vec<(u32, Vec<f32>)>,
}

impl LaneSum {
    /// Adds the gradients of the next lane, flat in the decoder's parameter order.
    pub(crate) fn push(&mut self, gradients: Vec<f32>) {
        let mut subtree = (0, gradients);
        while self.subtrees.last().is_some_and(|(level, _)| *level == subtree.0) {
            let (level, left) = self.subtrees.pop().expect("just seen");
            subtree = (level + 1, add(left, &subtree.1));
        }
        self.subtrees.push(subtree);
    }

    /// The sum over all lanes; `None` when there was no lane.
    pub(crate) fn finish(mut self) -> Option<Vec<f32>> {
        let (_, mut sum) = self.subtrees.pop()?;
        while let Some((_, left)) = self.subtrees.pop() {
            sum = add(left, &sum);
        }
        Some(sum)
    }
}

fn add(mut left: Vec<f32>, right: &[f32]) -> Vec<f32> {
    left.par_iter_mut().zip(right).for_each(|(left, right)| *left += right);
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lanes: &[f32], expected: Option<f32>) {
        let mut sum = LaneSum::default();
        for lane in lanes {
            sum.push(vec![*lane]);
        }
        assert_eq!(sum.finish().map(|total| total[0]), expected);
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
