use expect_test::{Expect, expect};

use super::*;

#[track_caller]
fn check(kind: io::ErrorKind, expected: Expect) {
    let path = PathBuf::from("cache/shard-00000.tok");
    expected.assert_eq(&Error::Write { path, source: kind.into() }.to_string());
}

#[test]
fn failed_writes_name_the_way_out() {
    check(
        io::ErrorKind::StorageFull,
        expect![[r#"
            cannot write `cache/shard-00000.tok`

            hint: free space on this volume or choose a folder on another one; what is already written is kept and used again"#]],
    );
    check(
        io::ErrorKind::ReadOnlyFilesystem,
        expect![[r#"
            cannot write `cache/shard-00000.tok`

            hint: make the folder writable or choose another one"#]],
    );
    check(
        io::ErrorKind::Other,
        expect![[r#"
        cannot write `cache/shard-00000.tok`

        hint: check free space, limits and permissions of the folder"#]],
    );
}
