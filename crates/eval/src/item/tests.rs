use expect_test::{Expect, expect};

use super::*;
use crate::testing::{answer, choice, document, task};

#[track_caller]
fn check(items: Vec<Item>, message: Expect) {
    let error = task(items).check(100).unwrap_err().to_string();
    message.assert_eq(&error);
}

fn with_confounder(id: &str, confounder: Option<f64>) -> Item {
    Item::Choice {
        id: id.into(),
        cluster: "c".into(),
        context: vec![1],
        choices: vec![vec![2], vec![3]],
        gold: 0,
        confounder,
    }
}

#[test]
fn what_cannot_be_scored_is_refused_by_name() {
    check(
        vec![],
        expect![[r#"
        task `task`: found no items, expected at least one

        hint: check the task's corpus, or leave the task out of the suite"#]],
    );
    check(
        vec![document("a", "b", vec![1])],
        expect![[r#"
        task `task`, item `a`: document of 1 tokens has nothing to predict, expected at least 2

        hint: remove the row from the corpus"#]],
    );
    check(
        vec![document("a", "b", vec![1, 2]), document("a", "c", vec![1, 2])],
        expect![[r#"
        task `task`, item `a`: the name occurs twice in the task

        hint: give each row of the corpus its own id"#]],
    );
    check(
        vec![document("a", "b", vec![1, 2]), answer("q", vec![1], vec![2])],
        expect!["task `task`, item `q`: found an item for `answer-loss`, expected one for `loss`"],
    );
    check(
        vec![answer("q", vec![], vec![2])],
        expect![[r#"
        task `task`, item `q`: the context has no tokens, expected at least one

        hint: put BOS in front, or give the row a context"#]],
    );
    check(
        vec![answer("q", vec![1], vec![])],
        expect![[r#"
        task `task`, item `q`: continuation 0 has no tokens, expected at least one

        hint: correct or remove the row"#]],
    );
    check(
        vec![choice("q", vec![1], vec![vec![2], vec![]], 0)],
        expect![[r#"
        task `task`, item `q`: continuation 1 has no tokens, expected at least one

        hint: correct or remove the row"#]],
    );
    check(
        vec![choice("q", vec![1], vec![vec![2]], 0)],
        expect![[r#"
        task `task`, item `q`: found 1 choices, expected at least 2

        hint: correct or remove the row"#]],
    );
    check(
        vec![choice("q", vec![1], vec![vec![2], vec![3]], 2)],
        expect![[r#"
        task `task`, item `q`: gold is 2, expected an index below 2

        hint: choices are counted from 0"#]],
    );
    check(
        vec![answer("q", vec![1, 100], vec![2])],
        expect![[r#"
        task `task`, item `q`: token id 100 lies outside the model's vocabulary of 100

        hint: use the checkpoint's own tokenizer"#]],
    );
    check(
        vec![with_confounder("a", Some(f64::NAN))],
        expect![
            "task `task`, item `a`: the confounder is NaN, expected a finite number in every item of the task or in none"
        ],
    );
    check(
        vec![with_confounder("a", Some(1.0)), with_confounder("b", None)],
        expect![
            "task `task`, item `b`: the confounder is missing, expected a finite number in every item of the task or in none"
        ],
    );
    let no_bytes = Item::AnswerLoss {
        id: "a".into(),
        cluster: "b".into(),
        context: vec![1],
        answer: vec![2],
        bytes: 0,
    };
    check(
        vec![no_bytes],
        expect![[r#"
        task `task`, item `a`: the scored text has 0 bytes, expected at least 1

        hint: remove the row from the corpus"#]],
    );
}

#[test]
fn the_digest_sees_every_value() {
    let original = || vec![task(vec![choice("q", vec![1], vec![vec![2], vec![3]], 0)])];
    let digest = tasks_digest(&original());
    assert_eq!(digest, tasks_digest(&original()));
    let changed = [
        vec![task(vec![choice("r", vec![1], vec![vec![2], vec![3]], 0)])],
        vec![task(vec![choice("q", vec![1], vec![vec![2], vec![3]], 1)])],
        vec![task(vec![choice("q", vec![1, 2], vec![vec![], vec![3]], 0)])],
        vec![task(vec![choice("q", vec![1], vec![vec![2, 3], vec![]], 0)])],
        vec![LoadedTask { category: "code".into(), ..original()[0].clone() }],
        [original(), original()].concat(),
    ];
    for tasks in changed {
        assert_ne!(digest, tasks_digest(&tasks), "{tasks:?}");
    }
}
