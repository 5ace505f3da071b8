//! `temper`: arguments in, one verb, an exit code out.

mod advice;
mod args;
mod chat_formats;
mod checkpoint;
mod commands;
mod contamination;
mod corpora;
mod cost;
mod device;
mod disk;
mod exit;
mod extension;
mod fit;
mod gatekeeper;
mod labels;
mod learned;
mod lineage;
mod methods;
mod model;
mod out_of_memory;
mod picture;
mod print;
mod progress;
mod project_file;
mod realised;
mod references;
mod resident;
mod rewards;
mod scoring;
mod seen;
mod session;
mod signals;
mod since;
mod stop_ids;
mod tables;
mod tokens;
mod too_long;
mod training;
mod vocabulary;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Arguments, CacheVerb, CheckpointVerb, CorpusVerb, TokenizerVerb, Verb};
use crate::exit::Failure;

// Training allocates and frees large buffers all the time; this allocator keeps their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let verb = Arguments::parse().verb;
    let done = out_of_memory::named("the device", || dispatch(verb));
    match done.map_err(Failure::running).flatten() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn dispatch(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Check(arguments) => commands::check::check(&arguments),
        Verb::Plan(arguments) => commands::plan::plan(&arguments),
        Verb::Run(arguments) => commands::run::run(&arguments),
        Verb::Resume(arguments) => commands::resume::resume(&arguments),
        Verb::Runs(arguments) => commands::runs::runs(&arguments),
        Verb::Eval(arguments) => commands::eval::eval(&arguments),
        Verb::Compare(arguments) => commands::compare::compare(&arguments),
        Verb::Audit(arguments) => commands::audit::audit(&arguments),
        Verb::Trace(arguments) => commands::trace::trace(&arguments),
        Verb::Query(arguments) => commands::query::query(&arguments),
        Verb::Report(arguments) => commands::report::report(&arguments),
        Verb::Bench(arguments) => commands::bench::bench(&arguments),
        Verb::Generate(arguments) => commands::generate::generate(&arguments),
        Verb::Checkpoint { verb } => match verb {
            CheckpointVerb::Show(arguments) => commands::checkpoint::show(&arguments),
            CheckpointVerb::Convert(arguments) => commands::checkpoint::convert(&arguments),
            CheckpointVerb::Merge(arguments) => commands::checkpoint::merge(&arguments),
            CheckpointVerb::Diff(arguments) => commands::checkpoint::diff(&arguments),
            CheckpointVerb::Logits(arguments) => commands::checkpoint::logits(&arguments),
        },
        Verb::Tokenizer { verb } => match verb {
            TokenizerVerb::Train(arguments) => commands::tokenizer::train(&arguments),
            TokenizerVerb::Render(arguments) => commands::tokenizer::render(&arguments),
        },
        Verb::Corpus { verb } => match verb {
            CorpusVerb::Import(arguments) => commands::corpus::import(&arguments),
            CorpusVerb::Profile(arguments) => commands::corpus::profile(&arguments),
            CorpusVerb::Dedup(arguments) => commands::corpus::dedup(&arguments),
            CorpusVerb::Decontaminate(arguments) => commands::corpus::decontaminate(&arguments),
        },
        Verb::Cache { verb: CacheVerb::List(arguments) } => commands::cache::list(&arguments),
        Verb::Cache { verb: CacheVerb::Clean(arguments) } => commands::cache::clean(&arguments),
    }
}
