//! Of the optimizer and its schedule.

use super::Breach;
use crate::optimizer::Optimizer;
use crate::schedule::{Schedule, ScheduleKind};

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
    breaches.extend(of_schedule(schedule, lr));
    breaches
}

type Key = &'static [&'static str];
const WARMUP: Key = &["optimizer", "schedule", "warmup"];
const COOLDOWN: Key = &["optimizer", "schedule", "cooldown"];
const DECAY: Key = &["optimizer", "schedule", "decay"];
const MIN_LR: Key = &["optimizer", "schedule", "min_lr"];
const START_LR: Key = &["optimizer", "schedule", "start_lr"];
const CONSTANT_LR: Key = &["optimizer", "schedule", "constant_lr"];

fn of_schedule(schedule: &Schedule, lr: f64) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let shares =
        [(WARMUP, schedule.warmup), (COOLDOWN, schedule.cooldown), (DECAY, schedule.decay)];
    let is_share = |value: f64| (0.0..=1.0).contains(&value);
    for (path, value) in shares {
        if !is_share(value) {
            breaches.push(Breach::new(path, value, "a share of the budget, 0 to 1"));
        }
    }
    let parts: f64 = shares.iter().map(|(_, value)| value).sum();
    if parts > 1.0 && shares.iter().all(|(_, value)| is_share(*value)) {
        let expected = if schedule.kind == ScheduleKind::Infinite {
            "`warmup`, `cooldown` and `decay` to sum to at most 1"
        } else {
            "`warmup` and `decay` to sum to at most 1"
        };
        breaches.push(Breach::new(&["optimizer", "schedule"], parts, expected));
    }
    for (path, value, hint) in [
        (
            MIN_LR,
            schedule.min_lr,
            "the rate would rise where it should fall; leave `min_lr` out to get `lr` / 10",
        ),
        (START_LR, schedule.start_lr, "the warm-up would fall where it should rise"),
        (CONSTANT_LR, schedule.constant_lr, "the rate would rise where it should fall"),
    ] {
        if value.is_nan() || value < 0.0 {
            breaches.push(Breach::new(path, value, "0 or more"));
        } else if value > lr {
            breaches.push(Breach::new(path, value, &format!("at most `lr`, {lr}")).hint(hint));
        }
    }
    let is_infinite = schedule.kind == ScheduleKind::Infinite;
    if is_infinite && schedule.constant_lr < schedule.min_lr {
        let expected = format!("at least `min_lr`, {}", schedule.min_lr);
        breaches.push(Breach::new(CONSTANT_LR, schedule.constant_lr, &expected));
    }
    if is_infinite && schedule.min_lr == 0.0 {
        breaches.push(
            Breach::new(MIN_LR, 0.0, "more than 0 with `infinite`")
                .hint("its last part falls exponentially and never reaches 0"),
        );
    }
    if !is_infinite && schedule.kind != ScheduleKind::Wsd && schedule.decay != 0.0 {
        breaches.push(
            Breach::new(DECAY, schedule.decay, "it with `wsd` and `infinite` only")
                .hint("`linear` and `cosine` fall from the warm-up to the end; leave `decay` out"),
        );
    }
    for (path, value) in [(COOLDOWN, schedule.cooldown), (CONSTANT_LR, schedule.constant_lr)] {
        if !is_infinite && value != 0.0 {
            let hint = "the other shapes have one peak and one end; leave it out";
            breaches.push(Breach::new(path, value, "it with `infinite` only").hint(hint));
        }
    }
    breaches
}
