//! The recipes that pages print: what readers copy is a recipe, and it runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use tempfile::TempDir;

use crate::project::{Call, TEMPER};
use crate::tidy::{read, root, tracked};

/// A recipe in a page, which leaves nothing out.
struct Printed {
    page: String,
    text: String,
    recipe: toml::Table,
    /// The program that the page prints.
    program: Option<String>,
}

impl Printed {
    /// Those of all pages; the order of the pages is that of their names.
    fn all() -> Vec<Self> {
        let is_page = |path: &String| {
            (path.starts_with("docs/") && path.ends_with(".md")) || path == "README.md"
        };
        let mut all = Vec::new();
        for page in tracked().into_iter().filter(is_page) {
            let text = read(&root().join(&page));
            let blocks = |language: &str| {
                let fence = format!("```{language}\n");
                let blocks = text.split(fence.as_str()).skip(1);
                let blocks = blocks.map(|block| block.split("```").next().unwrap().to_owned());
                blocks.collect::<Vec<_>>()
            };
            let program = blocks("python").into_iter().next();
            // What leaves something out says so; a catalog or a manifest has no stage.
            let is_whole = |text: &String| {
                text.starts_with("schema = 1\n")
                    && text.contains("\nstage = ")
                    && !text.contains('…')
            };
            all.extend(blocks("toml").into_iter().filter(is_whole).map(|text| Self {
                page: page.clone(),
                recipe: text.parse().unwrap(),
                program: program.clone(),
                text,
            }));
        }
        assert!(all.len() >= 8, "found {}", all.len());
        all
    }

    fn name(&self) -> &str {
        self.recipe["name"].as_str().unwrap()
    }

    /// The file that its page's program is to be saved as, where an environment or a judge is a program.
    fn program_file(&self) -> Option<&str> {
        let environment = self.recipe.get("rl")?.get("environment")?;
        environment["program"].as_array()?.last()?.as_str()
    }

    /// So much less than its own budget as a test has time for, with a row for the smallest share of its mix.
    fn shrunk(&self) -> &'static [&'static str] {
        match self.recipe["training"].get("max_tokens") {
            Some(_) => &["training.sequence_length=128", "training.max_tokens=11k"],
            // In pairs, answers and prompts a source has something in every step.
            None => &["training.max_steps=2"],
        }
    }

    /// Calls `verb` with the recipe in `folder`, which has what this repository has.
    #[track_caller]
    fn call(&self, folder: &TempDir, verb: &str, settings: &[&str]) {
        let file = format!("{}.toml", self.name());
        fs::write(folder.path().join(&file), &self.text).unwrap();
        let mut call = vec![verb, &file];
        call.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        let output = Command::new(TEMPER).args(call).current_dir(folder.path()).output().unwrap();
        let call = Call::of(output);
        let Self { page, .. } = self;
        assert_eq!(call.code, 0, "{page}, `{}`:\n{}\n{}", self.name(), call.stdout, call.stderr);
    }
}

/// A project with what this repository has, and with the programs that pages print.
fn project(printed: &[Printed]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in ["checkpoints", "data-manifests", "recipes"] {
        symlink(root().join(name), folder.path().join(name)).unwrap();
    }
    for printed in printed {
        if let Some(file) = printed.program_file() {
            let program = printed.program.as_ref().expect("the page prints it");
            fs::write(folder.path().join(file), program).unwrap();
        }
    }
    folder
}

#[test]
fn every_printed_recipe_checks() {
    let printed = Printed::all();
    let folder = project(&printed);
    for printed in &printed {
        printed.call(&folder, "check", &[]);
    }
}

/// One after the other, so that what one has tokenized and scored is there for the next. None is left out: what they name
/// is in this repository or in their page, whose program needs `python3`.
#[test]
fn every_printed_recipe_runs() {
    let printed = Printed::all();
    let folder = project(&printed);
    for printed in &printed {
        printed.call(&folder, "run", printed.shrunk());
    }
}
