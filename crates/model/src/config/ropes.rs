//! Reading rotary positions out of a `config.json`, as transformers 4 and 5 write them.

use std::f64::consts::TAU;

use super::{Config, fields::Fields};
use crate::{
    Error,
    rope::{Rope, RopeScaling},
};

/// The one rope of all layers.
///
/// transformers 5 writes `rope_parameters`; before, there were `rope_theta` and `rope_scaling`.
pub(super) fn single(fields: &mut Fields<'_>, config: &Config, theta: f64) -> Result<Rope, Error> {
    let rope = flat(fields, config, theta, None)?;
    if rope.dim != config.head_dim {
        let found = rope.dim as f64 / config.head_dim as f64;
        return Err(fields.wrong("partial_rotary_factor", &found.to_string(), "1"));
    }
    Ok(rope)
}

/// The rope of Phi 3, which may turn a part of each head.
pub(super) fn phi3(fields: &mut Fields<'_>, config: &Config) -> Result<Rope, Error> {
    // Its scaling had other names at first.
    let scaled = Scaled { kind: "longrope", original: 4096 };
    flat(fields, config, 10_000.0, Some(scaled))
}

fn flat(
    fields: &mut Fields<'_>,
    config: &Config,
    theta: f64,
    scaled: Option<Scaled>,
) -> Result<Rope, Error> {
    let theta = fields.number("rope_theta", theta)?;
    let partial = fields.number("partial_rotary_factor", 1.0)?;
    let original = fields.optional_size("original_max_position_embeddings")?;
    let original = original.or(scaled.map(|scaled| scaled.original));
    let old = fields.object("rope_scaling")?.filter(|old| !old.is_empty());
    let new = fields.object("rope_parameters")?;
    // transformers, too, takes the old spelling where a file has both.
    read(old.or(new), config, Defaults { theta, partial, original, scaled })
}

/// The ropes of sliding and of full attention, which Gemma 3 keeps apart.
pub(super) fn local_and_global(
    fields: &mut Fields<'_>,
    config: &Config,
) -> Result<[Rope; 2], Error> {
    let defaults = |theta| Defaults { theta, partial: 1.0, original: None, scaled: None };
    let local = defaults(fields.number("rope_local_base_freq", 10_000.0)?);
    let global = defaults(fields.number("rope_theta", 1_000_000.0)?);
    let old = fields.object("rope_scaling")?;
    let Some(mut new) = fields.object("rope_parameters")? else {
        return Ok([read(None, config, local)?, read(old, config, global)?]);
    };
    if old.is_some() {
        return Err(fields.wrong("rope_scaling", "beside `rope_parameters`", "one of the two"));
    }
    let (sliding, full) = (new.object("sliding_attention")?, new.object("full_attention")?);
    new.finish()?;
    Ok([read(sliding, config, local)?, read(full, config, global)?])
}

/// The one scaling of a family.
#[derive(Clone, Copy)]
struct Scaled {
    /// What it is, whatever the file calls it.
    kind: &'static str,
    /// Where the file leaves it out.
    original: usize,
}

/// What an object that describes a rope may leave out.
struct Defaults {
    theta: f64,
    partial: f64,
    /// Stands beside the object in Phi 3's files.
    original: Option<usize>,
    scaled: Option<Scaled>,
}

fn read(fields: Option<Fields<'_>>, config: &Config, defaults: Defaults) -> Result<Rope, Error> {
    let Some(mut fields) = fields else {
        let dim = rotary_dim(config, defaults.partial);
        return Ok(Rope { theta: defaults.theta, dim, scaling: RopeScaling::Default });
    };
    let (old_kind, new_kind) = (fields.text("type")?, fields.text("rope_type")?);
    if let (Some(old), Some(new)) = (old_kind, new_kind)
        && old != new
    {
        return Err(fields.wrong("type", &format!("`{old}`"), &format!("`{new}`, as rope_type")));
    }
    let kind = new_kind.or(old_kind).unwrap_or("default");
    let kind =
        if kind == "default" { kind } else { defaults.scaled.map_or(kind, |scaled| scaled.kind) };
    let theta = fields.number("rope_theta", defaults.theta)?;
    let partial = fields.number("partial_rotary_factor", defaults.partial)?;
    let dim = rotary_dim(config, partial);
    let inner = fields.optional_size("original_max_position_embeddings")?;
    if let (Some(outer), Some(inner)) = (defaults.original, inner)
        && outer != inner
    {
        let expected = format!("{outer}, as outside of it");
        let field = "original_max_position_embeddings";
        return Err(fields.wrong(field, &inner.to_string(), &expected));
    }
    let original = defaults.original.or(inner).unwrap_or(config.max_position_embeddings);
    let scaling = match kind {
        "default" => RopeScaling::Default,
        "linear" => RopeScaling::Linear { factor: factor(&mut fields)? },
        // The length it starts to grow at is the model's own, whatever else the file says.
        "dynamic" => RopeScaling::Dynamic {
            factor: factor(&mut fields)?,
            original: config.max_position_embeddings,
        },
        "yarn" => yarn(&mut fields, config, theta, dim, original)?,
        "longrope" => long_rope(&mut fields, config, dim, original)?,
        "llama3" => llama3(&mut fields, original)?,
        other => {
            let expected = "default, linear, dynamic, yarn, longrope or llama3";
            return Err(fields.wrong("rope_type", &format!("`{other}`"), expected));
        }
    };
    fields.finish()?;
    Ok(Rope { theta, dim, scaling })
}

fn rotary_dim(config: &Config, partial: f64) -> usize {
    (config.head_dim as f64 * partial) as usize
}

fn factor(fields: &mut Fields<'_>) -> Result<f64, Error> {
    positive(fields, "factor")
}

fn positive(fields: &mut Fields<'_>, field: &'static str) -> Result<f64, Error> {
    let found = fields.required_number(field)?;
    if found.is_finite() && found > 0.0 {
        return Ok(found);
    }
    Err(fields.wrong(field, &found.to_string(), "a number above 0"))
}

fn yarn(
    fields: &mut Fields<'_>,
    config: &Config,
    theta: f64,
    dim: usize,
    original: usize,
) -> Result<RopeScaling, Error> {
    let stretched = config.max_position_embeddings as f64 / original as f64;
    let factor = fields.number("factor", stretched)?;
    let given = fields.optional_number("attention_factor")?;
    let mscale = fields.optional_number("mscale")?.filter(|m| *m != 0.0);
    let mscale_all = fields.optional_number("mscale_all_dim")?.filter(|m| *m != 0.0);
    // 0 means the default, as for transformers.
    let fast = fields.optional_number("beta_fast")?.filter(|turns| *turns != 0.0).unwrap_or(32.0);
    let slow = fields.optional_number("beta_slow")?.filter(|turns| *turns != 0.0).unwrap_or(1.0);
    let truncate = fields.flag("truncate", true)?;
    let length = |mscale: f64| if factor <= 1.0 { 1.0 } else { 0.1 * mscale * factor.ln() + 1.0 };
    let inferred = match (mscale, mscale_all) {
        (Some(above), Some(below)) => length(above) / length(below),
        _ => length(1.0),
    };
    // The dimension whose pair turns so many times over the original length.
    let dimension =
        |turns: f64| dim as f64 * (original as f64 / (turns * TAU)).ln() / (2.0 * theta.ln());
    let (mut first, mut last) = (dimension(fast), dimension(slow));
    if truncate {
        (first, last) = (first.floor(), last.ceil());
    }
    let ramp = (first.max(0.0), last.min(dim as f64 - 1.0));
    Ok(RopeScaling::Yarn { factor, ramp, attention_factor: given.unwrap_or(inferred) })
}

fn long_rope(
    fields: &mut Fields<'_>,
    config: &Config,
    dim: usize,
    original: usize,
) -> Result<RopeScaling, Error> {
    let stretched = config.max_position_embeddings as f64 / original as f64;
    let factor = fields.number("factor", stretched)?;
    let given = fields.optional_number("attention_factor")?;
    let inferred =
        if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / (original as f64).ln()).sqrt() };
    let mut divisors = |field: &'static str| {
        let expected = format!("{} numbers", dim / 2);
        match fields.numbers(field)? {
            Some(found) if found.len() == dim / 2 => Ok(found),
            Some(found) => Err(fields.wrong(field, &format!("{} numbers", found.len()), &expected)),
            None => Err(fields.wrong(field, "missing", &expected)),
        }
    };
    let (short, long) = (divisors("short_factor")?, divisors("long_factor")?);
    let attention_factor = given.unwrap_or(inferred);
    Ok(RopeScaling::LongRope { short, long, original, attention_factor })
}

fn llama3(fields: &mut Fields<'_>, original: usize) -> Result<RopeScaling, Error> {
    let factor = factor(fields)?;
    let low = positive(fields, "low_freq_factor")?;
    let high = positive(fields, "high_freq_factor")?;
    if low >= high {
        let expected = format!("more than low_freq_factor = {low}");
        return Err(fields.wrong("high_freq_factor", &high.to_string(), &expected));
    }
    Ok(RopeScaling::Llama3 { factor, low, high, original })
}
