//! Corpora that are not what their manifest says.

use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};

use expect_test::expect;

use super::check;
use crate::documents::{Value, describe, replace, write_column};
use crate::project::Project;

const CUSTOMER: &str = "data-manifests/customer.parquet";
const MANIFEST: &str = "data-manifests/customer.toml";

/// Twenty documents, of which number 7 is `odd`.
fn all_but_one(odd: Value) -> Vec<Value> {
    let even = |number| Some(format!("benzene and acid, number {number}").into_bytes());
    (0..20).map(|number| if number == 7 { odd.clone() } else { even(number) }).collect()
}

#[test]
fn files_that_are_not_whole_are_refused() {
    let whole = Project::new();
    check(
        &whole,
        |project| fs::remove_file(project.path(CUSTOMER)).unwrap(),
        expect![[r#"
        error: corpus `customer`: no file `data-manifests/customer.parquet`

        hint: paths in a manifest are relative to the folder of manifests"#]],
    );
    check(
        &whole,
        |project| {
            OpenOptions::new()
                .write(true)
                .open(project.path(CUSTOMER))
                .unwrap()
                .set_len(3000)
                .unwrap()
        },
        expect![[r#"
            error: `data-manifests/customer.parquet` (3000 bytes) is no whole Parquet file; truncated, or another format: Parquet error: Invalid Parquet file. Corrupt footer

            hint: fetch it again, or make Parquet of it with `temper corpus import`"#]],
    );
    check(
        &whole,
        |project| project.write(CUSTOMER, "text\nbenzene\n"),
        expect![[r#"
        error: `data-manifests/customer.parquet` (13 bytes) is no whole Parquet file; truncated, or another format: Parquet error: Invalid Parquet file. Corrupt footer

        hint: fetch it again, or make Parquet of it with `temper corpus import`"#]],
    );
    check(
        &whole,
        |project| {
            let mut file = OpenOptions::new().write(true).open(project.path(CUSTOMER)).unwrap();
            file.seek(SeekFrom::Start(100)).unwrap();
            file.write_all(b"flip").unwrap();
        },
        expect![[r#"
            error: `data-manifests/customer.parquet` has sha256 …, its manifest says …

            hint: fetch the file again; if it is right, write its sha256 into the manifest"#]],
    );
    check(
        &whole,
        |project| {
            // A digest that fits does not make damaged pages readable.
            let mut file = OpenOptions::new().write(true).open(project.path(CUSTOMER)).unwrap();
            file.seek(SeekFrom::Start(500)).unwrap();
            file.write_all(&[0xff; 2000]).unwrap();
            describe(project, "customer", 600);
        },
        expect![[r#"
            error: cannot read `data-manifests/customer.parquet`, row group 0: External: Data corruption detected: Data corruption detected

            hint: the file is damaged; fetch or write it again"#]],
    );
}

#[test]
fn columns_that_are_not_there_are_refused() {
    let whole = Project::new();
    let rename = |project: &Project| project.edit(MANIFEST, "text = \"text\"", "text = \"body\"");
    check(
        &whole,
        rename,
        expect![[r#"
        error: `data-manifests/customer.parquet` has no column `body`; it has `id`, `text`

        hint: correct the column's name in the manifest"#]],
    );
    check(
        &whole,
        |project| {
            write_column(&project.path(CUSTOMER), "text", &all_but_one(None));
            describe(project, "customer", 20);
        },
        expect![[r#"
            error: `data-manifests/customer.parquet`: column `text` is `Binary`, expected a string

            hint: name another column in the manifest, or write this one again"#]],
    );
}

#[test]
fn documents_that_are_no_text_are_refused_by_name() {
    let whole = Project::new();
    check(
        &whole,
        |project| replace(project, "customer", &all_but_one(None)),
        expect![[r#"
        error: `data-manifests/customer.parquet`, row group 0, row 7: `text` is null

        hint: remove the row or give it a value, or leave it out of a mix with `data_mixing.on_bad_row = "drop"`; a missing document is never taken for an empty one"#]],
    );
    let no_text = b"benzene \xff\xfe".to_vec();
    check(
        &whole,
        |project| replace(project, "customer", &all_but_one(Some(no_text))),
        expect![[r#"
        error: `data-manifests/customer.parquet`, row group 0, row 7: `text` is no UTF-8 from byte 8 on

        hint: write the file again from text in UTF-8, or leave such rows out of a mix with `data_mixing.on_bad_row = "drop"`"#]],
    );
    // 64 MB and a byte.
    let long = "benzene ".repeat(8 << 20) + "!";
    check(
        &whole,
        |project| replace(project, "customer", &all_but_one(Some(long.into_bytes()))),
        expect![[r#"
            error: `data-manifests/customer.parquet`, row group 0, row 7: a document of 67108865 bytes, expected at most 67108864

            hint: split it, or leave it out of a mix with `data_mixing.on_bad_row = "drop"`"#]],
    );
    // Held-out documents are read before anything starts as well.
    let heldout = "customer-heldout";
    check(
        &whole,
        |project| {
            replace(project, heldout, &all_but_one(None));
            project.edit(&format!("data-manifests/{heldout}.toml"), "id = \"id\"\n", "");
        },
        expect![[r#"
            error: `data-manifests/customer-heldout.parquet`, row group 0, row 7: `text` is null

            hint: remove the row or give it a value, or leave it out of a mix with `data_mixing.on_bad_row = "drop"`; a missing document is never taken for an empty one"#]],
    );
}

#[test]
fn a_corpus_without_documents_is_refused() {
    let whole = Project::new();
    check(
        &whole,
        |project| replace(project, "customer", &[]),
        expect![[r#"
        error: recipe.toml: 1 problem

          data-manifests/customer.toml:14:1: files[0].rows: found `0`, expected 1 or more
            hint: leave an empty file out"#]],
    );
    check(
        &whole,
        |project| {
            replace(project, "customer", &[]);
            project.edit(MANIFEST, "rows = 0", "rows = 600");
        },
        expect![[r#"
            error: `data-manifests/customer.parquet` has 0 rows, its manifest says 600

            hint: if the file is right, write its rows and sha256 into the manifest"#]],
    );
    // A document of one token has nothing to predict.
    check(
        &whole,
        |project| replace(project, "customer", &[Some(Vec::new())]),
        expect![[r#"
            error: plan: `customer` cannot supply its share: needed 504 tokens, available 4 (1 × max_epochs 4)

            hint: raise `max_epochs` to 504, lower the budget to 5 tokens, or give `customer` a smaller percent"#]],
    );
}
