use burn::tensor::Device;
use proptest::prelude::*;
use serde_json::json;

use super::{CpuEngine, Engine, TensorEngine};
use crate::{
    Decoder, hf,
    testing::{assert_close, decoder_with, families, ids, various},
};

/// Both engines.
fn engines(decoder: &Decoder) -> [Engine<'_>; 2] {
    [
        Engine::Cpu(Box::new(CpuEngine::new(decoder))),
        Engine::Tensors(TensorEngine::new(decoder, 40)),
    ]
}

/// Logits of prompts and of tokens behind them, while sequences are copied and dropped.
fn walk(engine: &mut Engine<'_>, vocab_size: usize) -> Vec<Vec<f32>> {
    let prompts = [3, 21, 1].map(|n| ids(n, n as usize, vocab_size));
    let mut found = vec![engine.prefill(&prompts.each_ref().map(Vec::as_slice))];
    for (step, rows) in [&[0, 1, 1, 2][..], &[0, 1, 2, 3], &[3, 0, 1], &[0, 2]].iter().enumerate() {
        engine.select(rows);
        for round in 0..3 {
            found.push(engine.step(&ids(step as u64 * 3 + round, rows.len(), vocab_size)));
        }
    }
    found
}

#[test]
fn engines_agree() {
    let dynamic = json!({
        "max_position_embeddings": 20, "rope_scaling": { "rope_type": "dynamic", "factor": 4.0 },
    });
    let drawn = various().into_iter().chain([dynamic]).map(decoder_with);
    let stored =
        families().into_iter().map(|(_, folder)| hf::load(&folder, &Device::flex()).unwrap().0);
    for decoder in drawn.chain(stored) {
        let vocab_size = decoder.config().vocab_size;
        let [cpu, tensors] = engines(&decoder).each_mut().map(|engine| walk(engine, vocab_size));
        for (cpu, tensors) in cpu.iter().zip(&tensors) {
            assert_close(cpu, tensors, 3e-5);
        }
    }
}

#[test]
fn a_prompt_gives_the_logits_of_a_whole_pass() {
    for other in various() {
        let decoder = decoder_with(other);
        // Longer than a page of keys.
        let text = ids(1, 150.min(decoder.config().context() - 1), 61);
        let expected: Vec<f32> = decoder.logits(&text).unwrap().into_data().try_into_vec().unwrap();
        for engine in &mut engines(&decoder) {
            for n in [1, 17, text.len()] {
                // Lengths that a rope depends on are those of the prompt.
                let whole = decoder.logits(&text[..n]).unwrap().into_data().try_into_vec().unwrap();
                let whole: &[f32] = if n == text.len() { &expected } else { &whole };
                assert_close(&engine.prefill(&[&text[..n]]), &whole[(n - 1) * 61..], 3e-5);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_step_has_the_bits_of_a_pass_over_everything(
        family in 0..various().len(), lengths in prop::collection::vec(1_usize..30, 1..6), seed in any::<u64>(),
    ) {
        let decoder = decoder_with(various().swap_remove(family));
        // A rope that turns earlier keys anew makes a step another function than a pass.
        prop_assume!(!(9..40).any(|length| decoder.config().turns_anew_at(length)));
        let texts: Vec<Vec<u32>> = lengths.iter().map(|n| ids(seed ^ *n as u64, n + 1, 61)).collect();
        let mut engine = CpuEngine::new(&decoder);
        let starts: Vec<&[u32]> = texts.iter().map(|text| &text[..text.len() - 1]).collect();
        engine.prefill(&starts);
        let last: Vec<u32> = texts.iter().map(|text| text[text.len() - 1]).collect();
        let together = engine.step(&last);
        for (text, together) in texts.iter().zip(together.chunks_exact(61)) {
            prop_assert_eq!(&CpuEngine::new(&decoder).prefill(&[text])[..], together);
        }
    }

    #[test]
    fn padding_moves_no_logit(
        family in 0..various().len(), lengths in prop::collection::vec(1_usize..30, 1..6), seed in any::<u64>(),
    ) {
        let decoder = decoder_with(various().swap_remove(family));
        let texts: Vec<Vec<u32>> = lengths.iter().map(|n| ids(seed ^ *n as u64, *n, 61)).collect();
        let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        let together = TensorEngine::new(&decoder, 1).prefill(&texts);
        for (text, together) in texts.iter().zip(together.chunks_exact(61)) {
            assert_close(&TensorEngine::new(&decoder, 1).prefill(&[text]), together, 2e-5);
        }
    }
}
