//! From what a person wrote to the folders of a checkpoint.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    adapter::{self, AdapterConfig},
    cache::HubId,
    foreign,
    index::{INDEX, Index},
    json,
    located::{Adapter, Located, Snapshot},
    weights::SINGLE,
};
use crate::Error;

/// Finds the checkpoint that `asked` names: a folder, relative to `root`, or a model of the Hub,
/// `org/name` or `org/name@revision`, in its local cache. Nothing is downloaded.
///
/// A PEFT folder is an adapter: its base is looked for by the name in its configuration, as a folder
/// relative to the adapter or to `root`, or in the cache.
///
/// # Errors
///
/// [`Error::NotFound`]; [`Error::NotCached`] and [`Error::SnapshotIncomplete`] with the command that
/// fetches the model; [`Error::TrainerOutput`] for a folder whose weights lie in its checkpoints;
/// [`Error::ForeignWeights`], [`Error::NoWeights`]; [`Error::NoBase`] and [`Error::Adapter`] for an
/// adapter.
pub fn locate(asked: &str, root: &Path, hub_cache: Option<&Path>) -> Result<Located, Error> {
    let path = root.join(asked);
    if path.is_file() {
        return Err(foreign::refusal_of_file(&path)
            .unwrap_or(Error::NotFound { asked: asked.into(), path }));
    }
    let lookup = Lookup { root, hub_cache };
    if path.is_dir() {
        return lookup.located(asked.into(), path, None);
    }
    let Some(id) = HubId::parse(asked) else {
        return Err(Error::NotFound { asked: asked.into(), path });
    };
    let (folder, snapshot) = id.find(hub_cache)?;
    lookup.located(asked.into(), folder, Some((&id, snapshot)))
}

/// Finds the checkpoint in a folder, without the Hub.
pub(super) fn locate_folder(folder: &Path) -> Result<Located, Error> {
    let asked = folder.to_string_lossy().into_owned();
    if !folder.is_dir() {
        return Err(Error::NotFound { asked, path: folder.into() });
    }
    Lookup { root: folder, hub_cache: None }.located(asked, folder.into(), None)
}

/// Where names are looked up.
#[derive(Clone, Copy)]
struct Lookup<'a> {
    root: &'a Path,
    hub_cache: Option<&'a Path>,
}

impl Lookup<'_> {
    fn located(
        self,
        asked: String,
        folder: PathBuf,
        hub: Option<(&HubId, Snapshot)>,
    ) -> Result<Located, Error> {
        let step = trainer_step(&folder)?;
        let is_adapter = folder.join(adapter::CONFIG).is_file();
        if !is_adapter {
            check_weights(&folder, hub.as_ref().map(|(id, _)| *id))?;
            let snapshot = hub.map(|(_, snapshot)| snapshot);
            return Ok(Located { asked, folder, snapshot, adapter: None, step });
        }
        let config = AdapterConfig::read(&folder)?;
        let (base_folder, base_hub) = self.base(&folder, &config)?;
        check_weights(&base_folder, base_hub.as_ref().map(|(id, _)| id))?;
        let snapshot = hub.map(|(_, snapshot)| snapshot);
        let adapter = Some(Adapter { folder, snapshot, base: config.base });
        let snapshot = base_hub.map(|(_, snapshot)| snapshot);
        Ok(Located { asked, folder: base_folder, snapshot, adapter, step })
    }

    /// The folder of an adapter's base.
    fn base(
        self,
        folder: &Path,
        config: &AdapterConfig,
    ) -> Result<(PathBuf, Option<(HubId, Snapshot)>), Error> {
        // Like transformers: a whole model with an adapter in its folder is the adapter's base.
        if folder.join("config.json").is_file() && has_weights(folder) {
            return Ok((folder.into(), None));
        }
        let base = &config.base;
        let folders = [folder.join(base), self.root.join(base)];
        let there = folders.into_iter().find(|folder| !base.is_empty() && folder.is_dir());
        if let Some(found) = there {
            if found.join(adapter::CONFIG).is_file() && !has_weights(&found) {
                return Err(config.refuse("`base_model_name_or_path`", base, "a whole model"));
            }
            return Ok((found, None));
        }
        let Some(id) = HubId::parse(base) else {
            return Err(Error::NoBase { path: folder.join(adapter::CONFIG), base: base.clone() });
        };
        let id = id.at(config.revision.as_deref());
        let (found, snapshot) = id.find(self.hub_cache)?;
        Ok((found, Some((id, snapshot))))
    }
}

fn has_weights(folder: &Path) -> bool {
    folder.join(SINGLE).exists() || folder.join(INDEX).exists()
}

/// Checks that a folder has weights of its own that can be read, by the names of its files.
fn check_weights(folder: &Path, hub: Option<&HubId>) -> Result<(), Error> {
    let is_there = |name: &str| folder.join(name).is_file();
    // A link of the cache whose file was never fetched is named, and not there.
    let is_named = |name: &str| folder.join(name).symlink_metadata().is_ok();
    let mut expected = vec!["config.json".to_owned()];
    if is_named(SINGLE) || !is_named(INDEX) {
        expected.push(SINGLE.into());
    } else if is_there(INDEX) {
        let index = Index::read(&folder.join(INDEX))?;
        expected.extend(index.shards().into_iter().map(String::from));
    } else {
        expected.push(INDEX.into());
    }
    if !is_named(SINGLE) && !is_named(INDEX) {
        if let Some(refusal) = foreign::refusal(folder) {
            return Err(refusal);
        }
        let checkpoints = trainer_checkpoints(folder);
        if let Some(last) = checkpoints.last().cloned() {
            return Err(Error::TrainerOutput { path: folder.into(), checkpoints, last });
        }
    }
    let missing: Vec<String> = expected.into_iter().filter(|name| !is_there(name)).collect();
    match hub {
        Some(id) if !missing.is_empty() => {
            Err(Error::SnapshotIncomplete { path: folder.into(), missing, command: id.download() })
        }
        _ if !has_weights(folder) => Err(Error::NoWeights { path: folder.into() }),
        _ => Ok(()),
    }
}

/// The checkpoints in the output folder of a Trainer, in the order of their steps.
fn trainer_checkpoints(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut found: Vec<(u64, String)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let step = name.strip_prefix("checkpoint-")?.parse().ok()?;
            entry.path().is_dir().then_some((step, name))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, name)| name).collect()
}

/// The steps done, where a Trainer wrote the folder.
fn trainer_step(folder: &Path) -> Result<Option<u64>, Error> {
    #[derive(Deserialize)]
    struct State {
        global_step: u64,
    }
    let path = folder.join("trainer_state.json");
    if !path.is_file() {
        return Ok(None);
    }
    let state: State = json::read(&path, "a Trainer's state with a `global_step`")?;
    Ok(Some(state.global_step))
}

#[cfg(test)]
mod tests;
