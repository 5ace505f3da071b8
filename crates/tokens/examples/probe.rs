use std::io::BufRead;
use temper_tokens::*;
fn main() {
    for line in std::io::stdin().lock().lines() {
        let v: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        let c = Conversation::from_json(v["conversation"].clone()).unwrap();
        let o = RenderOptions {
            variables: v["variables"].as_object().cloned().unwrap_or_default(),
            now: DateTime::parse("2024-07-26T09:05:00"),
            add_generation_prompt: v["gp"] == true,
            ..Default::default()
        };
        let t0 = std::time::Instant::now();
        let r = ChatTemplate::new("t", v["template"].as_str().unwrap(), SpecialTokens::new())
            .and_then(|t| t.render(&c, &o));
        let out = match r {
            Ok(r) => {
                serde_json::json!({"generated": r.generated.iter().map(|x| (r.text[..x.start].chars().count(), r.text[..x.end].chars().count())).collect::<Vec<_>>(), "text": r.text, "ms": t0.elapsed().as_millis() as u64})
            }
            Err(e) => {
                serde_json::json!({"error": e.to_string(), "ms": t0.elapsed().as_millis() as u64})
            }
        };
        println!("{out}");
    }
}
