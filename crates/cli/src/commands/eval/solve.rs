//! `temper eval --prompts`: completions of held-out prompts, judged.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use temper_corpus::{ChatFormat, Corpus, Supervised, tokenize};
use temper_eval::{PassAt, pass_at};
use temper_model::{Decoder, Ending, GenerateOptions, Prompt, Sampling, generate};
use temper_recipe::{OnBadRow, Project, Tokenization};
use temper_tokens::TokenSource as _;
use temper_verify::Verifier;

use crate::args::EvalArguments;
use crate::exit::Failure;
use crate::model::Model;
use crate::print::{self, Table};
use crate::rewards::stop_ids;
use crate::signals::Signals;
use crate::{device, progress::Progress};

/// Prompts that are continued together.
const BATCH: usize = 64;

/// Samples every prompt of a corpus and says how many are solved.
pub(super) fn solve(arguments: &EvalArguments, prompts: &str) -> Result<(), Failure> {
    let signals = Signals::listen()?;
    let device = device::open(&arguments.device.device)?;
    let project = Project::find(Path::new("."))?;
    let model = Model::find(Path::new(""), &arguments.checkpoint)?;
    let manifest = project.manifest(prompts)?;
    let corpus = Corpus::open(&manifest, &project.manifests_dir())?;
    let Some(column) = manifest.columns.answer.as_deref() else {
        return Err(anyhow::anyhow!(
            "--prompts: `{prompts}` has no column for `answer`, expected prompts with references\n\n\
             hint: `temper corpus import --prompts` makes such a corpus"
        )
        .into());
    };
    let mut answers = corpus.read_answers(column)?;
    let Some(name) = arguments.verifier else {
        return Err(anyhow::anyhow!(
            "--prompts: found no `--verifier`, expected what judges\n\nhint: `--verifier number`"
        )
        .into());
    };
    let verifier = Verifier::new(name.into(), None)?;
    let chat = model.chat_template.as_ref();
    let chat = chat.map(|template| ChatFormat {
        template,
        supervised: Supervised::Prompt,
        on_bad_row: OnBadRow::Refuse,
    });
    let policy = Tokenization { bos: false, eos: false };
    let (cache, stop) = (project.cache_dir(), signals.flag());
    let tokens = tokenize(&corpus, &model.tokenizer, policy, chat, &cache, stop, &mut |_| {})?;
    for (document, answer) in answers.iter().enumerate() {
        let failed = || format!("corpus `{prompts}`, document {document}: `{column}`");
        verifier.score("", answer).with_context(failed)?;
    }
    let mut asked: Vec<Prompt> = (0..tokens.n_documents())
        .map(|document| {
            let mut ids = vec![0; tokens.document_len(document)];
            tokens.read(document, 0, &mut ids);
            Prompt {
                ids,
                n_samples: arguments.samples as usize,
                seed: arguments.seed.wrapping_add(document as u64),
            }
        })
        .collect();
    let room = model.config.max_position_embeddings.saturating_sub(arguments.max_tokens);
    let fits: Vec<bool> =
        asked.iter().map(|prompt| (1..=room).contains(&prompt.ids.len())).collect();
    let n_left_out = fits.iter().filter(|fits| !**fits).count();
    let mut each = fits.iter();
    asked.retain(|_| *each.next().unwrap_or(&false));
    let mut each = fits.iter();
    answers.retain(|_| *each.next().unwrap_or(&false));
    if asked.is_empty() {
        let message = format!(
            "--prompts: found no prompt of `{prompts}` that leaves room for {} tokens in the model's context\n\n\
             hint: lower `--max-tokens`",
            arguments.max_tokens
        );
        return Err(anyhow::anyhow!(message).into());
    }
    if n_left_out > 0 {
        print::note(&format!("{n_left_out} prompts leave no room for an answer and are left out"));
    }
    let decoder = model.decoder(0, &device)?;
    let options = GenerateOptions {
        max_tokens: arguments.max_tokens,
        sampling: Sampling { temperature: arguments.temperature, ..Sampling::default() },
        stop_ids: stop_ids(&model)?,
        is_complete: None,
    };
    let solved = judged(&decoder, &model, &asked, &answers, &verifier, &options, &signals)?;
    let mut ks: Vec<u64> = vec![1];
    ks.extend((arguments.samples > 1).then_some(u64::from(arguments.samples)));
    let counts: Vec<(u64, u64)> =
        solved.iter().map(|right| (*right, u64::from(arguments.samples))).collect();
    let passes: Vec<PassAt> = ks.iter().map(|k| pass_at(*k, &counts, arguments.seed)).collect();
    if arguments.json {
        print::json(&json!({
            "prompts": prompts, "n": counts.len(), "samples": arguments.samples, "left_out": n_left_out,
            "pass": passes,
            "right": solved,
        }))?;
        return Ok(());
    }
    let mut table = Table::new(&["prompts", "samples", "measure", "solved", "95 % interval"]);
    for PassAt { k, share, interval } in passes {
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        table.row(vec![
            counts.len().to_string(),
            arguments.samples.to_string(),
            format!("pass@{k}"),
            percent(share),
            interval.map_or("–".to_owned(), |interval| {
                format!("{} … {}", percent(interval.lower), percent(interval.upper))
            }),
        ]);
    }
    print::data(&table.to_string());
    Ok(())
}

/// How many completions of each prompt are right.
fn judged(
    decoder: &Decoder,
    model: &Model,
    asked: &[Prompt],
    answers: &[String],
    verifier: &Verifier,
    options: &GenerateOptions<'_>,
    signals: &Signals,
) -> Result<Vec<u64>> {
    let mut bar = Progress::start("solving", asked.len() as u64);
    let mut solved = Vec::with_capacity(asked.len());
    for (prompts, answers) in asked.chunks(BATCH).zip(answers.chunks(BATCH)) {
        if signals.flag().load(std::sync::atomic::Ordering::SeqCst) {
            bail!("stopped after {} of {} prompts", solved.len(), asked.len());
        }
        for (completions, answer) in generate(decoder, prompts, options)?.iter().zip(answers) {
            let mut right = 0;
            for completion in completions {
                let ends = usize::from(completion.ending == Ending::Stop);
                let said = &completion.ids[..completion.ids.len() - ends];
                let text = model.tokenizer.decode_sampled(said)?;
                // An answer is right or it is not: half of one solves nothing.
                right += u64::from(verifier.score(&text, answer)? >= 1.0);
            }
            solved.push(right);
        }
        bar.at(solved.len() as u64, String::new);
    }
    bar.finish("");
    Ok(solved)
}
