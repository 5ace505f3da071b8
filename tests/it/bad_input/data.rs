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
    check(&whole, |project| fs::remove_file(project.path(CUSTOMER)).unwrap(), expect![""]);
    check(
        &whole,
        |project| OpenOptions::new().write(true).open(project.path(CUSTOMER)).unwrap().set_len(3000).unwrap(),
        expect![""],
    );
    check(&whole, |project| project.write(CUSTOMER, "text\nbenzene\n"), expect![""]);
    check(
        &whole,
        |project| {
            let mut file = OpenOptions::new().write(true).open(project.path(CUSTOMER)).unwrap();
            file.seek(SeekFrom::Start(100)).unwrap();
            file.write_all(b"flip").unwrap();
        },
        expect![""],
    );
    check(
        &whole,
        |project| {
            // A digest that fits does not make damaged pages readable.
            let mut file = OpenOptions::new().write(true).open(project.path(CUSTOMER)).unwrap();
            file.seek(SeekFrom::Start(3000)).unwrap();
            file.write_all(&[0xff; 300]).unwrap();
            describe(project, "customer", 600);
        },
        expect![""],
    );
}

#[test]
fn columns_that_are_not_there_are_refused() {
    let whole = Project::new();
    let rename = |project: &Project| project.edit(MANIFEST, "text = \"text\"", "text = \"body\"");
    check(&whole, rename, expect![""]);
    check(
        &whole,
        |project| {
            write_column(&project.path(CUSTOMER), "text", &all_but_one(None));
            describe(project, "customer", 20);
        },
        expect![""],
    );
}

#[test]
fn documents_that_are_no_text_are_refused_by_name() {
    let whole = Project::new();
    check(&whole, |project| replace(project, "customer", &all_but_one(None)), expect![""]);
    let no_text = b"benzene \xff\xfe".to_vec();
    check(&whole, |project| replace(project, "customer", &all_but_one(Some(no_text))), expect![""]);
    // 64 MB and a byte.
    let long = "benzene ".repeat(8 << 20) + "!";
    check(
        &whole,
        |project| replace(project, "customer", &all_but_one(Some(long.into_bytes()))),
        expect![""],
    );
    // Held-out documents are read before anything starts as well.
    check(&whole, |project| replace(project, "customer-heldout", &all_but_one(None)), expect![""]);
}

#[test]
fn a_corpus_without_documents_is_refused() {
    let whole = Project::new();
    check(&whole, |project| replace(project, "customer", &[]), expect![""]);
    check(
        &whole,
        |project| {
            replace(project, "customer", &[]);
            project.edit(MANIFEST, "rows = 0", "rows = 600");
        },
        expect![""],
    );
    // A document of one token has nothing to predict.
    check(&whole, |project| replace(project, "customer", &[Some(Vec::new())]), expect![""]);
}
