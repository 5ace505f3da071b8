use super::*;
use crate::testing::{loss_item, provenance, suite_score, task_score};

fn score() -> SuiteScore {
    suite_score("w", vec![task_score("prose", vec![loss_item(0, "a", 12.345_678)])])
}

#[test]
fn what_was_saved_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let cache = BaselineCache::new(&folder.path().join("not/there/yet"));
    assert_eq!(cache.load(&provenance("w")).unwrap(), None);
    cache.save(&score()).unwrap();
    cache.save(&score()).unwrap();
    assert_eq!(cache.load(&provenance("w")).unwrap(), Some(score()));
    assert_eq!(cache.load(&provenance("other")).unwrap(), None);
    let mut longer = provenance("w");
    longer.options.sequence_length = 32;
    assert_eq!(cache.load(&longer).unwrap(), None);
    // No draft is left.
    let folder = cache.path(&provenance("w")).parent().unwrap().to_owned();
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_look() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let cache = BaselineCache::new(&folder.path().join("cache"));
    cache.save(&score()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.path().join("cache")), 0o700);
    assert_eq!(mode(&cache.path(&provenance("w"))), 0o600);
}

#[test]
fn a_damaged_entry_is_no_entry() {
    let folder = tempfile::tempdir().unwrap();
    let cache = BaselineCache::new(folder.path());
    cache.save(&score()).unwrap();
    let path = cache.path(&provenance("w"));
    let whole = fs::read_to_string(&path).unwrap();
    let of_others =
        whole.replace(&provenance("w").weights.to_string(), &provenance("x").weights.to_string());
    let damaged: [&[u8]; 5] = [
        b"",
        &whole.as_bytes()[..whole.len() / 2],
        b"\xff\xfe",
        of_others.as_bytes(),
        b"{\"tasks\":[]}",
    ];
    for bytes in damaged {
        fs::write(&path, bytes).unwrap();
        assert_eq!(cache.load(&provenance("w")).unwrap(), None);
    }
    cache.save(&score()).unwrap();
    assert_eq!(cache.load(&provenance("w")).unwrap(), Some(score()));
}

#[test]
fn a_file_in_place_of_the_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    fs::write(&path, b"").unwrap();
    let error = BaselineCache::new(&path).save(&score()).unwrap_err().to_string();
    assert!(error.contains("cannot write cached score"), "{error}");
    assert!(matches!(BaselineCache::new(&path).load(&provenance("w")), Err(Error::Read { .. })));
}
