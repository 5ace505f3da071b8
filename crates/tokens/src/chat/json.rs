//! `tojson` as transformers defines it for chat templates: Python's `json.dumps`, nothing escaped
//! for HTML.

use std::fmt::Write as _;

use minijinja::value::{Kwargs, Rest, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

use super::python;

/// The filter `tojson(ensure_ascii=False, indent=None, separators=None, sort_keys=False)`.
pub(super) fn tojson(
    state: &State,
    value: &Value,
    positional: Rest<Value>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    if positional.len() > 4 {
        return Err(ErrorKind::TooManyArguments.into());
    }
    let argument = |place: usize, name: &str| match positional.get(place) {
        Some(value) => Ok(value.clone()),
        None => kwargs.get::<Option<Value>>(name).map(Option::unwrap_or_default),
    };
    let ensure_ascii = argument(0, "ensure_ascii")?.is_true();
    let indent = indentation(&argument(1, "indent")?)?;
    let separators = argument(2, "separators")?;
    let sort_keys = argument(3, "sort_keys")?.is_true();
    kwargs.assert_all_used()?;
    let (between_items, after_key) = if separators.is_none() || separators.is_undefined() {
        let between = if indent.is_some() { "," } else { ", " };
        (between.to_owned(), ": ".to_owned())
    } else {
        let pair: Vec<Value> = separators.try_iter()?.collect();
        match &pair[..] {
            [items, keys] => (python::str(state, items)?, python::str(state, keys)?),
            _ => return Err(refused("`separators` is not a pair".to_owned())),
        }
    };
    let mut dumper = Dumper {
        state,
        out: String::new(),
        ensure_ascii,
        indent,
        between_items,
        after_key,
        sort_keys,
    };
    dumper.value(value, 0)?;
    Ok(dumper.out)
}

fn refused(problem: String) -> Error {
    Error::new(ErrorKind::BadSerialization, format!("tojson: {problem}"))
}

/// What one level adds to the beginning of a line.
fn indentation(indent: &Value) -> Result<Option<String>, Error> {
    match (indent.as_str(), indent.kind()) {
        (Some(text), _) => Ok(Some(text.to_owned())),
        (None, ValueKind::None | ValueKind::Undefined) => Ok(None),
        (None, _) => {
            let spaces = i64::try_from(indent.clone())?;
            match usize::try_from(spaces.max(0)) {
                Ok(spaces) if spaces <= MOST_SPACES => Ok(Some(" ".repeat(spaces))),
                _ => Err(refused(format!("`indent` is {spaces}, expected at most {MOST_SPACES}"))),
            }
        }
    }
}

/// More indentation for a level than anybody reads.
const MOST_SPACES: usize = 64;

struct Dumper<'a> {
    state: &'a State<'a, 'a>,
    out: String,
    ensure_ascii: bool,
    indent: Option<String>,
    between_items: String,
    after_key: String,
    sort_keys: bool,
}

impl Dumper<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let before = self.out.len();
        // The list of kinds is open.
        #[allow(clippy::wildcard_enum_match_arm)]
        match value.kind() {
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self.out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.number(value)?,
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => return self.sequence(value, depth),
            ValueKind::Map => return self.map(value, depth),
            other => return Err(refused(format!("a value of type {other} has no JSON form"))),
        }
        self.charge(before)
    }

    fn charge(&self, before: usize) -> Result<(), Error> {
        self.state.consume_fuel(1 + ((self.out.len() - before) / python::BYTES_PER_FUEL) as u64)
    }

    fn number(&mut self, value: &Value) -> Result<(), Error> {
        if value.is_integer() {
            let _ = write!(self.out, "{value}");
            return Ok(());
        }
        let number = f64::try_from(value.clone())?;
        self.out.push_str(&match number {
            _ if number.is_nan() => "NaN".to_owned(),
            _ if number.is_infinite() && number > 0.0 => "Infinity".to_owned(),
            _ if number.is_infinite() => "-Infinity".to_owned(),
            _ => python::float(number),
        });
        Ok(())
    }

    fn sequence(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.out.push('[');
        let mut any = false;
        for item in value.try_iter()?.checked() {
            self.begin_item(any, depth + 1)?;
            any = true;
            self.value(&item?, depth + 1)?;
        }
        self.end(any, depth, ']')
    }

    fn map(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let mut pairs = Vec::new();
        for key in value.try_iter()?.checked() {
            let key = key?;
            pairs.push((self.key(&key)?, value.get_item(&key)?));
        }
        if self.sort_keys {
            pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        self.out.push('{');
        let any = !pairs.is_empty();
        for (i, (key, value)) in pairs.iter().enumerate() {
            self.begin_item(i > 0, depth + 1)?;
            self.string(key);
            self.out.push_str(&self.after_key);
            self.value(value, depth + 1)?;
        }
        self.end(any, depth, '}')
    }

    /// Python makes strings of the other simple keys.
    fn key(&mut self, key: &Value) -> Result<String, Error> {
        match (key.as_str(), key.kind()) {
            (Some(text), _) => Ok(text.to_owned()),
            (None, ValueKind::None | ValueKind::Bool | ValueKind::Number) => {
                let outer = std::mem::take(&mut self.out);
                let written = self.value(key, 0);
                let key = std::mem::replace(&mut self.out, outer);
                written.map(|()| key)
            }
            (None, other) => Err(refused(format!("a key of type {other}, expected a string"))),
        }
    }

    fn begin_item(&mut self, any: bool, depth: usize) -> Result<(), Error> {
        let before = self.out.len();
        if any {
            self.out.push_str(&self.between_items);
        }
        self.line(depth);
        self.charge(before)
    }

    fn end(&mut self, any: bool, depth: usize, close: char) -> Result<(), Error> {
        let before = self.out.len();
        if any {
            self.line(depth);
        }
        self.out.push(close);
        self.charge(before)
    }

    fn line(&mut self, depth: usize) {
        if let Some(indent) = &self.indent {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(indent.as_str(), depth));
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            let _ = match c {
                '"' => write!(self.out, "\\\""),
                '\\' => write!(self.out, "\\\\"),
                '\n' => write!(self.out, "\\n"),
                '\r' => write!(self.out, "\\r"),
                '\t' => write!(self.out, "\\t"),
                '\u{8}' => write!(self.out, "\\b"),
                '\u{c}' => write!(self.out, "\\f"),
                '\0'..' ' => write!(self.out, "\\u{:04x}", c as u32),
                '\u{7f}'.. if self.ensure_ascii => {
                    let mut units = [0; 2];
                    for unit in c.encode_utf16(&mut units) {
                        let _ = write!(self.out, "\\u{unit:04x}");
                    }
                    Ok(())
                }
                _ => write!(self.out, "{c}"),
            };
        }
        self.out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use minijinja::{Environment, context};
    use serde_json::json;

    #[track_caller]
    fn check(call: &str, value: &serde_json::Value, expected: &str) {
        let mut env = Environment::new();
        env.add_filter("tojson", super::tojson);
        let value = crate::chat::message::template_value(value);
        let template = format!("{{{{ value|{call} }}}}");
        assert_eq!(env.render_str(&template, context!(value)).unwrap(), expected, "{call}");
    }

    /// Every expected string is what `json.dumps` of CPython 3 prints.
    #[test]
    fn equal_to_json_dumps() {
        let value = json!({
            "b": [1, -2.5, 1e16, true, null, [], {}],
            "a": "<é\"\\\n\u{1}\u{7f}😀'/>",
        });
        check(
            "tojson",
            &value,
            "{\"b\": [1, -2.5, 1e+16, true, null, [], {}], \"a\": \"<é\\\"\\\\\\n\\u0001\u{7f}😀'/>\"}",
        );
        check(
            "tojson(ensure_ascii=true, sort_keys=True)",
            &value,
            r#"{"a": "<\u00e9\"\\\n\u0001\u007f\ud83d\ude00'/>", "b": [1, -2.5, 1e+16, true, null, [], {}]}"#,
        );
        check("tojson(separators=(',', ':'))", &value["b"], "[1,-2.5,1e+16,true,null,[],{}]");
        let nested = json!({"a": [1, {"b": []}], "c": {}});
        check(
            "tojson(indent=2)",
            &nested,
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    }\n  ],\n  \"c\": {}\n}",
        );
        check("tojson(indent=0)", &json!([1, 2]), "[\n1,\n2\n]");
        check("tojson(indent='\\t')", &json!([1]), "[\n\t1\n]");
        check("tojson(false, 1)", &json!([1]), "[\n 1\n]");
        check("tojson", &json!("plain"), "\"plain\"");
        check("tojson", &json!(null), "null");
    }

    #[test]
    fn what_has_no_json_form_is_refused() {
        let mut env = Environment::new();
        env.add_filter("tojson", super::tojson);
        for (template, expected) in [
            ("{{ nothing|tojson }}", "a value of type undefined has no JSON form"),
            ("{{ 1|tojson(indent=1000000000) }}", "`indent` is 1000000000, expected at most 64"),
            ("{{ 1|tojson(separators=[',']) }}", "`separators` is not a pair"),
            ("{{ 1|tojson(colour=1) }}", "unknown keyword argument 'colour'"),
        ] {
            let error = env.render_str(template, ()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
