use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::testing::{choice_item, loss_item, suite_score, task_score};

#[test]
fn groups_come_before_their_categories() {
    let of = |id: &str, category: &str, nats: f64| TaskScore {
        category: category.into(),
        ..task_score(id, vec![loss_item(0, "a", nats), loss_item(1, "b", nats)])
    };
    let customer = TaskScore { group: Group::Customer, ..of("d", "chemistry", 5.0) };
    let choices = task_score("e", vec![choice_item(0, "a", true), choice_item(1, "a", false)]);
    let tasks = vec![
        of("a", "prose", 20.0),
        of("b", "technical", 30.0),
        of("c", "prose", 40.0),
        customer,
        choices,
    ];
    let lines: Vec<String> = summary(&suite_score("w", tasks))
        .iter()
        .map(|line| {
            let category = line.category.as_deref().unwrap_or("*");
            format!(
                "{:?} {:?} {category}: {} tasks, {} items, {} tokens, {} nats, {:?} bits, {:?} right\n",
                line.group, line.kind, line.n_tasks, line.n_items, line.tokens, line.loss, line.bits_per_byte, line.accuracy
            )
        })
        .collect();
    expect![[r#"
        General Loss *: 3 tasks, 6 items, 60 tokens, 3 nats, Some(1.442695041) bits, None right
        General Loss prose: 2 tasks, 4 items, 40 tokens, 3 nats, Some(1.442695041) bits, None right
        General Loss technical: 1 tasks, 2 items, 20 tokens, 3 nats, Some(1.442695041) bits, None right
        Customer Loss *: 1 tasks, 2 items, 20 tokens, 0.5 nats, Some(0.240449173) bits, None right
        Customer Loss chemistry: 1 tasks, 2 items, 20 tokens, 0.5 nats, Some(0.240449173) bits, None right
        General Choice *: 1 tasks, 2 items, 2 tokens, 1 nats, None bits, Some(0.5) right
        General Choice prose: 1 tasks, 2 items, 2 tokens, 1 nats, None bits, Some(0.5) right
    "#]].assert_eq(&lines.concat());
}

#[test]
fn tasks_come_with_their_standard_error_and_baselines() {
    // Two books of 20 and of 24 nats on 20 tokens each: residuals of −2 and 2 around 1.1 per token.
    let books = [("a", 9.0), ("a", 11.0), ("b", 10.0), ("b", 14.0)].iter().enumerate();
    let books = books.map(|(number, (book, nats))| loss_item(number, book, *nats)).collect();
    let mut choices: Vec<_> =
        (0..4).map(|number| choice_item(number, &format!("{number}"), number > 0)).collect();
    choices[3].dropped = 2;
    let alone = task_score("alone", vec![loss_item(0, "a", 5.0)]);
    let tasks = vec![task_score("books", books), task_score("choices", choices), alone];
    let lines: Vec<String> = task_summaries(&suite_score("w", tasks))
        .iter()
        .map(|task| {
            format!(
                "{}: {} in {}, {} cut, {} tokens, {} nats, {:?} bits, {:?} right, error {:?}, chance {:?}\n",
                task.task, task.n_items, task.n_clusters, task.n_truncated, task.tokens, task.loss, task.bits_per_byte,
                task.accuracy, task.standard_error, task.baselines.map(|baselines| baselines.chance)
            )
        })
        .collect();
    expect![[r#"
        books: 4 in 2, 0 cut, 40 tokens, 1.1 nats, Some(0.528988182) bits, None right, error Some(0.1), chance None
        choices: 4 in 4, 1 cut, 4 tokens, 1 nats, None bits, Some(0.75) right, error Some(0.25), chance Some(0.5)
        alone: 1 in 1, 0 cut, 10 tokens, 0.5 nats, Some(0.240449173) bits, None right, error None, chance None
    "#]].assert_eq(&lines.concat());
}

#[test]
fn periods_are_summed_up_alone() {
    let mut items: Vec<_> = (0..6).map(|n| choice_item(n, "a", n > 3)).collect();
    let periods = [Some("no time"), Some("2026"), Some("2025"), Some("2025"), Some("2025"), None];
    for (item, period) in items.iter_mut().zip(periods) {
        item.period = period.map(str::to_owned);
    }
    let plain = task_score("plain", vec![loss_item(0, "a", 5.0)]);
    let score = suite_score("w", vec![plain, task_score("split", items)]);
    let found: Vec<_> = period_summaries(&score)
        .into_iter()
        .map(|period| (period.task, period.n_items, period.accuracy.unwrap()))
        .collect();
    let third = reported(1.0 / 3.0);
    let expected = [("split/2025", 3, third), ("split/2026", 1, 0.0), ("split/no time", 1, 0.0)];
    assert_eq!(found, expected.map(|(task, n, right)| (task.to_owned(), n, right)));
    assert_eq!(task_summaries(&score)[1].n_items, 6);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn with_single_items_the_error_is_that_of_a_share(right in proptest::collection::vec(any::<bool>(), 2..40)) {
        let items = right.iter().enumerate().map(|(n, right)| choice_item(n, &format!("{n}"), *right)).collect();
        let score = suite_score("w", vec![task_score("choices", items)]);
        let task = &task_summaries(&score)[0];
        let (n, share) = (right.len() as f64, task.accuracy.unwrap());
        let expected = (share * (1.0 - share) / (n - 1.0)).sqrt();
        prop_assert!((task.standard_error.unwrap() - expected).abs() < 1e-8);
    }
}
