//! Why a plan is refused.

/// A mix that cannot be kept as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// One or more sources hold too few tokens for their share.
    #[error("{}", listed(shortages))]
    TooFewTokens {
        /// Every source that falls short.
        shortages: Vec<Shortage>,
    },
    /// The run ends before one or more sources have their first row.
    #[error("{}", not_drawn(sources))]
    NeverDrawn {
        /// Every source that would be left out.
        sources: Vec<NeverDrawn>,
    },
    /// A source has no position to train on.
    #[error(
        "plan: source `{source_name}` has no token to predict in {n_documents} documents; expected \
         at least one document of two tokens\n\nhint: check the corpus, or leave it out of the mix"
    )]
    NothingToPredict {
        /// The source.
        source_name: String,
        /// How many documents it has.
        n_documents: usize,
    },
    /// A source has documents, and none of them fits a row.
    #[error(
        "plan: source `{source_name}`: {}\n\nhint: raise `training.sequence_length`, or \
         `replay.sequence_length` for what is replayed; prompts leave room for `rl.max_new_tokens`",
        none_fits(*n_documents, *n_too_long, *positions)
    )]
    AllTooLong {
        /// The source.
        source_name: String,
        /// How many documents it has.
        n_documents: usize,
        /// How many of them are longer than a row and left out; the others hold nothing to predict.
        n_too_long: usize,
        /// Positions of a row.
        positions: usize,
    },
    /// A change of shares that does not fit the run.
    #[error(
        "plan: a phase starts at {start} and takes {length} to get there, expected it after {last} \
         and done before the end of the run at {units}\n\nhint: phases are listed in order, in \
         tokens, steps or percent of the budget"
    )]
    Phases {
        /// When it starts, in units drawn from all sources.
        start: u64,
        /// How long its ramp is.
        length: u64,
        /// When the phase before it is reached.
        last: u64,
        /// Units of the whole run.
        units: u64,
    },
    /// A remix of a run that is over.
    #[error(
        "plan: the budget is used up after {step} steps and {tokens} tokens, expected something left \
         to mix\n\nhint: `--extend 500k` raises the budget"
    )]
    NothingLeft {
        /// Steps done.
        step: u64,
        /// Tokens drawn.
        tokens: u64,
    },
    /// The shares need a common denominator beyond 64 bits.
    #[error(
        "plan: the shares of {n_sources} sources have no common denominator below 2^64\n\n\
         hint: write percents with fewer decimals"
    )]
    SharesTooFine {
        /// How many sources.
        n_sources: usize,
    },
    /// A cursor of another plan.
    #[error(
        "plan: the cursor stands in {found} sources, the recipe has {expected}\n\n\
         hint: resume with the recipe that the run was started with"
    )]
    ForeignCursor {
        /// Sources in the cursor.
        found: usize,
        /// Sources in the plan.
        expected: usize,
    },
}

/// Why a source has no row.
fn none_fits(n_documents: usize, n_too_long: usize, positions: usize) -> String {
    let longer = format!("longer than a row of {positions} positions");
    let is = if n_too_long == 1 { "is" } else { "are" };
    match n_documents - n_too_long {
        0 if n_documents == 1 => format!("its only document is {longer}"),
        0 => format!("all {n_documents} documents are {longer}"),
        _ => format!(
            "{n_too_long} of {n_documents} documents {is} {longer}, the others have no token to predict"
        ),
    }
}

/// A source that cannot supply its share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// The source.
    pub source: String,
    /// What is counted: tokens, rows or documents.
    pub unit: &'static str,
    /// What its share of the run asks for.
    pub needed: u64,
    /// What one pass over it gives.
    pub available: u64,
    /// What an earlier mix of the run has drawn.
    pub used: u64,
    /// Passes it may be read.
    pub max_epochs: u32,
    /// The largest budget that the source can serve, in tokens.
    pub largest_budget: u64,
}

impl std::fmt::Display for Shortage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { source, unit, needed, available, used, max_epochs, .. } = self;
        let supply = u128::from(*available) * u128::from(*max_epochs);
        let left = supply.saturating_sub(u128::from(*used));
        write!(
            f,
            "plan: `{source}` cannot supply its share: needed {needed} {unit}, available {left} \
             ({available} × max_epochs {max_epochs}"
        )?;
        match used {
            0 => f.write_str(")"),
            used => write!(f, ", less {used} drawn before)"),
        }
    }
}

/// A source whose share rounds to nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct NeverDrawn {
    /// The source.
    pub source: String,
    /// What is counted: tokens, rows or documents.
    pub unit: &'static str,
    /// What its share of the run comes to.
    pub due: f64,
    /// The whole run.
    pub total: u64,
    /// The largest row.
    pub row: u64,
    /// A budget that is sure to draw a row of the source, in tokens; `None` if none is.
    pub smallest_budget: Option<u64>,
}

impl std::fmt::Display for NeverDrawn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { source, unit, due, total, row, .. } = self;
        write!(
            f,
            "plan: `{source}` gets no row: its share of {total} {unit} is {due:.1}, expected enough \
             for a row of {row}"
        )
    }
}

/// All sources without a row, then one way out that gives each of them one.
fn not_drawn(sources: &[NeverDrawn]) -> String {
    let lines: Vec<String> = sources.iter().map(NeverDrawn::to_string).collect();
    let names: Vec<String> = sources.iter().map(|never| format!("`{}`", never.source)).collect();
    let names = names.join(" and ");
    let budgets = sources.iter().map(|never| never.smallest_budget);
    // `None` where one source has none.
    let budget = budgets.collect::<Option<Vec<u64>>>().and_then(|all| all.into_iter().max());
    let raise = budget.map(|budget| format!("raise the budget to {budget} tokens"));
    // Of nothing at all, no percent is enough.
    let is_some = sources.iter().all(|never| never.total > 0);
    let change =
        is_some.then(|| format!("give {names} a larger percent, or leave {names} out of the mix"));
    let hint = [raise, change].into_iter().flatten().collect::<Vec<_>>().join(", ");
    format!("{}\n\nhint: {hint}", lines.join("\n"))
}

/// All shortages, then one way out that mends all of them.
fn listed(shortages: &[Shortage]) -> String {
    let lines: Vec<String> = shortages.iter().map(Shortage::to_string).collect();
    let names: Vec<String> = shortages.iter().map(|short| format!("`{}`", short.source)).collect();
    let passes = |short: &Shortage| (short.needed + short.used).div_ceil(short.available.max(1));
    let passes = shortages.iter().map(passes).max();
    let budget = shortages.iter().map(|short| short.largest_budget).min();
    let raise = match passes {
        Some(passes) if passes <= u64::from(u32::MAX) => {
            format!("raise `max_epochs` to {passes}, ")
        }
        Some(_) | None => String::new(),
    };
    format!(
        "{}\n\nhint: {raise}lower the budget to {} tokens, or give {} a smaller percent",
        lines.join("\n"),
        budget.unwrap_or_default(),
        names.join(" and ")
    )
}
