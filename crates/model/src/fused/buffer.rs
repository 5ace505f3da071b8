//! Buffers that are used again.
//!
//! A training step needs the same few hundred megabytes each time; from the allocator they come as
//! fresh pages, whose first touch costs more than many of the operations on them.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
    sync::{Mutex, PoisonError},
};

/// Free buffers by capacity.
static FREE: Mutex<BTreeMap<usize, Vec<Vec<f32>>>> = Mutex::new(BTreeMap::new());

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
        let free =
            FREE.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&class).and_then(Vec::pop);
        Self { values: free.unwrap_or_else(|| vec![0.0; class]), len }
    }
}

/// Sizes are rounded up to an eighth of a power of two, so that steps of slightly different length
/// share their buffers.
fn size_class(len: usize) -> usize {
    let step = (len.max(1024).next_power_of_two() / 16).max(1);
    len.max(1).next_multiple_of(step)
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.values);
        FREE.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(values.len())
            .or_default()
            .push(values);
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
