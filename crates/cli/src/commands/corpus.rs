//! `temper corpus import`: Parquet of JSONL, CSV or plain text.

use temper_corpus::{ImportOptions, ManifestSkeleton, TextUnit, import as import_files};
use temper_recipe::{Project, Split};

use crate::args::ImportArguments;
use crate::exit::Failure;
use crate::print::{self, thousands};

/// Writes one Parquet file, and its manifest when asked to.
pub(crate) fn import(arguments: &ImportArguments) -> Result<(), Failure> {
    let manifest = match (&arguments.id, &arguments.category, &arguments.licence, &arguments.source) {
        (Some(id), Some(category), Some(licence), Some(source)) => Some(ManifestSkeleton {
            path: Project::find(&arguments.out)?.manifests_dir().join(format!("{id}.toml")),
            category: category.clone(),
            licence: licence.clone(),
            source: source.clone(),
            split: Split::Train,
        }),
        // clap asks for the other three with --id.
        _ => None,
    };
    let options = ImportOptions {
        text: arguments.text.clone(),
        id: None,
        keep: Vec::new(),
        unit: if arguments.paragraphs { TextUnit::Paragraph } else { TextUnit::File },
        manifest,
    };
    let report = import_files(&arguments.inputs, &arguments.out, &options)?;
    print::data(&format!(
        "{}: {} rows, {} of text, sha256 {}",
        arguments.out.display(),
        thousands(report.rows),
        print::bytes(report.text_bytes),
        report.sha256
    ));
    Ok(())
}
