//! The texts of one row group, one at a time.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::column::reader::{ColumnReaderImpl, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use temper_tokens::DocumentOrigin;

use crate::documents::{Content, Document, LONGEST_DOCUMENT_BYTES};
use crate::error::Error;
use crate::place::RowPlace;

/// A Parquet file of a corpus, open for reading documents.
pub(crate) struct TextFile {
    path: PathBuf,
    file: u32,
    column: String,
    leaf: usize,
    kept: Option<Vec<Arc<[bool]>>>,
    reader: SerializedFileReader<File>,
}

impl TextFile {
    /// Opens file number `file` of a corpus; its column has been found to be leaf number `leaf`. By row
    /// group, `kept` says which rows are documents; `None` for all.
    pub(crate) fn open(
        path: &Path,
        file: u32,
        column: &str,
        leaf: usize,
        kept: Option<Vec<Arc<[bool]>>>,
    ) -> Result<Self, Error> {
        let opened =
            File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let bytes = opened.metadata().map_or(0, |metadata| metadata.len());
        let reader = SerializedFileReader::new(opened).map_err(|source| Error::NotParquet {
            path: path.to_owned(),
            bytes,
            source,
        })?;
        Ok(Self { path: path.to_owned(), file, column: column.to_owned(), leaf, kept, reader })
    }

    pub(crate) fn texts(&self, row_group: u32) -> Result<Texts, Error> {
        let failed = |source| Error::RowGroup { path: self.path.clone(), row_group, source };
        let group = self.reader.get_row_group(row_group as usize).map_err(failed)?;
        let reader = group.get_column_reader(self.leaf).map_err(failed)?;
        Ok(Texts {
            place: RowPlace { path: self.path.clone(), row_group, row: 0 },
            n_rows: group.metadata().num_rows() as u64,
            file: self.file,
            column: self.column.clone(),
            kept: self.kept.as_ref().map(|kept| kept[row_group as usize].clone()),
            reader: get_typed_column_reader(reader),
            levels: Vec::new(),
            values: Vec::new(),
        })
    }
}

/// Iterates over the texts of one row group, in order; ends after the first error that is not of one row.
///
/// Reads the text column alone, page by page: one decompressed page is held, and the document.
pub(crate) struct Texts {
    /// The next row.
    place: RowPlace,
    n_rows: u64,
    file: u32,
    column: String,
    kept: Option<Arc<[bool]>>,
    reader: ColumnReaderImpl<ByteArrayType>,
    levels: Vec<i16>,
    values: Vec<ByteArray>,
}

impl Texts {
    fn read(&mut self) -> Result<Document, Error> {
        self.levels.clear();
        self.values.clear();
        let failed = |source| Error::RowGroup {
            path: self.place.path.clone(),
            row_group: self.place.row_group,
            source,
        };
        let (n_records, _, _) = self
            .reader
            .read_records(1, Some(&mut self.levels), None, &mut self.values)
            .map_err(failed)?;
        if n_records == 0 {
            let ends = format!("ends after {} of {} rows", self.place.row, self.n_rows);
            return Err(failed(ParquetError::EOF(ends)));
        }
        let Some(value) = self.values.first() else {
            return Err(Error::Null { place: self.place.clone(), column: self.column.clone() });
        };
        let bytes = value.len() as u64;
        if bytes > LONGEST_DOCUMENT_BYTES {
            let place = self.place.clone();
            return Err(Error::LongDocument { place, bytes, limit: LONGEST_DOCUMENT_BYTES });
        }
        let text = std::str::from_utf8(value.data()).map_err(|error| Error::InvalidUtf8 {
            place: self.place.clone(),
            column: self.column.clone(),
            valid: error.valid_up_to(),
        })?;
        let RowPlace { row_group, row, .. } = self.place;
        let origin = DocumentOrigin { file: self.file, row_group, row };
        Ok(Document { origin, content: Content::Text(text.to_owned()) })
    }
}

impl Texts {
    /// Passes over rows that are no documents.
    fn skip(&mut self) -> Result<(), Error> {
        let Some(kept) = &self.kept else { return Ok(()) };
        let rest = &kept[self.place.row as usize..];
        let n = rest.iter().position(|kept| *kept).unwrap_or(rest.len());
        if n > 0 {
            let RowPlace { path, row_group, .. } = &self.place;
            let failed =
                |source| Error::RowGroup { path: path.clone(), row_group: *row_group, source };
            self.reader.skip_records(n).map_err(failed)?;
            self.place.row += n as u32;
        }
        Ok(())
    }
}

impl Iterator for Texts {
    type Item = Result<Document, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.skip() {
            self.n_rows = 0;
            return Some(Err(error));
        }
        if u64::from(self.place.row) >= self.n_rows {
            return None;
        }
        let document = self.read();
        match &document {
            Err(error) if error.place().is_none() => self.n_rows = 0,
            Ok(_) | Err(_) => self.place.row += 1,
        }
        Some(document)
    }
}
