//! Python's methods of strings, dictionaries and lists, where templates call them.
//!
//! What is here is what minijinja's own collection lacks or decides otherwise than Python:
//! white space, line ends, and the rarer methods.

use minijinja::value::{Kwargs, Value, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::python::{self, is_space};
use cut::{partition, split, split_lines, strip};

pub(super) mod cut;

/// Calls `method` of `value`.
pub(super) fn call(
    state: &mut State,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let own = match value.as_str() {
        Some(text) => of_string(state, text, method, args)?,
        None => of_container(state, value, method, args)?,
    };
    match own {
        Some(result) => Ok(result),
        None => unknown_method_callback(state, value, method, args),
    }
}

fn of_string(
    state: &State,
    text: &str,
    method: &str,
    args: &[Value],
) -> Result<Option<Value>, Error> {
    let result = match method {
        "strip" | "lstrip" | "rstrip" => {
            let (chars,): (Option<&str>,) = from_args(args)?;
            Value::from(strip(text, chars, method != "rstrip", method != "lstrip"))
        }
        "split" | "rsplit" => {
            let (separator, limit, kwargs): (Option<Value>, Option<i64>, Kwargs) = from_args(args)?;
            let separator = separator.or(kwargs.get("sep")?).filter(|value| !value.is_none());
            let limit = limit.or(kwargs.get("maxsplit")?).unwrap_or(-1);
            kwargs.assert_all_used()?;
            let parts = split(text, separator.as_ref(), limit, method == "rsplit")?;
            parts.into_iter().map(Value::from).collect()
        }
        "splitlines" => {
            let (keep_ends, kwargs): (Option<bool>, Kwargs) = from_args(args)?;
            let keep_ends = keep_ends.or(kwargs.get("keepends")?).unwrap_or(false);
            kwargs.assert_all_used()?;
            split_lines(text, keep_ends).into_iter().map(Value::from).collect()
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            partition(text, separator, method == "rpartition")?
        }
        "index" | "rindex" => {
            let (part,): (&str,) = from_args(args)?;
            let at = if method == "index" { text.find(part) } else { text.rfind(part) };
            let at = at.ok_or_else(|| refused("substring not found"))?;
            Value::from(text[..at].chars().count())
        }
        "isspace" => {
            let () = from_args(args)?;
            Value::from(!text.is_empty() && text.chars().all(is_space))
        }
        "isdecimal" => {
            let () = from_args(args)?;
            use unicode_categories::UnicodeCategories as _;
            Value::from(!text.is_empty() && text.chars().all(|c| c.is_number_decimal_digit()))
        }
        "title" => {
            let () = from_args(args)?;
            Value::from(title(text))
        }
        "format" if wide_format(text) => {
            return Err(refused("a format with a width of five digits or from an argument"));
        }
        "format" => {
            for arg in args {
                python::afford(state, arg)?;
            }
            return Ok(None);
        }
        "join" => {
            let (items,): (&Value,) = from_args(args)?;
            join(state, text, items)?
        }
        "swapcase" => {
            let () = from_args(args)?;
            let swap = |c: char| match c.is_uppercase() {
                true => c.to_lowercase().to_string(),
                false => c.to_uppercase().to_string(),
            };
            Value::from(text.chars().map(swap).collect::<String>())
        }
        "ljust" | "rjust" | "center" | "zfill" => {
            let (width, fill): (i64, Option<char>) = from_args(args)?;
            Value::from(pad(state, text, method, width, fill)?)
        }
        _ => return Ok(None),
    };
    Ok(Some(result))
}

fn of_container(
    state: &State,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Option<Value>, Error> {
    match (value.kind(), method) {
        (ValueKind::Map | ValueKind::Seq, "copy") => {
            let () = from_args(args)?;
            Ok(Some(value.clone()))
        }
        (ValueKind::Seq, "index" | "count") => {
            let (wanted,): (&Value,) = from_args(args)?;
            let mut places = Vec::new();
            for (at, item) in value.try_iter()?.checked().enumerate() {
                state.consume_fuel(1)?;
                if item? == *wanted {
                    places.push(at);
                }
            }
            if method == "count" {
                return Ok(Some(Value::from(places.len())));
            }
            let first = places.first().ok_or_else(|| refused("the list has no such item"))?;
            Ok(Some(Value::from(*first)))
        }
        (
            ValueKind::Seq,
            "append" | "extend" | "insert" | "pop" | "remove" | "sort" | "reverse",
        )
        | (ValueKind::Map, "update" | "pop" | "popitem" | "setdefault" | "clear") => {
            Err(refused(&format!("`{method}` would change a value, a chat template must not")))
        }
        _ => Ok(None),
    }
}

fn refused(problem: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, problem.to_owned())
}

/// `str.join`, of strings only.
fn join(state: &State, separator: &str, items: &Value) -> Result<Value, Error> {
    let mut joined = String::new();
    for (i, item) in items.try_iter()?.checked().enumerate() {
        let item = item?;
        let text = item.as_str().ok_or_else(|| {
            refused(&format!("join: item {i} is of type {}, expected a string", item.kind()))
        })?;
        state.consume_fuel(1 + ((separator.len() + text.len()) / 64) as u64)?;
        if i > 0 {
            joined.push_str(separator);
        }
        joined.push_str(text);
    }
    Ok(Value::from(joined))
}

/// `str.title`: a letter that follows none is upper case.
fn title(text: &str) -> String {
    let mut after_letter = false;
    let mut title = String::with_capacity(text.len());
    for c in text.chars() {
        if after_letter {
            title.extend(c.to_lowercase());
        } else {
            title.extend(c.to_uppercase());
        }
        after_letter = c.is_alphabetic();
    }
    title
}

/// True for a replacement field that asks for much more than its argument.
fn wide_format(text: &str) -> bool {
    let fields = text.split('{').skip(1);
    fields.into_iter().any(|field| {
        let (field, is_closed) = field.split_once('}').map_or((field, false), |(f, _)| (f, true));
        let digits = |part: &str| part.len() > 4;
        (!is_closed && field.contains(':'))
            || field.split(|c: char| !c.is_ascii_digit()).any(digits)
    })
}

/// `ljust`, `rjust`, `center` and `zfill`.
fn pad(
    state: &State,
    text: &str,
    method: &str,
    width: i64,
    fill: Option<char>,
) -> Result<String, Error> {
    let width = usize::try_from(width).unwrap_or(0);
    // Paid before it is made.
    state.consume_fuel(width as u64 / 16)?;
    let missing = width.saturating_sub(text.chars().count());
    let fill = fill.unwrap_or(if method == "zfill" { '0' } else { ' ' });
    let (left, right) = match method {
        "ljust" => (0, missing),
        // CPython puts the odd one left only when the width is odd.
        "center" => {
            let left = missing / 2 + (missing & width & 1);
            (left, missing - left)
        }
        _ => (missing, 0),
    };
    let sign = if method == "zfill" {
        text.find(|c| !['+', '-'].contains(&c)).unwrap_or(0).min(1)
    } else {
        0
    };
    let (sign, text) = text.split_at(sign);
    let fill = |n: usize| std::iter::repeat_n(fill, n).collect::<String>();
    Ok(format!("{sign}{}{text}{}", fill(left), fill(right)))
}

#[cfg(test)]
mod tests;
