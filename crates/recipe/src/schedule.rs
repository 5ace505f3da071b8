//! The learning rate as a pure function of progress.

use serde::{Deserialize, Serialize};

/// The learning rate as a function of progress, the share of the budget already trained on.
///
/// Warm-up is linear from zero and takes the first `warmup` of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The shape after the warm-up.
    pub kind: ScheduleKind,
    /// Share of the budget, 0 to 1.
    pub warmup: f64,
    /// Share of the budget, 0 to 1: the final part over which `wsd` comes down; 0 for other kinds.
    pub decay: f64,
    /// Where the decay ends.
    pub min_lr: f64,
}

/// The shape of the learning rate after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Stays at the peak.
    Constant,
    /// Linear from the peak to `min_lr` at the end.
    Linear,
    /// Half a cosine from the peak to `min_lr` at the end.
    Cosine,
    /// Stays at the peak, then falls linearly to `min_lr` over the last `decay`.
    Wsd,
}

impl Schedule {
    /// The learning rate after the share `progress` (0 to 1) of the budget.
    ///
    /// Warm-up rises linearly from zero to `peak`. Then: `constant` stays; `linear` and `cosine`
    /// (Loshchilov and Hutter 2017, arXiv 1608.03983, one cycle) fall to `min_lr` at the end; `wsd`
    /// (Hu et al. 2024, arXiv 2404.06395) stays, and falls linearly over the last `decay`.
    pub fn learning_rate(&self, peak: f64, progress: f64) -> f64 {
        let Self { kind, warmup, decay, min_lr } = *self;
        if progress < warmup {
            return peak * progress / warmup;
        }
        let after_warmup = (progress - warmup) / (1.0 - warmup).max(f64::EPSILON);
        // How much of the way from the peak to the end is still to go.
        let height = match kind {
            ScheduleKind::Constant => 1.0,
            ScheduleKind::Linear => 1.0 - after_warmup,
            ScheduleKind::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * after_warmup).cos()),
            ScheduleKind::Wsd if decay > 0.0 => ((1.0 - progress) / decay).min(1.0),
            ScheduleKind::Wsd => 1.0,
        };
        min_lr + (peak - min_lr) * height.clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: ScheduleKind, expected: [f64; 6]) {
        let schedule = Schedule { kind, warmup: 0.1, decay: 0.2, min_lr: 0.1 };
        let found = [0.0, 0.05, 0.1, 0.55, 0.9, 1.0].map(|at| schedule.learning_rate(1.0, at));
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{kind:?}: {found} is not {expected}");
        }
    }

    #[test]
    fn shapes() {
        check(ScheduleKind::Constant, [0.0, 0.5, 1.0, 1.0, 1.0, 1.0]);
        check(ScheduleKind::Linear, [0.0, 0.5, 1.0, 0.55, 0.2, 0.1]);
        let low = 0.1 + 0.45 * (1.0 + (std::f64::consts::PI * 8.0 / 9.0).cos());
        check(ScheduleKind::Cosine, [0.0, 0.5, 1.0, 0.55, low, 0.1]);
        check(ScheduleKind::Wsd, [0.0, 0.5, 1.0, 1.0, 0.55, 0.1]);
    }
}
