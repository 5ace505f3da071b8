use burn::tensor::Device;

use super::{CpuEngine, Engine, TensorEngine};
use crate::{
    hf,
    testing::{assert_close, families, ids},
};

/// Every family: prompts of several lengths, a sequence twice, one that ends early.
#[test]
fn slices_and_tensors_give_the_same_logits() {
    for (_, folder) in families() {
        let (decoder, _) = hf::load(&folder, &Device::flex()).unwrap();
        let vocabulary = decoder.config().vocab_size;
        let prompts: Vec<Vec<u32>> =
            [5, 21, 1].iter().map(|n| ids(*n as u64, *n, vocabulary)).collect();
        let prompts: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        let mut engines = [
            Engine::Cpu(Box::new(CpuEngine::new(&decoder))),
            Engine::Tensors(TensorEngine::new(&decoder, 8)),
        ];
        let mut both = |work: &dyn Fn(&mut Engine<'_>) -> Vec<f32>| {
            let [slices, tensors] = engines.each_mut().map(work);
            assert_close(&slices, &tensors, 1e-4);
        };
        both(&|engine| engine.prefill(&prompts));
        both(&|engine| {
            engine.select(&[0, 1, 1, 2]);
            engine.step(&[7, 8, 9, 10])
        });
        both(&|engine| {
            engine.select(&[1, 2, 3]);
            engine.step(&[3, 4, 5])
        });
        both(&|engine| engine.step(&[6, 6, 6]));
    }
}

/// The same sequence alone and among others, token by token and at once.
#[test]
fn logits_do_not_depend_on_the_batch() {
    for (name, folder) in families() {
        let (decoder, _) = hf::load(&folder, &Device::flex()).unwrap();
        let vocabulary = decoder.config().vocab_size;
        let text = ids(3, 24, vocabulary);
        let other = ids(4, 9, vocabulary);
        let mut among = CpuEngine::new(&decoder);
        let mut alone = CpuEngine::new(&decoder);
        let mut found = among.prefill(&[&other, &text[..20]])[vocabulary..].to_vec();
        let mut expected = alone.prefill(&[&text[..20]]);
        for id in &text[20..] {
            assert_close(&found, &expected, 1e-5);
            found = among.step(&[11, *id])[vocabulary..].to_vec();
            expected = alone.step(&[*id]);
        }
        assert_close(&found, &expected, 1e-5);
        // Frequencies that depend on the length are those of the moment a key was made.
        if decoder.config().ropes.iter().any(|rope| rope.depends_on_length()) {
            continue;
        }
        let whole: Vec<f32> = decoder.logits(&text).unwrap().into_data().try_into_vec().unwrap();
        let last = &whole[whole.len() - vocabulary..];
        let apart = found.iter().zip(last).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart <= 1e-5, "{name}: {apart}");
    }
}
