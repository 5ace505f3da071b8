//! `temper audit`, `trace` and `query`.
