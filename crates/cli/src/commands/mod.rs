//! One file per verb.

pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod cache;
pub(crate) mod check;
pub(crate) mod checkpoint;
pub(crate) mod compare;
pub(crate) mod corpus;
pub(crate) mod eval;
pub(crate) mod generate;
pub(crate) mod plan;
pub(crate) mod query;
pub(crate) mod report;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod tokenizer;
pub(crate) mod trace;
