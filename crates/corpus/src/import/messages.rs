//! A column of messages: a list of structs, all of whose fields but `role` may be missing.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, StringBuilder, StructBuilder};
use arrow::datatypes::{DataType, Field, Fields};

use super::conversation::Turn;

/// The fields of a message, in the order of the struct; calls are JSON.
const FIELDS: [&str; 6] =
    ["role", "content", "reasoning_content", "tool_calls", "tool_call_id", "name"];

/// The column while rows come in.
pub(super) struct MessagesBuilder(ListBuilder<StructBuilder>);

impl MessagesBuilder {
    pub(super) fn new() -> Self {
        Self(ListBuilder::new(StructBuilder::from_fields(fields(), 0)).with_field(item()))
    }

    pub(super) fn field(name: &str) -> Field {
        Field::new(name, DataType::List(Arc::new(item())), false)
    }

    pub(super) fn append(&mut self, turns: &[Turn]) {
        let structs = self.0.values();
        for turn in turns {
            let Turn { role, content, reasoning_content, tool_calls, tool_call_id, name } = turn;
            let optional = [content, reasoning_content, tool_calls, tool_call_id, name];
            let values = optional.into_iter().map(Option::as_deref);
            for (i, value) in [Some(role.as_str())].into_iter().chain(values).enumerate() {
                let column = structs.field_builder::<StringBuilder>(i);
                column.expect("all fields are strings").append_option(value);
            }
            structs.append(true);
        }
        self.0.append(true);
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

fn item() -> Field {
    Field::new("item", DataType::Struct(fields()), false)
}

fn fields() -> Fields {
    FIELDS.iter().map(|name| Field::new(*name, DataType::Utf8, *name != "role")).collect()
}
