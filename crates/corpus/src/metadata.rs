//! What rows say besides their documents, which judges from outside are told.

use std::fs::File;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use serde_json::{Map, Value};

use crate::conversations::selection;
use crate::corpus::Corpus;
use crate::error::Error;
use crate::json::{self, json};
use crate::table::Footer;

impl Corpus {
    /// The values of `columns` of every document, by column, in corpus order; all are held. Nulls are left
    /// out.
    ///
    /// # Errors
    /// [`Error::NoColumn`]; [`Error::RowGroup`], also for values that JSON does not have;
    /// [`Error::Read`], [`Error::NotParquet`].
    pub fn read_metadata(&self, columns: &[String]) -> Result<Vec<Map<String, Value>>, Error> {
        let mut rows = Vec::with_capacity(self.n_documents() as usize);
        for group in self.row_groups() {
            let path = self.path(group.file);
            let footer = Footer::read(self.id(), path)?;
            for column in columns {
                footer.column(column)?;
            }
            let failed = |source: ParquetError| Error::RowGroup {
                path: path.to_owned(),
                row_group: group.row_group,
                source,
            };
            let file =
                File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
            let opened = json::open(&file).map_err(failed)?;
            let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, opened);
            let schema = footer.metadata().file_metadata().schema_descr();
            let names = columns.iter().map(String::as_str);
            let mut reader = reader
                .with_projection(ProjectionMask::columns(schema, names))
                .with_row_groups(vec![group.row_group as usize]);
            if let Some(kept) = self.kept(group.file) {
                reader = reader.with_row_selection(selection(&kept[group.row_group as usize]));
            }
            for batch in reader.build().map_err(failed)? {
                let batch = batch.map_err(|error| failed(error.into()))?;
                for row in 0..batch.num_rows() {
                    let mut values = Map::new();
                    for column in columns {
                        let array = batch.column_by_name(column).expect("the column is there");
                        let value = json(array.as_ref(), row).map_err(|error| {
                            failed(ParquetError::General(format!("`{column}`: {error}")))
                        })?;
                        if !value.is_null() {
                            values.insert(column.clone(), value);
                        }
                    }
                    rows.push(values);
                }
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int32Array, UInt64Array};
    use serde_json::json;

    use super::*;
    use crate::testing::{strings, text_manifest, write_parquet};

    #[test]
    fn is_that_of_the_documents() {
        let folder = tempfile::tempdir().unwrap();
        let texts: Vec<String> = (0..5).map(|i| i.to_string()).collect();
        let levels = [Some(3), None, Some(1), Some(2), Some(5)];
        let columns = vec![
            ("text", strings(&texts)),
            ("level", Arc::new(Int32Array::from(levels.to_vec())) as _),
            ("topic", strings(&["sums", "sums", "rivers", "sums", "sums"])),
            ("hash", Arc::new(UInt64Array::from(vec![1, 2, 3, 4, u64::MAX])) as _),
        ];
        write_parquet(&folder.path().join("a.parquet"), 2, columns);
        let mut manifest = text_manifest(folder.path(), &["a.parquet"]);
        manifest.condition = Some("topic = 'sums'".to_owned().try_into().unwrap());
        let corpus = Corpus::open(&manifest, folder.path()).unwrap();
        let found = corpus.read_metadata(&["topic", "level", "hash"].map(str::to_owned)).unwrap();
        let expected = json!([
            { "topic": "sums", "level": 3, "hash": 1 },
            { "topic": "sums", "hash": 2 },
            { "topic": "sums", "level": 2, "hash": 4 },
            { "topic": "sums", "level": 5, "hash": u64::MAX },
        ]);
        assert_eq!(Value::from_iter(found.into_iter().map(Value::Object)), expected);
        let refused = corpus.read_metadata(&["mood".to_owned()]).unwrap_err();
        assert!(matches!(refused, Error::NoColumn { .. }), "{refused}");
    }
}
