//! A project with two corpora and a run that was recorded as a trainer records it.

mod recipe;
mod run;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use temper_mix::Plan;
use temper_recipe::{
    Budget, Columns, Digest, Manifest, ManifestFile, Project, Share, Side, Source, Split,
    Tokenization,
};
use temper_tokens::{ShardSet, ShardWriter, TokenCorpus, TokenSource};
use tempfile::TempDir;

use crate::rederive::plan_over;

/// Steps between checkpoints.
pub(crate) const EVERY: u64 = 4;

/// A folder with manifests, corpora, shards and runs; removed when dropped.
pub(crate) struct TestProject {
    _folder: TempDir,
    pub(crate) project: Project,
    tokens: Vec<Arc<TokenCorpus>>,
    sources: Vec<Source>,
    shares: BTreeMap<String, Share>,
}

impl TestProject {
    /// `chem` (75 %, ids below 640, short documents) and `prose` (25 %, long ones).
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let project = Project { root: folder.path().to_owned() };
        let mut test = Self {
            _folder: folder,
            project,
            tokens: Vec::new(),
            sources: Vec::new(),
            shares: BTreeMap::new(),
        };
        test.add("chem", Share::new(3, 4).unwrap(), 0, &[6; 100]);
        test.add("prose", Share::new(1, 4).unwrap(), 640, &[45, 9, 20, 33, 61, 12, 50, 17]);
        test
    }

    fn add(&mut self, id: &str, share: Share, first_id: u32, lengths: &[usize]) {
        let folder = self.project.manifests_dir();
        fs::create_dir_all(folder.join("corpora")).unwrap();
        let file = format!("corpora/{id}.parquet");
        fs::write(folder.join(&file), format!("the rows of {id}")).unwrap();
        let manifest = Manifest {
            schema: 1,
            id: id.to_owned(),
            category: "test".to_owned(),
            licence: "CC0-1.0".to_owned(),
            source: "made for tests".to_owned(),
            attribution: None,
            condition: None,
            fraction: None,
            max_documents: None,
            split: Split::Train,
            columns: Columns {
                id: None,
                text: Some("text".to_owned()),
                messages: None,
                rejected: None,
                label: None,
                tools: None,
                context: None,
                answer: None,
                choices: None,
                gold: None,
                cluster: None,
                confounder: None,
                metadata: Vec::new(),
            },
            files: vec![ManifestFile {
                sha256: Digest::of_file(&folder.join(&file)).unwrap(),
                path: file,
                rows: lengths.len() as u64,
            }],
        };
        fs::write(folder.join(format!("{id}.toml")), manifest_toml(&manifest)).unwrap();
        let manifest = self.project.manifest(id).unwrap();
        self.tokens.push(Arc::new(self.write_shards(id, first_id, lengths)));
        self.shares.insert(id.to_owned(), share);
        self.sources.push(Source {
            corpus: id.to_owned(),
            side: Side::Customer,
            category: "test".to_owned(),
            manifest: manifest.digest(),
            max_epochs: 9,
        });
    }

    /// Two shards, in two row groups.
    fn write_shards(&self, id: &str, first_id: u32, lengths: &[usize]) -> TokenCorpus {
        let folder = self.shards(id);
        fs::create_dir_all(&folder).unwrap();
        let mut next = first_id;
        let mut infos = Vec::new();
        for (group, lengths) in lengths.chunks(lengths.len() / 2).enumerate() {
            let path = folder.join(format!("shard-{group:05}.tok"));
            let mut writer = ShardWriter::create(&path, 4096, 0).unwrap();
            for (row, length) in lengths.iter().enumerate() {
                let ids: Vec<u32> = (next..next + *length as u32).collect();
                next += *length as u32;
                writer.push_ids(&ids).unwrap();
                writer.end_document(group as u32, row as u32).unwrap();
            }
            infos.push(writer.finish().unwrap());
        }
        let key = Digest::of(id.as_bytes());
        let set = ShardSet::new(id, key, Digest::of(b"tokenizer"), 4096, POLICY, infos);
        set.save(&folder).unwrap();
        TokenCorpus::open(&folder, true).unwrap()
    }

    /// The folder of a source's shards.
    pub(crate) fn shards(&self, id: &str) -> PathBuf {
        self.project.cache_dir().join(Digest::of(id.as_bytes()).to_string())
    }

    /// The documents of the sources.
    pub(crate) fn documents(&self) -> Vec<Arc<dyn TokenSource + Send>> {
        self.tokens.iter().map(|tokens| tokens.clone() as _).collect()
    }

    pub(crate) fn plan(&self, budget: Budget) -> Plan {
        plan_over(&self.recipe(), budget, self.documents(), None).unwrap()
    }
}

const POLICY: Tokenization = Tokenization { bos: false, eos: false };

fn manifest_toml(manifest: &Manifest) -> String {
    let Manifest { id, category, licence, source, files, .. } = manifest;
    let ManifestFile { path, sha256, rows } = &files[0];
    format!(
        "schema = 1\nid = \"{id}\"\ncategory = \"{category}\"\nlicence = \"{licence}\"\n\
         source = \"{source}\"\nsplit = \"train\"\n[columns]\ntext = \"text\"\n\
         [[files]]\npath = \"{path}\"\nsha256 = \"{sha256}\"\nrows = {rows}\n"
    )
}
