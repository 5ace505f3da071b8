use temper_recipe::{OptimizerName, OptimizerState, Schedule, ScheduleKind};

use super::*;

fn options() -> Optimizer {
    Optimizer {
        name: OptimizerName::Adamw,
        lr: 0.1,
        betas: [0.9, 0.95],
        eps: 1e-8,
        weight_decay: 0.1,
        clip_norm: 1.0,
        schedule: Schedule { kind: ScheduleKind::Constant, warmup: 0.0, decay: 0.0, min_lr: 0.0 },
        state: OptimizerState::Reset,
    }
}

/// The values after each of three updates of one parameter of three values.
fn updates(shape: &[usize]) -> Vec<Vec<f32>> {
    let parameters = [Parameter { name: "p".to_owned(), shape: shape.to_vec() }];
    let mut adamw = AdamW::new(3);
    let mut values = vec![1.0, -2.0, 0.5];
    [[0.5, -1.0, 0.0], [0.25, 2.0, -0.125], [-1.5, 0.5, 1.0]]
        .map(|gradients| {
            adamw.update(&parameters, &mut values, &gradients, &options(), 0.1, 1.0);
            values.clone()
        })
        .into()
}

#[test]
fn three_updates_equal_those_of_pytorch() {
    // torch.optim.AdamW of PyTorch 2.15, lr 0.1, betas (0.9, 0.95), eps 1e-8, weight decay 0.1.
    let expected = [
        [0.89, -1.88, 0.495],
        [0.787_170_7, -1.897_537_4, 0.563_546],
        [0.813_353_5, -1.920_289, 0.503_005_5],
    ];
    for (found, expected) in updates(&[1, 3]).iter().flatten().zip(expected.iter().flatten()) {
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }
}

#[test]
fn vectors_do_not_decay() {
    // A gradient of zero leaves a vector where it is; a matrix shrinks.
    assert_eq!(updates(&[3])[0][2], 0.5);
    assert!((updates(&[1, 3])[0][2] - 0.495).abs() < 1e-7);
}

#[test]
fn the_global_norm_spans_all_values() {
    assert_eq!(global_norm(&[3.0, 0.0, 4.0]), 5.0);
    let many = vec![1.0; 3 * CHUNK + 1];
    assert_eq!(global_norm(&many), ((3 * CHUNK + 1) as f64).sqrt());
    assert_eq!(clip_factor(5.0, 1.0), 0.2);
    assert_eq!(clip_factor(0.5, 1.0), 1.0);
    assert_eq!(clip_factor(5.0, 0.0), 1.0);
}
