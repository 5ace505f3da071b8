//! By how much a completion is better than the others of its group.

use temper_recipe::Normalisation;

/// Keeps a group of almost equal rewards from being divided by nothing; as TRL has it.
const EPSILON: f64 = 1e-4;

/// The advantages of a group, in the order of its rewards; zeros where all rewards are equal.
pub(crate) fn advantages(normalisation: Normalisation, rewards: &[f64]) -> Vec<f64> {
    let n = rewards.len() as f64;
    let mean = rewards.iter().sum::<f64>() / n;
    // Of rounding nothing must be learned.
    if rewards.iter().all(|reward| *reward == rewards[0]) {
        return vec![0.0; rewards.len()];
    }
    let factor = match normalisation {
        Normalisation::Grpo | Normalisation::Dapo => {
            let squares: f64 = rewards.iter().map(|reward| (reward - mean).powi(2)).sum();
            1.0 / ((squares / (n - 1.0)).sqrt() + EPSILON)
        }
        Normalisation::DrGrpo => 1.0,
        // A reward less the mean of the others is so much more than less the mean of all.
        Normalisation::Rloo => n / (n - 1.0),
    };
    rewards.iter().map(|reward| (reward - mean) * factor).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(normalisation: Normalisation, rewards: &[f64], expected: &[f64]) {
        let found = advantages(normalisation, rewards);
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-9,
                "{normalisation:?}: {found}, expected {expected}"
            );
        }
    }

    #[test]
    fn are_of_a_group() {
        let rewards = [1.0, 0.0, 0.0, 1.0];
        let unit = 0.5 / ((1.0_f64 / 3.0).sqrt() + 1e-4);
        for of_deviation in [Normalisation::Grpo, Normalisation::Dapo] {
            check(of_deviation, &rewards, &[unit, -unit, -unit, unit]);
        }
        check(Normalisation::DrGrpo, &rewards, &[0.5, -0.5, -0.5, 0.5]);
        // 1 less the mean of 0, 0 and 1.
        let third = 2.0 / 3.0;
        check(Normalisation::Rloo, &rewards, &[third, -third, -third, third]);
        check(Normalisation::Grpo, &[0.7; 4], &[0.0; 4]);
    }
}
