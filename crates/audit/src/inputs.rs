//! What a run was made of, read again and checked.

use std::path::Path;
use std::sync::Arc;

use temper_ledger::{Decision, Identity, PlanRecord, Remix, RunDir, SeenDocuments, SourceData};
use temper_recipe::{Anchor, Digest, Manifest, Project, Recipe, Source};
use temper_tokens::{ShardSet, TokenCorpus, TokenSource, Unseen};

use crate::error::Error;
use crate::finding::{Findings, What};
use crate::seen::check_seen;

/// What a run was made of.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub(crate) identity: Identity,
    pub(crate) recipe: Recipe,
    /// `None` when the run never got as far, or the record is damaged.
    pub(crate) plan: Option<PlanRecord>,
    pub(crate) decisions: Vec<Decision>,
    /// Those of the decisions that changed the mix.
    pub(crate) remixes: Vec<Remix>,
    /// Of all mixes of the run, each once.
    pub(crate) sources: Vec<InputSource>,
    /// Corpus files and shards whose digests were computed.
    pub(crate) n_files: u64,
    bytes: Bytes,
}

/// One source of a run.
#[derive(Debug)]
pub(crate) struct InputSource {
    /// The corpus, by name.
    pub(crate) corpus: String,
    /// `None` when it cannot be read.
    pub(crate) manifest: Option<Manifest>,
    /// `None` when they cannot be opened.
    pub(crate) tokens: Option<Arc<TokenCorpus>>,
    /// Documents that are left out because they were seen before, where the recipe says so.
    pub(crate) seen: Option<SeenDocuments>,
}

impl InputSource {
    /// What the mix has of it.
    pub(crate) fn documents(&self) -> Option<Arc<dyn TokenSource + Send>> {
        let tokens = self.tokens.clone()?;
        Some(match &self.seen {
            Some(seen) => Arc::new(Unseen::new(tokens, &seen.documents)),
            None => tokens,
        })
    }
}

/// What to do about the bytes of corpora and shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bytes {
    /// Read all of them and compare their digests.
    Verify,
    /// Believe the files that list them.
    Trust,
}

/// What weights were held by must be what the recipe names; a run that has not begun has no copy yet.
fn check_fisher(run: &RunDir, recipe: &Recipe, findings: &mut Findings) -> Result<(), Error> {
    let anchor = recipe.anchor.as_ref();
    let Some(named) = anchor.and_then(|anchor| anchor.fisher.as_ref()) else { return Ok(()) };
    let expected = named.digest.short();
    match Digest::of_file(&run.path().join(Anchor::FISHER)) {
        Ok(found) => findings.compare(What::Fisher, Anchor::FISHER, found.short(), expected),
        Err(error) if run.latest_checkpoint()?.is_some() => {
            findings.add(What::Fisher, Anchor::FISHER, error, expected);
        }
        Err(_) => {}
    }
    Ok(())
}

impl Inputs {
    /// Reads everything and notes what has changed.
    pub(crate) fn load(
        run: &RunDir,
        project: &Project,
        bytes: Bytes,
        findings: &mut Findings,
    ) -> Result<Self, Error> {
        let identity = run.identity()?;
        let recipe = Recipe::from_resolved(&run.resolved_recipe()?)
            .map_err(|source| Error::Recipe { path: run.path().to_owned(), source })?;
        let (found, expected) = (recipe.digest(), identity.recipe);
        findings.compare(What::Recipe, "recipe.resolved.toml", found.short(), expected.short());
        check_fisher(run, &recipe, findings)?;
        let plan = run.plan().unwrap_or_else(|error| {
            findings.add(What::Plan, "plan.json", error, "the plan as the run recorded it");
            None
        });
        let decisions = run.decisions().unwrap_or_else(|error| {
            findings.add(What::Decision, "decisions.jsonl", error, "whole lines");
            Vec::new()
        });
        let remixes = run.remixes().unwrap_or_else(|error| {
            findings.add(What::Decision, "decisions.jsonl", error, "remixes as they were recorded");
            Vec::new()
        });
        let mut inputs = Self {
            identity,
            recipe,
            plan,
            decisions,
            remixes,
            sources: Vec::new(),
            n_files: 0,
            bytes,
        };
        let sources = inputs.mixed();
        let manifests: Vec<Option<Manifest>> =
            sources.iter().map(|source| inputs.check_manifest(source, project, findings)).collect();
        let tokens = inputs.check_shards(&sources, &project.cache_dir(), findings);
        let seen = check_seen(&inputs, run, project, &tokens, findings);
        let all = sources.into_iter().zip(manifests).zip(tokens);
        inputs.sources = all
            .map(|((Source { corpus, .. }, manifest), tokens)| InputSource {
                seen: seen.iter().find(|seen| seen.source == corpus).cloned(),
                corpus,
                manifest,
                tokens,
            })
            .collect();
        Ok(inputs)
    }

    /// The source called `corpus`.
    pub(crate) fn source(&self, corpus: &str) -> Option<&InputSource> {
        self.sources.iter().find(|source| source.corpus == corpus)
    }

    /// The sources of all mixes of the run, each once, in the order in which the mixes name them.
    fn mixed(&self) -> Vec<Source> {
        let mut sources: Vec<Source> = self.recipe.sources().cloned().collect();
        for source in self.remixes.iter().flat_map(|remix| remix.recipe.sources()) {
            if sources.iter().all(|known| known.corpus != source.corpus) {
                sources.push(source.clone());
            }
        }
        sources
    }

    fn check_manifest(
        &mut self,
        source: &Source,
        project: &Project,
        findings: &mut Findings,
    ) -> Option<Manifest> {
        let place = format!("data-manifests/{}.toml", source.corpus);
        let manifest = match project.manifest(&source.corpus) {
            Ok(manifest) => manifest,
            Err(error) => {
                let expected = format!("the manifest with digest {}", source.manifest.short());
                findings.add(What::Manifest, place, error, expected);
                return None;
            }
        };
        let (found, expected) = (manifest.digest(), source.manifest);
        findings.compare(What::Manifest, &place, found.short(), expected.short());
        for file in &manifest.files {
            let path = project.manifests_dir().join(&file.path);
            self.check_file(What::Corpus, &file.path, &path, &file.sha256, findings);
        }
        Some(manifest)
    }

    fn check_file(
        &mut self,
        what: What,
        place: &str,
        path: &Path,
        sha256: &Digest,
        findings: &mut Findings,
    ) {
        if self.bytes == Bytes::Trust {
            return;
        }
        self.n_files += 1;
        let expected = format!("sha256 {}", sha256.short());
        match Digest::of_file(path) {
            Ok(found) => {
                findings.compare(what, place, format!("sha256 {}", found.short()), expected)
            }
            Err(error) => findings.add(what, place, error, expected),
        }
    }

    /// Opens the shards the plan names, after comparing their digests.
    fn check_shards(
        &mut self,
        sources: &[Source],
        cache: &Path,
        findings: &mut Findings,
    ) -> Vec<Option<Arc<TokenCorpus>>> {
        let sources: Vec<String> = sources.iter().map(|source| source.corpus.clone()).collect();
        let Some(plan) = self.plan.clone() else { return vec![None; sources.len()] };
        let of_plan: Vec<String> = plan.sources.iter().map(|data| data.source.clone()).collect();
        if of_plan != sources {
            findings.add(What::Plan, "plan.json: sources", of_plan.join(", "), sources.join(", "));
            return vec![None; sources.len()];
        }
        // All of them, even when one fails: every change is named.
        plan.sources
            .iter()
            .map(|data| self.check_shard_set(data, &plan.tokenizer, cache, findings).map(Arc::new))
            .collect()
    }

    fn check_shard_set(
        &mut self,
        data: &SourceData,
        tokenizer: &Digest,
        cache: &Path,
        findings: &mut Findings,
    ) -> Option<TokenCorpus> {
        let place = format!("shards of `{}`", data.source);
        // The name comes from a file of the run: it must not lead out of the cache.
        if data.shards.parse::<Digest>().is_err() {
            findings.add(
                What::Plan,
                place,
                format!("folder `{}`", data.shards),
                "a digest as folder name",
            );
            return None;
        }
        let folder = cache.join(&data.shards);
        let expected = format!("the set with digest {}", data.digest.short());
        let (set, digest) = match ShardSet::load(&folder) {
            Ok(loaded) => loaded,
            Err(error) => {
                findings.add(What::Shard, place, chain_text(&error), expected);
                return None;
            }
        };
        findings.compare(What::Shard, &place, digest.short(), data.digest.short());
        let of_tokenizer = |digest: &Digest| format!("ids of tokenizer {}", digest.short());
        findings.compare(
            What::Shard,
            &place,
            of_tokenizer(&set.tokenizer),
            of_tokenizer(tokenizer),
        );
        for shard in &set.shards {
            let path = folder.join(&shard.file_name);
            let place = format!("{} of `{}`", shard.file_name, data.source);
            self.check_file(What::Shard, &place, &path, &shard.sha256, findings);
        }
        // Changed bytes are named above; opening them all the same shows which rows they touch.
        let tokens = match TokenCorpus::open(&folder, false) {
            Ok(tokens) => tokens,
            Err(error) => {
                findings.add(What::Shard, place, chain_text(&error), "shards that can be read");
                return None;
            }
        };
        let counts = |documents: u64, ids: u64| format!("{documents} documents with {ids} ids");
        let found = counts(tokens.n_documents() as u64, tokens.n_tokens());
        findings.compare(What::Shard, &place, found, counts(data.n_documents, data.n_tokens));
        Some(tokens)
    }
}

/// An error with its causes in one line, without its hint.
pub(crate) fn chain_text(error: &dyn std::error::Error) -> String {
    let first = |error: &dyn std::error::Error| {
        error.to_string().split("\n\n").next().unwrap_or_default().to_owned()
    };
    let mut text = first(error);
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {}", first(error));
        cause = error.source();
    }
    text.replace('\n', "; ")
}
