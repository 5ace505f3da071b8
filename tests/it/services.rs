//! Rewards from outside: services that judge over HTTP.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::judges::check_same;
use crate::project::Call;
use crate::rl;

/// Listens as long as the tests run; the address of what replies to a request's head and JSON with a status and a
/// reward.
fn serve(reply: impl Fn(&str, &Value) -> (&'static str, f64) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/judge", listener.local_addr().unwrap());
    let reply = Arc::new(reply);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let reply = Arc::clone(&reply);
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let (head, asked) = read(&stream);
                let (status, reward) = reply(&head, &asked);
                let body = json!({ "id": asked["id"], "reward": reward }).to_string();
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).unwrap();
            });
        }
    });
    url
}

/// The head of a request and the JSON in it.
fn read(stream: &TcpStream) -> (String, Value) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(found) = line.strip_prefix("content-length: ") {
            length = found.trim().parse().unwrap();
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (head, serde_json::from_slice(&body).unwrap())
}

/// The more letters, the better.
fn opinion(completion: &str) -> f64 {
    (completion.chars().count() as f64 / 20.0).min(1.0)
}

#[test]
fn a_service_judges_and_its_token_is_written_nowhere() {
    const TOKEN: &str = "a-token-that-nobody-may-read";
    let project = rl::project();
    let url = serve(|head, asked| {
        // What a judge is told: the prompt, where it came from, and what its row says.
        let number = asked["metadata"]["level"].as_str().unwrap();
        let messages = json!([{ "role": "user", "content": format!("river {number}") }]);
        assert_eq!(asked["messages"], messages);
        assert_eq!((&asked["source"], &asked["reference"]), (&json!("asked"), &json!("acid")));
        let is_known = head.contains(&format!("authorization: Bearer {TOKEN}\r\n"));
        let status = if is_known { "200 OK" } else { "401 Unauthorized" };
        (status, opinion(asked["completion"].as_str().unwrap()))
    });
    let rewards = format!(
        "rl.rewards=[{{verifier=\"exact\",weight=0.5}},{{url=\"{url}\",token_env=\"JUDGE_TOKEN\"}}]"
    );
    let call = ["run", "rl.toml", "--set", "training.max_steps=2", "--set", &rewards];
    let refused = project.temper(&call).expect_code(2).stderr;
    assert!(refused.contains("rl.rewards: token_env: found no such variable"), "{refused}");
    assert!(!project.path("runs/rl").exists());
    let output = project.command(&call).env("JUDGE_TOKEN", TOKEN).output().unwrap();
    Call::of(output).expect_success();
    for file in project.files() {
        let bytes = fs::read(project.path(&file)).unwrap();
        let is_there = bytes.windows(TOKEN.len()).any(|bytes| bytes == TOKEN.as_bytes());
        assert!(!is_there, "{file} has the token");
    }
    let journal = project.path("runs/rl/private/rollouts/step-000001.jsonl");
    for line in fs::read_to_string(journal).unwrap().lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        let [right, long] = [0, 1].map(|part| entry["rewards"][part].as_f64().unwrap());
        assert_eq!(long, opinion(entry["text"].as_str().unwrap()));
        assert_eq!(entry["reward"].as_f64(), Some(0.5 * right + long));
    }
}

#[test]
fn a_run_whose_service_goes_away_goes_on_when_it_is_back() {
    /// Within the sixth step of 32 completions.
    const LAST: u64 = 5 * 32 + 17;
    let whole = rl::project();
    let stopped = whole.copy();
    let left = Arc::new(AtomicU64::new(u64::MAX));
    let served = Arc::clone(&left);
    let url = serve(move |_, asked| {
        let one_less = |left: u64| left.checked_sub(1);
        match served.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) {
            Ok(_) => ("200 OK", opinion(asked["completion"].as_str().unwrap())),
            Err(_) => ("503 Service Unavailable", 0.0),
        }
    });
    let rewards = format!("rl.rewards=[{{url=\"{url}\",retries=0}}]");
    let call = ["run", "rl.toml", "--set", &rewards];
    whole.temper(&call).expect_success();

    left.store(LAST, Ordering::SeqCst);
    let found = stopped.temper(&call).expect_code(3).stderr;
    for part in ["judging a completion of document", &url, "503", "`temper resume` goes on"] {
        assert!(found.contains(part), "expected {part:?} in\n{found}");
    }
    assert_eq!(stopped.temper(&["runs", "--json"]).expect_success().json()[0]["state"], "failed");
    left.store(u64::MAX, Ordering::SeqCst);
    stopped.temper(&["resume", "runs/rl"]).expect_success();
    // Nobody was asked again for what had been answered.
    let asked_again = u64::MAX - left.load(Ordering::SeqCst);
    assert_eq!(asked_again, 12 * 32 - LAST);
    check_same(&stopped, &whole);
    stopped.temper(&["audit", "runs/rl"]).expect_success();
}
