use std::collections::BTreeMap;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::decisions::Decision;
use crate::read::LedgerReader;
use crate::testing::{records, run};

const PART_STEPS: u64 = 4;

fn files(run: &RunDir) -> BTreeMap<String, Vec<u8>> {
    let folder = run.ledger_folder();
    let names = crate::whole::names(&folder).unwrap();
    names.into_iter().map(|name| (name.clone(), fs::read(folder.join(name)).unwrap())).collect()
}

fn append(ledger: &mut Ledger, n_steps: u64) -> Result<(), Error> {
    for _ in 0..n_steps {
        let (report, rows) = records(ledger.next_step());
        ledger.append(report, rows)?;
    }
    Ok(())
}

fn uninterrupted(n_steps: u64) -> BTreeMap<String, Vec<u8>> {
    let folder = TempDir::new().unwrap();
    let (run, _lock) = run(folder.path(), "whole");
    let mut ledger = Ledger::create(&run, PART_STEPS).unwrap();
    append(&mut ledger, n_steps).unwrap();
    ledger.finish().unwrap();
    files(&run)
}

/// What ends a stretch of a run.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// After a flush, with a checkpoint.
    Signal,
    /// With nothing but the last checkpoint.
    Kill,
    /// While a part is being written, after so many of its tables.
    KillInCut(usize),
    /// While a partial part is being written, after so many of its tables.
    KillInFlush(usize),
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        Just(Ending::Signal),
        Just(Ending::Kill),
        (0..4usize).prop_map(Ending::KillInCut),
        (0..4usize).prop_map(Ending::KillInFlush),
    ]
}

/// A run that saves a checkpoint (here: step and chain digest) at each cut and at signals.
struct Interrupted {
    run: RunDir,
    checkpoint: (u64, Digest),
}

impl Interrupted {
    fn resume(&self) -> Ledger {
        crate::whole::sweep(&self.run.ledger_folder()).unwrap(); // as taking the lock does
        let (next, head) = self.checkpoint;
        Ledger::resume(&self.run, PART_STEPS, next, &head).unwrap()
    }

    /// Trains until `stop` steps are done and ends as told.
    fn stretch(&mut self, stop: u64, ending: Ending) {
        let mut ledger = self.resume();
        while ledger.next_step() < stop {
            append(&mut ledger, 1).unwrap();
            if ledger.next_step().is_multiple_of(PART_STEPS) {
                self.checkpoint = (ledger.next_step(), ledger.head());
            }
        }
        let first = ledger.next_step() / PART_STEPS * PART_STEPS;
        match ending {
            Ending::Signal => {
                ledger.flush().unwrap();
                self.checkpoint = (ledger.next_step(), ledger.head());
            }
            Ending::Kill => {}
            Ending::KillInCut(n_tables) => {
                self.fill_disk(n_tables, first, Some(first + PART_STEPS - 1));
                assert_full(append(&mut ledger, PART_STEPS));
            }
            Ending::KillInFlush(n_tables) if ledger.next_step() > first => {
                self.fill_disk(n_tables, first, None);
                assert_full(ledger.flush());
            }
            Ending::KillInFlush(_) => {}
        }
        fs::write(self.run.ledger_folder().join(".rows-000000-000003.parquet.new"), "torn")
            .unwrap();
    }

    /// The table after `n_tables` others will meet a full disk.
    fn fill_disk(&self, n_tables: usize, first: u64, last: Option<u64>) {
        let name = PartName { table: Table::ALL[n_tables], first, last };
        let path = self.run.ledger_folder().join(name.file_name());
        std::os::unix::fs::symlink("/dev/full", crate::whole::beside(&path, "new")).unwrap();
    }
}

#[track_caller]
fn assert_full(written: Result<(), Error>) {
    let message = written.unwrap_err().to_string();
    assert!(message.contains("No space left on device"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn interruptions_leave_no_trace(
        n_steps in 1..23u64,
        stretches in prop::collection::vec((1..23u64, ending()), 0..6),
    ) {
        let folder = TempDir::new().unwrap();
        let (run, _lock) = run(folder.path(), "whole");
        let start = chain_start(&run.identity().unwrap().recipe);
        let mut interrupted = Interrupted { run, checkpoint: (0, start) };
        for (stop, ending) in stretches {
            interrupted.stretch(stop.min(n_steps), ending);
            // Whatever happened, what is there can be read and says what was recorded.
            let reader = LedgerReader::open(&interrupted.run).unwrap();
            prop_assert!(reader.n_steps() >= interrupted.checkpoint.0);
            for step in reader.steps() {
                let step = step.unwrap();
                let (report, rows) = records(step.step.report.step);
                prop_assert_eq!((step.step.report, step.rows), (report, rows));
            }
        }
        let mut ledger = interrupted.resume();
        let rest = n_steps.saturating_sub(ledger.next_step());
        append(&mut ledger, rest).unwrap();
        let steps = ledger.next_step();
        ledger.finish().unwrap();
        prop_assert_eq!(files(&interrupted.run), uninterrupted(steps));
    }
}

#[test]
fn a_finished_run_can_be_extended() {
    let folder = TempDir::new().unwrap();
    let (run, _lock) = run(folder.path(), "whole");
    let mut ledger = Ledger::create(&run, PART_STEPS).unwrap();
    append(&mut ledger, 6).unwrap();
    let head = ledger.head();
    ledger.finish().unwrap();
    assert!(files(&run).contains_key("steps-000004-000005.parquet"));
    let mut ledger = Ledger::resume(&run, PART_STEPS, 6, &head).unwrap();
    append(&mut ledger, 5).unwrap();
    ledger.finish().unwrap();
    assert_eq!(files(&run), uninterrupted(11));
}

#[test]
fn a_second_ledger_is_refused() {
    let folder = TempDir::new().unwrap();
    let (run, _lock) = run(folder.path(), "whole");
    let mut ledger = Ledger::create(&run, PART_STEPS).unwrap();
    append(&mut ledger, PART_STEPS).unwrap();
    let error = Ledger::create(&run, PART_STEPS).unwrap_err();
    assert!(matches!(error, Error::LedgerExists { n_parts: 5, .. }), "{error}");
}

#[test]
fn resuming_discards_later_decisions() {
    let folder = TempDir::new().unwrap();
    let (run, _lock) = run(folder.path(), "whole");
    let mut ledger = Ledger::create(&run, PART_STEPS).unwrap();
    append(&mut ledger, 4).unwrap();
    let decision = |step| Decision {
        kind: "gate".to_owned(),
        step,
        cites: Vec::new(),
        checkpoint: None,
        values: serde_json::json!({ "verdict": "held", "harm": 0.1 + 0.2 }),
    };
    for step in [0, 4, 6] {
        run.record_decision(&decision(step)).unwrap();
    }
    let head = ledger.head();
    Ledger::resume(&run, PART_STEPS, 4, &head).unwrap();
    let steps: Vec<u64> = run.decisions().unwrap().iter().map(|decision| decision.step).collect();
    assert_eq!(steps, [0, 4]);
}

/// A ledger of nine steps with a partial part, the checkpoint at step 9.
fn nine_steps(folder: &TempDir) -> (RunDir, Digest) {
    let (run, _lock) = run(folder.path(), "whole");
    let mut ledger = Ledger::create(&run, PART_STEPS).unwrap();
    append(&mut ledger, 9).unwrap();
    ledger.flush().unwrap();
    (run, ledger.head())
}

#[track_caller]
fn check_damage(damage: impl FnOnce(&Path), expected: &str) {
    let folder = TempDir::new().unwrap();
    let (run, head) = nine_steps(&folder);
    damage(&run.ledger_folder());
    let before = files(&run);
    let message = Ledger::resume(&run, PART_STEPS, 9, &head).unwrap_err().to_string();
    assert!(message.contains(expected), "{message}");
    assert!(message.contains("hint: "), "{message}");
    assert_eq!(files(&run), before, "nothing is discarded when a resume is refused");
}

#[test]
fn damaged_ledgers_are_refused_by_name() {
    let remove =
        |name: &'static str| move |folder: &Path| fs::remove_file(folder.join(name)).unwrap();
    let cut = |name: &'static str| {
        move |folder: &Path| {
            let bytes = fs::read(folder.join(name)).unwrap();
            fs::write(folder.join(name), &bytes[..bytes.len() / 2]).unwrap();
        }
    };
    check_damage(remove("rows-000000-000003.parquet"), "found no part of `rows` with step 0");
    check_damage(
        remove("segments-000004-000007.parquet"),
        "found no part of `segments` with step 4",
    );
    check_damage(remove("steps-000008.partial.parquet"), "found no part of `steps` with step 8");
    check_damage(remove("losses-000008.partial.parquet"), "found no part of `losses` with step 8");
    check_damage(cut("rows-000008.partial.parquet"), "rows-000008.partial.parquet` is unreadable");
    check_damage(cut("steps-000004-000007.parquet"), "steps-000004-000007.parquet` is unreadable");
    check_damage(
        |folder| {
            let from = folder.join("rows-000000-000003.parquet");
            fs::copy(from, folder.join("rows-000008.partial.parquet")).unwrap();
        },
        "its metadata do not fit its name",
    );
    check_damage(
        |folder| fs::write(folder.join("rows.parquet"), "").unwrap(),
        "found a name that no part has",
    );
    check_damage(edit(8, |step| step.step.report.loss += 1e-15), "a measured value was changed");
    check_damage(
        edit(8, |step| step.step.report.sources[1].loss_sum = 0.0),
        "a measured value was changed",
    );
}

/// Rewrites the partial part with one step changed.
fn edit(step: u64, change: impl Fn(&mut LedgerStep)) -> impl FnOnce(&Path) {
    move |folder| {
        let names = part_names(folder).unwrap();
        let first = step / PART_STEPS * PART_STEPS;
        let mut steps = read_block(folder, &names, first, step).unwrap();
        change(steps.last_mut().unwrap());
        for table in Table::ALL {
            write_table(folder, PartName { table, first, last: None }, &steps).unwrap();
        }
    }
}

#[test]
fn a_checkpoint_of_another_history_is_refused() {
    let folder = TempDir::new().unwrap();
    let (run, _) = nine_steps(&folder);
    let other = Digest::of(b"another history");
    for next in [0, 4, 9] {
        let message = Ledger::resume(&run, PART_STEPS, next, &other).unwrap_err().to_string();
        assert!(message.contains(&format!("before step {next} is")), "{message}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_chain_covers_every_value(step in 0..50u64, field in 0..8usize, bit in 0..52u32) {
        let previous = Digest::of(b"before");
        let (report, _) = records(step);
        let mut edited = report.clone();
        let flip = |value: &mut f64| *value = f64::from_bits(value.to_bits() ^ (1 << bit));
        match field {
            0 => flip(&mut edited.loss),
            1 => flip(&mut edited.gradient_norm),
            2 => flip(&mut edited.learning_rate),
            3 => flip(&mut edited.sources[0].loss_sum),
            4 => edited.tokens ^= 1 << bit,
            5 => edited.sources[1].tokens ^= 1 << bit,
            6 => edited.sources[1].source.push('x'),
            _ => drop(edited.sources.pop()),
        }
        prop_assert_ne!(edited.chain(&previous), report.chain(&previous));
        prop_assert_ne!(report.chain(&Digest::of(b"other")), report.chain(&previous));
    }
}
