use std::fs;

use tempfile::TempDir;

use super::convert;
use crate::{
    hf::{
        Dtype, MAX_SHARD_BYTES, SaveOptions, companions,
        locate::locate_folder,
        save_with,
        testing::{assert_same_files, check_error, copy, listing, loaded},
    },
    testing::FIXTURES,
};

#[test]
fn a_conversion_gives_what_loading_and_saving_gives() {
    for dtype in Dtype::ALL {
        for max_shard_bytes in [MAX_SHARD_BYTES, 30_000] {
            let from = copy(FIXTURES[1]);
            fs::write(from.path().join("tokenizer.json"), "{ \"as\":  \"it was\" }").unwrap();
            fs::write(from.path().join("chat_template.jinja"), "{{ messages }}").unwrap();
            fs::write(from.path().join("optimizer.pt"), "stays").unwrap();
            let out = TempDir::new().unwrap();
            let (converted, saved) = (out.path().join("a"), out.path().join("b"));
            let located = locate_folder(from.path()).unwrap();
            convert(&located, &converted, dtype, max_shard_bytes, &[]).unwrap();
            let companions = &companions(from.path()).unwrap();
            let options = SaveOptions { dtype, max_shard_bytes, companions };
            save_with(&loaded(from.path()), &saved, &options).unwrap();
            assert_same_files(&converted, &saved);
            assert!(!listing(&converted).contains(&"optimizer.pt".to_owned()));
        }
    }
}

#[test]
fn a_folder_with_something_in_it_is_not_written_to() {
    let (from, out) = (copy(FIXTURES[0]), TempDir::new().unwrap());
    let located = locate_folder(from.path()).unwrap();
    fs::write(out.path().join("mine"), "kept").unwrap();
    check_error(
        convert(&located, out.path(), Dtype::F32, MAX_SHARD_BYTES, &[]),
        &["is there and not empty"],
    );
    assert_eq!(listing(out.path()), ["mine"]);
}
