//! What the references of prompts must be like for a recipe's rewards to judge by them.

use anyhow::{Context as _, Result};
use temper_corpus::CheckReference;
use temper_recipe::{Digest, Hasher, Project, Reward, VerifierName, VerifierReward};
use temper_verify::{Error, Verifier};

use crate::project_file;

/// Changes with what verifiers think of references, so that nobody believes an older temper about them.
const VERSION: &[u8] = b"temper references 2\0";

/// All verifiers that look at references.
#[derive(Debug)]
pub(crate) struct ReferenceCheck {
    verifiers: Vec<Verifier>,
}

impl ReferenceCheck {
    /// `None` where nobody looks at references. Programs and services have to get along with what they are
    /// told.
    pub(crate) fn of(rewards: &[Reward], project: &Project) -> Result<Option<Self>> {
        let mut verifiers = Vec::new();
        for reward in rewards.iter().filter(|reward| reward.needs_reference()) {
            if let Reward::Verifier(reward) = reward {
                verifiers.push(verifier(reward, project)?);
            }
        }
        Ok((!verifiers.is_empty()).then_some(Self { verifiers }))
    }
}

impl CheckReference for ReferenceCheck {
    fn check(&self, reference: &str) -> Result<(), String> {
        for verifier in &self.verifiers {
            if let Err(error) = verifier.check_reference(reference) {
                let Error::Reference { problem, .. } = &error else {
                    return Err(error.to_string());
                };
                return Err(format!("`{}` cannot judge by it: {problem}", verifier.name()));
            }
        }
        Ok(())
    }

    fn digest(&self) -> Digest {
        let mut names: Vec<VerifierName> = self.verifiers.iter().map(Verifier::name).collect();
        names.sort();
        names.dedup();
        let mut hasher = Hasher::new();
        hasher.update(VERSION);
        for name in names {
            hasher.update(name.to_string().as_bytes());
            hasher.update(b"\0");
        }
        hasher.finish()
    }
}

/// A verifier with its pattern or schema.
pub(crate) fn verifier(reward: &VerifierReward, project: &Project) -> Result<Verifier> {
    let VerifierReward { verifier, pattern, schema, .. } = reward;
    let read = |file| project_file::read(project, "rl.rewards: schema", file);
    let text = schema.as_ref().map(read).transpose()?;
    let fixed = pattern.as_deref().or(text.as_deref());
    Verifier::new(*verifier, fixed).with_context(|| match schema {
        Some(file) => format!("rl.rewards: `{}`", file.path),
        None => format!("rl.rewards: {verifier}"),
    })
}
