//! TOML 1.0 through the spanned tree of the `toml` crate.

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::{Node, Origin, Value, position};

pub(super) fn parse(text: &str) -> Result<Node, Vec<(Origin, String)>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut errors = without_echoes(text, &errors);
    let root = Node { origin: Origin::Unknown, value: entries(text, table.get_ref(), &mut errors) };
    if errors.is_empty() { Ok(root) } else { Err(errors) }
}

/// The syntax errors a human made, without those that follow from them.
fn without_echoes(text: &str, errors: &[Error]) -> Vec<(Origin, String)> {
    // All lines after an unclosed bracket look wrong, and the parser finds the first of them first.
    let is_open = errors.iter().any(|error| error.message().contains("unclosed"));
    let errors = if is_open { &errors[..1] } else { errors };
    let shown = |error: &Error| {
        let origin = error.span().map_or(Origin::Unknown, |span| position(text, &span));
        (origin, format!("no TOML: {}", error.message()))
    };
    errors.iter().map(shown).collect()
}

fn entries(text: &str, table: &DeTable<'_>, errors: &mut Vec<(Origin, String)>) -> Value {
    // A key is where a human looks for a value, so a value is placed at its key.
    let entries = table.iter().map(|(key, value)| {
        let origin = position(text, &key.span());
        (key.get_ref().to_string(), node(text, origin, value, errors))
    });
    Value::Table(entries.collect())
}

fn node(
    text: &str,
    origin: Origin,
    value: &Spanned<DeValue<'_>>,
    errors: &mut Vec<(Origin, String)>,
) -> Node {
    let value = match value.get_ref() {
        DeValue::String(string) => Value::Text(string.to_string()),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(integer) => Value::Integer(integer),
            Err(_) => {
                errors.push((origin.clone(), format!("`{integer}` does not fit 64 bits")));
                Value::Null
            }
        },
        DeValue::Float(float) => match float.as_str().parse() {
            Ok(float) => Value::Float(float),
            Err(_) => {
                errors.push((origin.clone(), format!("`{float}` is no number")));
                Value::Null
            }
        },
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        // No key takes a date; as text it is refused with the words of the key it stands under.
        DeValue::Datetime(date) => Value::Text(date.to_string()),
        DeValue::Array(items) => {
            let items = items
                .iter()
                .map(|item| node(text, position(text, &item.span()), item, errors))
                .enumerate();
            Value::List(items.collect())
        }
        DeValue::Table(table) => entries(text, table, errors),
    };
    Node { origin, value }
}
