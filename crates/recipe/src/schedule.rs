//! The learning rate as a pure function of progress.

use serde::{Deserialize, Serialize};

/// The learning rate as a function of progress, the share of the budget already trained on.
///
/// Warm-up is linear from `start_lr` and takes the first `warmup` of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The shape after the warm-up.
    pub kind: ScheduleKind,
    /// Share of the budget, 0 to 1.
    pub warmup: f64,
    /// Share of the budget, 0 to 1: the final part over which `wsd` and `infinite` come down; 0 for
    /// other kinds.
    pub decay: f64,
    /// Where the decay ends.
    pub min_lr: f64,
    /// Where the warm-up starts: the rate that the starting checkpoint was left at, or 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_lr: f64,
    /// Share of the budget, 0 to 1: over which `infinite` comes down from the peak; 0 for other kinds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cooldown: f64,
    /// Where `infinite` stays between cooldown and decay; 0 for other kinds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub constant_lr: f64,
}

/// What is zero unless asked for stands in no record.
pub(crate) fn is_zero(value: &f64) -> bool {
    *value == 0.0
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
    /// Half a cosine from the peak to `constant_lr`, stays there, then falls to `min_lr`.
    Infinite,
}

impl Schedule {
    /// Always `lr`, which is to be the peak.
    pub const fn constant(lr: f64) -> Self {
        Self {
            kind: ScheduleKind::Constant,
            warmup: 0.0,
            decay: 0.0,
            min_lr: lr,
            start_lr: 0.0,
            cooldown: 0.0,
            constant_lr: 0.0,
        }
    }

    /// The learning rate after the share `progress` (0 to 1) of the budget.
    ///
    /// Warm-up rises linearly from `start_lr` to `peak`. Then: `constant` stays; `linear` and
    /// `cosine` (Loshchilov and Hutter 2017, arXiv 1608.03983, one cycle) fall to `min_lr` at the
    /// end; `wsd` (Hu et al. 2024, arXiv 2404.06395) stays, and falls linearly over the last `decay`;
    /// `infinite` (Ibrahim et al. 2024, arXiv 2403.08763) falls to `constant_lr` along half a cosine
    /// over `cooldown`, stays, and falls exponentially over the last `decay`.
    pub fn learning_rate(&self, peak: f64, progress: f64) -> f64 {
        let Self { kind, warmup, decay, min_lr, start_lr, .. } = *self;
        if progress < warmup {
            return start_lr + (peak - start_lr) * progress / warmup;
        }
        let after_warmup = (progress - warmup) / (1.0 - warmup).max(f64::EPSILON);
        // How much of the way from the peak to the end is still to go.
        let height = match kind {
            ScheduleKind::Constant => 1.0,
            ScheduleKind::Linear => 1.0 - after_warmup,
            ScheduleKind::Cosine => half_cosine(after_warmup),
            ScheduleKind::Wsd if decay > 0.0 => ((1.0 - progress) / decay).min(1.0),
            ScheduleKind::Wsd => 1.0,
            ScheduleKind::Infinite => return self.infinite(peak, progress),
        };
        min_lr + (peak - min_lr) * height.clamp(0.0, 1.0)
    }

    /// `infinite` after the warm-up.
    fn infinite(&self, peak: f64, progress: f64) -> f64 {
        let Self { warmup, decay, min_lr, cooldown, constant_lr, .. } = *self;
        let cooled = progress - warmup;
        let still = 1.0 - progress;
        if cooled < cooldown {
            constant_lr + (peak - constant_lr) * half_cosine(cooled / cooldown)
        } else if still < decay {
            constant_lr * (min_lr / constant_lr).powf(1.0 - still / decay)
        } else {
            constant_lr
        }
    }
}

/// From 1 at 0 to 0 at 1, flat at both.
fn half_cosine(at: f64) -> f64 {
    0.5 * (1.0 + (std::f64::consts::PI * at).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: [f64; 6] = [0.0, 0.05, 0.1, 0.55, 0.9, 1.0];

    #[track_caller]
    fn check(kind: ScheduleKind, expected: [f64; 6]) {
        let schedule =
            Schedule { kind, warmup: 0.1, decay: 0.2, min_lr: 0.1, ..Schedule::constant(0.1) };
        close(&schedule, expected);
    }

    #[track_caller]
    fn close(schedule: &Schedule, expected: [f64; 6]) {
        for (at, expected) in AT.into_iter().zip(expected) {
            let found = schedule.learning_rate(1.0, at);
            let kind = schedule.kind;
            assert!((found - expected).abs() < 1e-12, "{kind:?} at {at}: {found}, not {expected}");
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

    #[test]
    fn a_continued_rate_warms_up_from_where_it_was() {
        let kind = ScheduleKind::Linear;
        let schedule = Schedule { kind, warmup: 0.1, start_lr: 0.4, ..Schedule::constant(0.1) };
        close(&schedule, [0.4, 0.7, 1.0, 0.55, 0.2, 0.1]);
    }

    #[test]
    fn the_infinite_one_cools_down_stays_and_anneals() {
        let schedule = Schedule {
            kind: ScheduleKind::Infinite,
            warmup: 0.05,
            cooldown: 0.1,
            constant_lr: 0.5,
            decay: 0.2,
            min_lr: 0.125,
            ..Schedule::constant(1.0)
        };
        // Half-way down the cosine at 0.1, half-way down the exponential at 0.9.
        close(&schedule, [0.0, 1.0, 0.75, 0.5, 0.25, 0.125]);
    }
}
