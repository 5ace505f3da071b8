//! The fused operations as a backend extension of burn: tensors in, tensors out, gradients registered.

use std::{borrow::Cow, sync::Arc};

use burn::{
    backend::{
        Autodiff, Backend, Flex, TensorMetadata,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        flex::FlexTensor,
        tensor::FloatTensor,
    },
    tensor::TensorData,
};

use super::{
    attention::{self, AttentionPlan, AttentionSaved, AttentionWeights},
    head::{self, HeadPlan, HeadSaved, HeadWeights},
    mlp::{self, MlpSaved, MlpWeights},
};

/// Operations that exist on the CPU backend, with and without autodiff.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait FusedOps: Backend {
    /// `x + attention(norm(x))`, `[n, hidden]`.
    fn attention(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        output: FloatTensor<Self>,
        plan: Arc<AttentionPlan>,
    ) -> FloatTensor<Self>;

    /// `x + mlp(norm(x))`, `[n, hidden]`.
    fn mlp(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        down: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self>;

    /// Cross-entropy of the supervised rows of `x`, in the plan's shape.
    fn losses(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        table: FloatTensor<Self>,
        plan: Arc<HeadPlan>,
    ) -> FloatTensor<Self>;
}

/// What a backward pass keeps: the inputs as shared tensors, and values that it may overwrite.
///
/// Autodiff wants its states cloneable, though it runs each backward pass once.
#[derive(Debug)]
struct State<const N: usize, S, P> {
    inputs: [FlexTensor; N],
    plan: P,
    saved: Arc<S>,
}

impl<const N: usize, S, P: Clone> Clone for State<N, S, P> {
    fn clone(&self) -> Self {
        Self { inputs: self.inputs.clone(), plan: self.plan.clone(), saved: self.saved.clone() }
    }
}

impl<const N: usize, S, P> State<N, S, P> {
    fn into_parts(self) -> ([FlexTensor; N], P, S) {
        let saved = Arc::into_inner(self.saved)
            .expect("autodiff runs a backward pass once and keeps no second state");
        (self.inputs, self.plan, saved)
    }
}

/// The values of a tensor in row-major order; copied only when they lie otherwise.
fn values(tensor: &FlexTensor) -> Cow<'_, [f32]> {
    match tensor.as_slice::<f32>() {
        Some(values) => Cow::Borrowed(values),
        None => Cow::Owned(
            tensor
                .to_contiguous()
                .as_slice::<f32>()
                .expect("weights and activations are f32")
                .to_vec(),
        ),
    }
}

fn tensor(values: Vec<f32>, shape: impl Into<Vec<usize>>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.into()))
}

/// Gradients in the shapes of the inputs they belong to.
fn shaped<const N: usize>(
    inputs: &[FlexTensor; N],
    values: [Vec<f32>; N],
) -> impl Iterator<Item = FlexTensor> {
    inputs.iter().zip(values).map(|(input, values)| tensor(values, input.shape().to_vec()))
}

fn run_attention(inputs: &[FlexTensor; 6], plan: &AttentionPlan) -> (FlexTensor, AttentionSaved) {
    let [x, norm, query, key, value, output] = inputs.each_ref().map(values);
    let weights =
        AttentionWeights { norm: &norm, query: &query, key: &key, value: &value, output: &output };
    let (y, saved) = attention::forward(&x, &weights, plan);
    (tensor(y, inputs[0].shape().to_vec()), saved)
}

fn run_mlp(inputs: &[FlexTensor; 5], epsilon: f32) -> (FlexTensor, MlpSaved) {
    let [x, norm, gate, up, down] = inputs.each_ref().map(values);
    let (y, saved) =
        mlp::forward(&x, &MlpWeights { norm: &norm, gate: &gate, up: &up, down: &down, epsilon });
    (tensor(y, inputs[0].shape().to_vec()), saved)
}

impl FusedOps for Flex {
    fn attention(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        output: FloatTensor<Self>,
        plan: Arc<AttentionPlan>,
    ) -> FloatTensor<Self> {
        run_attention(&[x, norm, query, key, value, output], &plan).0
    }

    fn mlp(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        down: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        run_mlp(&[x, norm, gate, up, down], epsilon).0
    }

    fn losses(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        table: FloatTensor<Self>,
        plan: Arc<HeadPlan>,
    ) -> FloatTensor<Self> {
        let losses = head::losses(
            &values(&x),
            &HeadWeights { norm: &values(&norm), table: &values(&table) },
            &plan,
        );
        tensor(losses, plan.output)
    }
}

impl<C: CheckpointStrategy> FusedOps for Autodiff<Flex, C> {
    fn attention(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        output: FloatTensor<Self>,
        plan: Arc<AttentionPlan>,
    ) -> FloatTensor<Self> {
        let inputs = [x, norm, query, key, value, output];
        let nodes = inputs.each_ref().map(|input| input.node());
        let inputs = inputs.map(|input| input.into_primitive());
        let (y, saved) = run_attention(&inputs, &plan);
        match AttentionBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                prep.finish(State { inputs, plan, saved: Arc::new(saved) }, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn mlp(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        down: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        let inputs = [x, norm, gate, up, down];
        let nodes = inputs.each_ref().map(|input| input.node());
        let inputs = inputs.map(|input| input.into_primitive());
        let (y, saved) = run_mlp(&inputs, epsilon);
        match MlpBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                prep.finish(State { inputs, plan: epsilon, saved: Arc::new(saved) }, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn losses(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        table: FloatTensor<Self>,
        plan: Arc<HeadPlan>,
    ) -> FloatTensor<Self> {
        let inputs = [x, norm, table];
        let nodes = inputs.each_ref().map(|input| input.node());
        let inputs = inputs.map(|input| input.into_primitive());
        match HeadBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let [x, norm, table] = inputs.each_ref().map(values);
                let (losses, saved) =
                    head::forward(&x, &HeadWeights { norm: &norm, table: &table }, &plan);
                let losses = tensor(losses, plan.output);
                drop((x, norm, table));
                prep.finish(State { inputs, plan, saved: Arc::new(saved) }, losses)
            }
            OpsKind::UnTracked(prep) => {
                let [x, norm, table] = inputs;
                prep.finish(<Flex as FusedOps>::losses(x, norm, table, plan))
            }
        }
    }
}

#[derive(Debug)]
struct AttentionBackward;

impl Backward<Flex, 6> for AttentionBackward {
    type State = State<6, AttentionSaved, Arc<AttentionPlan>>;

    fn backward(self, ops: Ops<Self::State, 6>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node);
        let (inputs, plan, saved) = ops.state.into_parts();
        let [x, norm, query, key, value, output] = inputs.each_ref().map(values);
        let weights = AttentionWeights {
            norm: &norm,
            query: &query,
            key: &key,
            value: &value,
            output: &output,
        };
        let d = attention::backward(&x, &values(&dy), &weights, &plan, saved);
        for (parent, gradient) in ops
            .parents
            .into_iter()
            .zip(shaped(&inputs, [d.x, d.norm, d.query, d.key, d.value, d.output]))
        {
            if let Some(node) = parent {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct MlpBackward;

impl Backward<Flex, 5> for MlpBackward {
    type State = State<5, MlpSaved, f32>;

    fn backward(self, ops: Ops<Self::State, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node);
        let (inputs, epsilon, saved) = ops.state.into_parts();
        let [x, norm, gate, up, down] = inputs.each_ref().map(values);
        let weights = MlpWeights { norm: &norm, gate: &gate, up: &up, down: &down, epsilon };
        let d = mlp::backward(&x, &values(&dy), &weights, saved);
        for (parent, gradient) in
            ops.parents.into_iter().zip(shaped(&inputs, [d.x, d.norm, d.gate, d.up, d.down]))
        {
            if let Some(node) = parent {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct HeadBackward;

impl Backward<Flex, 3> for HeadBackward {
    type State = State<3, HeadSaved, Arc<HeadPlan>>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_losses = grads.consume::<Flex>(&ops.node);
        let (inputs, plan, saved) = ops.state.into_parts();
        let [x, norm, table] = inputs.each_ref().map(values);
        let d = head::backward(
            &x,
            &values(&d_losses),
            &HeadWeights { norm: &norm, table: &table },
            &plan,
            saved,
        );
        for (parent, gradient) in
            ops.parents.into_iter().zip(shaped(&inputs, [d.x, d.norm, d.table]))
        {
            if let Some(node) = parent {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }
}
