//! How answers come: one by one, in any order, known by the number of what was asked.

use std::ops::ControlFlow;

/// Is given the number of a question and its answer, a reward if nothing else is said, and says whether to go on.
pub type Told<'a, A = f64> = dyn FnMut(usize, A) -> ControlFlow<()> + Send + 'a;

/// A question that a judge, or a move that an environment has no answer to.
#[derive(Debug)]
pub struct Unanswered {
    /// Its number: of several, the one that stands first.
    pub question: usize,
    /// Why.
    pub cause: Box<dyn std::error::Error + Send + Sync>,
}
