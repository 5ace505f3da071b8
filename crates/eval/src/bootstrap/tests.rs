use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn clusters(terms: &[(usize, Term)]) -> Clusters {
    let names: Vec<String> = terms.iter().map(|(cluster, _)| format!("c{cluster}")).collect();
    Clusters::new(names.iter().map(String::as_str).zip(terms.iter().map(|(_, term)| *term)))
}

fn interval(terms: &[(usize, Term)]) -> Option<Interval> {
    clusters(terms).resample(2_000, 17, "task").map(|drawn| drawn.interval(0.025))
}

fn a_term() -> impl Strategy<Value = Term> {
    (-50..50_i32, 1..200_u32).prop_map(|(difference, weight)| Term {
        difference: f64::from(difference) / 4.0,
        weight: f64::from(weight),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_interval_holds_the_estimate(terms in vec((0..12_usize, a_term()), 2..60)) {
        let all = clusters(&terms);
        match interval(&terms) {
            Some(found) => {
                let estimate = reported(all.ratio());
                prop_assert!(found.lower <= estimate && estimate <= found.upper, "{:?} {}", found, estimate);
            }
            None => prop_assert_eq!(all.len(), 1),
        }
    }

    #[test]
    fn repeated_items_do_not_narrow_the_interval(terms in vec((0..12_usize, a_term()), 2..40), copies in 2..5_usize) {
        let repeated: Vec<_> = terms.iter().flat_map(|term| std::iter::repeat_n(*term, copies)).collect();
        match (interval(&terms), interval(&repeated)) {
            (Some(once), Some(often)) => {
                prop_assert!((once.lower - often.lower).abs() < 1e-8, "{:?} {:?}", once, often);
                prop_assert!((once.upper - often.upper).abs() < 1e-8, "{:?} {:?}", once, often);
            }
            (None, None) => {}
            (once, often) => prop_assert!(false, "{:?} {:?}", once, often),
        }
    }

    #[test]
    fn no_difference_has_an_interval_of_zero(weights in vec((0..9_usize, 1..200_u32), 2..40)) {
        let terms: Vec<_> = weights.iter().map(|&(cluster, weight)| (cluster, Term { difference: 0.0, weight: f64::from(weight) })).collect();
        if let Some(found) = interval(&terms) {
            prop_assert_eq!(found, Interval { lower: 0.0, upper: 0.0 });
        }
    }
}

#[test]
fn clusters_that_vary_as_wholes_have_the_wider_interval() {
    // 20 clusters of 10 equal items each, against the same 200 items as clusters of their own.
    let terms: Vec<_> = (0..200)
        .map(|n| (n, Term { difference: f64::from((n / 10 * 7 % 20) as u32), weight: 1.0 }))
        .collect();
    let together: Vec<_> = terms.iter().map(|&(n, term)| (n / 10, term)).collect();
    let width =
        |terms: &[(usize, Term)]| interval(terms).map(|found| found.upper - found.lower).unwrap();
    assert!(width(&together) > 2.5 * width(&terms), "{} {}", width(&together), width(&terms));
}

#[test]
fn the_interval_is_that_of_the_normal_approximation() {
    // The mean of 400 values 0..20: standard deviation 5.766, of the mean 0.2883.
    let terms: Vec<_> =
        (0..400).map(|n| (n, Term { difference: f64::from(n as u32 % 20), weight: 1.0 })).collect();
    let found = interval(&terms).unwrap();
    assert!((found.lower - (9.5 - 0.565)).abs() < 0.06, "{found:?}");
    assert!((found.upper - (9.5 + 0.565)).abs() < 0.06, "{found:?}");
}

#[test]
fn tasks_and_seeds_have_streams_of_their_own() {
    let terms: Vec<_> =
        (0..7).map(|n| (n, Term { difference: f64::from((n * n) as u32), weight: 1.3 })).collect();
    let drawn = |seed, task: &str| clusters(&terms).resample(50, seed, task).unwrap().sorted;
    assert_eq!(drawn(1, "a"), drawn(1, "a"));
    assert_ne!(drawn(1, "a"), drawn(2, "a"));
    assert_ne!(drawn(1, "a"), drawn(1, "b"));
}
