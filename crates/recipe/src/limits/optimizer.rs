//! Of the optimizer and its schedule.

use super::Breach;
use crate::optimizer::Optimizer;
use crate::schedule::ScheduleKind;

pub(crate) fn of_optimizer(optimizer: &Optimizer) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut limit = |holds: bool, path, found: f64, expected: &str| {
        if !holds {
            breaches.push(Breach::new(path, found, expected));
        }
    };
    let [first, second] = optimizer.betas;
    let (lr, schedule) = (optimizer.lr, &optimizer.schedule);
    limit(lr > 0.0 && lr <= 1.0, &["optimizer", "lr"], lr, "more than 0 and at most 1");
    limit((0.0..1.0).contains(&first), &["optimizer", "betas"], first, "0 or more and less than 1");
    limit(
        (0.0..1.0).contains(&second),
        &["optimizer", "betas"],
        second,
        "0 or more and less than 1",
    );
    let momentum = optimizer.momentum;
    limit(
        (0.0..1.0).contains(&momentum),
        &["optimizer", "momentum"],
        momentum,
        "0 or more and less than 1",
    );
    let eps = optimizer.eps;
    limit(eps > 0.0 && eps.is_finite(), &["optimizer", "eps"], eps, "more than 0");
    for (path, value) in [
        (&["optimizer", "weight_decay"], optimizer.weight_decay),
        (&["optimizer", "clip_norm"], optimizer.clip_norm),
    ] {
        limit(value >= 0.0 && value.is_finite(), path, value, "0 or more");
    }
    for (path, value) in [
        (&["optimizer", "schedule", "warmup"], schedule.warmup),
        (&["optimizer", "schedule", "decay"], schedule.decay),
    ] {
        limit((0.0..=1.0).contains(&value), path, value, "a share of the budget, 0 to 1");
    }
    let parts = schedule.warmup + schedule.decay;
    limit(
        parts <= 1.0 || schedule.warmup > 1.0 || schedule.decay > 1.0,
        &["optimizer", "schedule"],
        parts,
        "`warmup` and `decay` to sum to at most 1",
    );
    let min_lr = &["optimizer", "schedule", "min_lr"];
    limit(schedule.min_lr >= 0.0, min_lr, schedule.min_lr, "0 or more");
    if schedule.min_lr > lr {
        breaches.push(
            Breach::new(min_lr, schedule.min_lr, &format!("at most `lr`, {lr}")).hint(
                "the rate would rise where it should fall; leave `min_lr` out to get `lr` / 10",
            ),
        );
    }
    if schedule.kind != ScheduleKind::Wsd && schedule.decay != 0.0 {
        breaches.push(
            Breach::new(&["optimizer", "schedule", "decay"], schedule.decay, "it with `wsd` only")
                .hint("`linear` and `cosine` fall from the warm-up to the end; leave `decay` out"),
        );
    }
    breaches
}
