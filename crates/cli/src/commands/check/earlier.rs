//! What is known of the runs of a chain's earlier stages before they are there.

use temper_recipe::ModelSpec;

use crate::advice::Past;

/// What the run of a stage will leave, as far as the recipe says.
#[derive(Clone, Debug)]
pub(super) struct Earlier {
    /// What its weights will have been through.
    pub(super) past: Past,
    /// What stands in for its checkpoint where rows are read: the nearest start that is there, with the tokens and the
    /// template that the stages since then give it.
    pub(super) stand_in: ModelSpec,
}

impl Earlier {
    /// What stands in for the start of a stage that follows it and asks for `own`.
    pub(super) fn stand_in_for(&self, own: &ModelSpec) -> ModelSpec {
        let mut spec = self.stand_in.clone();
        for token in &own.added_tokens {
            if !spec.added_tokens.contains(token) {
                spec.added_tokens.push(token.clone());
            }
        }
        if own.chat_template.is_some() {
            spec.chat_template.clone_from(&own.chat_template);
        }
        spec
    }
}
