//! `temper corpus import`: Parquet of what a user has, and its manifest.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::{Map, Value, json};
use temper_corpus::{
    BadInput, Error as ImportError, ImportOptions, ManifestSkeleton, Ratings, RowForm, RowNumber,
    TextUnit, import as import_files,
};
use temper_recipe::{OnBadRow, Split};

use crate::args::{ImportArguments, OnBadRowName, SplitName};
use crate::exit::Failure;
use crate::print::{self, counted, thousands};

/// Manifests lie in a folder of this name; a project is the folder around it.
const MANIFESTS: &str = "data-manifests";

/// Writes one Parquet file, and its manifest when asked to.
pub(crate) fn import(arguments: &ImportArguments) -> Result<(), Failure> {
    let form = form(arguments)?;
    let manifest = skeleton(arguments)?;
    let path = manifest.as_ref().map(|skeleton| skeleton.path.clone());
    let made = match &path {
        Some(manifest) => make_folders(manifest, &arguments.out)?,
        None => Vec::new(),
    };
    let options = ImportOptions {
        form,
        text: arguments.text.clone(),
        id: arguments.id_column.clone(),
        keep: arguments.keep.clone(),
        unit: if arguments.paragraphs { TextUnit::Paragraph } else { TextUnit::File },
        on_bad_row: match arguments.on_bad_row {
            OnBadRowName::Refuse => OnBadRow::Refuse,
            OnBadRowName::Drop => OnBadRow::Drop,
        },
        replaces: arguments.replace,
        manifest,
    };
    let imported = import_files(&arguments.inputs, &arguments.out, &options).inspect_err(|_| {
        for folder in &made {
            // What cannot be removed is empty and in nobody's way.
            let _ = fs::remove_dir(folder);
        }
    });
    if let (Err(ImportError::ImportRows(bad)), true) = (&imported, arguments.json) {
        let rows = bad.named.iter().map(bad_row).collect::<Value>();
        print::json(&json!({ "bad": bad.n, "bad_rows": rows }))?;
    }
    let report = imported?;
    if arguments.json {
        let mut summary = json!({
            "out": arguments.out, "rows": report.rows, "text_bytes": report.text_bytes,
            "bytes": report.bytes, "sha256": report.sha256, "manifest": path,
            "dropped": report.dropped.n,
            "dropped_rows": report.dropped.named.iter().map(bad_row).collect::<Value>(),
        });
        if let Some([desirable, undesirable]) = report.labels {
            summary["desirable"] = desirable.into();
            summary["undesirable"] = undesirable.into();
        }
        if let Some(n) = report.without_reference {
            summary["without_reference"] = n.into();
        }
        if arguments.feedback {
            let left_out = report.left_out.iter().map(|(why, n)| (why.name().to_owned(), json!(n)));
            summary["left_out"] = Value::Object(left_out.collect::<Map<_, _>>());
        }
        print::json(&summary)?;
        return Ok(());
    }
    print::data(&format!(
        "{}: {} rows, {} of text, sha256 {}",
        arguments.out.display(),
        thousands(report.rows),
        print::bytes(report.text_bytes),
        report.sha256
    ));
    if let Some([desirable, undesirable]) = report.labels {
        print::data(&format!(
            "  {} desirable, {} undesirable",
            thousands(desirable),
            thousands(undesirable)
        ));
    }
    if let Some(n) = report.without_reference.filter(|n| *n > 0) {
        print::data(&format!("  {} without a reference, which most verifiers need", thousands(n)));
    }
    if report.dropped.n > 0 {
        let rows = counted(report.dropped.n, "row", "rows");
        let named = report.dropped.to_string().replace('\n', "\n    ");
        print::data(&format!("  dropped: {rows}\n    {named}"));
    }
    for (why, n) in &report.left_out {
        print::data(&format!("  left out: {} {why}", thousands(*n)));
    }
    if let Some(path) = path {
        print::data(&format!("{}: its manifest", print::path(&path)));
    }
    Ok(())
}

fn bad_row(BadInput { path, at, problem }: &BadInput) -> Value {
    let (unit, n) = match at {
        RowNumber::Line(line) => ("line", line),
        RowNumber::Row(row) => ("row", row),
    };
    json!({ "file": path, unit: n, "problem": problem })
}

/// What the rows are.
fn form(arguments: &ImportArguments) -> Result<RowForm> {
    Ok(match arguments {
        ImportArguments { conversations: true, .. } => RowForm::Conversations,
        ImportArguments { feedback: true, pairs: true, .. } => RowForm::Edits,
        ImportArguments { feedback: true, good_from, bad_to, .. } => {
            // clap asks for both or none.
            let stated = good_from.zip(*bad_to).map(|(good, bad)| Ratings::stated(good, bad));
            let ratings = stated.unwrap_or(Ratings::STARS);
            ensure!(
                ratings.good_from > ratings.bad_to,
                "--good-from: found {}, expected more than --bad-to, {}\n\n\
                 hint: ratings between the two are left out; for a scale on which less is better, turn it round first",
                ratings.good_from,
                ratings.bad_to
            );
            RowForm::Feedback(ratings)
        }
        ImportArguments { pairs: true, .. } => RowForm::Pairs,
        ImportArguments { prompts: true, .. } => RowForm::Prompts,
        ImportArguments { .. } => RowForm::Texts,
    })
}

/// The manifest that was asked for.
fn skeleton(arguments: &ImportArguments) -> Result<Option<ManifestSkeleton>> {
    let (Some(id), Some(category), Some(licence), Some(source)) =
        (&arguments.id, &arguments.category, &arguments.licence, &arguments.source)
    else {
        // clap asks for the other three with --id.
        return Ok(None);
    };
    let split = match arguments.split {
        SplitName::Train => Split::Train,
        SplitName::Heldout => Split::Heldout,
    };
    let path = manifests_dir(&arguments.out)?.join(format!("{id}.toml"));
    let (category, licence, source) = (category.clone(), licence.clone(), source.clone());
    Ok(Some(ManifestSkeleton { path, category, licence, source, split }))
}

/// The folder of manifests that `out` lies in, whether it is there yet or not.
fn manifests_dir(out: &Path) -> Result<PathBuf> {
    let from = std::path::absolute(out)
        .with_context(|| format!("cannot find the folder of `{}`", out.display()))?;
    let folder = from.ancestors().skip(1).find(|folder| folder.ends_with(MANIFESTS));
    folder.map(Path::to_owned).ok_or_else(|| {
        anyhow!(
            "cannot write a manifest for `{}`: it lies in no folder `{MANIFESTS}`, and a manifest \
             lists files beside it or below\n\nhint: write it to `{MANIFESTS}/{}`; the folder is \
             made when it is not there",
            out.display(),
            out.file_name().unwrap_or_default().display()
        )
    })
}

/// Makes the folders from that of `manifest` down to that of `out`; gives those it made, deepest
/// first.
fn make_folders(manifest: &Path, out: &Path) -> Result<Vec<PathBuf>> {
    let out = std::path::absolute(out)?;
    let above = manifest.parent().and_then(Path::parent);
    let folders = out.ancestors().skip(1).take_while(|folder| Some(*folder) != above);
    let missing: Vec<PathBuf> =
        folders.filter(|folder| !folder.exists()).map(Path::to_owned).collect();
    for folder in missing.iter().rev() {
        fs::create_dir(folder).with_context(|| {
            format!("cannot make `{}`\n\nhint: make the folder above it writable", folder.display())
        })?;
    }
    Ok(missing)
}
