use expect_test::expect;

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
