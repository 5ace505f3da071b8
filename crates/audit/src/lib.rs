//! What happened, asked and proven: re-derive, compare, query.
