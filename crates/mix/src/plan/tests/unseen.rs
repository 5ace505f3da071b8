//! Documents that were seen before are in no row, and all others are.

use std::collections::BTreeSet;

use temper_tokens::Unseen;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_pass_draws_what_was_not_seen(
        documents in prop::collection::vec((2..90usize, any::<bool>()), 1..60),
        packing in prop_oneof![Just(Packing::BestFit), Just(Packing::Concat), Just(Packing::Pad)],
    ) {
        let lengths: Vec<usize> = documents.iter().map(|(length, _)| *length).collect();
        let numbered = || (0..).zip(&documents);
        let seen: Vec<u64> =
            numbered().filter(|(_, (_, is_seen))| *is_seen).map(|(number, _)| number).collect();
        let new: BTreeSet<u64> =
            numbered().filter(|(_, (_, is_seen))| !is_seen).map(|(number, _)| number).collect();
        let spec = PlanSpec { packing, ..spec(&[1], Budget::Epochs(1.0), 1) };
        // A number that no document has changes nothing.
        let with_foreign: Vec<u64> = seen.iter().copied().chain([1000]).collect();
        let source = Unseen::new(Arc::new(Lengths::new(&lengths)), &with_foreign);
        let plan = Plan::new(spec, vec![Arc::new(source)]);
        if new.is_empty() {
            let is_refused = matches!(plan, Err(Error::NothingToPredict { .. }));
            prop_assert!(is_refused);
            return Ok(());
        }
        let plan = plan.unwrap();
        let drawn = steps(&plan, plan.start());
        let segments = drawn.iter().flat_map(|step| &step.rows).flat_map(|row| &row.segments);
        let documents: BTreeSet<u64> = segments.map(|segment| segment.document).collect();
        prop_assert_eq!(documents, new);
    }
}
