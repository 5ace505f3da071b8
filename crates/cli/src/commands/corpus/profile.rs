//! `temper corpus profile`: what corpora hold.

use std::path::Path;

use anyhow::Result;
use serde_json::json;
use temper_corpus::{ChatFormat, Corpus, Supervised};
use temper_curate::{LengthBin, Profile, TokenCount, Watch, profile as profile_of};
use temper_recipe::{OnBadRow, Project, Tokenization};
use temper_tokens::{ChatTemplate, Tokenizer};

use super::{Opened, catalog, with_bar};
use crate::args::ProfileArguments;
use crate::exit::Failure;
use crate::print::{self, Table, thousands};
use crate::progress::Progress;
use crate::signals::Signals;

/// Profiles corpora, or those of a catalog, whose figures it fills when asked to.
pub(crate) fn profile(arguments: &ProfileArguments) -> Result<(), Failure> {
    let signals = Signals::listen()?;
    let project = Project::find(Path::new("."))?;
    let catalog = arguments.catalog.as_ref().map(|id| project.catalog(id)).transpose()?;
    let ids: Vec<String> = match &catalog {
        Some(catalog) => {
            let categories = catalog.categories.values();
            categories.flat_map(|category| category.corpora.keys().cloned()).collect()
        }
        None => arguments.corpora.clone(),
    };
    let opened = Opened::new(&project, &ids)?;
    let corpora: Vec<&Corpus> = opened.corpora.iter().collect();
    let mut profiles = with_bar("profiling", opened.n_documents(), |seen| {
        profile_of(&opened.manifests, &corpora, Watch { stop: signals.flag(), seen })
    })?;
    for folder in tokenizers(&project, arguments, catalog.as_ref()) {
        count(&project, &folder, &opened, &mut profiles, &signals)?;
    }
    if let Some(catalog) = catalog.as_ref().filter(|_| arguments.write) {
        catalog::fill(&project, catalog, &profiles)?;
    }
    if arguments.json {
        print::json(&json!({ "corpora": profiles }))?;
        return Ok(());
    }
    if let Some(catalog) = &catalog {
        print::data(&format!("{}\n", catalog::text(catalog, &profiles)));
    }
    print::data(&table(&profiles));
    for profile in &profiles {
        print::data(&details(profile));
    }
    Ok(())
}

/// Folders relative to the project: those that were named, or the catalog's own.
fn tokenizers(
    project: &Project,
    arguments: &ProfileArguments,
    catalog: Option<&temper_recipe::Catalog>,
) -> Vec<String> {
    let named = arguments.tokenizer.iter().map(|folder| {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
        project.relative(&folder).to_string_lossy().into_owned()
    });
    let named: Vec<String> = named.collect();
    let own = catalog.and_then(|catalog| catalog.tokenizer.clone());
    if named.is_empty() { own.into_iter().collect() } else { named }
}

/// Tokenizes the corpora, as a run would, and adds what comes out to their profiles.
fn count(
    project: &Project,
    folder: &str,
    opened: &Opened,
    profiles: &mut [Profile],
    signals: &Signals,
) -> Result<()> {
    let tokenizer = Tokenizer::load(&project.root.join(folder))?;
    let policy =
        Tokenization { bos: tokenizer.bos_id().is_some(), eos: tokenizer.eos_id().is_some() };
    let template = ChatTemplate::load(&project.root.join(folder))?;
    let chat = template.as_ref();
    let chat = chat.map(|template| ChatFormat {
        template,
        supervised: Supervised::Everything,
        on_bad_row: OnBadRow::Refuse,
        references: None,
    });
    let mut bar = Progress::start("tokenizing", opened.n_documents());
    let mut done = 0;
    for (corpus, profile) in opened.corpora.iter().zip(profiles) {
        let cache = project.cache_dir();
        let tokens = temper_corpus::tokenize(
            corpus,
            &tokenizer,
            policy,
            chat,
            &cache,
            signals.flag(),
            &mut |progress| bar.at(done + progress.documents, || corpus.id().to_owned()),
        )?;
        done += corpus.n_documents();
        profile.tokens.insert(folder.to_owned(), TokenCount::of(&tokens));
    }
    bar.finish(&format!("{} documents", thousands(opened.n_documents())));
    Ok(())
}

fn table(profiles: &[Profile]) -> String {
    let tokenizers: Vec<&String> =
        profiles.first().map(|profile| profile.tokens.keys().collect()).unwrap_or_default();
    let mut headings =
        vec!["corpus", "category", "licence", "rows", "documents", "characters", "copies"];
    let tokens: Vec<String> =
        tokenizers.iter().map(|folder| format!("tokens ({folder})")).collect();
    headings.extend(tokens.iter().map(String::as_str));
    let mut table = Table::new(&headings);
    for profile in profiles {
        let mut cells = vec![
            profile.corpus.clone(),
            profile.category.clone(),
            profile.licence.clone(),
            thousands(profile.rows),
            thousands(profile.documents),
            thousands(profile.characters),
            thousands(profile.duplicates),
        ];
        cells.extend(tokenizers.iter().map(|of| thousands(profile.tokens[*of].tokens)));
        table.row(cells);
    }
    table.to_string()
}

/// Languages and lengths of a corpus.
fn details(profile: &Profile) -> String {
    let documents = profile.documents.max(1) as f64;
    let language = |of: &temper_curate::Language| {
        format!("{} {:.1} %", of.language, 100.0 * of.documents as f64 / documents)
    };
    let languages: Vec<String> = profile.languages.iter().take(5).map(language).collect();
    let (lengths, unit) = match profile.tokens.values().next() {
        Some(count) => (&count.lengths, "tokens"),
        None => (&profile.lengths, "characters"),
    };
    let most = lengths.iter().map(|bin| bin.documents).max().unwrap_or(1);
    let bar = |bin: &LengthBin| {
        let length = (bin.documents * 40).div_ceil(most) as usize;
        format!(
            "  {:>10}  {:<40}  {}",
            thousands(bin.from),
            "█".repeat(length),
            thousands(bin.documents)
        )
    };
    let bars: Vec<String> = lengths.iter().map(bar).collect();
    format!(
        "\n{}: {}; documents by {unit}, from\n{}",
        profile.corpus,
        languages.join(", "),
        bars.join("\n")
    )
}
