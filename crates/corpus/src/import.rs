//! Parquet from JSONL, CSV, plain text and other Parquet.
//!
//! What a file is follows from its ending: `.jsonl` and `.ndjson`, `.csv` and `.tsv` (first line:
//! names), `.txt` and `.md`, `.parquet`. Bad rows are refused by file and line, and nothing is written then, or left out
//! and counted.

mod bad;
mod columnar;
mod conversation;
mod delimited;
mod feedback;
mod form;
mod json_lines;
mod messages;
mod pair;
mod plain;
mod prompt;
mod sink;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use temper_recipe::{Columns, Digest, Manifest, ManifestFile, OnBadRow, SCHEMA, Split};
use temper_tokens::Staged;

use crate::error::Error;
pub use bad::{BadInput, BadInputs};
pub use feedback::{LeftOut, Ratings};
pub use form::RowForm;
use sink::Sink;

/// How files become rows.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportOptions {
    /// What a row is.
    pub form: RowForm,
    /// The field of JSONL, or the column of CSV or Parquet, with the document.
    pub text: String,
    /// The field or column with the row's id; without one rows are called `<file name>-<row>`,
    /// counted over all inputs.
    pub id: Option<String>,
    /// Fields and columns that are kept, as strings; what has values inside is compact JSON, but in Parquet
    /// of texts refused.
    pub keep: Vec<String>,
    /// What a document is in plain text.
    pub unit: TextUnit,
    /// What happens to rows that cannot be imported.
    pub on_bad_row: OnBadRow,
    /// Whether a file, and a manifest, that are there already are replaced.
    pub replaces: bool,
    /// Writes a manifest too.
    pub manifest: Option<ManifestSkeleton>,
}

/// What a document is in plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextUnit {
    /// The whole file.
    File,
    /// What stands between blank lines.
    Paragraph,
}

/// What a manifest says beside the file itself; its id is the manifest's file name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestSkeleton {
    /// Where the manifest goes; the Parquet file must lie in its folder or below.
    pub path: PathBuf,
    /// `prose`, `technical`, …
    pub category: String,
    /// SPDX expression.
    pub licence: String,
    /// Where the text comes from.
    pub source: String,
    /// What the rows may be used for.
    pub split: Split,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportReport {
    /// Rows in the file.
    pub rows: u64,
    /// Bytes of the documents.
    pub text_bytes: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Of the file.
    pub sha256: Digest,
    /// Of judged answers, how many were liked and how many were not.
    pub labels: Option<[u64; 2]>,
    /// Of prompts, how many have no reference to judge by.
    pub without_reference: Option<u64>,
    /// Rows of the inputs that are not in it, by reason.
    pub left_out: BTreeMap<LeftOut, u64>,
    /// Rows of the inputs that were dropped.
    pub dropped: BadInputs,
}

/// Writes `inputs`, one after the other, as one Parquet file: columns `id`, `text` (of conversations
/// `messages` and `tools`, of pairs `rejected`, of prompts `answer`, of feedback `label` and `time` too) and those kept, row groups of 2,000 rows, zstd. Equal inputs give equal bytes.
///
/// # Errors
/// [`Error::ImportRows`] for rows that cannot be imported where they are not dropped, [`Error::ImportEnds`]
/// for a file behind which no row can be told, [`Error::Import`] for files of unknown ending,
/// without rows, without a needed column, for an input that `out` would replace, and for a file or a manifest
/// that is there already and is not to be replaced; [`Error::Read`], [`Error::NotParquet`], [`Error::RowGroup`];
/// [`temper_tokens::Error::Write`]. Nothing is written then.
pub fn import(
    inputs: &[PathBuf],
    out: &Path,
    options: &ImportOptions,
) -> Result<ImportReport, Error> {
    let listed =
        options.manifest.as_ref().map(|skeleton| listed_path(skeleton, out)).transpose()?;
    check_apart(inputs, out)?;
    if !options.replaces {
        check_free(out, options.manifest.as_ref())?;
    }
    let mut sink = Sink::create(out, options)?;
    for input in inputs {
        match input.extension().and_then(|ending| ending.to_str()) {
            Some("jsonl" | "ndjson") => json_lines::read(input, options, &mut sink)?,
            Some(_) if options.form != RowForm::Texts && !is_structured(input) => {
                let problem =
                    "conversations, pairs, prompts and feedback come from .jsonl, .ndjson or .parquet"
                        .to_owned();
                return Err(Error::Import { path: input.clone(), problem });
            }
            Some("csv") => delimited::read(input, b',', options, &mut sink)?,
            Some("tsv") => delimited::read(input, b'\t', options, &mut sink)?,
            Some("txt" | "md") => plain::read(input, options, &mut sink)?,
            Some("parquet") => columnar::read(input, options, &mut sink)?,
            Some(_) | None => {
                let problem = "expected a file that ends in .jsonl, .ndjson, .csv, .tsv, .txt, .md \
                               or .parquet";
                return Err(Error::Import { path: input.clone(), problem: problem.to_owned() });
            }
        }
    }
    if sink.bad().n > 0 && options.on_bad_row == OnBadRow::Refuse {
        return Err(Error::ImportRows(sink.bad().clone()));
    }
    if sink.n_rows() == 0 {
        let left_out = sink.left_out().iter().map(|(why, n)| format!("{n} {why}"));
        let bad = (sink.bad().n > 0).then(|| format!("{} bad", sink.bad().n));
        let left_out: Vec<String> = bad.into_iter().chain(left_out).collect();
        let problem = match left_out.is_empty() {
            true => "its inputs have no rows".to_owned(),
            false => {
                let named =
                    if sink.bad().n > 0 { format!("\n{}", sink.bad()) } else { String::new() };
                format!("its inputs have no rows but {}{named}", left_out.join(", "))
            }
        };
        return Err(Error::Import { path: out.to_owned(), problem });
    }
    let report = sink.finish()?;
    if let (Some(skeleton), Some(path)) = (&options.manifest, listed) {
        write_manifest(skeleton, path, options, &report)?;
    }
    Ok(report)
}

/// Whether its rows can hold lists.
fn is_structured(input: &Path) -> bool {
    let endings = ["jsonl", "ndjson", "parquet"];
    input.extension().is_some_and(|ending| endings.iter().any(|known| ending == *known))
}

/// Refuses an output that would replace an input: columns that are not kept would be lost.
fn check_apart(inputs: &[PathBuf], out: &Path) -> Result<(), Error> {
    // An output that is not there yet is no input, and what cannot be found is refused when read.
    let Ok(there) = out.canonicalize() else { return Ok(()) };
    let is_out = |input: &&PathBuf| input.canonicalize().is_ok_and(|input| input == there);
    match inputs.iter().find(is_out) {
        Some(input) => {
            let problem = "it is an input and the output; name another output".to_owned();
            Err(Error::Import { path: input.clone(), problem })
        }
        None => Ok(()),
    }
}

/// Refuses to replace what is there already: another manifest may name it.
fn check_free(out: &Path, manifest: Option<&ManifestSkeleton>) -> Result<(), Error> {
    let manifest = manifest.map(|skeleton| (skeleton.path.as_path(), "the manifest"));
    let taken = manifest.into_iter().chain([(out, "the file")]).find(|(path, _)| path.exists());
    taken.map_or(Ok(()), |(path, what)| {
        let problem =
            format!("{what} is there already; replace it with --replace, or name another");
        Err(Error::Import { path: path.to_owned(), problem })
    })
}

/// The path of `out` as the manifest lists it.
fn listed_path(skeleton: &ManifestSkeleton, out: &Path) -> Result<String, Error> {
    let refused = |path: &Path, problem: &str| Error::Import {
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    // One of the two may be relative to the working directory and the other not.
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (manifest, out) = (absolute(&skeleton.path), absolute(out));
    let folder = manifest.parent().unwrap_or(Path::new(""));
    let relative = out.strip_prefix(folder).ok().and_then(Path::to_str);
    let outside = "a manifest lists files in its folder or below; write the file there";
    relative.map(|path| path.replace('\\', "/")).ok_or_else(|| refused(&out, outside))
}

fn write_manifest(
    skeleton: &ManifestSkeleton,
    path: String,
    options: &ImportOptions,
    report: &ImportReport,
) -> Result<(), Error> {
    let form = options.form;
    let has_messages = form != RowForm::Texts;
    let is_paired = matches!(form, RowForm::Pairs | RowForm::Edits);
    let is_judged = matches!(form, RowForm::Feedback(_));
    let manifest = Manifest {
        schema: SCHEMA,
        id: stem(&skeleton.path),
        category: skeleton.category.clone(),
        licence: skeleton.licence.clone(),
        source: skeleton.source.clone(),
        attribution: None,
        condition: None,
        fraction: None,
        max_documents: None,
        split: skeleton.split,
        columns: Columns {
            id: Some(sink::ID.to_owned()),
            text: (!has_messages).then(|| sink::TEXT.to_owned()),
            messages: has_messages.then(|| sink::MESSAGES.to_owned()),
            rejected: is_paired.then(|| sink::REJECTED.to_owned()),
            label: is_judged.then(|| sink::LABEL.to_owned()),
            tools: has_messages.then(|| sink::TOOLS.to_owned()),
            context: None,
            answer: (form == RowForm::Prompts).then(|| sink::ANSWER.to_owned()),
            choices: None,
            gold: None,
            cluster: None,
            confounder: None,
            metadata: if form == RowForm::Prompts { options.keep.clone() } else { Vec::new() },
        },
        files: vec![ManifestFile { path, sha256: report.sha256, rows: report.rows }],
    };
    let text = toml::to_string(&manifest).expect("a manifest holds nothing that TOML cannot say");
    Ok(Staged::write(&skeleton.path, text.as_bytes())?)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
