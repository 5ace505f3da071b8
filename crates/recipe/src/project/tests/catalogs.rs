//! What a catalog must say.

use super::*;

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
