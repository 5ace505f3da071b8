//! From the name a person gives a checkpoint to its weights.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use burn::tensor::Device;
use temper_ledger::{Ancestors, Import, Merge, Origin};
use temper_model::hf::{self, Kind, LoadOptions, LoadReport, Located};
use temper_model::{Config, Decoder};

/// Weights that have been found, and not been read yet.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    pub(crate) located: Located,
    pub(crate) config: Config,
    pub(crate) origin: Origin,
}

impl Checkpoint {
    /// What `asked` names: a run or a checkpoint of it, a folder, a model of the Hub in the local
    /// cache. Relative paths start at `root`.
    pub(crate) fn find(root: &Path, asked: &str) -> Result<Self> {
        if let Some(origin) = Origin::find(root, asked)? {
            let folder = origin.folder.to_string_lossy();
            let located = hf::locate(&folder, Path::new(""), hub_cache().as_deref())?;
            return Ok(Self { config: located.config()?, located, origin });
        }
        refuse_misspelled(root, asked)?;
        let located = hf::locate(asked, root, hub_cache().as_deref())?;
        let folder = located.adapter.as_ref().map_or(&located.folder, |adapter| &adapter.folder);
        let origin = Origin::of_folder(asked, folder.clone(), import(&located)?);
        Ok(Self { config: located.config()?, located, origin })
    }

    /// Reads the weights; with `partial` those that are not there are drawn from that seed.
    pub(crate) fn load(
        &self,
        partial: Option<u64>,
        device: &Device,
    ) -> Result<(Decoder, LoadReport)> {
        Ok(hf::load_located(&self.located, device, LoadOptions { partial })?)
    }
}

/// Where runs lie in a project, whether it has any or not.
const RUNS: &str = "runs";

/// Says that a folder is not there, where the name could also be one of the Hub: `runs/chme` is a
/// run misspelled, and no model of the organisation `runs`.
fn refuse_misspelled(root: &Path, asked: &str) -> Result<()> {
    let path = root.join(asked);
    let parent = Path::new(asked).parent().filter(|parent| !parent.as_os_str().is_empty());
    let is_below =
        parent.is_some_and(|parent| parent == Path::new(RUNS) || root.join(parent).is_dir());
    if !is_below || path.exists() {
        return Ok(());
    }
    let mut there: Vec<String> = std::fs::read_dir(path.parent().unwrap_or(root))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    there.sort();
    there.truncate(8);
    bail!(
        "no checkpoint `{asked}`: `{}` is not there\n\nhint: in that folder: {}",
        path.display(),
        if there.is_empty() { "nothing".to_owned() } else { there.join(", ") }
    );
}

fn import(located: &Located) -> Result<Option<Import>> {
    let merge = Merge::load(&located.folder)?.map(Box::new);
    let mut runs = Ancestors::load(&located.folder)?;
    if let Some(adapter) = &located.adapter {
        runs.extend(Ancestors::load(&adapter.folder)?);
    }
    let kind = match located.kind() {
        Kind::Folder if merge.is_some() => "merge",
        Kind::Folder if !runs.is_empty() => "run-checkpoint",
        Kind::Folder => return Ok(None),
        Kind::TrainerCheckpoint => "trainer-checkpoint",
        Kind::HubSnapshot => "hub-snapshot",
        Kind::Adapter => "adapter",
    };
    let snapshot = located.snapshot.as_ref();
    Ok(Some(Import {
        kind: kind.to_owned(),
        hub: snapshot.map(|snapshot| format!("{}@{}", snapshot.id, snapshot.commit)),
        base: located.adapter.as_ref().map(|_| located.folder.to_string_lossy().into_owned()),
        step: located.step,
        merge,
        runs,
    }))
}

/// Where `huggingface_hub` keeps what it downloaded.
fn hub_cache() -> Option<PathBuf> {
    let folder =
        |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("HF_HUB_CACHE")
        .or_else(|| Some(folder("HF_HOME")?.join("hub")))
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("huggingface/hub")))
        .or_else(|| Some(env::home_dir()?.join(".cache/huggingface/hub")))
}
