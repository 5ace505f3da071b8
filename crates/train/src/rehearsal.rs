//! Steps without a plan or a ledger: how fast does a device train.

use std::time::Instant;

use temper_model::{Decoder, PackedRows, PassOptions};
use temper_recipe::{GradientSum, Optimizer};

use crate::frozen::Trainable;
use crate::step::Trainee;
use crate::workers::Workers;

/// A trainee whose steps are timed.
#[derive(Debug)]
pub struct Rehearsal {
    trainee: Trainee,
    optimizer: Optimizer,
}

impl Rehearsal {
    /// Takes up a decoder with fresh moments.
    pub fn new(decoder: Decoder, optimizer: Optimizer, options: PassOptions) -> Self {
        let workers = Workers::new(vec![decoder.device()], options, GradientSum::Tree);
        let trainable = Trainable::all(decoder.config());
        Self { trainee: Trainee::new(decoder, trainable, optimizer.name, None, workers), optimizer }
    }

    /// Trains `n_steps` times on the same lanes; gives the seconds of a step and the mean loss per
    /// token that carries loss in the last lane of the last one, in nats.
    ///
    /// The host waits for the device once, at the end, as it does in a run.
    pub fn steps(&mut self, lanes: &[PackedRows], n_steps: usize) -> (f64, f64) {
        let started = Instant::now();
        let mut last = None;
        for _ in 0..n_steps {
            last = Some(self.trainee.rehearse(lanes, &self.optimizer));
        }
        let Some((losses, lane)) = last.zip(lanes.last()) else { return (0.0, 0.0) };
        let loss = f64::from(losses.sum().into_scalar::<f32>()) / lane.n_supervised() as f64;
        // The update of the last step may still be under way.
        self.trainee.decoder.device().sync().expect("a device that computed answers");
        (started.elapsed().as_secs_f64() / n_steps as f64, loss)
    }

    /// The trained decoder.
    pub fn into_decoder(self) -> Decoder {
        self.trainee.decoder
    }
}
