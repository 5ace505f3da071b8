use expect_test::{Expect, expect};

use super::*;
use crate::suite_score::ScoreOptions;
use crate::testing::{choice_item, loss_item, suite_score, task_score};

/// Twelve documents in four books, and ten answers in six subjects.
fn score(weights: &str, rise: impl Fn(usize) -> f64, right: impl Fn(usize) -> bool) -> SuiteScore {
    let documents =
        (0..12).map(|n| loss_item(n, &format!("book {}", n % 4), 20.0 + n as f64 + rise(n)));
    let answers = (0..10).map(|n| choice_item(n, &format!("subject {}", n % 6), right(n)));
    suite_score(
        weights,
        vec![task_score("prose", documents.collect()), task_score("grammar", answers.collect())],
    )
}

fn before() -> SuiteScore {
    score("before", |_| 0.0, |n| n % 2 == 0)
}

fn after() -> SuiteScore {
    score("after", |n| if n % 3 == 0 { -0.5 } else { n as f64 / 4.0 }, |n| n % 5 == 0)
}

#[test]
fn golden() {
    let report = forgetting(&before(), &after(), 17, 3).unwrap();
    let json = serde_json::to_string_pretty(&report).unwrap();
    expect![[r#"
        {
          "before": "6db7d803e74f1ffa7d8f5adc0bf95b3e15bf4c8373fffadf546227cc6c6742cb",
          "after": "f39592393ef0859cb196a52693d2cea00fb2df784b3c04ae54aa7cadb8e562f8",
          "suite": "f8ebd43dbef1f029bf4930c65c9b7c5cc76af476927cee861ff18fcc73bfc4ab",
          "looks": 3,
          "resamples": 2000,
          "tasks": [
            {
              "task": "prose",
              "group": "general",
              "kind": "loss",
              "category": "prose",
              "metric": "loss",
              "before": 2.55,
              "after": 2.633333333,
              "delta": 0.083333333,
              "interval": {
                "lower": 0.045833333,
                "upper": 0.120833333
              },
              "harm": 0.083333333,
              "harm_interval": {
                "lower": 0.045833333,
                "upper": 0.120833333
              },
              "share_worse": 0.666666667,
              "share_better": 0.333333333,
              "n_items": 12,
              "n_clusters": 4,
              "few_clusters": true
            },
            {
              "task": "grammar",
              "group": "general",
              "kind": "choice",
              "category": "prose",
              "metric": "accuracy",
              "before": 0.5,
              "after": 0.2,
              "delta": -0.3,
              "interval": {
                "lower": -0.7,
                "upper": 0.2
              },
              "harm": 0.3,
              "harm_interval": {
                "lower": -0.25,
                "upper": 0.777777778
              },
              "share_worse": 0.4,
              "share_better": 0.1,
              "n_items": 10,
              "n_clusters": 6,
              "few_clusters": false
            }
          ]
        }"#]]
    .assert_eq(&json);
    assert_eq!(serde_json::from_str::<ForgettingReport>(&json).unwrap(), report);
}

#[test]
fn a_score_has_forgotten_nothing_of_itself() {
    let report = forgetting(&before(), &before(), 17, 1).unwrap();
    let zero = Some(Interval { lower: 0.0, upper: 0.0 });
    for task in &report.tasks {
        assert_eq!(
            (task.delta, task.harm, task.interval, task.harm_interval),
            (0.0, 0.0, zero, zero)
        );
        assert_eq!((task.share_worse, task.share_better), (0.0, 0.0));
    }
}

#[test]
fn periods_are_compared_beside_their_task() {
    let split = |mut score: SuiteScore| {
        for (number, item) in score.tasks[0].items.iter_mut().enumerate() {
            let period = if number < 8 { "2026-07" } else { "2026-06" };
            item.period = Some(period.to_owned());
        }
        score
    };
    let whole = forgetting(&before(), &after(), 17, 1).unwrap();
    let report = forgetting(&split(before()), &split(after()), 17, 1).unwrap();
    assert_eq!((&report.tasks, whole.periods.len()), (&whole.tasks, 0));
    let [june, july] = report.periods.as_slice() else { panic!("{:?}", report.periods) };
    assert_eq!((june.task.as_str(), june.n_items), ("prose/2026-06", 4));
    assert_eq!((july.task.as_str(), july.n_items), ("prose/2026-07", 8));
    // All documents have as many tokens.
    let values: [fn(&TaskForgetting) -> f64; 3] =
        [|task| task.before, |task| task.after, |task| task.delta];
    for of in values {
        let mean = (4.0 * of(june) + 8.0 * of(july)) / 12.0;
        assert!((mean - of(&report.tasks[0])).abs() < 1e-8, "{mean}");
    }
    assert!(june.interval.is_some_and(|Interval { lower, upper }| lower < upper));
    let mut other = split(after());
    other.tasks[0].items[3].period = None;
    let error = forgetting(&split(before()), &other, 17, 1).unwrap_err().to_string();
    assert!(
        error.contains("1 of 12 items differ in name, cluster, period or length: `d3`"),
        "{error}"
    );
}

#[test]
fn both_directions_mirror_each_other() {
    let (there, back) = (
        forgetting(&before(), &after(), 17, 1).unwrap(),
        forgetting(&after(), &before(), 17, 1).unwrap(),
    );
    for (there, back) in there.tasks.iter().zip(&back.tasks) {
        assert_eq!(there.delta, -back.delta);
        assert_eq!((there.share_worse, there.share_better), (back.share_better, back.share_worse));
        assert_eq!(there.interval.map(Interval::negated), back.interval);
    }
}

#[test]
fn one_cluster_has_no_interval() {
    let of = |weights: &str, nats| {
        suite_score(
            weights,
            vec![task_score("prose", vec![loss_item(0, "a", nats), loss_item(1, "a", nats)])],
        )
    };
    let report = forgetting(&of("before", 20.0), &of("after", 30.0), 17, 1).unwrap();
    let task = &report.tasks[0];
    assert_eq!((task.delta, task.interval, task.harm_interval), (1.0, None, None));
    assert!(task.few_clusters);
}

#[track_caller]
fn check(change: impl FnOnce(&mut SuiteScore), message: Expect) {
    let mut other = after();
    change(&mut other);
    let error = forgetting(&before(), &other, 17, 1).unwrap_err().to_string();
    message.assert_eq(&error);
}

#[test]
fn what_differs_is_named() {
    check(
        |score| {
            score.provenance.suite = Digest::of(b"other");
            score.provenance.tokenizer = Digest::of(b"other");
            score.provenance.options = ScoreOptions { sequence_length: 32, batch_rows: 1 };
        },
        expect![[r#"
            forgetting: the two scores do not measure the same
              suite: f8ebd43dbef1… before, d9298a10d1b0… after
              tokenizer: 5f97e3774c51… before, d9298a10d1b0… after
              sequence length: 16 before, 32 after

            hint: score both checkpoints with the same suite, tokenizer and sequence length"#]],
    );
    check(
        |score| score.tasks.truncate(1),
        expect![[r#"
        forgetting: the two scores do not measure the same
          tasks: `prose`, `grammar` before, `prose` after

        hint: score both checkpoints with the same suite, tokenizer and sequence length"#]],
    );
    check(
        |score| {
            score.tasks[0].items.pop();
            score.tasks[1].items.iter_mut().for_each(|item| item.id.push('x'));
        },
        expect![[r#"
            forgetting: the two scores do not measure the same
              task `prose`: 12 items before, 11 after
              task `grammar`: 10 of 10 items differ in name, cluster, period or length: `c0`, `c1`, `c2`, …

            hint: score both checkpoints with the same suite, tokenizer and sequence length"#]],
    );
    check(
        |score| score.tasks[0].items[7].tokens += 1,
        expect![[r#"
        forgetting: the two scores do not measure the same
          task `prose`: 1 of 12 items differ in name, cluster, period or length: `d7`

        hint: score both checkpoints with the same suite, tokenizer and sequence length"#]],
    );
    assert!(matches!(forgetting(&before(), &after(), 17, 0), Err(Error::NoLooks)));
}

#[test]
fn rounding_and_device_may_differ() {
    let mut other = after();
    other.provenance.device = "cuda".into();
    other.provenance.options.batch_rows = 64;
    assert!(forgetting(&before(), &other, 17, 1).is_ok());
}
