//! How many judged answers were liked, of which a mix needs both kinds.

use serde::Serialize;

use crate::print::thousands;

/// The judged answers of a mix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Labels {
    pub(crate) desirable: u64,
    pub(crate) undesirable: u64,
}

impl Labels {
    /// Why nothing can be learned from them: all are liked or all are not, and nothing tells what is better.
    pub(crate) fn refusal(self) -> Option<String> {
        let Self { desirable, undesirable } = self;
        let found = match (desirable, undesirable) {
            // Why nothing is left to learn from is said elsewhere.
            (0, 0) => return None,
            (0, _) => "undesirable",
            (_, 0) => "desirable",
            (_, _) => return None,
        };
        let answers = match desirable + undesirable {
            1 => "the only answer of the mix is".to_owned(),
            n => format!("all {} answers of the mix are", thousands(n)),
        };
        Some(format!(
            "feedback: {answers} {found}, expected some of both kinds\n\n\
             hint: add a source with others, or raise `training.sequence_length` where those are longer than a row; \
             `stage = \"sft\"` imitates answers that are all good"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_one_kind_are_refused() {
        let check = |desirable, undesirable, expected: Option<&str>| {
            let refusal = Labels { desirable, undesirable }.refusal();
            let found = refusal.as_deref().and_then(|refusal| refusal.split_once(", expected"));
            assert_eq!(found.map(|(found, _)| found), expected);
        };
        check(1, 1, None);
        check(0, 0, None);
        check(1200, 0, Some("feedback: all 1,200 answers of the mix are desirable"));
        check(0, 2, Some("feedback: all 2 answers of the mix are undesirable"));
        check(0, 1, Some("feedback: the only answer of the mix is undesirable"));
    }
}
