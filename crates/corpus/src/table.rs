//! What the footer of a Parquet file says, held against a manifest.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::schema::types::ColumnDescPtr;
use temper_recipe::{Digest, ManifestFile};

use crate::error::Error;

/// How a message calls a column of text.
pub(crate) const STRING: &str = "a string";

/// How a message calls a column of conversations.
pub(crate) const MESSAGES: &str = "a list of structs, or JSON in a string";

/// The footer of one file.
pub(crate) struct Footer {
    path: PathBuf,
    metadata: Arc<ParquetMetaData>,
    schema: Schema,
}

impl Footer {
    /// Reads the footer of a file of the corpus `id`.
    pub(crate) fn read(id: &str, path: &Path) -> Result<Self, Error> {
        if !path.exists() {
            return Err(Error::Missing { corpus: id.to_owned(), path: path.to_owned() });
        }
        let read = |source| Error::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read)?;
        let bytes = file.metadata().map_err(read)?.len();
        let not_parquet = |source| Error::NotParquet { path: path.to_owned(), bytes, source };
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).map_err(not_parquet)?;
        check_counts(&metadata).map_err(not_parquet)?;
        // Without the writer's Arrow schema: what the columns are, not how someone held them.
        let schema = parquet_to_arrow_schema(metadata.file_metadata().schema_descr(), None)
            .map_err(not_parquet)?;
        Ok(Self { path: path.to_owned(), metadata: Arc::new(metadata), schema })
    }

    pub(crate) fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }

    /// The type of a column.
    pub(crate) fn column(&self, name: &str) -> Result<&DataType, Error> {
        match self.schema.field_with_name(name) {
            Ok(field) => Ok(field.data_type()),
            Err(_) => Err(Error::NoColumn {
                path: self.path.clone(),
                column: name.to_owned(),
                present: self
                    .schema
                    .fields()
                    .iter()
                    .map(|field| format!("`{}`", field.name()))
                    .collect(),
            }),
        }
    }

    /// The columns that a column is stored in: one, unless it is nested.
    pub(crate) fn leaves(&self, name: &str) -> Range<usize> {
        let columns = self.metadata.file_metadata().schema_descr().columns();
        let is_part = |column: &ColumnDescPtr| column.path().parts()[0] == name;
        let first = columns.iter().position(is_part);
        let first = first.expect("the caller has found a column of this name");
        first..first + columns[first..].iter().take_while(|column| is_part(column)).count()
    }

    pub(crate) fn wrong_type(&self, column: &str, expected: &'static str) -> Error {
        let found =
            self.column(column).map_or_else(|_| "missing".to_owned(), |found| format!("`{found}`"));
        Error::ColumnType { path: self.path.clone(), column: column.to_owned(), found, expected }
    }

    /// Holds rows and digest against the manifest; reads the whole file.
    pub(crate) fn check(&self, listed: &ManifestFile) -> Result<(), Error> {
        let path = self.path.clone();
        let rows = self.metadata.row_groups().iter().map(|group| group.num_rows() as u64).sum();
        if rows != listed.rows {
            return Err(Error::RowCount { path, found: rows, expected: listed.rows });
        }
        let found =
            Digest::of_file(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        if found != listed.sha256 {
            return Err(Error::Sha256 { path, found, expected: listed.sha256 });
        }
        Ok(())
    }
}

/// Row groups and rows are numbered in 32 bits everywhere else.
fn check_counts(metadata: &ParquetMetaData) -> Result<(), ParquetError> {
    let refused = |what| Err(ParquetError::General(format!("{what} outside 0..2^32")));
    if u32::try_from(metadata.row_groups().len()).is_err() {
        return refused("number of row groups".to_owned());
    }
    for (i, group) in metadata.row_groups().iter().enumerate() {
        if u32::try_from(group.num_rows()).is_err() {
            return refused(format!("rows of row group {i}"));
        }
    }
    Ok(())
}
