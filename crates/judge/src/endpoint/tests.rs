use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Barrier, Mutex, mpsc};

use super::*;

/// A request as it came: its head in lower case, and its body.
struct Request {
    head: String,
    body: String,
}

/// A service on this machine, which lives as long as the tests; gives its address.
fn serve(answer: impl Fn(usize, &Request) -> (u16, String) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/judge", listener.local_addr().unwrap());
    let (answer, n_asked) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (answer, n_asked) = (Arc::clone(&answer), Arc::clone(&n_asked));
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let request = read(&stream);
                let (status, body) = answer(n_asked.fetch_add(1, Ordering::SeqCst), &request);
                let length = body.len();
                // Whoever gave up does not read it.
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} Said\r\nlocation: /elsewhere\r\nconnection: close\r\n\
                     content-length: {length}\r\n\r\n{body}"
                );
            });
        }
    });
    url
}

fn read(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "the request ends in its head");
    }
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap();
    let mut body = vec![0; length.lines().next().unwrap().parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    Request { head, body: String::from_utf8(body).unwrap() }
}

/// A reply that gives what the completion says.
fn echo(request: &Request) -> String {
    let asked: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    let reward: f64 = asked["completion"].as_str().unwrap().parse().unwrap();
    serde_json::json!({ "id": asked["id"], "reward": reward }).to_string()
}

fn judge(url: &str, change: impl FnOnce(&mut EndpointReward)) -> Endpoint {
    let mut reward = EndpointReward {
        url: url.to_owned(),
        weight: 1.0,
        range: [0.0, 1.0],
        concurrency: 2,
        timeout_seconds: 20.0,
        retries: 1,
        token_env: None,
    };
    change(&mut reward);
    Endpoint::new(&reward).unwrap()
}

fn ask(endpoint: &Endpoint, completions: &[&str]) -> (Vec<Option<f64>>, Result<(), Unanswered>) {
    let ids = (0..completions.len()).map(|at| format!("0/0/{at}"));
    let questions: Vec<Question<'_>> = ids
        .zip(completions)
        .map(|(id, completion)| Question { part: 0, id, source: 0, document: 3, completion })
        .collect();
    let questions: Vec<(&Question<'_>, Case<'_>)> =
        questions.iter().map(|question| (question, Case::empty(Some("1")))).collect();
    let mut found = vec![None; completions.len()];
    let asked = endpoint.judge(&questions, &mut |at, reward| {
        found[at] = Some(reward);
        ControlFlow::Continue(())
    });
    (found, asked)
}

#[track_caller]
fn check_unanswered(endpoint: &Endpoint, expected: &[&str]) {
    let (found, asked) = ask(endpoint, &["0.5"]);
    let message = asked.unwrap_err().cause.to_string();
    assert_eq!(found, [None]);
    for part in expected {
        assert!(message.contains(part), "expected {part:?} in\n{message}");
    }
}

#[test]
fn as_many_are_under_way_as_allowed_and_no_more() {
    // Whoever comes waits for another one: with fewer than two at a time this would not end.
    let (meeting, now, most) =
        (Barrier::new(2), AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let url = serve(move |_, request| {
        seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        meeting.wait();
        now.fetch_sub(1, Ordering::SeqCst);
        (200, echo(request))
    });
    let completions = ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8"];
    let (found, asked) = ask(&judge(&url, |_| ()), &completions);
    asked.unwrap();
    let expected = completions.map(|text| text.parse().ok());
    assert_eq!(found, expected);
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[test]
fn what_passes_is_asked_again() {
    for status in [500, 429] {
        let url = serve(move |n, request| match n {
            0 => (status, "busy".to_owned()),
            _ => (200, echo(request)),
        });
        let (found, asked) = ask(&judge(&url, |_| ()), &["0.25"]);
        asked.unwrap();
        assert_eq!(found, [Some(0.25)]);
    }
}

#[test]
fn who_stays_away_is_named() {
    let down = serve(|_, _| (503, "down for repair".to_owned()));
    let never = |reward: &mut EndpointReward| reward.retries = 0;
    check_unanswered(
        &judge(&down, never),
        &[
            "url `http://127.0.0.1:",
            "asked once for `0/0/0`: found status 503",
            "`down for repair`; expected `{\"id\": \"0/0/0\", \"reward\": 0.5}`",
            "`temper resume` goes on",
        ],
    );
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    check_unanswered(&judge(&format!("http://{nobody}"), never), &["onnection refused"]);
    // It answers when the test is over.
    let (_over, is_over) = mpsc::channel::<()>();
    let is_over = Mutex::new(is_over);
    let slow = serve(move |_, _| {
        let _ = is_over.lock().unwrap().recv();
        (200, String::new())
    });
    let hurried = judge(&slow, |reward| {
        (reward.timeout_seconds, reward.retries) = (0.2, 0);
    });
    check_unanswered(&hurried, &["found no reply in time"]);
}

#[test]
fn what_lasts_is_not_asked_again() {
    for (status, body, expected) in [
        (404, "no such page", "found status 404 Not Found, `no such page`"),
        (401, "", "found status 401 Unauthorized; expected"),
        (302, "", "found status 302"),
        (200, "<html>", "found `<html>`"),
        (200, r#"{"id": "0/0/1", "reward": 1}"#, "which is of another request"),
        (200, r#"{"id": "0/0/0", "reward": 1.5}"#, "expected a reward of 0 to 1"),
        (200, r#"{"id": "0/0/0", "reward": 1.5}"#, "With another `url` or `range`, start"),
        (
            200,
            r#"{"id": "0/0/0", "reward": NaN}"#,
            "found a reward of NaN; expected a finite number",
        ),
        (200, r#"{"id": "0/0/0", "reward": NaN}"#, "With another `url`, start"),
        (200, r#"{"id": "0/0/0", "error": "no"}"#, "it says `no`"),
    ] {
        let n_asked = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&n_asked);
        let url = serve(move |_, _| {
            seen.fetch_add(1, Ordering::SeqCst);
            (status, body.to_owned())
        });
        check_unanswered(&judge(&url, |reward| reward.retries = 5), &[expected]);
        assert_eq!(n_asked.load(Ordering::SeqCst), 1, "{expected}");
    }
}

#[test]
fn requests_are_json_and_may_carry_a_token() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let url = serve(move |_, request| {
        seen.lock().unwrap().push(request.head.clone());
        match request.body.contains("\"completion\":\"0\"") {
            true => (403, "wrong token".to_owned()),
            false => (200, echo(request)),
        }
    });
    ask(&judge(&url, |_| ()), &["1"]).1.unwrap();
    // A variable that every process has, as no test can set one.
    let token = env::var("PATH").unwrap();
    let asking = judge(&url, |reward| reward.token_env = Some("PATH".to_owned()));
    ask(&asking, &["1"]).1.unwrap();
    let refused = ask(&asking, &["0"]).1.unwrap_err();
    assert!(!format!("{refused:?} {}", refused.cause).contains(&token));
    let heads = heads.lock().unwrap();
    assert!(heads[0].starts_with("post /judge http/1.1\r\n"), "{}", heads[0]);
    assert!(heads[0].contains("content-type: application/json\r\n"), "{}", heads[0]);
    assert!(!heads[0].contains("authorization"), "{}", heads[0]);
    let expected = format!("authorization: bearer {}\r\n", token.to_ascii_lowercase());
    assert!(heads[1].contains(&expected), "{}", heads[1]);

    let unset = judge(&url, |reward| reward.token_env = Some("NO_SUCH_TOKEN_ANYWHERE".to_owned()));
    let refused = unset.is_ready().unwrap_err().to_string();
    assert!(refused.contains("token_env: found no such variable"), "{refused}");
    assert!(refused.contains("set `NO_SUCH_TOKEN_ANYWHERE`"), "{refused}");
    check_unanswered(&unset, &["found no such variable"]);
}

#[test]
fn what_is_no_address_is_refused() {
    for (url, expected) in
        [("http://[::1", "rl.rewards: url `http://[::1`"), ("judge", "relative URL")]
    {
        let reward =
            EndpointReward { url: url.to_owned(), ..judge("http://localhost", |_| ()).spec };
        let refused = Endpoint::new(&reward).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
    judge("https://judge.example.org/v1", |_| ());
}
