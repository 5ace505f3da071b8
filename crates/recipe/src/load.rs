//! From the path of a recipe to everything a run needs to know before it touches data.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::chain;
use crate::document::{Document, Format};
use crate::error::Error;
use crate::file::RecipeFile;
use crate::manifest::{Manifest, SuiteWithManifests};
use crate::mixing;
use crate::overrides;
use crate::problem::Findings;
use crate::project::Project;
use crate::read::read;
use crate::recipe::{ModelOrigin, Recipe};
use crate::resolve::resolve;

/// A resolved recipe with what it refers to.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// With every default written out.
    pub recipe: Recipe,
    /// The project that the recipe lies in.
    pub project: Project,
    /// The recipe as the human wrote it, without overrides.
    pub source_text: String,
    /// The run of the stage before it in a chain that it starts from: `runs/x`.
    pub follows: Option<String>,
    /// Whether the recipe says `optimizer.state`; where it does not, the optimizer begins anew.
    pub says_optimizer_state: bool,
    /// What is scored, if the recipe asks for a forgetting report.
    pub suite: Option<SuiteWithManifests>,
    /// The manifests of the mixture's sources, by id.
    pub manifests: BTreeMap<String, Manifest>,
}

/// Loads and resolves a recipe of one stage, TOML or YAML by extension, with `key=value` overrides.
///
/// Reads the recipe, the manifests, catalog and suite it names, and no data.
///
/// # Errors
/// Those of [`load_chain`], and [`Error::Chain`] for a recipe of several stages.
pub fn load(recipe: &Path, overrides: &[String]) -> Result<Loaded, Error> {
    let mut all = load_chain(recipe, overrides)?;
    match all.pop() {
        Some(loaded) if all.is_empty() => Ok(loaded),
        last => {
            let names = all.into_iter().chain(last).map(|loaded| loaded.recipe.name);
            Err(Error::Chain { name: recipe.display().to_string(), stages: names.collect() })
        }
    }
}

/// Loads and resolves the stages of a recipe, in order; one without `[[stages]]` is its only stage.
///
/// Overrides reach every stage, but a `name` is that of the chain.
///
/// # Errors
/// [`Error::Problems`] with everything that is wrong in these files; [`Error::Extension`],
/// [`Error::Read`] and [`Error::NoProject`] where there is nothing to look at.
pub fn load_chain(recipe: &Path, overrides: &[String]) -> Result<Vec<Loaded>, Error> {
    let format = Format::of(recipe).ok_or_else(|| Error::Extension { path: recipe.to_owned() })?;
    let text = fs::read_to_string(recipe)
        .map_err(|source| Error::Read { path: recipe.to_owned(), source })?;
    let project = Project::find(recipe)?;

    let name = recipe.display().to_string();
    let refused = |problems| Error::Problems { name: name.clone(), problems };
    let mut document = Document::parse(&name, &text, format).map_err(refused)?;
    let mut problems = Vec::new();
    let (of_chain, of_stages): (Vec<String>, Vec<String>) =
        overrides.iter().cloned().partition(|argument| {
            argument.split_once('=').is_some_and(|(key, _)| key.trim() == "name")
        });
    overrides::apply(&mut document, &of_chain, &mut problems);
    let mut all = Vec::new();
    for mut document in chain::unfold(&document, &mut problems) {
        mixing::unfold(&mut document);
        overrides::apply(&mut document, &of_stages, &mut problems);
        let file: Option<RecipeFile> = read(&mut document, &[], &mut problems);
        let mut findings = Findings::new(&document, std::mem::take(&mut problems));
        let loaded = file.and_then(|file| resolve(file, &text, &project, &mut findings));
        all.extend(loaded.map(|loaded| Loaded { follows: follows(&loaded, &all), ..loaded }));
        problems = findings.into_problems();
    }
    // What is wrong at the top is wrong in every stage.
    problems.sort();
    problems.dedup();
    if problems.is_empty() { Ok(all) } else { Err(refused(problems)) }
}

/// The run of the stage before, which is the start where none is said, or of an earlier one that is named.
fn follows(loaded: &Loaded, before: &[Loaded]) -> Option<String> {
    let mut runs = before.iter().map(|stage| format!("runs/{}", stage.recipe.name));
    runs.find(|run| loaded.recipe.model.origin == ModelOrigin::From(run.clone()))
}

#[cfg(test)]
mod tests;
