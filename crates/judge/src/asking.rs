//! Several questions at a time, and what becomes of their answers.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use temper_ask::{Told, Unanswered};

use crate::error::Error;

/// The number of a question that was not answered, and why.
type Failure = (usize, Error);

/// Asks `questions` in order, as many at a time as there are `judges`; whoever is free is asked the next one.
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
    let next = AtomicUsize::new(0);
    let take = |_| Some(next.fetch_add(1, Ordering::SeqCst));
    ask_taken(judges.take(questions.len()), take, questions, ask, told)
}

/// As [`ask_all`], but who is asked is said by `judge_of`, a number below `n_judges`.
pub(crate) fn ask_each<Q: Sync, A>(
    n_judges: usize,
    judge_of: impl Fn(&Q) -> usize,
    questions: &[Q],
    ask: impl Fn(usize, &Q, &AtomicBool) -> Result<A, Error> + Sync,
    told: &mut Told<'_, A>,
) -> Result<(), Unanswered> {
    let mut of_judges: Vec<Vec<usize>> = vec![Vec::new(); n_judges];
    for (at, question) in questions.iter().enumerate() {
        of_judges[judge_of(question)].push(at);
    }
    let next: Vec<AtomicUsize> = of_judges.iter().map(|_| AtomicUsize::new(0)).collect();
    let take = |judge: usize| {
        let taken = next[judge].fetch_add(1, Ordering::SeqCst);
        of_judges[judge].get(taken).copied()
    };
    let asked = (0..n_judges).filter(|judge| !of_judges[*judge].is_empty());
    ask_taken(asked, take, questions, ask, told)
}

/// `take` gives the number of the question that a judge is asked next.
fn ask_taken<J: Copy + Send, Q: Sync, A>(
    judges: impl Iterator<Item = J>,
    take: impl Fn(J) -> Option<usize> + Sync,
    questions: &[Q],
    ask: impl Fn(J, &Q, &AtomicBool) -> Result<A, Error> + Sync,
    told: &mut Told<'_, A>,
) -> Result<(), Unanswered> {
    let is_over = AtomicBool::new(false);
    let told = Mutex::new(told);
    let failed: Mutex<Option<Failure>> = Mutex::new(None);
    thread::scope(|scope| {
        for judge in judges {
            let (take, is_over, ask, told, failed) = (&take, &is_over, &ask, &told, &failed);
            scope.spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    let Some(at) = take(judge) else { break };
                    let Some(question) = questions.get(at) else { break };
                    let is_enough = match ask(judge, question, is_over) {
                        Ok(answer) => {
                            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                            told(at, answer).is_break()
                        }
                        Err(error) => {
                            let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                            note(&mut failed, (at, error));
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
    failed.map_or(Ok(()), |(question, error)| Err(Unanswered { question, cause: Box::new(error) }))
}

/// Keeps the first of several failures. Whoever gave up says nothing beside who failed.
fn note(first: &mut Option<Failure>, new: Failure) {
    let rank = |(question, error): &Failure| (matches!(error, Error::GivenUp { .. }), *question);
    if first.as_ref().is_none_or(|first| rank(&new) < rank(first)) {
        *first = Some(new);
    }
}
