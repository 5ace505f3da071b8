//! The reference answers of prompts, which rewards are judged by.

use arrow::datatypes::DataType;

use crate::corpus::Corpus;
use crate::documents::Content;
use crate::error::Error;
use crate::table::{self, Footer};
use crate::texts::TextFile;

impl Corpus {
    /// The text in `column` of every document, in corpus order; all are held.
    ///
    /// # Errors
    /// [`Error::NoColumn`], [`Error::ColumnType`], and what [`Corpus::read_row_group`] yields.
    pub fn read_answers(&self, column: &str) -> Result<Vec<String>, Error> {
        let mut answers = Vec::with_capacity(self.n_documents() as usize);
        let mut open: Option<(u32, TextFile)> = None;
        for group in self.row_groups() {
            if open.as_ref().is_none_or(|(file, _)| *file != group.file) {
                let path = self.path(group.file);
                let footer = Footer::read(self.id(), path)?;
                if *footer.column(column)? != DataType::Utf8 {
                    return Err(footer.wrong_type(column, table::STRING));
                }
                let leaf = footer.leaves(column).start;
                let kept = self.kept(group.file);
                open = Some((group.file, TextFile::open(path, group.file, column, leaf, kept)?));
            }
            let Some((_, file)) = &open else { continue };
            for document in file.texts(group.row_group)? {
                if let Content::Text(text) = document?.content {
                    answers.push(text);
                }
            }
        }
        Ok(answers)
    }
}
