//! Jinja's filters where minijinja's print, refuse or count their work otherwise.

use minijinja::value::{Kwargs, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, State};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::{json, methods, python};

/// Adds them to an environment. The others are the engine's own.
pub(super) fn add(env: &mut Environment<'_>) {
    env.add_filter("tojson", json::tojson);
    env.add_filter("string", |state: &State, value: &Value| python::str(state, value));
    env.add_filter("pprint", |state: &State, value: &Value| python::repr(state, value));
    env.add_filter("trim", trim);
    env.add_filter("join", join);
    env.add_filter("indent", indent);
    env.add_filter("replace", replace);
    env.add_filter("default", default);
    env.add_filter("d", default);
    env.add_filter("float", float);
    env.add_filter("int", int);
    env.add_filter("format", format);
    env.add_filter("safe", |state: &State, value: &Value| {
        python::str(state, value).map(Value::from_safe_string)
    });
    env.add_filter("escape", escape);
    env.add_filter("e", escape);
    env.add_filter("upper", |state: &State, value: &Value| {
        python::str(state, value).map(|text| text.to_uppercase())
    });
    env.add_filter("lower", |state: &State, value: &Value| {
        python::str(state, value).map(|text| text.to_lowercase())
    });
    env.add_filter("title", |state: &State, value: &Value| {
        python::str(state, value).map(|text| minijinja::filters::title(text.into()))
    });
    env.add_filter("capitalize", |state: &mut State, value: &Value| {
        let text = python::str(state, value)?;
        unknown_method_callback(state, &text.into(), "capitalize", &[])
    });
}

fn trim(state: &State, value: &Value, chars: Option<&str>) -> Result<String, Error> {
    Ok(methods::cut::strip(&python::str(state, value)?, chars, true, true).to_owned())
}

fn join(
    state: &State,
    value: &Value,
    separator: Option<Value>,
    attribute: Option<Value>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let separator = separator.or(kwargs.get("d")?).unwrap_or_else(|| "".into());
    let separator = python::str(state, &separator)?;
    let attribute = attribute.or(kwargs.get("attribute")?);
    kwargs.assert_all_used()?;
    let mut joined = String::new();
    for (i, item) in value.try_iter()?.checked().enumerate() {
        let mut item = item?;
        for part in path(attribute.as_ref()) {
            item = item.get_item(&part)?;
        }
        let item = python::str(state, &item)?;
        state.consume_fuel(1 + ((separator.len() + item.len()) / 64) as u64)?;
        if i > 0 {
            joined.push_str(&separator);
        }
        joined.push_str(&item);
    }
    Ok(joined)
}

/// The steps of `a.b.0`.
fn path(attribute: Option<&Value>) -> Vec<Value> {
    match attribute.map(|attribute| (attribute, attribute.as_str())) {
        None => Vec::new(),
        Some((attribute, None)) => vec![attribute.clone()],
        Some((_, Some(text))) => text
            .split('.')
            .map(|part| part.parse::<u64>().map_or_else(|_| part.into(), Value::from))
            .collect(),
    }
}

fn indent(
    state: &State,
    value: &Value,
    width: Option<Value>,
    first: Option<bool>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let text = python::str(state, value)?;
    let width = width.or(kwargs.get("width")?).unwrap_or_else(|| 4.into());
    let first = first.or(kwargs.get("first")?).unwrap_or(false);
    let blank = kwargs.get::<Option<bool>>("blank")?.unwrap_or(false);
    kwargs.assert_all_used()?;
    let text = format!("{text}\n");
    let lines = methods::cut::split_lines(&text, false);
    // Paid before it is made.
    let charge = |width: usize| state.consume_fuel((width.saturating_mul(lines.len()) / 16) as u64);
    let indent = match width.as_str() {
        Some(indent) => {
            charge(indent.len())?;
            indent.to_owned()
        }
        None => {
            let width = usize::try_from(i64::try_from(width)?).unwrap_or(0);
            charge(width)?;
            " ".repeat(width)
        }
    };
    let indented = lines.iter().enumerate().map(|(i, line)| {
        let indents = if i == 0 { first } else { blank || !line.is_empty() };
        if indents { format!("{indent}{line}") } else { (*line).to_owned() }
    });
    Ok(indented.collect::<Vec<_>>().join("\n"))
}

fn format(state: &mut State, value: &Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    for arg in args.iter() {
        python::afford(state, arg)?;
    }
    // Not as a safe string, into which the engine would put escaped ones.
    let text = Value::from(python::str(state, value)?);
    minijinja::filters::format(state, &text, args)
}

fn replace(
    state: &mut State,
    value: &Value,
    old: &str,
    new: &str,
    count: Option<i32>,
) -> Result<Value, Error> {
    let text = Value::from(python::str(state, value)?);
    let args = [old.into(), new.into(), count.unwrap_or(-1).into()];
    unknown_method_callback(state, &text, "replace", &args)
}

fn default(
    value: &Value,
    other: Option<Value>,
    boolean: Option<bool>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let other = other.or(kwargs.get("default_value")?).unwrap_or_else(|| "".into());
    let boolean = boolean.or(kwargs.get("boolean")?).unwrap_or(false);
    kwargs.assert_all_used()?;
    let is_missing = value.is_undefined() || (boolean && !value.is_true());
    Ok(if is_missing { other } else { value.clone() })
}

fn float(value: &Value, default: Option<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let default = default.or(kwargs.get("default")?).unwrap_or_else(|| 0.0.into());
    kwargs.assert_all_used()?;
    let number = match value.as_str() {
        Some(text) => text.trim().parse().ok(),
        None => f64::try_from(value.clone()).ok(),
    };
    Ok(number.map_or(default, Value::from))
}

fn int(
    value: &Value,
    default: Option<Value>,
    base: Option<u32>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let default = default.or(kwargs.get("default")?).unwrap_or_else(|| 0.into());
    let base = base.or(kwargs.get("base")?).unwrap_or(10);
    kwargs.assert_all_used()?;
    if let Some(text) = value.as_str() {
        let text = text.trim();
        let prefix = match base {
            2 => "0b",
            8 => "0o",
            16 => "0x",
            _ => "",
        };
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", text.strip_prefix('+').unwrap_or(text)),
        };
        let digits = digits.strip_prefix(prefix).unwrap_or(digits);
        let whole = (2..=36)
            .contains(&base)
            .then(|| i128::from_str_radix(&format!("{sign}{digits}"), base));
        if let Some(Ok(number)) = whole {
            return Ok(i64::try_from(number).map_or_else(|_| number.into(), Value::from));
        }
    } else if value.is_integer() {
        return Ok(value.clone());
    } else if value.kind() == ValueKind::Bool {
        return Ok(Value::from(u8::from(value.is_true())));
    }
    let number = match value.as_str() {
        Some(text) => text.trim().parse().ok(),
        None => f64::try_from(value.clone()).ok(),
    };
    // Beyond it a float holds no integer of 64 bits.
    let number = number.filter(|number| number.abs() < 9.2e18);
    Ok(number.map_or(default, |number| Value::from(number.trunc() as i64)))
}

/// The forms that Python's `markupsafe` writes.
fn escape(state: &State, value: &Value) -> Result<String, Error> {
    let text = python::str(state, value)?;
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\'' => escaped.push_str("&#39;"),
            '"' => escaped.push_str("&#34;"),
            _ => escaped.push(c),
        }
    }
    Ok(escaped)
}

#[cfg(test)]
mod tests {
    use minijinja::Environment;

    #[track_caller]
    fn check(expression: &str, expected: &str) {
        let mut env = Environment::new();
        super::add(&mut env);
        let template = format!("{{{{ {expression} }}}}");
        assert_eq!(env.render_str(&template, ()).unwrap(), expected, "{expression}");
    }

    /// Every expected string is what Jinja 3.1 prints.
    #[test]
    fn equal_to_jinja() {
        check(
            "['3'|int, 'x'|int, 'x'|int(7), 3.9|int, '-3.7'|int, '0x1f'|int(base=16), true|int, none|int(default=2)]",
            "[3, 0, 7, 3, -3, 31, 1, 2]",
        );
        check("['3.5'|float, 'x'|float, 2|float, 'x'|float(1)]", "[3.5, 0.0, 2.0, 1]");
        check(
            "[x|default, x|default('a'), ''|default('a'), ''|default('a', true), none|d('a', boolean=true)]",
            "['', 'a', '', 'a', 'a']",
        );
        check(
            r"['a\n\nb'|indent(2), 'a\nb'|indent(first=true, width='> '), 'a\n\nb'|indent(1, blank=true), 'a\n'|indent]",
            r"['a\n\n  b', '> a\n> b', 'a\n \n b', 'a\n']",
        );
        check(
            "[[1, none, 'a']|join(', '), [{'a': {'b': 1}}, {'a': {'b': 2}}]|join('-', attribute='a.b'), 'abc'|join('.')]",
            "['1, None, a', '1-2', 'a.b.c']",
        );
        check(
            "['aXbX'|replace('X', ''), 'aXbX'|replace('X', '-', 1), 12|replace('1', '2')]",
            "['ab', 'a-bX', '22']",
        );
        check("'<a href=\"x\">&\\'</a>'|e", "&lt;a href=&#34;x&#34;&gt;&amp;&#39;&lt;/a&gt;");
        check(
            "[none|upper, 'É'|lower, 'it\\'s a-b'|title, 'aBC'|capitalize, ' a '|trim, 'xax'|trim('x'), 1|string, 'a'|pprint]",
            r#"['NONE', 'é', "It's A-B", 'Abc', 'a', 'a', '1', "'a'"]"#,
        );
    }
}
