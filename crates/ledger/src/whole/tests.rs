use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
struct Point {
    #[expect(dead_code, reason = "only its parsing is under test")]
    x: u32,
}

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    let error = from_json::<Point>(Path::new("point.json"), text.as_bytes()).unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("`point.json`"), "{message}");
    assert!(message.contains(expected), "{message}");
}

#[test]
fn damaged_json_is_refused_by_name() {
    check_refused("", "EOF");
    check_refused("{\"schema\":1,\"x\":", "EOF");
    check_refused("[]", "has schema none, expected 1");
    check_refused("{\"x\":1}", "has schema none, expected 1");
    check_refused("{\"schema\":2,\"x\":1}", "has schema 2, expected 1");
    check_refused("{\"schema\":1}", "missing field `x`");
    check_refused("{\"schema\":1,\"x\":\"1\"}", "invalid type");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    write_bytes(&path, b"old").unwrap();
    // Whatever is written to this device meets a full disk.
    std::os::unix::fs::symlink("/dev/full", beside(&path, "new")).unwrap();
    let message = write_bytes(&path, b"new").unwrap_err().to_string();
    assert!(message.contains("No space left on device"), "{message}");
    assert!(message.contains("hint: free disk space"), "{message}");
    assert_eq!(read(&path).unwrap(), b"old");
    assert_eq!(names(folder.path()).unwrap(), ["a.json"]);
}

#[test]
fn a_folder_that_is_a_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    write_bytes(&file, b"").unwrap();
    let message = create_folder(&file.join("runs")).unwrap_err().to_string();
    assert!(message.contains("file/runs"), "{message}");
    assert!(message.contains("hint: a file stands where a folder is needed"), "{message}");
}

#[test]
fn sweeping_leaves_what_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.json", ".a.json.new", ".hidden"] {
        std::fs::write(folder.path().join(name), "x").unwrap();
    }
    create_folder(&folder.path().join(".step-000001.old/temper")).unwrap();
    sweep(folder.path()).unwrap();
    assert_eq!(names(folder.path()).unwrap(), [".hidden", "a.json"]);
    sweep(&folder.path().join("missing")).unwrap();
}
