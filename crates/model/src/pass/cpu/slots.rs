//! The flat gradient, cut into the tensors it is of.

use std::collections::BTreeMap;

use crate::{
    Config,
    names::{Field, fields},
};

/// Where the gradient of each tensor goes.
#[derive(Debug)]
pub(super) struct Slots<'a>(BTreeMap<Field, &'a mut [f32]>);

impl<'a> Slots<'a> {
    /// Cuts a gradient that is as long as the decoder has values.
    pub(super) fn new(config: &Config, flat: &'a mut [f32]) -> Self {
        let mut rest = flat;
        let mut slots = BTreeMap::new();
        for field in fields(config) {
            let n = field.shape(config).iter().product();
            let (slot, behind) = rest.split_at_mut(n);
            rest = behind;
            slots.insert(field, slot);
        }
        Self(slots)
    }

    /// The slot of a tensor that has not been taken yet.
    pub(super) fn take(&mut self, field: Field) -> &'a mut [f32] {
        self.0.remove(&field).expect("the gradient of a tensor is taken once")
    }

    /// Works on a slot and leaves it.
    pub(super) fn with<R>(&mut self, field: Field, work: impl FnOnce(&mut [f32]) -> R) -> R {
        work(self.0.get_mut(&field).expect("the slot has not been taken"))
    }
}
