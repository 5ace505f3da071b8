//! Percents of two sides, nested, become exact shares of sources.

use std::collections::BTreeMap;

use super::file::{CustomerFile, SourcesFile};
use super::{BLOCK, Candidate, Context, Stated, at_least_one, within_cap};
use crate::manifest::Catalog;
use crate::mixture::Side;
use crate::problem::{Findings, quoted, suggestion};
use crate::share::Percent;

const CATALOG: [&str; 2] = [BLOCK, "dataset_catalog"];

/// A candidate with its percents: of the mix, of the side or category, of the category.
type Part = (Candidate, [Percent; 3]);

/// Reads the table at `path`: the customer's percent of the whole, and curated categories that share
/// the rest. `None` if nothing can be said about the sums.
pub(super) fn resolve(
    path: &[&str],
    file: &SourcesFile,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Option<Stated> {
    let customer_path = [path, &["customer_data"]].concat();
    let nobody = CustomerFile { percent: Some(Percent::ZERO), ..CustomerFile::default() };
    let customer = file.customer_data.as_ref().unwrap_or(&nobody);
    let percent = findings.required(
        &[&customer_path[..], &["percent"]].concat(),
        customer.percent,
        "the customer's part of the mix, as in `percent = 75`",
    );
    // Without the percent nothing can be said about the sums.
    let percent = percent.filter(|_| !findings.refused(&customer_path))?;

    let mut parts = of_customer(&customer_path, customer, percent, context, findings);
    parts.extend(of_curated(path, file, percent.remainder(), context, findings)?);
    let shares = parts
        .iter()
        .map(|(candidate, percents)| (candidate.corpus.clone(), Percent::nested(*percents)));
    let shares: BTreeMap<_, _> = shares.collect();
    within_cap(path, &shares, context, findings);
    let candidates = parts.into_iter().map(|(candidate, _)| candidate).collect();
    Some(Stated { candidates, shares })
}

fn of_customer(
    path: &[&str],
    customer: &CustomerFile,
    percent: Percent,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Vec<Part> {
    let max_epochs = customer.max_epochs.unwrap_or(context.max_epochs);
    at_least_one(&[path, &["max_epochs"]].concat(), max_epochs, findings);
    let whole = BTreeMap::from_iter(
        context.forge_corpus.iter().map(|corpus| (corpus.clone(), Percent::HUNDRED)),
    );
    // Forge's block names no corpora: its block `run` does.
    let corpora = if customer.corpora.is_empty() { &whole } else { &customer.corpora };
    if corpora.is_empty() && percent.is_zero() {
        return Vec::new();
    }
    let path = [path, &["corpora"]].concat();
    sums_to_hundred(&path, corpora, findings);
    let given = corpora.iter().filter(|(_, part)| !part.is_zero() && !percent.is_zero());
    let part = |(corpus, part): (&String, &Percent)| {
        let path = path.iter().copied().chain([corpus.as_str()]).map(str::to_owned).collect();
        let candidate = Candidate {
            corpus: corpus.clone(),
            side: Side::Customer,
            category: None,
            max_epochs,
            path,
        };
        (candidate, [percent, *part, Percent::HUNDRED])
    };
    given.map(part).collect()
}

fn of_curated(
    path: &[&str],
    file: &SourcesFile,
    percent: Percent,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Option<Vec<Part>> {
    let (key, listed) = match (&file.curated_data, &file.nova_data) {
        (Some(_), Some(_)) => {
            let message = "found `curated_data` and `nova_data`, expected one of them";
            let hint = "they are two names of the same table".to_owned();
            findings.add(path, message.to_owned(), Some(hint));
            return None;
        }
        (None, Some(listed)) => ("nova_data", Some(listed)),
        (listed, None) => ("curated_data", listed.as_ref()),
    };
    let path = [path, &[key]].concat();
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
    let id = findings.required(&CATALOG, context.catalog, &hint)?;
    let catalog = match context.project.catalog(id) {
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
    let mut parts = Vec::new();
    for (category, part) in listed.unwrap_or(&defaults) {
        let path = [&path[..], &[category]].concat();
        parts.extend(of_category(&catalog, [percent, *part], context, &path, findings));
    }
    Some(parts)
}

/// The corpora of the category at `path`.
fn of_category(
    catalog: &Catalog,
    [percent, part]: [Percent; 2],
    context: &Context<'_>,
    path: &[&str],
    findings: &mut Findings<'_>,
) -> Vec<Part> {
    let name = path.last().copied().unwrap_or_default();
    // In Forge's flat form a category's hyphens are underscores.
    let spaced = name.replace('_', "-");
    let known = &catalog.categories;
    let found = known.get_key_value(name).or_else(|| known.get_key_value(&spaced));
    let Some((category, entry)) = found else {
        let known: Vec<&str> = known.keys().map(String::as_str).collect();
        let message = format!("unknown category, catalog `{}` has {}", catalog.id, quoted(&known));
        findings.add(path, message, suggestion(name, &known, "write one of"));
        return Vec::new();
    };
    let given =
        entry.corpora.iter().filter(|(_, of_category)| !of_category.is_zero() && !part.is_zero());
    let part = |(corpus, of_category): (&String, &Percent)| {
        let candidate = Candidate {
            corpus: corpus.clone(),
            side: Side::Curated,
            category: Some(category.clone()),
            max_epochs: context.max_epochs,
            path: path.iter().map(|segment| (*segment).to_owned()).collect(),
        };
        (candidate, [percent, part, *of_category])
    };
    given.map(part).collect()
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
