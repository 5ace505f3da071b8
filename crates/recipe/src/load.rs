//! From the path of a recipe to everything a run needs to know before it touches data.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::document::{Document, Format};
use crate::error::Error;
use crate::file::RecipeFile;
use crate::manifest::{Manifest, SuiteWithManifests};
use crate::mixing;
use crate::overrides;
use crate::problem::Findings;
use crate::project::Project;
use crate::read::read;
use crate::recipe::Recipe;
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
    /// What is scored, if the recipe asks for a forgetting report.
    pub suite: Option<SuiteWithManifests>,
    /// The manifests of the mixture's sources, by id.
    pub manifests: BTreeMap<String, Manifest>,
}

/// Loads and resolves a recipe, TOML or YAML by extension, with `key=value` overrides.
///
/// Reads the recipe, the manifests, catalog and suite it names, and no data.
///
/// # Errors
/// [`Error::Problems`] with everything that is wrong in these files; [`Error::Extension`],
/// [`Error::Read`] and [`Error::NoProject`] where there is nothing to look at.
pub fn load(recipe: &Path, overrides: &[String]) -> Result<Loaded, Error> {
    let format = Format::of(recipe).ok_or_else(|| Error::Extension { path: recipe.to_owned() })?;
    let text = fs::read_to_string(recipe)
        .map_err(|source| Error::Read { path: recipe.to_owned(), source })?;
    let project = Project::find(recipe)?;

    let name = recipe.display().to_string();
    let refused = |problems| Error::Problems { name: name.clone(), problems };
    let mut document = Document::parse(&name, &text, format).map_err(refused)?;
    let mut problems = Vec::new();
    mixing::unfold(&mut document);
    overrides::apply(&mut document, overrides, &mut problems);
    let file: Option<RecipeFile> = read(&mut document, &[], &mut problems);
    let mut findings = Findings::new(&document, problems);
    let loaded = file.and_then(|file| resolve(file, &text, &project, &mut findings));
    let problems = findings.into_problems();
    match loaded {
        Some(loaded) if problems.is_empty() => Ok(loaded),
        Some(_) | None => Err(refused(problems)),
    }
}

#[cfg(test)]
mod tests;
