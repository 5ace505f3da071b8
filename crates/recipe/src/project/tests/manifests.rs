//! What a manifest must say.

use super::*;

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
