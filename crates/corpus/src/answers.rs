//! The reference answers of prompts, which rewards are judged by.

use std::fmt;

use arrow::datatypes::DataType;
use rayon::prelude::*;
use temper_recipe::Digest;
use temper_tokens::DocumentOrigin;

use crate::bad_rows::Fault;
use crate::corpus::Corpus;
use crate::documents::Content;
use crate::error::Error;
use crate::place::RowPlace;
use crate::table::{self, Footer};
use crate::texts::{TextFile, Texts};

/// Says which references can be judged by.
pub trait CheckReference: fmt::Debug + Sync {
    /// # Errors
    /// What is wrong with a reference, in words.
    fn check(&self, reference: &str) -> Result<(), String>;

    /// Of all that decides what [`CheckReference::check`] says.
    fn digest(&self) -> Digest;
}

/// The references that prompts must have.
#[derive(Clone, Copy, Debug)]
pub struct References<'a> {
    /// The column that holds them.
    pub column: &'a str,
    /// What they must be like.
    pub check: &'a dyn CheckReference,
}

/// What a row says of its prompt.
pub(crate) struct Answer {
    pub(crate) origin: DocumentOrigin,
    /// `None` for null.
    pub(crate) text: Option<String>,
}

impl References<'_> {
    /// Refuses an answer that is missing or that nobody can judge by.
    pub(crate) fn check_answer(&self, corpus: &Corpus, answer: &Answer) -> Result<(), Error> {
        let (fault, problem) = match &answer.text {
            None => (Fault::Missing, "found null, expected a reference".to_owned()),
            Some(text) => match self.check.check(text) {
                Ok(()) => return Ok(()),
                Err(problem) => (Fault::Reference, problem),
            },
        };
        let (place, column) = (corpus.place(answer.origin), self.column.to_owned());
        Err(Error::Reference { place, column, fault, problem })
    }
}

impl Corpus {
    /// The text in `column` of every document, in corpus order, `None` for null; all are held.
    ///
    /// # Errors
    /// [`Error::NoColumn`], [`Error::ColumnType`], [`Error::Reference`] for the first one that does not
    /// pass `check`, where there is one, and what [`Corpus::read_row_group`] yields.
    pub fn read_answers(
        &self,
        column: &str,
        check: Option<&dyn CheckReference>,
    ) -> Result<Vec<Option<String>>, Error> {
        let mut answers = Vec::with_capacity(self.n_documents() as usize);
        let mut open: Option<(u32, AnswerFile)> = None;
        for group in self.row_groups() {
            if open.as_ref().is_none_or(|(file, _)| *file != group.file) {
                open = Some((group.file, AnswerFile::open(self, group.file, column)?));
            }
            let Some((_, file)) = &open else { continue };
            for answer in file.answers(group.row_group)? {
                answers.push(answer?);
            }
        }
        if let Some(check) = check {
            let references = References { column, check };
            let wrong = |answer| references.check_answer(self, answer).err();
            if let Some(error) = answers.par_iter().find_map_first(wrong) {
                return Err(error);
            }
        }
        Ok(answers.into_iter().map(|answer| answer.text).collect())
    }
}

/// A Parquet file of a corpus, open for reading answers.
pub(crate) struct AnswerFile {
    number: u32,
    file: TextFile,
}

impl AnswerFile {
    /// File number `number` of `corpus`.
    pub(crate) fn open(corpus: &Corpus, number: u32, column: &str) -> Result<Self, Error> {
        let path = corpus.path(number);
        let footer = Footer::read(corpus.id(), path)?;
        if *footer.column(column)? != DataType::Utf8 {
            return Err(footer.wrong_type(column, table::STRING));
        }
        let leaf = footer.leaves(column).start;
        let file = TextFile::open(path, number, column, leaf, corpus.kept(number))?;
        Ok(Self { number, file })
    }

    /// The answers of one row group, one for each document, in order.
    pub(crate) fn answers(&self, row_group: u32) -> Result<Answers, Error> {
        Ok(Answers { file: self.number, texts: self.file.texts(row_group)? })
    }
}

/// Iterates over the answers of one row group; ends after the first error that is not of one row.
pub(crate) struct Answers {
    file: u32,
    texts: Texts,
}

impl Iterator for Answers {
    type Item = Result<Answer, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.texts.next()? {
            Ok(document) => match document.content {
                Content::Text(text) => Ok(Answer { origin: document.origin, text: Some(text) }),
                Content::Conversation(_) | Content::Pair(_) | Content::Judged(..) => {
                    unreachable!("a column of texts")
                }
            },
            Err(Error::Null { place: RowPlace { row_group, row, .. }, .. }) => {
                let origin = DocumentOrigin { file: self.file, row_group, row };
                Ok(Answer { origin, text: None })
            }
            Err(error) => Err(error),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::StringArray;

    use super::*;
    use crate::testing::{Digits, strings, text_manifest, told, write_parquet};

    #[test]
    fn are_those_of_the_documents_and_may_be_null() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = |answers: &[Option<&str>]| {
            let texts: Vec<String> = (0..answers.len()).map(|i| i.to_string()).collect();
            let answers = Arc::new(StringArray::from(answers.to_vec()));
            let columns = vec![("text", strings(&texts)), ("answer", answers as _)];
            write_parquet(&folder.path().join("a.parquet"), 2, columns);
            Corpus::open(&text_manifest(folder.path(), &["a.parquet"]), folder.path()).unwrap()
        };
        let whole = [Some("1"), None, Some("x"), None, Some("5")];
        let found = corpus(&whole).read_answers("answer", None).unwrap();
        assert_eq!(found, whole.map(|answer| answer.map(str::to_owned)));
        let check = |answers: &[Option<&str>], expected: Option<&str>| {
            let found = corpus(answers).read_answers("answer", Some(&Digits));
            match (found, expected) {
                (Ok(_), None) => {}
                (Err(error), Some(expected)) => {
                    let error = told(folder.path(), &error);
                    assert!(error.contains(expected), "{error}");
                }
                (found, expected) => panic!("found {found:?}, expected {expected:?}"),
            }
        };
        check(&[Some("1"), Some("2")], None);
        let null = "`x/a.parquet`, row group 0, row 1: `answer`: found null, expected a reference";
        check(&[Some("1"), None, Some("x")], Some(null));
        let wrong = "`x/a.parquet`, row group 1, row 0: `answer`: found `x`, expected digits";
        check(&[Some("1"), Some("2"), Some("x"), None], Some(wrong));
    }
}
