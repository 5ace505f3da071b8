//! Several questions at a time, and what becomes of their answers.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::error::Error;

/// Is given the number of a question and its answer, a reward if nothing else is said, and says whether to go on.
pub type Told<'a, A = f64> = dyn FnMut(usize, A) -> ControlFlow<()> + Send + 'a;

/// A question without an answer.
#[derive(Debug)]
pub struct Unanswered {
    /// Its number: of several, the one that stands first.
    pub question: usize,
    /// Why.
    pub error: Box<Error>,
}

/// Asks `questions` in order, as many at a time as there are `judges`, each of which has one at a time.
///
/// `ask` is given the judge, the question, and a flag that says that somebody else has failed: nothing is
/// asked again then. What is under way ends before this returns. What a judge answered is told before it is
/// asked the next question.
pub(crate) fn ask_all<J: Copy + Send, Q: Sync, A>(
    judges: impl Iterator<Item = J>,
    questions: &[Q],
    ask: impl Fn(J, &Q, &AtomicBool) -> Result<A, Error> + Sync,
    told: &mut Told<'_, A>,
) -> Result<(), Unanswered> {
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let told = Mutex::new(told);
    let failed: Mutex<Option<Unanswered>> = Mutex::new(None);
    thread::scope(|scope| {
        for judge in judges.take(questions.len()) {
            let (next, is_over, ask, told, failed) = (&next, &is_over, &ask, &told, &failed);
            scope.spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    let Some(question) = questions.get(at) else { break };
                    let is_enough = match ask(judge, question, is_over) {
                        Ok(answer) => {
                            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                            told(at, answer).is_break()
                        }
                        Err(error) => {
                            let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                            note(&mut failed, Unanswered { question: at, error: Box::new(error) });
                            true
                        }
                    };
                    if is_enough {
                        is_over.store(true, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.map_or(Ok(()), Err)
}

/// Keeps the first of several failures. Whoever gave up says nothing beside who failed.
fn note(first: &mut Option<Unanswered>, new: Unanswered) {
    let rank =
        |failed: &Unanswered| (matches!(*failed.error, Error::GivenUp { .. }), failed.question);
    if first.as_ref().is_none_or(|first| rank(&new) < rank(first)) {
        *first = Some(new);
    }
}
