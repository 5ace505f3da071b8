//! What a suite must say.

use super::*;

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
