//! How Python prints what a template prints.

use std::fmt::Write as _;

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind, State};
use unicode_categories::UnicodeCategories;

/// `str(value)`, with nothing for what is undefined, as Jinja prints it.
pub(super) fn str(state: &State, value: &Value) -> Result<String, Error> {
    match (value.as_str(), value.kind()) {
        (Some(text), _) => Ok(text.to_owned()),
        (None, ValueKind::Undefined) => Ok(String::new()),
        (None, _) => repr(state, value),
    }
}

/// `repr(value)`.
pub(super) fn repr(state: &State, value: &Value) -> Result<String, Error> {
    let mut text = String::new();
    write_repr(state, &mut text, value)?;
    Ok(text)
}

/// Pays for printing a value that the engine prints without counting.
pub(super) fn afford(state: &State, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(_) => Ok(()),
        None => repr(state, value).map(drop),
    }
}

/// Bytes of output that cost one unit of fuel: walking values is slower than copying text.
pub(super) const BYTES_PER_FUEL: usize = 8;

fn write_repr(state: &State, out: &mut String, value: &Value) -> Result<(), Error> {
    // A value with parts in common may be far larger printed than held.
    let before = out.len();
    state.consume_fuel(1)?;
    // The list of kinds is open.
    #[allow(clippy::wildcard_enum_match_arm)]
    match value.kind() {
        ValueKind::Number if !value.is_integer() => {
            out.push_str(&float(f64::try_from(value.clone())?));
        }
        ValueKind::String => {
            write_string(out, value.as_str().unwrap_or_default());
            state.consume_fuel(((out.len() - before) / BYTES_PER_FUEL) as u64)?;
        }
        ValueKind::Map => {
            out.push('{');
            for (i, key) in value.try_iter()?.checked().enumerate() {
                let key = key?;
                if i > 0 {
                    out.push_str(", ");
                }
                write_repr(state, out, &key)?;
                out.push_str(": ");
                write_repr(state, out, &value.get_item(&key)?)?;
            }
            out.push('}');
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let (open, close) = if value.is_tuple() { ('(', ')') } else { ('[', ']') };
            out.push(open);
            let mut n_items = 0;
            for item in value.try_iter()?.checked() {
                if n_items > 0 {
                    out.push_str(", ");
                }
                write_repr(state, out, &item?)?;
                n_items += 1;
            }
            if value.is_tuple() && n_items == 1 {
                out.push(',');
            }
            out.push(close);
        }
        ValueKind::Undefined => out.push_str("Undefined"),
        ValueKind::Invalid => {
            return Err(Error::new(ErrorKind::InvalidOperation, value.to_string()));
        }
        // True, False, None and integers print as in Python.
        _ => _ = write!(out, "{value}"),
    }
    Ok(())
}

/// `repr(string)`: single quotes unless that needs escapes and double quotes do not.
fn write_string(out: &mut String, string: &str) {
    let quote = if string.contains('\'') && !string.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in string.chars() {
        let code = c as u32;
        let _ = match c {
            '\n' => write!(out, "\\n"),
            '\r' => write!(out, "\\r"),
            '\t' => write!(out, "\\t"),
            '\\' => write!(out, "\\\\"),
            _ if c == quote => write!(out, "\\{c}"),
            _ if c == ' ' || !(c.is_other() || c.is_separator()) => write!(out, "{c}"),
            _ if code <= 0xff => write!(out, "\\x{code:02x}"),
            _ if code <= 0xffff => write!(out, "\\u{code:04x}"),
            _ => write!(out, "\\U{code:08x}"),
        };
    }
    out.push(quote);
}

/// `repr(number)`: the shortest digits that give the number back, with an exponent below 1e-4 and
/// from 1e16.
pub(super) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..16).contains(&exponent) {
        let plain = number.to_string();
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// `c.isspace()`: Unicode's white space, and the four ASCII separators.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use minijinja::Environment;
    use minijinja::value::Value;

    use super::{float, str};

    #[test]
    fn floats_print_as_in_python() {
        for (number, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (1e-4, "0.0001"),
            (1.25e-5, "1.25e-05"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(float(number), expected);
        }
    }

    #[test]
    fn values_print_as_in_python() {
        let list = |items: &[Value]| Value::from(items.to_vec());
        let quote = |text: &str| list(&[text.into()]);
        for (value, expected) in [
            (Value::UNDEFINED, ""),
            (Value::from(()), "None"),
            (true.into(), "True"),
            (7.into(), "7"),
            (2.0.into(), "2.0"),
            ("it's \"so\"\n".into(), "it's \"so\"\n"),
            (quote("plain"), "['plain']"),
            (quote("it's"), r#"["it's"]"#),
            (quote("it's \"so\"\\\n\t\u{7}"), r#"['it\'s "so"\\\n\t\x07']"#),
            (quote("é水😀\u{a0}\u{200b}"), r"['é水😀\xa0\u200b']"),
            (Value::from_pairs([("b", 1), ("a", 2)]), "{'b': 1, 'a': 2}"),
            (list(&[Value::from(()), false.into(), 1e20.into()]), "[None, False, 1e+20]"),
        ] {
            let env = Environment::new();
            assert_eq!(str(&env.empty_state(), &value).unwrap(), expected);
        }
    }
}
