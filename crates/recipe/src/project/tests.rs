use expect_test::{Expect, expect};

use super::*;
use crate::testing::Fixture;

mod catalogs;
mod manifests;
mod suites;

#[track_caller]
fn check<T: std::fmt::Debug>(
    path: &str,
    from: &str,
    with: &str,
    load: impl Fn(&Project) -> Result<T, Error>,
    expected: Expect,
) {
    let fixture = Fixture::new();
    let project = fixture.project();
    load(&project).unwrap();
    let text = fs::read_to_string(project.root.join(path)).unwrap();
    assert!(text.contains(from), "{text}");
    fixture.write(path, &text.replace(from, with));
    let error = load(&project).unwrap_err();
    expected.assert_eq(&fixture.neutral(&error.to_string()));
}

#[test]
fn mistakes_in_named_files_reach_the_recipe() {
    let path = "data-manifests/notes.toml";
    let load = |project: &Project| {
        let recipe = project.root.join("recipes/r.toml");
        fs::create_dir_all(project.root.join("recipes")).unwrap();
        fs::write(&recipe, crate::testing::RECIPE.replace("lr = 3e-4", "lr = 3e-4\nwarmup = 1"))
            .unwrap();
        match crate::load(&recipe, &[]) {
            Err(Error::Problems { problems, name }) if problems.len() > 1 => {
                Err(Error::Problems { problems, name })
            }
            _ => Ok(()),
        }
    };
    check(
        path,
        "rows = 10",
        "rows = 0",
        load,
        expect![[r#"
            recipes/r.toml: 2 problems

              recipes/r.toml:22:1: optimizer.warmup: unknown key
                hint: known here: `name`, `lr`, `betas`, `momentum`, `eps`, `weight_decay`, `clip_norm`, `schedule`, `state`
              data-manifests/notes.toml:11:1: files[0].rows: found `0`, expected 1 or more
                hint: leave an empty file out"#]],
    );
    check(
        path,
        "category = 'chemistry'",
        "categry = 'chemistry'",
        load,
        expect![[r#"
            recipes/r.toml: 3 problems

              data-manifests/notes.toml: category: missing
                hint: what kind of text it is, as in `category = "prose"`
              recipes/r.toml:22:1: optimizer.warmup: unknown key
                hint: known here: `name`, `lr`, `betas`, `momentum`, `eps`, `weight_decay`, `clip_norm`, `schedule`, `state`
              data-manifests/notes.toml:3:1: categry: unknown key
                hint: did you mean `category`?"#]],
    );
}

#[test]
fn a_recipe_outside_a_project_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = Project::find(folder.path()).unwrap_err().to_string();
    let error = error.replace(&folder.path().display().to_string(), "there");
    expect![[r#"
        `there` lies in no temper project: no folder around it has a `data-manifests`

        hint: make a folder `data-manifests` at the top of the project"#]]
    .assert_eq(&error);
}

#[test]
fn the_nearest_project_is_found() {
    let fixture = Fixture::new();
    let recipe = fixture.write("a/b/recipe.toml", "");
    assert_eq!(Project::find(&recipe).unwrap(), fixture.project());
    let inner = fixture.write("a/data-manifests/x.toml", "");
    let root = Project::find(&recipe).unwrap().root;
    assert_eq!(Some(root.as_path()), inner.parent().and_then(Path::parent));
}

#[test]
fn digests_of_manifests_and_suites_follow_their_values() {
    let fixture = Fixture::new();
    let project = fixture.project();
    let (manifest, suite) = (project.manifest("chem").unwrap(), project.suite("small").unwrap());
    let path = "data-manifests/chem.toml";
    let text = fs::read_to_string(project.root.join(path)).unwrap();
    fixture.write(path, &format!("# A comment.\n{text}"));
    assert_eq!(project.manifest("chem").unwrap().digest(), manifest.digest());
    fixture.write(path, &text.replace("rows = 10", "rows = 11"));
    assert_ne!(project.manifest("chem").unwrap().digest(), manifest.digest());
    assert_eq!(project.suite("small").unwrap().digest(), suite.digest());
    fixture.manifest("held-chem", "chemistry", "heldout", "{ context = 'c', answer = 'b' }");
    assert_ne!(project.suite("small").unwrap().digest(), suite.digest());
}
