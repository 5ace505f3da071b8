//! Completions of prompts: sampled, and judged by all rewards.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use anyhow::anyhow;
use temper_ask::{Question, Unanswered};
use temper_model::{Decoder, Ending, GenerateOptions, generate};
use temper_tokens::Tokenizer;
use temper_train::Judge as _;

use super::asked::Asked;
use super::standard::Standard;
use crate::exit::Failure;
use crate::print::{self, counted};
use crate::progress::Progress;
use crate::rewards::Rewards;
use crate::signals::Signals;

/// Prompts that are continued and judged together.
const BATCH: usize = 64;

/// How the completions of a prompt were judged.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    /// How many of them pass.
    pub(super) right: u64,
    /// The mean of their rewards.
    pub(super) reward: f64,
    /// The mean of each part.
    pub(super) parts: Vec<f64>,
}

/// Whoever samples and judges.
#[derive(Debug)]
pub(super) struct Judging<'a> {
    pub(super) standard: &'a Standard,
    pub(super) rewards: &'a Rewards,
    pub(super) tokenizer: &'a Tokenizer,
    /// The corpus of the prompts.
    pub(super) corpus: &'a str,
    pub(super) signals: &'a Signals,
}

impl Judging<'_> {
    /// All prompts, in their order.
    ///
    /// # Errors
    /// A judge that does not answer: nothing is scored for want of an answer.
    pub(super) fn judged(
        &self,
        decoder: &Decoder,
        asked: &Asked,
        options: &GenerateOptions<'_>,
    ) -> Result<Vec<Judged>, Failure> {
        let n_prompts = asked.prompts.len();
        let mut bar = Progress::start("solving", n_prompts as u64);
        let mut judged = Vec::with_capacity(n_prompts);
        let batches = asked.prompts.chunks(BATCH).zip(asked.documents.chunks(BATCH));
        for (prompts, documents) in batches {
            let sampled = generate(decoder, prompts, options).map_err(Failure::running)?;
            let mut completions = Vec::with_capacity(sampled.len());
            for of_prompt in sampled {
                let texts = of_prompt.into_iter().map(|completion| {
                    let ends = usize::from(completion.ending == Ending::Stop);
                    self.tokenizer.decode_sampled(&completion.ids[..completion.ids.len() - ends])
                });
                let texts: Vec<String> =
                    texts.collect::<Result<_, _>>().map_err(Failure::running)?;
                completions.push(texts);
            }
            match self.judge(documents, &completions)? {
                Some(of_batch) => judged.extend(of_batch),
                None => {
                    let all = counted(n_prompts as u64, "prompt", "prompts");
                    print::note(&format!("stopped after {} of {all}", judged.len()));
                    return Err(Failure::Interrupted);
                }
            }
            bar.at(judged.len() as u64, String::new);
        }
        bar.finish("");
        Ok(judged)
    }

    /// Some prompts, by their documents; `None` when stopped.
    fn judge(
        &self,
        documents: &[u64],
        completions: &[Vec<String>],
    ) -> Result<Option<Vec<Judged>>, Failure> {
        let n_parts = self.standard.rewards.len();
        let mut questions = Vec::new();
        for (document, completions) in documents.iter().zip(completions) {
            for (sample, completion) in completions.iter().enumerate() {
                questions.extend((0..n_parts).map(|part| Question {
                    part,
                    id: format!("eval/{document}/{sample}"),
                    source: 0,
                    document: *document,
                    completion,
                }));
            }
        }
        let is_stopped = || self.signals.flag().load(Ordering::SeqCst);
        if is_stopped() {
            return Ok(None);
        }
        let mut rewards: Vec<Option<f64>> = vec![None; questions.len()];
        let answered = self.rewards.judge(&questions, &mut |question, reward| {
            rewards[question] = Some(reward);
            if is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if is_stopped() {
            return Ok(None);
        }
        let failed = |question: usize, cause: anyhow::Error| {
            let document = questions[question].document;
            let corpus = self.corpus;
            let what = format!("judging a completion of document {document} of `{corpus}`");
            Failure::running(cause.context(what))
        };
        if let Err(Unanswered { question, cause }) = answered {
            return Err(failed(question, anyhow!(cause)));
        }
        if let Some(question) = rewards.iter().position(Option::is_none) {
            return Err(failed(question, anyhow!("found no answer, expected a number")));
        }
        let rewards: Vec<f64> = rewards.into_iter().flatten().collect();
        let mut rest = rewards.as_slice();
        let of_prompt = completions.iter().map(|completions| {
            let (own, others) = rest.split_at(completions.len() * n_parts);
            rest = others;
            self.of_prompt(own, completions.len())
        });
        Ok(Some(of_prompt.collect()))
    }

    /// Of the rewards of a prompt's `n` completions, one after the other, part by part.
    fn of_prompt(&self, rewards: &[f64], n: usize) -> Judged {
        let n_parts = self.standard.rewards.len();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / n as f64;
        let totals: Vec<f64> =
            rewards.chunks(n_parts).map(|parts| self.standard.reward(parts)).collect();
        let part = |part: usize| -> Vec<f64> {
            rewards.iter().skip(part).step_by(n_parts).copied().collect()
        };
        Judged {
            right: totals.iter().filter(|reward| self.standard.passes(**reward)).count() as u64,
            reward: mean(&totals),
            parts: (0..n_parts).map(|number| mean(&part(number))).collect(),
        }
    }
}
