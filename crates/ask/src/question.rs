//! What a judge is asked.

/// One part of the reward of one completion, asked for.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Which of the recipe's rewards.
    pub part: usize,
    /// Names the completion in its run: step, row and number within the group, as in `12/0/3`; where the group
    /// took the place of others, as in `12/0.1/3`, also of how many.
    pub id: String,
    /// The source of its prompt.
    pub source: usize,
    /// The document of the source.
    pub document: u64,
    /// What the model wrote.
    pub completion: &'a str,
}
