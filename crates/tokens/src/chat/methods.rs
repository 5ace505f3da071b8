//! Python's methods of strings, dictionaries and lists, where templates call them.
//!
//! What is here is what minijinja's own collection lacks or decides otherwise than Python:
//! white space, line ends, and the rarer methods.

use minijinja::value::{Kwargs, Tuple, Value, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::python::{self, is_space};

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

/// `str.strip`: `chars`, else white space, off the ends asked for.
pub(super) fn strip<'a>(text: &'a str, chars: Option<&str>, left: bool, right: bool) -> &'a str {
    let goes = |c: char| chars.map_or_else(|| is_space(c), |chars| chars.contains(c));
    let text = if left { text.trim_start_matches(goes) } else { text };
    if right { text.trim_end_matches(goes) } else { text }
}

/// `str.split` and `str.rsplit`; a negative limit is none.
fn split<'a>(
    text: &'a str,
    separator: Option<&Value>,
    limit: i64,
    from_right: bool,
) -> Result<Vec<&'a str>, Error> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX - 1);
    let Some(separator) = separator else {
        return Ok(split_words(text, limit, from_right));
    };
    let separator = separator
        .as_str()
        .filter(|text| !text.is_empty())
        .ok_or_else(|| refused("empty separator"))?;
    if from_right {
        let mut parts: Vec<&str> = text.rsplitn(limit + 1, separator).collect();
        parts.reverse();
        return Ok(parts);
    }
    Ok(text.splitn(limit + 1, separator).collect())
}

/// Words between white space; at most `limit` cuts, the rest stays whole.
fn split_words(text: &str, limit: usize, from_right: bool) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = strip(text, None, !from_right, from_right);
    while !rest.is_empty() {
        let end = if from_right {
            rest.char_indices().rev().find(|(_, c)| is_space(*c)).map(|(at, c)| at + c.len_utf8())
        } else {
            rest.find(is_space)
        };
        let Some(end) = end.filter(|_| words.len() < limit) else {
            words.push(rest);
            break;
        };
        let (left, right) = rest.split_at(end);
        let (word, others) = if from_right { (right, left) } else { (left, right) };
        words.push(word);
        rest = strip(others, None, !from_right, from_right);
    }
    if from_right {
        words.reverse();
    }
    words
}

/// `str.splitlines`, with all of Python's line ends.
pub(super) fn split_lines(text: &str, keep_ends: bool) -> Vec<&str> {
    const ENDS: [char; 10] = [
        '\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}',
        '\u{2029}',
    ];
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = rest.find(ENDS).unwrap_or(rest.len());
        let end = match rest[at..].chars().next() {
            Some('\r') if rest[at..].starts_with("\r\n") => at + 2,
            Some(c) => at + c.len_utf8(),
            None => at,
        };
        lines.push(&rest[..if keep_ends { end } else { at }]);
        rest = &rest[end..];
    }
    lines
}

fn partition(text: &str, separator: &str, from_right: bool) -> Result<Value, Error> {
    if separator.is_empty() {
        return Err(refused("empty separator"));
    }
    let cut = if from_right { text.rsplit_once(separator) } else { text.split_once(separator) };
    let parts = match cut {
        Some((before, after)) => [before, separator, after],
        None if from_right => ["", "", text],
        None => [text, "", ""],
    };
    Ok(Value::from(Tuple::from(parts.map(Value::from))))
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
mod tests {
    use minijinja::Environment;

    #[track_caller]
    fn check(expression: &str, expected: &str) {
        let mut env = Environment::new();
        env.set_unknown_method_callback(super::call);
        let template = format!("{{{{ {expression} }}}}");
        let result = env.render_str(&template, ());
        let printed = result.unwrap_or_else(|error| {
            error.detail().map_or_else(|| error.to_string(), str::to_owned)
        });
        assert_eq!(printed, expected, "{expression}");
    }

    /// Every expected string is what CPython 3 prints.
    #[test]
    fn strings() {
        check(
            r"['\x1f a\u0085\n'.strip(), 'xxaxx'.lstrip('x'), 'abcba'.rstrip('ab')]",
            "['a', 'axx', 'abc']",
        );
        check("' a  b c '.split()", "['a', 'b', 'c']");
        check("' a  b c '.split(none, 1)", "['a', 'b c ']");
        check("' a  b c '.rsplit(none, 1)", "[' a  b', 'c']");
        check("'a,b,,c'.split(',')", "['a', 'b', '', 'c']");
        check("'a,b,,c'.split(',', 1)", "['a', 'b,,c']");
        check("'a,b,,c'.split(sep=',', maxsplit=2)", "['a', 'b', ',c']");
        check("'a,b,,c'.rsplit(',', 1)", "['a,b,', 'c']");
        check("''.split()", "[]");
        check("''.split(',')", "['']");
        check("'a'.split('')", "empty separator");
        check(r"'a\r\nb\x0bc\n'.splitlines()", "['a', 'b', 'c']");
        check(r"'a\r\nb'.splitlines(true)", r"['a\r\n', 'b']");
        check("['prefix'.removeprefix('pre'), 'a.py'.removesuffix('.py')]", "['fix', 'a']");
        check(
            "['a=b=c'.partition('='), 'a=b=c'.rpartition('='), 'a'.partition('=')]",
            "[('a', '=', 'b=c'), ('a=b', '=', 'c'), ('a', '', '')]",
        );
        check("['éa'.index('a'), 'aba'.rindex('a')]", "[1, 2]");
        check("'a'.index('b')", "substring not found");
        check(
            "['ab'.ljust(4, '.'), 'ab'.rjust(4), 'ab'.center(5, '-'), 'abc'.center(6, '-'), '-7'.zfill(4)]",
            "['ab..', '  ab', '--ab-', '-abc--', '-007']",
        );
        check("[', '.join(['a', 'b']), ','.join('ab'), ''.join([])]", "['a, b', 'a,b', '']");
        check("'-'.join([1])", "join: item 0 is of type number, expected a string");
        check(
            r#"["it's a-b x2y".title(), '{:>5}|{}'.format(1, 'b')]"#,
            r#"["It'S A-B X2Y", '    1|b']"#,
        );
        check("'{:>100000}'.format(1)", "a format with a width of five digits or from an argument");
        check("'{:>{}}'.format(1, 9)", "a format with a width of five digits or from an argument");
        check(
            "['aB'.swapcase(), ' '.isspace(), '½'.isdecimal(), '12'.isdecimal()]",
            "['Ab', True, False, True]",
        );
    }

    #[test]
    fn containers() {
        check("{'items': 1, 'a': 2}.items()|list", "[('items', 1), ('a', 2)]");
        check("[[1, 2, 2].index(2), [1, 2, 2].count(2), {'a': 1}.copy()]", "[1, 2, {'a': 1}]");
        check("[1].append(2)", "`append` would change a value, a chat template must not");
        check("{}.update({})", "`update` would change a value, a chat template must not");
    }
}
