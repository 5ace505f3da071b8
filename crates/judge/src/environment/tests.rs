use std::fs;
use std::ops::ControlFlow;

use temper_ask::Turn;

use super::*;

/// Counts the answers of each episode. Every request is on record; what it says is `say`, which finds the
/// number of the answer in `n`.
fn script(say: &str) -> String {
    format!(
        r#"while IFS= read -r line; do
    id=${{line#*\"id\":\"}}; id=${{id%%\"*}}
    completion=${{line#*\"completion\":\"}}; completion=${{completion%%\"*}}
    key=n_$(printf '%s' "$id" | tr / _)
    case $line in
    *'"reset":'*) n=0;;
    *) eval "n=\$$key"; [ -n "$n" ] || {{ echo lost >&2; exit 4; }}; n=$((n + 1));;
    esac
    eval "$key=$n"
    echo "$id $n" >> asked
    reward=0.5 done=false said="$id $n $completion"
    {say}
    printf '{{"id":"%s","messages":[{{"role":"user","content":"%s"}}],"reward":%s,"done":%s}}\n' \
        "$id" "$said" "$reward" "$done"
done
"#
    )
}

fn environment(
    say: &str,
    root: &Path,
    change: impl FnOnce(&mut temper_recipe::Environment),
) -> Environment {
    let script = script(say);
    let mut spec = temper_recipe::Environment {
        program: ["sh", "-c", script.as_str()].map(str::to_owned).to_vec(),
        max_turns: 8,
        range: [0.0, 1.0],
        workers: 1,
        timeout_seconds: 20.0,
        retries: 2,
    };
    change(&mut spec);
    Environment::find(&spec, root).unwrap()
}

/// A move for each of the ids, which have had so many turns before.
fn moves<'a>(ids: &[&str], past: &'a [Vec<Turn>], is_last: bool) -> Vec<Move<'a>> {
    let one = |(number, (id, past)): (usize, (&&str, &'a Vec<Turn>))| Move {
        id: (*id).to_owned(),
        number,
        source: 0,
        document: 3,
        past,
        answer: (!past.is_empty()).then_some("a"),
        is_last: is_last && !past.is_empty(),
    };
    ids.iter().zip(past).enumerate().map(one).collect()
}

/// Plays `n` answers after the reset, and gives the turns of each episode.
fn play(
    environment: &Environment,
    ids: &[&str],
    past: Vec<Vec<Turn>>,
    n: usize,
) -> Result<Vec<Vec<Turn>>, Unanswered> {
    let mut turns = past;
    turns.resize(ids.len(), Vec::new());
    while turns[0].len() <= n {
        let moves = moves(ids, &turns, turns[0].len() == n);
        let asked: Vec<(&Move<'_>, Case<'_>)> =
            moves.iter().map(|next| (next, Case::empty(Some("1")))).collect();
        let mut told = vec![None; ids.len()];
        environment.play(&asked, &mut |at, Reply { messages, reward, is_done }| {
            let text = moves[at].answer.unwrap_or_default().to_owned();
            told[at] = Some(Turn { ids: Vec::new(), text, messages, reward, is_done });
            ControlFlow::Continue(())
        })?;
        for (turns, turn) in turns.iter_mut().zip(told) {
            turns.push(turn.unwrap());
        }
    }
    Ok(turns)
}

fn said(turn: &Turn) -> &str {
    turn.messages[0]["content"].as_str().unwrap()
}

fn is_changed(unanswered: &Unanswered) -> bool {
    matches!(unanswered.cause.downcast_ref(), Some(Error::Changed { .. }))
}

fn asked(root: &Path) -> Vec<String> {
    let asked = fs::read_to_string(root.join("asked")).unwrap_or_default();
    asked.lines().map(str::to_owned).collect()
}

#[test]
fn episodes_stay_with_their_process() {
    let folder = tempfile::tempdir().unwrap();
    let environment = environment(":", folder.path(), |spec| spec.workers = 3);
    let ids = ["0/0/0", "0/0/1", "0/1/0", "0/1/1", "0/2/0", "0/2/1", "0/3/0"];
    let replies = play(&environment, &ids, Vec::new(), 3).unwrap();
    for (id, replies) in ids.iter().zip(&replies) {
        let said: Vec<&str> = replies.iter().map(said).collect();
        // A reset has no completion: the script finds none in it.
        assert_eq!(said[1..], [1, 2, 3].map(|n| format!("{id} {n} a")));
        assert_eq!(replies[1].reward, 0.5);
    }
    assert_eq!(asked(folder.path()).len(), 4 * ids.len());
}

#[test]
fn requests_say_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let record = "printf '%s\\n' \"$line\" >> requests";
    let environment = environment(record, folder.path(), |_| ());
    play(&environment, &["4/0/1"], Vec::new(), 1).unwrap();
    let requests = fs::read_to_string(folder.path().join("requests")).unwrap();
    let expected = "{\"id\":\"4/0/1\",\"reset\":{\"source\":\"asked\",\"document\":3,\"messages\":[],\"reference\":\"1\"}}\n\
                    {\"id\":\"4/0/1\",\"step\":{\"completion\":\"a\",\"last\":true}}\n";
    assert_eq!(requests, expected);
}

#[test]
fn a_process_that_ends_has_its_episodes_played_again() {
    let folder = tempfile::tempdir().unwrap();
    // Dies with the second answer to the second episode, once.
    let dies = "if [ \"$id $n\" = '0/0/1 2' ] && [ ! -e dead ]; then : > dead; exit 3; fi";
    let environment = environment(dies, folder.path(), |spec| spec.retries = 1);
    let ids = ["0/0/0", "0/0/1"];
    let replies = play(&environment, &ids, Vec::new(), 3).unwrap();
    for (id, replies) in ids.iter().zip(&replies) {
        let said: Vec<&str> = replies[1..].iter().map(said).collect();
        assert_eq!(said, [1, 2, 3].map(|n| format!("{id} {n} a")));
    }
    let again = ["0/0/1 0", "0/0/1 1", "0/0/1 2", "0/0/0 0", "0/0/0 1", "0/0/0 2", "0/0/0 3"];
    let asked = asked(folder.path());
    let from = asked.iter().rposition(|line| line == "0/0/1 0").unwrap();
    assert_eq!(asked[from..], [&again[..], &["0/0/1 3"]].concat());
}

#[test]
fn a_new_process_goes_on_with_what_another_was_told() {
    let folder = tempfile::tempdir().unwrap();
    let first = environment(":", folder.path(), |_| ());
    let past = play(&first, &["0/0/0"], Vec::new(), 1).unwrap();
    drop(first);
    let second = environment(":", folder.path(), |_| ());
    let replies = play(&second, &["0/0/0"], past.clone(), 2).unwrap();
    assert_eq!(said(&replies[0][2]), "0/0/0 2 a");

    // One that says something else by now is no environment.
    let other = environment("[ $n = 0 ] || said=other", folder.path(), |_| ());
    let unanswered = play(&other, &["0/0/0"], past.clone(), 2).unwrap_err();
    let message = unanswered.cause.to_string();
    assert!(is_changed(&unanswered), "{message}");
    for part in ["its reply to answer 1 is `{\"messages\"", "other", "as before", "hint: an env"] {
        assert!(message.contains(part), "expected {part:?} in\n{message}");
    }
    let other = environment("[ $n = 0 ] || reward=0.25", folder.path(), |_| ());
    let unanswered = play(&other, &["0/0/0"], past, 2).unwrap_err();
    assert!(is_changed(&unanswered), "{}", unanswered.cause);
}

#[track_caller]
fn check_unanswered(
    say: &str,
    change: impl FnOnce(&mut temper_recipe::Environment),
    expected: &[&str],
) {
    let folder = tempfile::tempdir().unwrap();
    let environment = environment(say, folder.path(), change);
    let unanswered = play(&environment, &["0/0/0"], Vec::new(), 2).unwrap_err();
    let message = unanswered.cause.to_string();
    for part in expected {
        assert!(message.contains(part), "expected {part:?} in\n{message}");
    }
}

#[test]
fn what_is_no_reply_is_named() {
    let at = |n: u32, what: &str| format!("[ $n != {n} ] || {{ {what}; }}");
    check_unanswered(
        &at(1, "echo 'no rooms' >&2; exit 3"),
        |_| (),
        &[
            "environment `sh -c",
            "asked 3 times for `0/0/0`: it ended without a reply (exit status: 3)",
            "expected a line like `{\"id\": \"0/0/0\", \"messages\": [{",
            "its standard error ends with\n    no rooms\n",
            "`temper resume` goes on",
        ],
    );
    check_unanswered(
        &at(0, "exit 3"),
        |_| (),
        &["a line like `{\"id\": \"0/0/0\", \"messages\": []}`"],
    );
    check_unanswered(
        &at(1, "sleep 60"),
        |spec| (spec.timeout_seconds, spec.retries) = (0.8, 0),
        &["asked once", "found no reply within 0.8 seconds"],
    );
    check_unanswered(&at(2, "echo rooms"), |_| (), &["asked 3 times", "found `rooms`"]);
    let finite = "asked for `0/0/0`: found a reward of NaN; expected a finite number of 0 to 1";
    check_unanswered(&at(1, "reward=NaN"), |_| (), &[finite]);
    check_unanswered(
        &at(1, "reward=7"),
        |_| (),
        &["asked for `0/0/0`", "a reward of 0 to 1", "With another `range`, start"],
    );
    check_unanswered(&at(1, "id=0/0/9"), |_| (), &["asked 3 times", "is of another request"]);
}
