//! Which modules of a base an adapter changes.

use regex::Regex;

/// Modules by their names.
#[derive(Debug)]
pub(super) enum Names {
    /// Those that are called so, or whose last parts are.
    List(Vec<String>),
    /// Those whose whole name it matches.
    Pattern(Regex),
    /// All matrices but the embedding and the head.
    AllLinear,
}

impl Default for Names {
    /// None.
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

/// The modules with factors.
#[derive(Debug)]
pub(super) struct Targets {
    pub(super) modules: Names,
    pub(super) excluded: Names,
    /// Numbers of blocks; `None`: all.
    pub(super) layers: Option<Vec<u64>>,
}

impl Targets {
    /// Whether a module such as `model.layers.3.self_attn.q_proj` has factors.
    pub(super) fn contain(&self, module: &str) -> bool {
        let in_layers = match (&self.layers, &self.modules) {
            // A pattern names layers itself.
            (Some(layers), Names::List(names)) if !names.iter().any(|name| name == module) => {
                block(module).is_some_and(|block| layers.contains(&block))
            }
            _ => true,
        };
        in_layers && self.modules.contain(module) && !self.excluded.contain(module)
    }
}

impl Names {
    fn contain(&self, module: &str) -> bool {
        match self {
            Self::List(names) => names.iter().any(|name| is_last(module, name)),
            Self::Pattern(pattern) => pattern.is_match(module),
            Self::AllLinear => block(module).is_some(),
        }
    }
}

/// Whether a module is called so, or its last parts are.
pub(super) fn is_last(module: &str, name: &str) -> bool {
    module.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

fn block(module: &str) -> Option<u64> {
    module.strip_prefix("model.layers.")?.split('.').next()?.parse().ok()
}
