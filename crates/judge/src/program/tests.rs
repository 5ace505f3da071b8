use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use temper_recipe::ProgramReward;

use super::*;

/// Begins a loop over requests, with `id` and `completion` of each.
const EACH: &str = r#"while IFS= read -r line; do
    id=${line#*\"id\":\"}; id=${id%%\"*}
    completion=${line#*\"completion\":\"}; completion=${completion%%\"*}
"#;

/// Answers that the reward is what the completion says, and ends the loop.
const SAY: &str = "printf '{\"id\":\"%s\",\"reward\":%s}\\n' \"$id\" \"$completion\"\ndone\n";

fn judge(script: &str, root: &Path, change: impl FnOnce(&mut ProgramReward)) -> Program {
    let mut reward = ProgramReward {
        program: ["sh", "-c", script].map(str::to_owned).to_vec(),
        weight: 1.0,
        range: [0.0, 1.0],
        workers: 1,
        timeout_seconds: 20.0,
        retries: 2,
    };
    change(&mut reward);
    Program::find(&reward, root).unwrap()
}

fn questions<'a>(completions: &[&'a str]) -> Vec<Question<'a>> {
    let question = |(at, completion): (usize, &&'a str)| {
        let id = format!("0/0/{at}");
        Question { part: 0, id, source: 0, document: 3, completion }
    };
    completions.iter().enumerate().map(question).collect()
}

fn with_cases<'a>(questions: &'a [Question<'a>]) -> Vec<(&'a Question<'a>, Case<'a>)> {
    questions.iter().map(|question| (question, Case::empty(Some("1")))).collect()
}

/// Asks for `completions`, and gives what was told by number.
fn ask(program: &Program, completions: &[&str]) -> (Vec<Option<f64>>, Result<(), Unanswered>) {
    let questions = questions(completions);
    let mut found = vec![None; completions.len()];
    let asked = program.judge(&with_cases(&questions), &mut |at, reward| {
        found[at] = Some(reward);
        ControlFlow::Continue(())
    });
    (found, asked)
}

fn n_lines(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[track_caller]
fn check_unanswered(script: &str, change: impl FnOnce(&mut ProgramReward), expected: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let program = judge(script, folder.path(), change);
    let (found, asked) = ask(&program, &["0.5"]);
    let message = asked.unwrap_err().cause.to_string();
    assert_eq!(found, [None]);
    for part in expected {
        assert!(message.contains(part), "expected {part:?} in\n{message}");
    }
}

#[test]
fn answers_are_known_by_number_and_processes_stay() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("echo started >> starts\n{EACH}{SAY}");
    let program = judge(&script, folder.path(), |reward| reward.workers = 3);
    let completions: Vec<String> = (0..50).map(|n| format!("0.{n:02}")).collect();
    let completions: Vec<&str> = completions.iter().map(String::as_str).collect();
    let expected: Vec<Option<f64>> = completions.iter().map(|text| text.parse().ok()).collect();
    for _ in 0..2 {
        let (found, asked) = ask(&program, &completions);
        asked.unwrap();
        assert_eq!(found, expected);
    }
    assert!((1..=3).contains(&n_lines(&folder.path().join("starts"))));
    let (found, asked) = ask(&program, &[]);
    asked.unwrap();
    assert!(found.is_empty());
}

#[test]
fn the_request_has_all_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("{EACH}printf '%s\\n' \"$line\" > request\n{SAY}");
    ask(&judge(&script, folder.path(), |_| ()), &["1"]).1.unwrap();
    let request = fs::read_to_string(folder.path().join("request")).unwrap();
    let expected = r#"{"id":"0/0/0","source":"asked","document":3,"messages":[],"completion":"1","reference":"1"}"#;
    assert_eq!(request.trim_end(), expected);
}

#[test]
fn a_crash_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    // Dies with the second request of its first life.
    let script = format!(
        "{EACH}if [ \"$id\" = 0/0/1 ] && [ ! -e crashed ]; then : > crashed; exit 3; fi\n\
         echo \"$id\" >> asked\n{SAY}"
    );
    let program = judge(&script, folder.path(), |reward| reward.retries = 1);
    let (found, asked) = ask(&program, &["0.1", "0.2", "0.3"]);
    asked.unwrap();
    assert_eq!(found, [Some(0.1), Some(0.2), Some(0.3)]);
    assert_eq!(n_lines(&folder.path().join("asked")), 3);
}

#[test]
fn a_program_may_answer_once() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("{EACH}{}", SAY.replace("\ndone\n", "\nexit\ndone\n"));
    let (found, asked) = ask(&judge(&script, folder.path(), |_| ()), &["0.1", "0.2"]);
    asked.unwrap();
    assert_eq!(found, [Some(0.1), Some(0.2)]);
}

#[test]
fn what_is_no_answer_is_named() {
    check_unanswered(
        "echo first >&2; echo 'no model' >&2; exit 3",
        |_| (),
        &[
            "program `sh -c",
            "asked 3 times for `0/0/0`: it ended without a reply (exit status: 3)",
            "expected a line like `{\"id\": \"0/0/0\", \"reward\": 0.5}`",
            "its standard error ends with\n    first\n    no model\n",
            "`temper resume` goes on",
        ],
    );
    check_unanswered("kill -9 $$", |reward| reward.retries = 0, &["signal: 9"]);
    check_unanswered("echo loading; sleep 60", |_| (), &["asked 3 times", "found `loading`"]);
    let garbage = format!("{EACH}echo 'so so'\ndone\n");
    check_unanswered(&garbage, |_| (), &["asked 3 times", "found `so so`"]);
    let other = format!("{EACH}id=0/0/9\n{SAY}");
    check_unanswered(&other, |_| (), &["asked 3 times", "`, which is of another request"]);
    let none = format!("{EACH}completion=NaN\n{SAY}");
    check_unanswered(
        &none,
        |_| (),
        &[
            "asked for `0/0/0`: found a reward of NaN; expected a finite number of 0 to 1\n\nhint: mend it",
        ],
    );
    let endless = "read -r line; head -c 1100000 /dev/zero | tr '\\0' a; sleep 60";
    check_unanswered(endless, |reward| reward.retries = 0, &["a line without an end, `aaa"]);
}

#[test]
fn what_is_no_reward_is_not_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let large = format!("{EACH}echo \"$id\" >> asked\ncompletion=1.5\n{SAY}");
    let (_, asked) = ask(&judge(&large, folder.path(), |_| ()), &["0.5"]);
    let message = asked.unwrap_err().cause.to_string();
    assert!(
        message.contains("asked for `0/0/0`: found `{\"id\":\"0/0/0\",\"reward\":1.5}`"),
        "{message}"
    );
    assert!(message.contains("expected a reward of 0 to 1"), "{message}");
    assert!(message.ends_with("answered. With another `range`, start a new run"), "{message}");
    assert_eq!(n_lines(&folder.path().join("asked")), 1);
    let wide = judge(&large, folder.path(), |reward| reward.range = [-2.0, 2.0]);
    assert_eq!(ask(&wide, &["0.5"]).0, [Some(1.5)]);
    let refusing = format!(
        "{EACH}echo 'as I said' >&2\nprintf '{{\"id\":\"%s\",\"error\":\"no reference\"}}\\n' \"$id\"\ndone\n"
    );
    check_unanswered(&refusing, |_| (), &["it says `no reference`; expected a reward"]);
}

#[test]
fn who_hangs_is_killed_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let script = "sleep 60 & echo $! > pid; wait";
    let program = judge(script, folder.path(), |reward| {
        (reward.timeout_seconds, reward.retries) = (0.8, 0);
    });
    // More than a pipe holds: nobody reads it.
    let long = "a".repeat(1 << 18);
    let (_, asked) = ask(&program, &[&long]);
    let message = asked.unwrap_err().cause.to_string();
    assert!(message.contains("found no reply within 0.8 seconds"), "{message}");
    let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
    // Gone, or dead and not yet waited for; a signal takes effect when its process is next to run.
    let stat = || fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    let is_gone = || stat().map_or(true, |stat| stat.contains(") Z "));
    let patience = Instant::now() + Duration::from_secs(20);
    while !is_gone() && Instant::now() < patience {
        thread::yield_now();
    }
    assert!(is_gone(), "{:?}", stat());
}

#[test]
fn standard_error_fills_no_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("{EACH}head -c 300000 /dev/zero | tr '\\0' e >&2\n{SAY}");
    let (found, asked) = ask(&judge(&script, folder.path(), |_| ()), &["0.5", "0.25"]);
    asked.unwrap();
    assert_eq!(found, [Some(0.5), Some(0.25)]);
}

#[test]
fn what_is_under_way_when_one_fails_is_told() {
    let folder = tempfile::tempdir().unwrap();
    // The first one fails once the second is under way, and the second answers after that.
    let script = format!(
        "{EACH}case $id in\n\
         0/0/0) while [ ! -e asked ]; do sleep 0.01; done; : > failed; completion=7;;\n\
         *) : > asked; while [ ! -e failed ]; do sleep 0.01; done;;\n\
         esac\n{SAY}"
    );
    let program = judge(&script, folder.path(), |reward| reward.workers = 2);
    let (found, asked) = ask(&program, &["0.1", "0.2"]);
    let unanswered = asked.unwrap_err();
    assert_eq!(unanswered.question, 0);
    let cause = unanswered.cause;
    assert!(matches!(cause.downcast_ref(), Some(Error::Refused { .. })), "{cause}");
    assert_eq!(found, [None, Some(0.2)]);
}

#[test]
fn whoever_has_heard_enough_is_told_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("{EACH}echo \"$id\" >> asked\n{SAY}");
    let program = judge(&script, folder.path(), |_| ());
    let questions = questions(&["1"; 200]);
    program.judge(&with_cases(&questions), &mut |_, _| ControlFlow::Break(())).unwrap();
    assert!(n_lines(&folder.path().join("asked")) < 200);
}
