use burn::tensor::{Device, Tensor};

use super::{Rope, RopeScaling, Rotation, Stretch};
use crate::testing::assert_close;

fn rope(scaling: RopeScaling) -> Rope {
    Rope { theta: 1e4, dim: 8, scaling }
}

/// Frequencies at a length, divided by those without scaling.
fn ratios(scaling: RopeScaling, length: usize) -> Vec<f32> {
    let plain = rope(RopeScaling::Default).frequencies(length);
    let found = rope(scaling).frequencies(length);
    found.iter().zip(plain).map(|(found, plain)| found / plain).collect()
}

#[track_caller]
fn check(scaling: RopeScaling, length: usize, expected: [f32; 4]) {
    assert_close(&ratios(scaling, length), &expected, 1e-4);
}

#[test]
fn scaling_divides_the_frequencies_it_should() {
    check(RopeScaling::Linear { factor: 4.0 }, 1, [0.25; 4]);
    let dynamic = RopeScaling::Dynamic { factor: 2.0, original: 16 };
    check(dynamic.clone(), 16, [1.0; 4]);
    // The base grows by 3^(8/6): the last frequency, 1/base^(6/8), falls to a third.
    check(dynamic, 32, [1.0, 3_f32.powf(-1.0 / 3.0), 3_f32.powf(-2.0 / 3.0), 1.0 / 3.0]);
    let yarn = RopeScaling::Yarn { factor: 4.0, ramp: (1.0, 3.0), attention_factor: 1.1 };
    check(yarn, 1, [1.0, 1.0, 0.625, 0.25]);
    let llama3 = RopeScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 256 };
    // Wavelengths 6.3, 62.8, 628, 6,283 against 64 and 256.
    check(llama3, 1, [1.0, 1.0, 0.125, 0.125]);
    let long = RopeScaling::LongRope {
        short: vec![1.0; 4],
        long: vec![1.0, 2.0, 4.0, 8.0],
        original: 16,
        attention_factor: 1.2,
    };
    check(long.clone(), 16, [1.0; 4]);
    check(long, 17, [1.0, 0.5, 0.25, 0.125]);
}

#[test]
fn vectors_become_longer_by_the_attention_factor() {
    let yarn = RopeScaling::Yarn { factor: 4.0, ramp: (1.0, 3.0), attention_factor: 1.5 };
    let rotation = Rotation::new(&rope(yarn), [Stretch { first: 0, len: 2 }].into_iter());
    for (cos, sin) in rotation.cos.iter().zip(&rotation.sin) {
        assert_close(&[cos.hypot(*sin)], &[1.5], 1e-5);
    }
}

#[test]
fn each_sequence_has_the_angles_it_has_alone() {
    let rope = rope(RopeScaling::Dynamic { factor: 2.0, original: 4 });
    let stretch = |len| Stretch { first: 0, len };
    let together = Rotation::new(&rope, [stretch(3), stretch(9)].into_iter());
    let short = Rotation::new(&rope, [stretch(3)].into_iter());
    let long = Rotation::new(&rope, [stretch(9)].into_iter());
    assert_eq!(together.cos, [short.cos, long.cos].concat());
}

#[test]
fn a_partial_rope_leaves_the_rest_as_it_is() {
    let device = Device::flex();
    let rope = Rope { theta: 1e4, dim: 4, scaling: RopeScaling::Default };
    let rotation = Rotation::new(&rope, [Stretch { first: 3, len: 1 }].into_iter());
    let x = Tensor::<4>::from_data([[[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]]], &device);
    let turned: Vec<f32> =
        rotation.to_tensors(1, &device).apply(x).into_data().try_into_vec().unwrap();
    assert_eq!(turned[4..], [5.0, 6.0]);
    let (sin, cos) = 3_f32.sin_cos();
    assert_close(&turned[..1], &[cos - 3.0 * sin], 1e-6);
}
