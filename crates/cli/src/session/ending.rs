//! What is said and recorded when a run ends, is interrupted or fails.

use anyhow::Result;
use serde_json::{Value, json};
use temper_ledger::{End, Outcome};
use temper_mix::Plan;
use temper_recipe::Stage;
use temper_train::StageEnd;

use super::Session;
use crate::extension::suggested;
use crate::gatekeeper::Gatekeeper;
use crate::learned::Learned;
use crate::realised::{realised, table};
use crate::signals;
use crate::{print, tables};

impl Session {
    /// The last score, the realised mix, and what to do next; true when the gate says no.
    pub(super) fn report(
        &self,
        ending: &StageEnd,
        gatekeeper: Option<&Gatekeeper>,
        plan: &Plan,
    ) -> Result<bool> {
        let step = ending.cursor.step;
        let look =
            gatekeeper.map(|gatekeeper| gatekeeper.look(step, &ending.decoder)).transpose()?;
        let refused = ending.stopped_by_gate || look.as_ref().is_some_and(|look| look.stop);
        let end = if ending.finished { End::Finished } else { End::Stopped };
        let reason = refused.then(|| "the forgetting gate said stop".to_owned());
        let summary = look.as_ref().map_or(Value::Null, |look| {
            let mut summary = json!({ "forgetting": look.report, "gate": look.gate });
            look.since.iter().for_each(|since| summary["since"] = json!(since));
            summary
        });
        self.run.write_outcome(&Outcome { end, step, reason, summary: summary.clone() })?;
        let checkpoint = self.run.checkpoint_folder(step);
        let mix = realised(plan, &ending.cursor)?;
        let remixed_after = (plan.start().step > 0).then_some(plan.start().step);
        if self.json {
            print::json(&json!({
                "run": self.run.path(), "step": step, "tokens": ending.cursor.tokens(),
                "checkpoint": checkpoint, "report": summary, "mix": mix,
                "remixed_after": remixed_after,
            }))?;
            return Ok(refused);
        }
        if let Some(look) = &look {
            print::data(&format!("\n{}", tables::forgetting(&look.report, &look.after)));
            if let Some(since) = &look.since {
                print::data(&format!("\n{}", tables::since(since, &look.after)));
            }
            print::data(&format!("\n  {}", tables::gate(&look.gate)));
        }
        if let Some(learned) = Learned::of(&self.run)? {
            print::data(&format!("\n{learned}"));
        }
        print::data(&format!("\n{}", table(&mix, plan)));
        if let Some(step) = remixed_after {
            print::data(&format!("  since the remix after step {step}"));
        }
        let run = print::path(self.run.path());
        let answers = matches!(self.recipe.stage, Stage::Sft | Stage::Dpo | Stage::Rl)
            && self.model.chat_template.is_some();
        let chat = if answers { " --chat" } else { "" };
        print::data(&format!(
            "  checkpoint  {}\n  \
             audit it    temper audit {run}\n  \
             look at it  temper generate {run}{chat} --prompt \"…\"",
            print::path(&checkpoint)
        ));
        let on = match ending.finished {
            true => suggested(&self.recipe, self.budget()?).map(|more| format!("--extend {more}")),
            // A part of its budget is left.
            false => Some("  # past the gate".to_owned()),
        };
        if let Some(on) = on {
            print::data(&format!("  train on    temper resume {run} {on}"));
        }
        Ok(refused)
    }

    pub(super) fn interrupted(&self) -> Result<()> {
        let saved = self.run.latest_checkpoint()?;
        let step = saved.unwrap_or(0);
        let reason = Some(format!("signal {}", signals::received()));
        self.run.write_outcome(&Outcome {
            end: End::Interrupted,
            step,
            reason,
            summary: Value::Null,
        })?;
        let at = match saved {
            Some(step) => format!("interrupted after step {step}, saved"),
            None => {
                "interrupted before the first step; what is tokenized and scored is kept".to_owned()
            }
        };
        print::note(&format!(
            "{at}\n\nhint: `temper resume {}` continues it",
            print::path(self.run.path())
        ));
        Ok(())
    }

    pub(super) fn failed(&self, error: &anyhow::Error) {
        let reason = Some(print::chain(error));
        let step = self.run.latest_checkpoint().ok().flatten().unwrap_or(0);
        let outcome = Outcome { end: End::Failed, step, reason, summary: Value::Null };
        // The error that ended the run is what the user must read, not one of this note.
        let _ = self.run.write_outcome(&outcome);
    }
}
