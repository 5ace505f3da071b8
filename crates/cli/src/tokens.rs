//! The token shards of a recipe's sources, and the plan over them.

use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use temper_ledger::{
    DroppedRow, IdsDigest, MOST_PLACES, PlanRecord, SeenBefore, SeenDocuments, SourceData,
    TOO_LONG, TooLongRecord, Totals,
};
use temper_mix::{Cursor, Plan, PlanSpec, TooLong};
use temper_recipe::{Budget, Digest, Preference, Project, Recipe, Source};
use temper_tokens::{DocumentOrigin, Fit, TokenCorpus, TokenSource, Unseen};

use crate::labels::Labels;
use crate::model::Model;
use crate::print::thousands;

/// The token shards of a recipe's sources, in their order.
#[derive(Debug)]
pub(crate) struct Tokens {
    tokenizer: Digest,
    sources: Vec<Tokenized>,
}

/// The token shards of one source.
#[derive(Debug)]
pub(crate) struct Tokenized {
    manifest: Digest,
    tokens: Arc<TokenCorpus>,
    /// Documents that are left out, where the recipe says so.
    seen: Option<SeenDocuments>,
    /// Where the first rows stand that are no documents because they cannot be learned from.
    dropped_rows: Vec<DroppedRow>,
}

impl Tokenized {
    pub(crate) fn new(
        manifest: Digest,
        tokens: TokenCorpus,
        dropped_rows: Vec<DroppedRow>,
    ) -> Self {
        Self { manifest, tokens: Arc::new(tokens), seen: None, dropped_rows }
    }

    fn source(&self) -> Arc<dyn TokenSource + Send> {
        match &self.seen {
            Some(seen) => Arc::new(Unseen::new(self.tokens.clone(), &seen.documents)),
            None => self.tokens.clone(),
        }
    }
}

impl Tokens {
    pub(crate) fn new(tokenizer: Digest, sources: Vec<Tokenized>) -> Self {
        Self { tokenizer, sources }
    }

    /// The shards that `plan` names for the sources of `recipe`, read once for their digests; `None`
    /// unless all are there as they were recorded.
    pub(crate) fn recorded(
        project: &Project,
        recipe: &Recipe,
        model: &Model,
        plan: &PlanRecord,
    ) -> Option<Self> {
        let tokenizer = model.tokenizer.digest();
        let source = |source: &Source| {
            let data = plan.sources.iter().find(|data| data.source == source.corpus)?;
            // The name comes from a file of the run: it must not lead out of the cache.
            data.shards.parse::<Digest>().ok()?;
            let tokens = TokenCorpus::open(&project.cache_dir().join(&data.shards), true).ok()?;
            let is_recorded = data.manifest == source.manifest && data.digest == tokens.digest();
            let dropped = data.dropped_rows.iter().filter(|row| row.reason != TOO_LONG).cloned();
            is_recorded.then(|| Tokenized::new(data.manifest, tokens, dropped.collect()))
        };
        let sources: Option<Vec<_>> = recipe.sources().map(source).collect();
        (plan.tokenizer == tokenizer).then_some(Self { tokenizer, sources: sources? })
    }

    /// Refuses judged answers that are all liked or all not: nothing tells what is better.
    fn refuse_equal_labels(&self, spec: &PlanSpec) -> Result<()> {
        let mut labels = Labels::default();
        for (at, source) in self.sources().into_iter().enumerate().take(spec.sources.len()) {
            let limit = spec.row_limit(at);
            // What was seen before has no ids any more.
            let is_learned = |document: &usize| {
                source.document_len(*document) > 0 && limit.of(&*source, *document) != Fit::TooLong
            };
            for document in (0..source.n_documents()).filter(is_learned) {
                match source.label(document) {
                    Some(true) => labels.desirable += 1,
                    Some(false) | None => labels.undesirable += 1,
                }
            }
        }
        labels.refusal().map_or(Ok(()), |refusal| Err(anyhow!(refusal)))
    }

    /// The plan of `recipe` over these tokens, for `budget`; of a run that has another mix behind it,
    /// from `seam` on.
    pub(crate) fn plan(
        &self,
        recipe: &Recipe,
        budget: Budget,
        seam: Option<&Cursor>,
    ) -> Result<Plan> {
        let spec = PlanSpec::new(recipe, budget);
        if recipe.preference.as_ref().is_some_and(Preference::is_unpaired) {
            self.refuse_equal_labels(&spec)?;
        }
        Ok(match seam {
            Some(seam) => Plan::continued(spec, self.sources(), seam.clone())?,
            None => Plan::new(spec, self.sources())?,
        })
    }

    /// The digests of the sources' shards.
    pub(crate) fn digests(&self) -> Vec<Digest> {
        self.sources.iter().map(|source| source.tokens.digest()).collect()
    }

    /// The documents of the sources.
    pub(crate) fn sources(&self) -> Vec<Arc<dyn TokenSource + Send>> {
        self.sources.iter().map(Tokenized::source).collect()
    }

    /// Of the sources of which `recipe` skips what was seen, the documents in `before`.
    ///
    /// # Errors
    /// When nothing of a source is left.
    pub(crate) fn seen(&self, recipe: &Recipe, before: &SeenBefore) -> Result<Vec<SeenDocuments>> {
        let skipping = recipe.sources().zip(&self.sources);
        let skipping = skipping.filter(|(source, _)| recipe.skips_seen(&source.corpus));
        let seen = skipping.map(|(source, Tokenized { tokens, .. })| {
            let is_seen = |document: &usize| before.contains(IdsDigest::from(tokens.ids_digest(*document)));
            let documents: Vec<u64> = (0..tokens.n_documents())
                .filter(is_seen)
                .map(|document| document as u64)
                .collect();
            if documents.len() == tokens.n_documents() {
                bail!(
                    "source `{}`: all of its {} documents were trained on by the runs behind the start ({})\n\n\
                     hint: import what is new, or leave it out of the mix",
                    source.corpus,
                    thousands(documents.len() as u64),
                    before.runs().join(", ")
                );
            }
            Ok(SeenDocuments { source: source.corpus.clone(), documents })
        });
        seen.collect()
    }

    /// Leaves out what was seen.
    pub(crate) fn without(mut self, recipe: &Recipe, seen: Vec<SeenDocuments>) -> Self {
        for (source, tokenized) in recipe.sources().zip(&mut self.sources) {
            tokenized.seen = seen.iter().find(|seen| seen.source == source.corpus).cloned();
        }
        self
    }

    /// How many documents of source number `source` are left out because they were seen.
    pub(crate) fn n_seen(&self, source: usize) -> u64 {
        self.sources[source].seen.as_ref().map_or(0, |seen| seen.documents.len() as u64)
    }

    /// What the run is going to do, and on which bytes; `plan` is that of `recipe` over these tokens.
    pub(crate) fn record(&self, recipe: &Recipe, plan: &Plan, totals: Totals) -> PlanRecord {
        let sources = recipe.sources().zip(&self.sources).enumerate();
        PlanRecord {
            steps: totals.steps,
            tokens: totals.tokens,
            own_tokens: (totals.own_tokens != totals.tokens).then_some(totals.own_tokens),
            rows: totals.rows,
            mix_from: totals.mix_from,
            tokenizer: self.tokenizer,
            sources: sources
                .map(|(at, (source, tokenized))| {
                    tokenized.record(&source.corpus, plan.too_long(at))
                })
                .collect(),
        }
    }
}

impl Tokenized {
    fn record(&self, source: &str, too_long: TooLong) -> SourceData {
        let Self { manifest, tokens, seen, dropped_rows } = self;
        let left_out = too_long.left_out.iter().take(MOST_PLACES).map(|document| {
            let DocumentOrigin { file, row_group, row } = tokens.origin(*document as usize);
            DroppedRow { file, row_group, row, reason: TOO_LONG.to_owned() }
        });
        SourceData {
            source: source.to_owned(),
            manifest: *manifest,
            shards: tokens.set().key.to_string(),
            digest: tokens.digest(),
            n_documents: tokens.n_documents() as u64,
            n_tokens: tokens.n_tokens(),
            dropped: tokens.set().dropped.clone(),
            seen: seen.as_ref().map(SeenDocuments::record),
            dropped_rows: dropped_rows.iter().cloned().chain(left_out).collect(),
            too_long: Some(TooLongRecord {
                truncated: too_long.truncated,
                left_out: too_long.left_out.len() as u64,
            }),
        }
    }
}
