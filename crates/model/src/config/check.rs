//! Whether the values of a configuration fit together.

use super::{Config, fields::Fields};
use crate::Error;

/// Refuses the first value that does not fit the others, or no computation.
pub(super) fn check(config: &Config, fields: &Fields<'_>) -> Result<(), Error> {
    let refuse = |field, found: &dyn ToString, expected: &str| {
        Err(fields.wrong(field, &found.to_string(), expected))
    };
    let sizes = [
        ("vocab_size", config.vocab_size),
        ("hidden_size", config.hidden_size),
        ("intermediate_size", config.intermediate_size),
        ("num_attention_heads", config.n_heads),
        ("num_key_value_heads", config.n_kv_heads),
        ("max_position_embeddings", config.max_position_embeddings),
    ];
    if let Some((field, found)) = sizes.into_iter().find(|(_, size)| !(1..=1 << 30).contains(size))
    {
        return refuse(field, &found, "1 to 2^30");
    }
    if !config.n_heads.is_multiple_of(config.n_kv_heads) {
        let expected = format!("a divisor of num_attention_heads = {}", config.n_heads);
        return refuse("num_key_value_heads", &config.n_kv_heads, &expected);
    }
    if !(1..=1 << 16).contains(&config.head_dim) {
        return refuse("head_dim", &config.head_dim, "1 to 65,536");
    }
    for rope in &config.ropes {
        if rope.dim < 2 || rope.dim % 2 == 1 || rope.dim > config.head_dim {
            let expected = "an even number of elements of a head to turn, at most head_dim";
            return refuse("head_dim × partial_rotary_factor", &rope.dim, expected);
        }
        if !(rope.theta.is_finite() && rope.theta > 0.0) {
            return refuse("rope_theta", &rope.theta, "a number above 0");
        }
    }
    if config.layers.iter().any(|layer| layer.window == Some(0)) {
        return refuse("sliding_window", &0, "at least 1, or null");
    }
    let reals = [
        ("rms_norm_eps", config.norm_epsilon),
        ("query_pre_attn_scalar", config.attention_scale),
        ("initializer_range", config.initializer_range),
    ];
    if let Some((field, found)) = reals.into_iter().find(|(_, x)| !(x.is_finite() && *x > 0.0)) {
        return refuse(field, &found, "a number above 0");
    }
    Ok(())
}
