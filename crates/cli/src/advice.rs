//! What practice expects of a recipe like this one; none of it is an error.

mod material;
mod past;
mod start;

use temper_recipe::{Recipe, Share, Side, Source, Stage};

pub(crate) use self::past::Past;
pub(crate) use self::start::StartAdvice;

use crate::tables::percent;

/// Whether the mix has enough old text.
pub(crate) fn of_mix(recipe: &Recipe) -> Option<String> {
    /// The least part of old text that a weak shift needs (Ibrahim et al. 2024, arXiv 2403.08763).
    const LEAST_REPLAY: f64 = 0.05;
    let mixture = &recipe.mixture;
    let curated = mixture.sources.iter().filter(|source| source.side == Side::Curated);
    let share = |source: &Source| mixture.shares.stated(&source.corpus).map(Share::as_f64);
    // Shares that follow from sizes are known after tokenizing.
    let replay: f64 = curated.map(share).sum::<Option<f64>>()?;
    let is_bare = recipe.replay.is_none() && replay < LEAST_REPLAY;
    (recipe.stage != Stage::Pretrain && is_bare).then(|| {
        // An empty sum of floats is -0.
        let replay = if replay > 0.0 { percent(replay) } else { "nothing".to_owned() };
        format!(
            "  note: {replay} of the mix is curated. Of what a continued run forgets, 5 % removed 78 % where \
             the new text\n        was like the old one, and 25 % removed 88 % where it was another \
             language (Ibrahim et al. 2024)"
        )
    })
}
