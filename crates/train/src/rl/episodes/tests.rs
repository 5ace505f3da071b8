use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use burn::tensor::Device;
use temper_ask::{Question, Told};
use temper_mix::{Plan, PlanSource, PlanSpec};
use temper_model::{Config, Decoder};
use temper_recipe::{Budget, Exhausted, Normalisation, Packing, Rl, Share, Shares, Unit};
use temper_tokens::{
    BpeSpec, ChatTemplate, DocumentOrigin, SpecialTokens, TokenSource, Tokenizer,
    train_byte_level_bpe,
};

use super::*;
use crate::rl::{Environment, Judge, Sampler};

const TEMPLATE: &str = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}\
                        {% if add_generation_prompt %}<|assistant|>{% endif %}";

const MAX_TURNS: usize = 3;

/// Prompts as ids.
#[derive(Debug)]
struct Prompts(Vec<Vec<u32>>);

impl TokenSource for Prompts {
    fn n_documents(&self) -> usize {
        self.0.len()
    }

    fn document_len(&self, document: usize) -> usize {
        self.0[document].len()
    }

    fn read(&self, document: usize, start: usize, out: &mut [u32]) {
        out.copy_from_slice(&self.0[document][start..start + out.len()]);
    }

    fn origin(&self, document: usize) -> DocumentOrigin {
        DocumentOrigin { file: 0, row_group: 0, row: document as u32 }
    }
}

/// Asks again after each answer; episodes with even numbers are done with the second one.
struct Asking {
    prompts: Vec<Conversation>,
    /// Whether it says something before the first answer.
    opens: bool,
    /// What it was asked: episodes, and how often it had replied in them.
    asked: Mutex<Vec<(String, usize)>>,
}

impl Environment for Asking {
    fn prompt(&self, _source: usize, document: u64) -> &Conversation {
        &self.prompts[document as usize]
    }

    fn play(&self, moves: &[Move<'_>], told: &mut Told<'_, Reply>) -> Result<(), Unanswered> {
        // In any order.
        for (at, next) in moves.iter().enumerate().rev() {
            let n = next.past.len();
            assert_eq!(next.answer.is_none(), n == 0);
            assert!(next.is_last || n < MAX_TURNS);
            self.asked.lock().unwrap().push((next.id.clone(), n));
            let is_done = n == 2 && next.number.is_multiple_of(2);
            let said = match n {
                0 => self.opens.then(|| format!("door {}", next.number)),
                n => (!is_done).then(|| format!("again {n}")),
            };
            let message = |said: String| {
                let keys = [("role", "user"), ("content", said.as_str())];
                keys.map(|(key, value)| (key.to_owned(), Value::from(value))).into_iter().collect()
            };
            let messages = said.into_iter().map(message).collect();
            let reply = Reply { messages, reward: n as f64 / 10.0, is_done };
            if told(at, reply).is_break() {
                break;
            }
        }
        Ok(())
    }
}

struct Nobody;

impl Judge for Nobody {
    fn judge(&self, _: &[Question<'_>], _: &mut Told<'_>) -> Result<(), Unanswered> {
        Ok(())
    }
}

/// All that a step needs.
struct Setting {
    tokenizer: Tokenizer,
    template: ChatTemplate,
    decoder: Decoder,
    plan: Plan,
    rl: Rl,
    environment: Asking,
}

impl Setting {
    fn new(folder: &Path, opens: bool) -> Self {
        let token = |name: &str| format!("<|{name}|>");
        let names = ["bos", "eos", "pad", "user", "assistant", "end"];
        let spec = BpeSpec {
            vocab_size: 280,
            special_tokens: names.map(token).to_vec(),
            bos: Some(token("bos")),
            eos: Some(token("eos")),
            pad: Some(token("pad")),
            model_max_length: 200,
        };
        let texts = (0..40).map(|n| format!("river {n}, again {n}, door {n} opens again.\n"));
        train_byte_level_bpe(texts, &spec, folder).unwrap();
        let tokenizer = Tokenizer::load(folder).unwrap();
        let template = ChatTemplate::new("t", TEMPLATE, SpecialTokens::new()).unwrap();
        let said =
            |n: usize| serde_json::json!([{ "role": "user", "content": format!("river {n}") }]);
        let prompts: Vec<Conversation> =
            (0..3).map(|n| Conversation::from_json(said(n)).unwrap()).collect();
        let ids = (0..3).map(|n| encode(&tokenizer, &prompt(n)));
        let source = PlanSource { name: "asked".to_owned(), max_epochs: 9 };
        let spec = PlanSpec {
            whole_documents: true,
            replay: None,
            seed: 5,
            budget: Budget::Steps(2),
            sequence_length: 120,
            rows_per_step: 3,
            packing: Packing::Pad,
            packing_window: 16,
            unit: Unit::Documents,
            shares: Shares::Stated([("asked".to_owned(), Share::new(1, 1).unwrap())].into()),
            phases: Vec::new(),
            on_exhausted: Exhausted::Refuse,
            sources: vec![source],
        };
        let config = serde_json::json!({
            "model_type": "llama", "vocab_size": 300, "hidden_size": 16, "intermediate_size": 32,
            "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8,
            "max_position_embeddings": 128, "rope_theta": 1e4, "rms_norm_eps": 1e-6,
            "tie_word_embeddings": true, "initializer_range": 0.3, "bos_token_id": 0, "eos_token_id": 1,
        });
        let config = Config::from_json(&config.to_string(), Path::new("config.json")).unwrap();
        Self {
            decoder: Decoder::init(&config, 3, &Device::flex()),
            plan: Plan::new(spec, vec![Arc::new(Prompts(ids.collect()))]).unwrap(),
            rl: Rl {
                group_size: 4,
                max_new_tokens: 8,
                temperature: 1.0,
                normalisation: Normalisation::Dapo,
                clip: [0.2, 0.2],
                kl: 0.0,
                updates_per_rollout: 1,
                max_drift: None,
                refill: 0,
                mask_truncated: false,
                rewards: Vec::new(),
                environment: None,
            },
            environment: Asking { prompts, opens, asked: Mutex::default() },
            tokenizer,
            template,
        }
    }

    /// Plays the first step, with the replies at `path`.
    fn play(&self, path: PathBuf) -> Vec<(Rollout, Sequence)> {
        let (environment, template) = (&self.environment, &self.template);
        let world = World { environment, template, max_turns: MAX_TURNS };
        let sampler = Sampler {
            tokenizer: &self.tokenizer,
            // Enough for answers of several lengths, some of which do not end.
            stop_ids: (220..300).chain(self.tokenizer.token_id("<|end|>")).collect(),
            judge: &Nobody,
            world: Some(world),
        };
        let step = self.plan.walk(self.plan.start()).unwrap().next().unwrap();
        let sitting = Sitting {
            decoder: &self.decoder,
            plan: &self.plan,
            step: &step,
            rows: &[0, 1, 2],
            rl: &self.rl,
            sampler: &sampler,
            seed: 7,
            sequence_length: 128,
        };
        let mut replies = Replies::open(path, None).unwrap();
        super::play(&sitting, &world, &mut replies).unwrap()
    }

    /// What the environment was asked since this was called last, in order.
    fn asked(&self) -> Vec<(String, usize)> {
        let mut asked = std::mem::take(&mut *self.environment.asked.lock().unwrap());
        asked.sort();
        asked
    }
}

fn prompt(n: usize) -> String {
    format!("<|user|>river {n}<|end|><|assistant|>")
}

fn encode(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode_rendered(text).unwrap().into_iter().map(|(id, _)| id).collect()
}

#[test]
fn what_was_sampled_stays_and_the_template_writes_what_is_between() {
    for opens in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let setting = Setting::new(folder.path(), opens);
        let encode = |text: &str| encode(&setting.tokenizer, text);
        let end = setting.tokenizer.token_id("<|end|>").unwrap();
        let played = setting.play(folder.path().join("replies"));
        assert_eq!(played.len(), 12);
        let mut lengths = Vec::new();
        for (number, (entry, sequence)) in played.iter().enumerate() {
            let (reset, turns) = entry.turns.split_first().unwrap();
            assert_eq!(reset.messages.len(), usize::from(opens));
            let begin = match opens {
                false => prompt(entry.document as usize),
                true => format!(
                    "<|user|>river {}<|end|><|user|>door {number}<|end|><|assistant|>",
                    entry.document
                ),
            };
            let mut expected = encode(&begin);
            for (n, turn) in (1..).zip(turns) {
                assert!((1..=8).contains(&turn.ids.len()));
                expected.extend(&turn.ids);
                if n < turns.len() {
                    assert!(!turn.is_done);
                    let between = format!("<|end|><|user|>again {n}<|end|><|assistant|>");
                    let is_ended = turn.ids.last() == Some(&end);
                    expected.extend(encode(&between).into_iter().skip(usize::from(is_ended)));
                }
            }
            assert_eq!(sequence.ids(), expected);
            let sampled: Vec<u32> =
                sequence.positions().iter().map(|at| sequence.ids()[at + 1]).collect();
            assert_eq!(sampled, entry.ids);
            assert_eq!(
                entry.ids,
                turns.iter().flat_map(|turn| turn.ids.clone()).collect::<Vec<_>>()
            );
            let last = turns.last().unwrap();
            assert_eq!(last.text, entry.text);
            // Over because the environment said so, because it was the last, or because it did not end.
            let is_over = (number % 2 == 0 && turns.len() == 2) || turns.len() == MAX_TURNS;
            assert!(is_over || entry.is_truncated, "{entry:?}");
            assert_eq!(last.is_done, number % 2 == 0 && turns.len() == 2);
            let given: f64 = (1..=turns.len()).map(|n| n as f64 / 10.0).sum();
            assert!((entry.environment_reward() - given).abs() < 1e-9);
            assert_eq!(entry.n_answers(), turns.len());
            lengths.push(turns.len());
        }
        assert!(lengths.contains(&2) && lengths.contains(&3), "{lengths:?}");
        let n_replies: usize = lengths.iter().map(|n| n + 1).sum();
        assert_eq!(setting.asked().len(), n_replies);
    }
}

#[test]
fn what_was_said_before_a_kill_is_not_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), true);
    let path = folder.path().join("replies");
    let expected = setting.play(path.clone());
    let all = setting.asked();
    let whole = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    assert_eq!(lines.len(), all.len());
    for kept in [0, 5, 12, 20, lines.len() - 1, lines.len()] {
        fs::write(&path, lines[..kept].join("\n") + if kept == 0 { "" } else { "\n" }).unwrap();
        assert!(setting.play(path.clone()) == expected, "with {kept} lines");
        assert_eq!(setting.asked().len(), all.len() - kept, "with {kept} lines");
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), lines.len());
    }
}
