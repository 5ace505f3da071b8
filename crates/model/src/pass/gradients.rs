//! The gradient of all weights.

use burn::tensor::distributed::{CollectiveTensor, ReduceOperation, all_reduce};
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use crate::Decoder;

/// The gradient of all weights, where an optimizer works on it.
///
/// Tensors stand in the order of [`crate::Place::number`].
#[derive(Clone, Debug)]
pub enum Gradients {
    /// On the CPU: one behind the other, as in [`Decoder::values`].
    Flat(Vec<f32>),
    /// On any other device: each tensor flat, 32-bit floats.
    Tensors(Vec<Tensor<1>>),
}

impl Gradients {
    /// Room for the gradient of a decoder: zeros on the CPU, nothing yet elsewhere.
    pub fn of(decoder: &Decoder) -> Self {
        if decoder.is_on_cpu() {
            return Self::Flat(vec![0.0; decoder.config().n_parameters()]);
        }
        Self::Tensors(Vec::new())
    }

    /// That of what does not depend on the weights, in the memory of this one, which is of `decoder`.
    #[must_use]
    pub fn zeroed(self, decoder: &Decoder) -> Self {
        match self {
            Self::Flat(mut values) => {
                values.fill(0.0);
                Self::Flat(values)
            }
            Self::Tensors(_) => {
                let device = decoder.device();
                let sizes = decoder.places().into_iter().map(|place| place.range.len());
                Self::Tensors(sizes.map(|n| Tensor::zeros([n], &device)).collect())
            }
        }
    }

    /// Adds another gradient of the same decoder.
    ///
    /// # Panics
    ///
    /// When one lies on the CPU and the other does not.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Flat(mut left), Self::Flat(right)) => {
                left.par_iter_mut().zip(right).for_each(|(left, right)| *left += right);
                Self::Flat(left)
            }
            (Self::Tensors(left), Self::Tensors(right)) => {
                let pairs = left.into_iter().zip(right);
                Self::Tensors(pairs.map(|(left, right)| left + right.clone()).collect())
            }
            (Self::Flat(_), Self::Tensors(_)) | (Self::Tensors(_), Self::Flat(_)) => {
                panic!("gradients of one decoder lie on one kind of device")
            }
        }
    }

    /// The same on another device of the same kind.
    #[must_use]
    pub fn to_device(self, device: &Device) -> Self {
        match self {
            Self::Flat(values) => Self::Flat(values),
            Self::Tensors(tensors) => {
                Self::Tensors(tensors.into_iter().map(|tensor| tensor.to_device(device)).collect())
            }
        }
    }

    /// The sum over `devices`, each of which calls this at the same time with its own gradients; the order
    /// of additions is the devices'.
    ///
    /// # Panics
    ///
    /// On the CPU, and on devices without collective operations (all but CUDA's, with NCCL).
    #[must_use]
    pub fn all_reduce(self, devices: &[Device]) -> Self {
        let Self::Tensors(tensors) = self else { panic!("the CPU adds along the tree of lanes") };
        let reduce = |tensor| all_reduce(tensor, ReduceOperation::Sum, devices.to_vec());
        // All are under way before the first is waited for.
        let under_way: Vec<_> = tensors.into_iter().map(reduce).collect();
        Self::Tensors(under_way.into_iter().map(CollectiveTensor::resolve).collect())
    }

    /// Puts other gradients in place of these, tensor by tensor, each flat.
    pub(super) fn replace(&mut self, tensors: Vec<Tensor<1>>) {
        match self {
            Self::Tensors(old) => *old = tensors,
            Self::Flat(flat) => {
                let mut rest = &mut flat[..];
                for tensor in &tensors {
                    let values = host_values(tensor);
                    let (target, behind) = rest.split_at_mut(values.len());
                    target.copy_from_slice(&values);
                    rest = behind;
                }
            }
        }
    }

    /// Copies all values to the host.
    pub fn to_vec(&self) -> Vec<f32> {
        match self {
            Self::Flat(values) => values.clone(),
            Self::Tensors(tensors) => tensors.iter().flat_map(host_values).collect(),
        }
    }
}

fn host_values(tensor: &Tensor<1>) -> Vec<f32> {
    let data: TensorData = tensor.clone().into_data();
    data.try_into_vec().expect("gradients are 32-bit floats")
}
