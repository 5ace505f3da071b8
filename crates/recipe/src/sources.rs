//! The block `data_mixing`: percents of two sides, nested, become exact shares of sources.

use std::collections::BTreeMap;

use crate::file::{CustomerFile, DataMixingFile};
use crate::limits;
use crate::manifest::{Catalog, Manifest, Split};
use crate::problem::{Findings, quoted, suggestion};
use crate::project::Project;
use crate::recipe::{Mixture, Packing, Side, Source, Unit};
use crate::resolve;
use crate::share::Percent;

/// Where the recipe names the corpora.
const SOURCES: [&str; 2] = ["data_mixing", "sources"];
const CATALOG: [&str; 2] = ["data_mixing", "dataset_catalog"];

/// A corpus with a percent above zero, its manifest not yet looked at.
struct Candidate {
    corpus: String,
    side: Side,
    /// What the catalog says it is.
    category: Option<String>,
    /// Of the mix, of the side or category, of the category.
    percents: [Percent; 3],
    max_epochs: u32,
    /// The key that names it.
    path: Vec<String>,
}

/// The mixture and the manifests of its sources; `None` if anything was found wrong.
pub(crate) fn mixture(
    file: &DataMixingFile,
    project: &Project,
    findings: &mut Findings<'_>,
) -> Option<(Mixture, BTreeMap<String, Manifest>)> {
    // Four passes are nearly as good as fresh data, more are not (Muennighoff et al. 2023,
    // arXiv 2305.16264).
    let max_epochs = file.max_epochs.unwrap_or(4);
    // Rows of documents of any length come out almost full, and the window's ids fit in a few
    // megabytes.
    let packing_window = file.packing_window.unwrap_or(1024);
    resolve::add(findings, limits::of_packing_window(packing_window));
    at_least_one(&["data_mixing", "max_epochs"], max_epochs, findings);

    let customer_path = [SOURCES[0], SOURCES[1], "customer_data"];
    let nobody = CustomerFile { percent: Some(Percent::ZERO), ..CustomerFile::default() };
    let customer = file.sources.customer_data.as_ref().unwrap_or(&nobody);
    let percent = findings.required(
        &[&customer_path[..], &["percent"]].concat(),
        customer.percent,
        "the customer's part of the mix, as in `percent = 75`",
    );
    // Without the percent nothing can be said about the sums.
    let percent = percent.filter(|_| !findings.refused(&customer_path))?;

    let mut candidates = customer_candidates(customer, percent, max_epochs, findings);
    candidates.extend(curated_candidates(
        file,
        percent.remainder(),
        max_epochs,
        project,
        findings,
    )?);
    let mut sources = Vec::new();
    let mut manifests = BTreeMap::new();
    for candidate in candidates {
        let path: Vec<&str> = candidate.path.iter().map(String::as_str).collect();
        if manifests.contains_key(&candidate.corpus) {
            let message = format!("`{}` is a source twice", candidate.corpus);
            let hint = "name it on one side only, with the sum of both percents";
            findings.add(&path, message, Some(hint.to_owned()));
            continue;
        }
        match project.manifest(&candidate.corpus) {
            Ok(manifest) => {
                suits(&manifest, &candidate, &path, findings);
                sources.push(source(&candidate, &manifest));
                manifests.insert(candidate.corpus, manifest);
            }
            Err(error) => findings.add_error(&path, error),
        }
    }
    let mixture = Mixture {
        // What the loss averages over.
        unit: file.unit.unwrap_or(Unit::Tokens),
        // Splits no document that fits a row.
        packing: file.packing.unwrap_or(Packing::BestFit),
        packing_window,
        sources,
    };
    Some((mixture, manifests))
}

fn at_least_one(path: &[&str], passes: u32, findings: &mut Findings<'_>) {
    if passes == 0 {
        let hint = "leave a source out by a percent of 0".to_owned();
        findings.add(path, "found `0`, expected 1 pass or more".to_owned(), Some(hint));
    }
}

fn source(candidate: &Candidate, manifest: &Manifest) -> Source {
    Source {
        corpus: manifest.id.clone(),
        side: candidate.side,
        category: manifest.category.clone(),
        manifest: manifest.digest(),
        share: Percent::nested(candidate.percents),
        max_epochs: candidate.max_epochs,
    }
}

/// Whether the corpus may be trained on, and is what the catalog says.
fn suits(manifest: &Manifest, candidate: &Candidate, path: &[&str], findings: &mut Findings<'_>) {
    let id = &manifest.id;
    if manifest.split == Split::Heldout {
        let message = format!("`{id}` is held out, expected a corpus with `split = \"train\"`");
        let hint = "training on it would make its scores worthless".to_owned();
        findings.add(path, message, Some(hint));
    } else if manifest.columns.text.is_none() {
        let message = format!("`{id}` has no column for `text`, expected documents to train on");
        let hint = format!("name the column in `data-manifests/{id}.toml` under `[columns]`");
        findings.add(path, message, Some(hint));
    }
    if let Some(category) = candidate.category.as_ref().filter(|asked| **asked != manifest.category)
    {
        let message = format!(
            "the catalog lists `{id}` under `{category}`, its manifest says `{}`",
            manifest.category
        );
        findings.add(path, message, Some("correct one of the two".to_owned()));
    }
}

fn customer_candidates(
    customer: &CustomerFile,
    percent: Percent,
    max_epochs: u32,
    findings: &mut Findings<'_>,
) -> Vec<Candidate> {
    let path = [SOURCES[0], SOURCES[1], "customer_data", "corpora"];
    let max_epochs = customer.max_epochs.unwrap_or(max_epochs);
    at_least_one(&[&path[..3], &["max_epochs"]].concat(), max_epochs, findings);
    if customer.corpora.is_empty() && percent.is_zero() {
        return Vec::new();
    }
    sums_to_hundred(&path, &customer.corpora, findings);
    let given = customer.corpora.iter().filter(|(_, part)| !part.is_zero() && !percent.is_zero());
    let candidate = |(corpus, part): (&String, &Percent)| Candidate {
        corpus: corpus.clone(),
        side: Side::Customer,
        category: None,
        percents: [percent, *part, Percent::HUNDRED],
        max_epochs,
        path: path.iter().copied().chain([corpus.as_str()]).map(str::to_owned).collect(),
    };
    given.map(candidate).collect()
}

fn curated_candidates(
    file: &DataMixingFile,
    percent: Percent,
    max_epochs: u32,
    project: &Project,
    findings: &mut Findings<'_>,
) -> Option<Vec<Candidate>> {
    let (key, listed) = match (&file.sources.curated_data, &file.sources.nova_data) {
        (Some(_), Some(_)) => {
            let message = "found `curated_data` and `nova_data`, expected one of them";
            let hint = "they are two names of the same table".to_owned();
            findings.add(&SOURCES, message.to_owned(), Some(hint));
            return None;
        }
        (None, Some(listed)) => ("nova_data", Some(listed)),
        (listed, None) => ("curated_data", listed.as_ref()),
    };
    let path = [SOURCES[0], SOURCES[1], key];
    let idle =
        percent.is_zero() && listed.is_none_or(|listed| listed.values().all(|part| part.is_zero()));
    if let Some(listed) = listed.filter(|_| !idle) {
        sums_to_hundred(&path, listed, findings);
    }
    if percent.is_zero() {
        return Some(Vec::new());
    }

    let hint = format!(
        "the name of a file in `data-manifests/catalogs`; it supplies the {percent} % that the \
         customer's data leave"
    );
    let id = findings.required(&CATALOG, file.dataset_catalog.as_ref(), &hint)?;
    let catalog = match project.catalog(id) {
        Ok(catalog) => catalog,
        Err(error) => {
            findings.add_error(&CATALOG, error);
            return None;
        }
    };
    let defaults: BTreeMap<String, Percent> = catalog
        .categories
        .iter()
        .map(|(name, category)| (name.clone(), category.percent))
        .collect();
    let mut candidates = Vec::new();
    for (category, part) in listed.unwrap_or(&defaults) {
        let path = [&path[..], &[category]].concat();
        candidates.extend(of_category(
            &catalog,
            category,
            [percent, *part],
            max_epochs,
            &path,
            findings,
        ));
    }
    Some(candidates)
}

fn of_category(
    catalog: &Catalog,
    category: &str,
    [percent, part]: [Percent; 2],
    max_epochs: u32,
    path: &[&str],
    findings: &mut Findings<'_>,
) -> Vec<Candidate> {
    let Some(entry) = catalog.categories.get(category) else {
        let known: Vec<&str> = catalog.categories.keys().map(String::as_str).collect();
        let message = format!("unknown category, catalog `{}` has {}", catalog.id, quoted(&known));
        findings.add(path, message, suggestion(category, &known, "write one of"));
        return Vec::new();
    };
    let given =
        entry.corpora.iter().filter(|(_, of_category)| !of_category.is_zero() && !part.is_zero());
    let candidate = |(corpus, of_category): (&String, &Percent)| Candidate {
        corpus: corpus.clone(),
        side: Side::Curated,
        category: Some(category.to_owned()),
        percents: [percent, part, *of_category],
        max_epochs,
        path: path.iter().map(|segment| (*segment).to_owned()).collect(),
    };
    given.map(candidate).collect()
}

/// Notes a sum that is not exactly a hundred, with its parts; nothing is ever normalised.
pub(crate) fn sums_to_hundred(
    path: &[&str],
    parts: &BTreeMap<String, Percent>,
    findings: &mut Findings<'_>,
) {
    let sum = Percent::sum(parts.values().copied());
    // A refused part is missing from the sum.
    if sum == 100.0 || findings.refused(path) || findings.refused_below(path) {
        return;
    }
    let listed: Vec<String> = parts.iter().map(|(name, part)| format!("{name} = {part}")).collect();
    let listed = if listed.is_empty() { "nothing is listed".to_owned() } else { listed.join(", ") };
    let message = format!("percents sum to {sum}, expected 100\n{listed}");
    findings.add(path, message, Some(way_to_hundred(sum)));
}

fn way_to_hundred(sum: f64) -> String {
    // Rounded to the four decimals that a percent has: the difference of two floats shows more.
    let gap = ((100.0 - sum) * 1e4).round() / 1e4;
    if gap > 0.0 { format!("add {gap}") } else { format!("take {} away", -gap) }
}
