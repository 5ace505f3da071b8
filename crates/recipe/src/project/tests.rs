use expect_test::{Expect, expect};

use super::*;
use crate::fixture::Fixture;

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
fn manifests_are_strict() {
    let check = |from: &str, with: &str, expected: Expect| {
        check("data-manifests/chem.toml", from, with, |project| project.manifest("chem"), expected);
    };
    check(
        "id = 'chem'",
        "id = 'chemistry'",
        expect![[r#"
        data-manifests/chem.toml: 1 problem

          data-manifests/chem.toml:2:1: id: found `chemistry`, expected `chem`, the name of the file
            hint: rename the file or the id"#]],
    );
    check(
        "schema = 1",
        "schema = 3",
        expect![[r#"
        data-manifests/chem.toml: 1 problem

          data-manifests/chem.toml:1:1: schema: found `3`, expected `1`
            hint: this version of temper reads no other schema"#]],
    );
    check(
        "licence = 'CC0-1.0'\nsource = 'a test'\n",
        "license = ' '\nsource = ' '\n",
        expect![[r#"
        data-manifests/chem.toml: 2 problems

          data-manifests/chem.toml: licence: missing
            hint: an SPDX expression, as in `licence = "CC0-1.0"`
          data-manifests/chem.toml:4:1: license: unknown key
            hint: did you mean `licence`?"#]],
    );
    check(
        "split = 'train'",
        "split = 'test'",
        expect![[r#"
            data-manifests/chem.toml: 1 problem

              data-manifests/chem.toml:6:1: split: `test` is not known, expected one of `train`, `heldout`

            hint: correct it there; `temper check` reads the recipe again"#]],
    );
    check(
        "{ text = 'text' }",
        "{ txt = 'text' }",
        expect![[r#"
        data-manifests/chem.toml: 1 problem

          data-manifests/chem.toml:7:13: columns.txt: unknown key
            hint: did you mean `text`?"#]],
    );
    check(
        "{ text = 'text' }",
        "{ id = 'id' }",
        expect![[r#"
            data-manifests/chem.toml: 1 problem

              data-manifests/chem.toml:7:1: columns: `text` and `messages` are missing, expected one of them where `split` is `train`
                hint: name the columns of the Parquet files, as in `columns = { text = "text" }`"#]],
    );
    check(
        "sha256 = 'ab",
        "sha256 = 'zz",
        expect![[r#"
            data-manifests/chem.toml: 1 problem

              data-manifests/chem.toml:10:1: files[0].sha256: `zzababababababababababababababababababababababababababababababab` is no SHA-256 digest: expected 64 hex digits

            hint: correct it there; `temper check` reads the recipe again"#]],
    );
    check(
        "rows = 10",
        "rows = 0\n[[files]]\npath = '../data/chem.parquet'",
        expect![[r#"
        data-manifests/chem.toml: 2 problems

          data-manifests/chem.toml:11:1: files[0].rows: found `0`, expected 1 or more
            hint: leave an empty file out
          data-manifests/chem.toml:12:1: files[1].sha256: missing
            hint: the digest of the file, as `sha256sum` prints it"#]],
    );
    check(
        "schema = 1",
        "schema = 1\nattribution = [",
        expect![[r#"
            data-manifests/chem.toml: 1 problem

              data-manifests/chem.toml:3:4: no TOML: unexpected `=` in array, expected value, `]`

            hint: correct it there; `temper check` reads the recipe again"#]],
    );
}

#[test]
fn manifests_without_files_are_refused() {
    let from = format!(
        "[[files]]\npath = '../data/chem.parquet'\nsha256 = '{}'\nrows = 10\n",
        "ab".repeat(32)
    );
    let load = |project: &Project| project.manifest("chem");
    check(
        "data-manifests/chem.toml",
        &from,
        "",
        load,
        expect![[r#"
        data-manifests/chem.toml: 1 problem

          data-manifests/chem.toml: files: missing
            hint: `[[files]]` with `path`, `sha256` and `rows`; `temper corpus import` prints them"#]],
    );
    check(
        "data-manifests/chem.toml",
        &from,
        "files = []",
        load,
        expect![[r#"
        data-manifests/chem.toml: 1 problem

          data-manifests/chem.toml:8:1: files: found none, expected at least one
            hint: `temper corpus import` writes the Parquet file and its entry"#]],
    );
}

#[test]
fn catalogs_are_strict() {
    let check = |from: &str, with: &str, expected: Expect| {
        let path = "data-manifests/catalogs/small.toml";
        check(path, from, with, |project| project.catalog("small"), expected);
    };
    check(
        "id = 'small'",
        "id = 'large'",
        expect![[r#"
        data-manifests/catalogs/small.toml: 1 problem

          data-manifests/catalogs/small.toml:2:1: id: found `large`, expected `small`, the name of the file
            hint: rename the file or the id"#]],
    );
    check(
        "percent = 50",
        "percent = 49.9999",
        expect![[r#"
        data-manifests/catalogs/small.toml: 1 problem

          data-manifests/catalogs/small.toml:3:2: categories: percents sum to 99.9999, expected 100
            encyclopedic = 30, prose = 49.9999, technical = 20
            hint: add 0.0001"#]],
    );
    check(
        "novels = 75",
        "novels = 80",
        expect![[r#"
        data-manifests/catalogs/small.toml: 1 problem

          data-manifests/catalogs/small.toml:4:25: categories.prose.corpora: percents sum to 105, expected 100
            essays = 25, novels = 80
            hint: take 5 away"#]],
    );
    check(
        "manuals = 100",
        "wiki = 100",
        expect![[r#"
        data-manifests/catalogs/small.toml: 1 problem

          data-manifests/catalogs/small.toml:6:41: categories.technical.corpora.wiki: `wiki` is also listed under `encyclopedic`
            hint: a corpus has one category, the one in its manifest"#]],
    );
    check(
        "percent = 20",
        "percents = 20",
        expect![[r#"
        data-manifests/catalogs/small.toml: 2 problems

          data-manifests/catalogs/small.toml:6:1: categories.technical.percent: missing
            hint: of the curated part, by default; all categories together have 100
          data-manifests/catalogs/small.toml:6:15: categories.technical.percents: unknown key
            hint: did you mean `percent`?"#]],
    );
}

#[test]
fn suites_are_strict() {
    let check = |from: &str, with: &str, expected: Expect| {
        let path = "data-manifests/suites/small.toml";
        check(path, from, with, |project| project.suite("small"), expected);
    };
    check(
        "kind = 'loss'",
        "kind = 'answer-loss'",
        expect![[r#"
            data-manifests/suites/small.toml: 1 problem

              data-manifests/suites/small.toml:8:1: tasks[0].corpus: `answer-loss` needs columns that `held-prose` does not have: `context`, `answer`
                hint: name them in `data-manifests/held-prose.toml` under `[columns]`"#]],
    );
    check(
        "kind = 'answer-loss'",
        "kind = 'choice'",
        expect![[r#"
            data-manifests/suites/small.toml: 1 problem

              data-manifests/suites/small.toml:13:1: tasks[1].corpus: `choice` needs columns that `held-chem` does not have: `choices`, `gold`
                hint: name them in `data-manifests/held-chem.toml` under `[columns]`"#]],
    );
    check(
        "'held-prose'",
        "'novels'",
        expect![[r#"
            data-manifests/suites/small.toml: 1 problem

              data-manifests/suites/small.toml:8:1: tasks[0].corpus: `novels` is trained on, expected a corpus with `split = "heldout"`
                hint: a score on training rows shows memory, not ability"#]],
    );
    check(
        "'held-prose'",
        "'held-prse'",
        expect![[r#"
            data-manifests/suites/small.toml: 1 problem

              data-manifests/suites/small.toml:8:1: tasks[0].corpus: no manifest `held-prse`, expected `data-manifests/held-prse.toml`
                hint: did you mean `held-prose`?"#]],
    );
    check(
        "id = 'pairs'",
        "id = 'chem'",
        expect![[r#"
            data-manifests/suites/small.toml: 1 problem

              data-manifests/suites/small.toml:15:1: tasks[2].id: `chem` is the id of an earlier task
                hint: reports tell tasks apart by their ids"#]],
    );
    check(
        "sequence_length = 512",
        "sequence_length = 0",
        expect![[r#"
        data-manifests/suites/small.toml: 1 problem

          data-manifests/suites/small.toml:3:1: sequence_length: found 0, expected at least one position
            hint: documents are cut to this many positions, 512 say"#]],
    );
    check(
        "sequence_length = 512\n",
        "",
        expect![[r#"
        data-manifests/suites/small.toml: 1 problem

          data-manifests/suites/small.toml: sequence_length: missing
            hint: positions in a row, such as `512`"#]],
    );
    check(
        "group = 'customer'",
        "group = 'costumer'\nweight = 3",
        expect![[r#"
            data-manifests/suites/small.toml: 2 problems

              data-manifests/suites/small.toml:11:1: tasks[1].group: `costumer` is not known, expected one of `general`, `customer`
                hint: did you mean `customer`?
              data-manifests/suites/small.toml:12:1: tasks[1].weight: unknown key
                hint: known here: `id`, `group`, `kind`, `corpus`, `per_token`, `periods`"#]],
    );
    check(
        "corpus = 'held-chem'",
        "corpus = 'held-chem'\nperiods = { by = 'fortnight' }",
        expect![[r#"
            data-manifests/suites/small.toml: 2 problems

              data-manifests/suites/small.toml:14:1: tasks[1].periods.column: missing
                hint: the column that says when, as in `periods = { column = "time", by = "month" }`
              data-manifests/suites/small.toml:14:13: tasks[1].periods.by: `fortnight` is not known, expected one of `day`, `week`, `month`, `quarter`, `year`"#]],
    );
}

#[test]
fn mistakes_in_named_files_reach_the_recipe() {
    let path = "data-manifests/notes.toml";
    let load = |project: &Project| {
        let recipe = project.root.join("recipes/r.toml");
        fs::create_dir_all(project.root.join("recipes")).unwrap();
        fs::write(&recipe, crate::fixture::RECIPE.replace("lr = 3e-4", "lr = 3e-4\nwarmup = 1"))
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
