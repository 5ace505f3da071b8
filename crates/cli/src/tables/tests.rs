use expect_test::expect;
use temper_eval::{
    Baselines, FEW_CLUSTERS, ForgettingReport, Interval, Metric, Provenance, ScoreOptions,
    SuiteScore, TaskForgetting, TaskScore, TaskSummary,
};
use temper_recipe::{Digest, Group, TaskKind};

use super::*;

fn task(name: &str, group: Group, metric: Metric, n_clusters: usize) -> TaskForgetting {
    let interval = Interval { lower: -0.0712, upper: 0.0123 };
    TaskForgetting {
        task: name.to_owned(),
        group,
        kind: if metric == Metric::Loss { TaskKind::Loss } else { TaskKind::Choice },
        category: "prose".to_owned(),
        metric,
        before: 0.7,
        after: 0.65,
        delta: -0.05,
        interval: (n_clusters > 1).then_some(interval),
        harm: 0.05,
        harm_interval: None,
        share_worse: 0.0712,
        share_better: 0.0212,
        n_items: 1340,
        n_clusters,
        few_clusters: n_clusters < FEW_CLUSTERS,
    }
}

fn report(tasks: Vec<TaskForgetting>) -> ForgettingReport {
    let digest = Digest::of(b"");
    ForgettingReport {
        before: digest,
        after: digest,
        suite: digest,
        looks: 1,
        resamples: 2000,
        tasks,
        periods: Vec::new(),
    }
}

fn score(tasks: Vec<TaskScore>) -> SuiteScore {
    let digest = Digest::of(b"");
    let options = ScoreOptions { sequence_length: 16, batch_rows: 4 };
    let device = "cpu".to_owned();
    let provenance = Provenance {
        weights: digest,
        suite: digest,
        tokenizer: digest,
        items: digest,
        device,
        options,
    };
    SuiteScore { provenance, tasks }
}

fn baselines() -> Baselines {
    Baselines { chance: 0.5, majority: Some(0.52), confounder_only: Some(0.643) }
}

/// `expect!` takes the indentation that all lines share for its own.
fn flush_left(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.strip_prefix("  ").unwrap_or(line))).collect()
}

#[test]
fn forgetting_shows_flips_and_marks_guesses() {
    let tasks = vec![
        task("encyclopedic", Group::General, Metric::Loss, 12),
        task("technical", Group::General, Metric::Loss, 3),
        task("blimp", Group::General, Metric::Accuracy, 67),
        TaskForgetting {
            interval: Some(Interval { lower: -0.9, upper: -0.01 }),
            ..task("solubility-choice", Group::Customer, Metric::Accuracy, 4)
        },
        task("solubility", Group::Customer, Metric::Loss, 1),
    ];
    let choice = TaskScore {
        id: "blimp".to_owned(),
        group: Group::General,
        kind: TaskKind::Choice,
        category: "prose".to_owned(),
        items: Vec::new(),
        baselines: Some(baselines()),
    };
    let text = forgetting(&report(tasks), &score(vec![choice]));
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    expect![[r#"
        task                    measure  before   after  change     95 % interval  to wrong  to right    items      verdict
        ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────
        general
          encyclopedic       nats/token   0.700   0.650  -0.050   -0.071 … +0.012         –         –  1340/12    unchanged
          technical          nats/token   0.700   0.650  -0.050  -0.071 … +0.012*         –         –   1340/3    unchanged
          blimp                accuracy  70.0 %  65.0 %  -5.0 %     -7.1 … +1.2 %     7.1 %     2.1 %  1340/67    unchanged
        customer
          solubility-choice    accuracy  70.0 %  65.0 %  -5.0 %   -90.0 … -1.0 %*     7.1 %     2.1 %   1340/4        worse
          solubility         nats/token   0.700   0.650  -0.050                 –         –         –   1340/1  one cluster

        * fewer than 5 clusters: the interval is a guess
        blimp: chance 50.0 %, always the commonest answer 52.0 %, the confounder alone 64.3 %
    "#]].assert_eq(&flush_left(&text));
}

#[test]
fn without_choices_there_is_nothing_to_flip() {
    let tasks = vec![task("prose", Group::General, Metric::Loss, 12)];
    expect![[r#"
        task        measure  before  after  change    95 % interval    items    verdict
        ───────────────────────────────────────────────────────────────────────────────
        general
          prose  nats/token   0.700  0.650  -0.050  -0.071 … +0.012  1340/12  unchanged
    "#]]
    .assert_eq(&flush_left(&forgetting(&report(tasks), &score(Vec::new()))));
}

#[test]
fn periods_follow_all_tasks() {
    let whole = task("log", Group::Customer, Metric::Loss, 12);
    let periods = vec![
        task("log/2026-06", Group::Customer, Metric::Loss, 9),
        task("log/no time", Group::Customer, Metric::Loss, 3),
    ];
    let split = ForgettingReport { periods, ..report(vec![whole]) };
    expect![[r#"
        task              measure  before  after  change     95 % interval    items    verdict
        ──────────────────────────────────────────────────────────────────────────────────────
        customer
          log          nats/token   0.700  0.650  -0.050   -0.071 … +0.012  1340/12  unchanged
        by period
          log/2026-06  nats/token   0.700  0.650  -0.050   -0.071 … +0.012   1340/9  unchanged
          log/no time  nats/token   0.700  0.650  -0.050  -0.071 … +0.012*   1340/3  unchanged

        * fewer than 5 clusters: the interval is a guess
    "#]]
    .assert_eq(&flush_left(&forgetting(&split, &score(Vec::new()))));
}

#[test]
fn scores_stand_beside_their_baselines() {
    let loss = TaskSummary {
        task: "encyclopedic".to_owned(),
        group: Group::General,
        kind: TaskKind::Loss,
        category: "encyclopedic".to_owned(),
        n_items: 1200,
        n_clusters: 12,
        n_truncated: 0,
        tokens: 120_000,
        loss: 3.21,
        bits_per_byte: Some(1.5),
        accuracy: None,
        standard_error: Some(0.02),
        baselines: None,
    };
    let choice = TaskSummary {
        task: "solubility-choice".to_owned(),
        group: Group::Customer,
        kind: TaskKind::Choice,
        bits_per_byte: None,
        accuracy: Some(0.61),
        baselines: Some(baselines()),
        ..loss.clone()
    };
    let text = tasks(&[loss, choice], &[]);
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    expect![[r#"
        task                  group  measure  items  clusters  nats/token  bits/byte  accuracy  chance  majority  confounder
        ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
        encyclopedic        general     loss  1,200        12      3.2100     1.5000         –       –         –           –
        solubility-choice  customer   choice  1,200        12      3.2100          –    61.0 %  50.0 %    52.0 %      64.3 %
        chance, majority, confounder: accuracies without a model, by guessing, by always giving the
        commonest answer, and by the confounder alone
    "#]].assert_eq(&flush_left(&text));
}

#[test]
fn a_share_has_as_many_decimals_as_it_needs() {
    let check = |share, expected: &str| assert_eq!(percent(share), expected);
    check(0.0, "0.00 %");
    check(1.0, "100.00 %");
    check(0.75, "75.00 %");
    check(0.123, "12.30 %");
    check(0.12345, "12.345 %");
    check(1.0 / 3.0, "33.3333 %");
    check(0.00001, "0.001 %");
    check(0.000_000_1, "< 0.0001 %");
}
