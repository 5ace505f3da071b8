//! Which columns of a corpus hold its documents, and whether they can.

use std::ops::Range;

use arrow::datatypes::DataType;
use temper_recipe::Manifest;

use crate::conversations::MessageColumns;
use crate::error::Error;
use crate::table::{self, Footer};

/// Which columns hold the documents.
#[derive(Clone, Debug)]
pub(super) enum Columns {
    Text(String),
    Messages(MessageColumns),
}

impl Columns {
    pub(super) fn of(manifest: &Manifest) -> Result<Self, Error> {
        let temper_recipe::Columns { text, messages, rejected, label, tools, .. } =
            manifest.columns.clone();
        match (text, messages) {
            (Some(text), _) => Ok(Self::Text(text)),
            (None, Some(messages)) => {
                Ok(Self::Messages(MessageColumns { messages, rejected, label, tools }))
            }
            (None, None) => Err(Error::NoRole { corpus: manifest.id.clone(), role: "text" }),
        }
    }

    /// The leaves of the column, whose type is looked at.
    pub(super) fn leaves(&self, footer: &Footer) -> Result<Range<usize>, Error> {
        match self {
            Self::Text(column) => {
                if *footer.column(column)? != DataType::Utf8 {
                    return Err(footer.wrong_type(column, table::STRING));
                }
                Ok(footer.leaves(column))
            }
            Self::Messages(columns) => {
                for column in columns.of_messages() {
                    let is_list = |kind: &DataType| matches!(kind, DataType::List(item) if item.data_type().is_nested());
                    let kind = footer.column(column)?;
                    if *kind != DataType::Utf8 && !is_list(kind) {
                        return Err(footer.wrong_type(column, table::MESSAGES));
                    }
                }
                if let Some(column) = &columns.label
                    && *footer.column(column)? != DataType::Boolean
                {
                    return Err(footer.wrong_type(column, "a truth value"));
                }
                Ok(footer.leaves(&columns.messages))
            }
        }
    }
}
