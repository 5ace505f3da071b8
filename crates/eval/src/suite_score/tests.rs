use proptest::prelude::*;

use super::*;
use crate::decimal::decimal;
use crate::testing::{choice_item, loss_item, suite_score, task_score};

#[test]
fn sums_weigh_tokens_and_bytes() {
    let mut items = vec![loss_item(0, "a", 20.0), loss_item(1, "a", 10.0), loss_item(2, "b", 7.0)];
    items[1].tokens = 30;
    let task = task_score("prose", items);
    assert_eq!(task.loss(), 37.0 / 50.0);
    assert_eq!(task.bits_per_byte(), Some(37.0 / LN_2 / 90.0));
    assert_eq!(task.accuracy(), None);
    assert_eq!(task.n_clusters(), 2);

    let mut items: Vec<_> = (0..4).map(|n| choice_item(n, "a", n > 0)).collect();
    items[3].dropped = 5;
    let task = task_score("grammar", items);
    assert_eq!((task.accuracy(), task.bits_per_byte(), task.n_truncated()), (Some(0.75), None, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn json_gives_back_every_bit(nats in proptest::collection::vec(0.0..1e8_f64, 1..20)) {
        let items = nats.iter().enumerate().map(|(n, nats)| loss_item(n, "a", decimal(*nats, 6))).collect();
        let score = suite_score("w", vec![task_score("prose", items)]);
        let text = score.to_json().unwrap();
        let read = SuiteScore::from_json(&text).unwrap();
        prop_assert_eq!(&read, &score);
        prop_assert_eq!(read.to_json().unwrap(), text);
        let value = serde_json::to_value(&score).unwrap();
        prop_assert_eq!(serde_json::from_value::<SuiteScore>(value).unwrap(), score);
    }
}

#[test]
fn no_score_is_infinite() {
    for nats in [f64::NAN, f64::INFINITY] {
        let score = suite_score("w", vec![task_score("prose", vec![loss_item(0, "a", nats)])]);
        assert!(serde_json::to_value(&score).is_err());
        let error = score.to_json().unwrap_err().to_string();
        assert!(
            error.contains("item `d0`") && error.contains("expected a finite number"),
            "{error}"
        );
    }
}

#[test]
fn damaged_scores_are_refused() {
    let score = || suite_score("w", vec![task_score("grammar", vec![choice_item(0, "a", true)])]);
    let text = score().to_json().unwrap();
    for (from, to) in [
        ("\"nats\":1.0", "\"nats\":null"),
        ("\"nats\":1.0", "\"nats\":-1.0"),
        ("\"tokens\":1", "\"tokens\":0"),
        ("\"bytes\":0", "\"bytes\":2"),
        ("\"correct\":true", "\"correct\":null"),
        ("\"choice\"", "\"loss\""),
        ("\"dropped\":0", "\"dropped\":0,\"text\":\"secret\""),
    ] {
        assert!(text.contains(from), "{text}");
        assert!(SuiteScore::from_json(&text.replace(from, to)).is_err(), "{to}");
    }
    let twice = SuiteScore { tasks: [score().tasks, score().tasks].concat(), ..score() };
    assert!(matches!(twice.check(), Err(Error::RepeatedTask { .. })));
}
