//! Buffers that are used again.
//!
//! A training step needs the same few hundred megabytes each time; from the allocator they come as
//! fresh pages, whose first touch costs more than many of the operations on them.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Free buffers together have at most this many values (384 MB).
const MOST_FREE: usize = 3 << 25;

static FREE: Mutex<Free> = Mutex::new(Free { by_class: BTreeMap::new(), n_values: 0 });

/// Buffers nobody uses at the moment.
struct Free {
    by_class: BTreeMap<usize, Vec<Vec<f32>>>,
    n_values: usize,
}

impl Free {
    /// The smallest that has `class` values, or up to twice as many: where lengths differ from step to step, each
    /// would leave buffers of its own otherwise.
    fn take(&mut self, class: usize) -> Option<Vec<f32>> {
        let (&found, buffers) = self.by_class.range_mut(class..=2 * class).next()?;
        let values = buffers.pop();
        if buffers.is_empty() {
            self.by_class.remove(&found);
        }
        self.n_values -= found;
        values
    }

    /// Keeps a buffer. When they become too many, the largest are given back: a step asks for those once, and for
    /// smaller ones again and again.
    fn put(&mut self, values: Vec<f32>) {
        self.n_values += values.len();
        self.by_class.entry(values.len()).or_default().push(values);
        while self.n_values > MOST_FREE {
            let Some(mut largest) = self.by_class.last_entry() else { break };
            self.n_values -= *largest.key();
            largest.get_mut().pop();
            if largest.get().is_empty() {
                largest.remove();
            }
        }
    }
}

fn free() -> MutexGuard<'static, Free> {
    // A panic elsewhere leaves only whole buffers here.
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Values that go back to the free buffers when dropped.
pub(crate) struct Buffer {
    /// As long as its size class.
    values: Vec<f32>,
    len: usize,
}

impl Buffer {
    /// A buffer whose values are whatever was left in it: for targets that are written whole.
    pub(crate) fn stale(len: usize) -> Self {
        let class = size_class(len);
        let kept = free().take(class);
        Self { values: kept.unwrap_or_else(|| vec![0.0; class]), len }
    }

    /// A buffer of zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let mut zeros = Self::stale(len);
        zeros.fill(0.0);
        zeros
    }

    /// A buffer that holds these values.
    pub(crate) fn copy_of(values: &[f32]) -> Self {
        let mut copy = Self::stale(values.len());
        copy.copy_from_slice(values);
        copy
    }
}

/// Sizes are rounded up to an eighth of a power of two, so that steps of slightly different length
/// share their buffers.
fn size_class(len: usize) -> usize {
    let step = len.max(1024).next_power_of_two() / 16;
    len.max(1).next_multiple_of(step)
}

impl Drop for Buffer {
    fn drop(&mut self) {
        free().put(std::mem::take(&mut self.values));
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.values[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[..self.len]
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer of {} values", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::{Buffer, Free, MOST_FREE, size_class};
    use std::collections::BTreeMap;

    #[test]
    fn keep_their_length_when_used_again() {
        for len in [0, 1, 1000, 1025, 70_000] {
            drop(Buffer::stale(len));
            assert_eq!(Buffer::stale(len).len(), len);
        }
    }

    #[test]
    fn a_size_class_wastes_at_most_an_eighth() {
        for len in [513, 1024, 1025, 4097, 70_000, 1 << 20, (1 << 20) + 1] {
            let class = size_class(len);
            assert!(class >= len && class <= len + len / 8 + 64, "{len} {class}");
        }
    }

    #[test]
    fn free_ones_are_bounded_and_come_back_where_they_fit() {
        let mut free = Free { by_class: BTreeMap::new(), n_values: MOST_FREE - 15 };
        free.put(vec![1.0; 4]);
        // Neither too small nor more than twice as large; of those that fit the smallest.
        assert_eq!((free.take(5), free.take(1)), (None, None));
        free.put(vec![2.0; 3]);
        assert_eq!((free.take(2), free.take(2)), (Some(vec![2.0; 3]), Some(vec![1.0; 4])));
        assert_eq!((free.take(4), free.n_values), (None, MOST_FREE - 15));
        free.put(vec![1.0; 4]);
        free.put(vec![2.0; 12]); // too many by one: the largest goes
        assert_eq!((free.take(12), free.take(4)), (None, Some(vec![1.0; 4])));
        assert_eq!(free.n_values, MOST_FREE - 15);
    }
}
