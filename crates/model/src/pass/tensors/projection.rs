//! A projection of attention's input, with the bias (Qwen 2) or the norm over each head (Qwen 3)
//! that some decoders have.

use burn::tensor::Tensor;

use super::{norm::Normed, product::Products};
use crate::{linear::Linear, norm::Norm};

/// Its weights.
pub(super) struct Projection {
    /// `[out, hidden]`, a factor.
    weight: Tensor<2>,
    /// `[out]`.
    bias: Option<Tensor<1>>,
    /// Over each head.
    norm: Option<Norm>,
    head_dim: usize,
    products: Products,
}

/// What the way back through the norm needs.
pub(super) struct Unnormed {
    normed: Normed,
    /// `[n × heads, head_dim]`.
    x: Tensor<2>,
}

/// What the way back gives.
pub(super) struct ProjectionGradients {
    /// Of the input, `[n, hidden]`.
    pub(super) input: Tensor<2>,
    /// Of weight and bias, flat.
    pub(super) linear: Vec<Tensor<1>>,
    /// Of the norm's weight.
    pub(super) norm: Option<Tensor<1>>,
}

impl Projection {
    pub(super) fn new(
        linear: &Linear,
        norm: Option<&Norm>,
        head_dim: usize,
        products: Products,
    ) -> Self {
        Self {
            weight: products.factor(linear.weight.val()),
            bias: linear.bias.as_ref().map(|bias| bias.val()),
            norm: norm.cloned(),
            head_dim,
            products,
        }
    }

    /// # Shapes
    /// - y: `[n, hidden]`, a factor; output: `[n, out]`, 32-bit floats
    pub(super) fn forward(&self, y: Tensor<2>) -> (Tensor<2>, Option<Unnormed>) {
        let mut x = self.products.forward(y, &self.weight);
        if let Some(bias) = &self.bias {
            x = x + bias.clone().unsqueeze();
        }
        let Some(norm) = &self.norm else { return (x, None) };
        let shape = x.dims();
        let x = self.by_head(x);
        let (normed_x, normed) = Normed::forward(norm, &x);
        (normed_x.reshape(shape), Some(Unnormed { normed, x }))
    }

    /// # Shapes
    /// - y: as in [`Projection::forward`]; d_output: `[n, out]`, 32-bit floats
    pub(super) fn backward(
        &self,
        y: Tensor<2>,
        d_output: Tensor<2>,
        unnormed: Option<Unnormed>,
    ) -> ProjectionGradients {
        let shape = d_output.dims();
        let (d_output, norm) = match unnormed {
            None => (d_output, None),
            Some(Unnormed { normed, x }) => {
                let (dx, of_norm) = normed.backward(x, self.by_head(d_output));
                (dx.reshape(shape), Some(of_norm))
            }
        };
        let of_bias = self.bias.as_ref().map(|_| d_output.clone().sum_dim(0).squeeze_dim(0));
        let d_output = self.products.factor(d_output);
        let of_weight = self.products.weight_gradient(y, d_output.clone());
        ProjectionGradients {
            input: self.products.product(d_output, self.weight.clone()),
            linear: [Some(of_weight), of_bias].into_iter().flatten().collect(),
            norm,
        }
    }

    /// `[n, heads × head_dim]` to `[n × heads, head_dim]`.
    fn by_head(&self, x: Tensor<2>) -> Tensor<2> {
        let [n, width] = x.dims();
        x.reshape([n * width / self.head_dim, self.head_dim])
    }
}
