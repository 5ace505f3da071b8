use burn::tensor::Device;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{GenerateOptions, choose, generate, new_caches};
use crate::{
    Config, Decoder, Error,
    testing::{FIXTURES, assert_close, config, ids, load},
};

fn options() -> GenerateOptions {
    GenerateOptions { max_tokens: 12, temperature: 0.0, top_p: 1.0, seed: 5, stop: vec![] }
}

#[test]
fn cached_logits_equal_a_whole_pass() {
    for name in FIXTURES {
        let decoder = load(name, &Device::flex());
        let text = ids(3, 20, 97);
        let whole: Vec<f32> = decoder.logits(&text).unwrap().into_data().try_into_vec().unwrap();
        let mut caches = new_caches(decoder.config(), text.len(), &decoder.device());
        let mut pieces = Vec::new();
        for (from, to) in [(0, 7), (7, 8), (8, 9), (9, 15), (15, 20)] {
            let logits = decoder.extend(&text[from..to], from, Some(&mut caches)).unwrap();
            pieces.extend(logits.into_data().try_into_vec::<f32>().unwrap());
        }
        assert_close(&pieces, &whole, 1e-5);
    }
}

#[test]
fn greedy_takes_the_likeliest_of_a_whole_pass_each_time() {
    let decoder = load(FIXTURES[0], &Device::flex());
    let prompt = [5, 17, 3];
    let mut text = prompt.to_vec();
    for _ in 0..12 {
        let logits: Vec<f32> = decoder.logits(&text).unwrap().into_data().try_into_vec().unwrap();
        let last = &logits[logits.len() - 97..];
        let best = (0..97).max_by(|a, b| last[*a].total_cmp(&last[*b])).unwrap();
        text.push(best as u32);
    }
    assert_eq!(generate(&decoder, &prompt, &options()).unwrap(), text[3..]);
}

#[test]
fn drawing_is_a_function_of_the_seed() {
    let decoder = Decoder::init(&config(), 3, &Device::flex().autodiff());
    let draw = |seed| {
        generate(&decoder, &[1], &GenerateOptions { temperature: 1.0, seed, ..options() }).unwrap()
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn ends_at_a_stop_id_and_when_the_context_is_full() {
    let decoder =
        Decoder::init(&Config { max_position_embeddings: 8, ..config() }, 3, &Device::flex());
    let whole = generate(&decoder, &[1, 2, 3], &options()).unwrap();
    assert_eq!(whole.len(), 5);
    let stop = whole[2];
    let before = whole.iter().position(|id| *id == stop).unwrap();
    assert_eq!(
        generate(&decoder, &[1, 2, 3], &GenerateOptions { stop: vec![stop], ..options() }).unwrap(),
        whole[..before]
    );
    for prompt in [&[][..], &[1; 8], &[1; 9]] {
        assert!(matches!(
            generate(&decoder, prompt, &options()),
            Err(Error::Prompt { expected: 7, .. })
        ));
    }
}

#[test]
fn top_p_keeps_the_likeliest() {
    let logits = [0.0, 2.0, 1.0, 2.0];
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut drawn = |top_p| {
        let options = GenerateOptions { temperature: 1.0, top_p, ..options() };
        let mut seen: Vec<u32> = (0..400).map(|_| choose(&logits, &options, &mut rng)).collect();
        seen.sort();
        seen.dedup();
        seen
    };
    // Probabilities: 0.06, 0.40, 0.15, 0.40.
    assert_eq!(drawn(0.3), [1]);
    assert_eq!(drawn(0.7), [1, 3]);
    assert_eq!(drawn(0.9), [1, 2, 3]);
    assert_eq!(drawn(1.0), [0, 1, 2, 3]);
    assert_eq!(choose(&logits, &options(), &mut rng), 1, "the lower id wins a tie");
}
