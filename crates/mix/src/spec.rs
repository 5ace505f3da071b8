//! What a plan is made of.

use temper_recipe::{Budget, Exhausted, Mixture, Packing, PhaseSpec, Recipe, Shares, Stage, Unit};
use temper_tokens::TokenSource;

/// What a plan is made of, besides the tokens.
#[derive(Clone, Debug)]
pub struct PlanSpec {
    /// The recipe's seed.
    pub seed: u64,
    /// When the run is over.
    pub budget: Budget,
    /// Positions per row.
    pub sequence_length: usize,
    /// Rows per step.
    pub rows_per_step: usize,
    /// How documents fill rows.
    pub packing: Packing,
    /// Documents that are packed together.
    pub packing_window: usize,
    /// What a share counts.
    pub unit: Unit,
    /// How much each source gets.
    pub shares: Shares,
    /// Other shares from later moments on.
    pub phases: Vec<PhaseSpec>,
    /// What happens when a source is used up.
    pub on_exhausted: Exhausted,
    /// Documents that are longer than a row are left out instead of cut: pairs and prompts.
    pub whole_documents: bool,
    /// In the order in which rows and cursors number them.
    pub sources: Vec<PlanSource>,
    /// What is drawn beside it in each step; it lasts as long, whatever its own budget.
    pub replay: Option<Box<Self>>,
}

/// One source of a plan.
#[derive(Clone, Debug)]
pub struct PlanSource {
    /// Its order depends on its name, not on its place: arms of a comparison share it.
    pub name: String,
    /// Passes over its documents that the plan may use.
    pub max_epochs: u32,
}

impl PlanSpec {
    /// Tokens of one pass over a source that carry loss, without the ends of conversations that are
    /// longer than a row.
    pub fn tokens_of_pass(&self, source: &dyn TokenSource) -> u64 {
        if !source.has_silent_ids() && !self.whole_documents {
            return source.n_positions();
        }
        let of = |document| {
            let predicted = source.document_len(document).saturating_sub(1);
            match predicted.min(self.sequence_length) {
                kept if self.whole_documents && kept < predicted => 0,
                0 => 0,
                kept => source.n_supervised(document, 1, kept) as u64,
            }
        };
        (0..source.n_documents()).map(of).sum()
    }

    /// The mix of `recipe` for `budget`, which is the recipe's own unless the run was extended.
    pub fn new(recipe: &Recipe, budget: Budget) -> Self {
        // A prompt leaves room for its completion.
        let room = recipe.rl.as_ref().map_or(0, |rl| rl.max_new_tokens);
        let length = recipe.training.sequence_length - room;
        let rows = recipe.training.global_batch_size;
        let replay = recipe.replay.as_ref().map(|replay| {
            let (length, rows) = (replay.sequence_length, replay.rows_per_step);
            Box::new(Self::of(&replay.mixture, recipe.seed, budget, length, rows))
        });
        Self {
            whole_documents: matches!(recipe.stage, Stage::Dpo | Stage::Rl),
            replay,
            ..Self::of(&recipe.mixture, recipe.seed, budget, length, rows)
        }
    }

    /// A mix of texts, with rows of `sequence_length` positions.
    fn of(
        mixture: &Mixture,
        seed: u64,
        budget: Budget,
        sequence_length: usize,
        rows_per_step: usize,
    ) -> Self {
        let sources = mixture.sources.iter().map(|source| PlanSource {
            name: source.corpus.clone(),
            max_epochs: source.max_epochs,
        });
        Self {
            seed,
            budget,
            sequence_length,
            rows_per_step,
            packing: mixture.packing,
            packing_window: mixture.packing_window,
            unit: mixture.unit,
            shares: mixture.shares.clone(),
            phases: mixture.phases.clone(),
            on_exhausted: mixture.on_exhausted,
            whole_documents: false,
            sources: sources.collect(),
            replay: None,
        }
    }
}
