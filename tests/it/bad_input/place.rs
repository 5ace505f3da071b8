//! Folders that cannot be written or are in use, and devices that are not there.

use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use expect_test::expect;

use super::{check, check_call, error};
use crate::project::Project;

/// No one may make a folder there, root included.
const READ_ONLY: &str = "/sys";

#[test]
fn folders_that_cannot_be_written_are_refused() {
    let whole = Project::new();
    check(
        &whole,
        |project| project.write("runs", ""),
        expect![[r#"
        error: cannot write `runs`: File exists (os error 17)

        hint: a file stands where a folder is needed; move it away"#]],
    );
    check(
        &whole,
        |project| project.write(".temper", ""),
        expect![[r#"
            error: cannot write `.temper/cache/contamination`: Not a directory (os error 20)

            hint: a file lies where a folder is needed; move it or choose another folder"#]],
    );
    check(
        &whole,
        |project| symlink(READ_ONLY, project.path("runs")).unwrap(),
        expect![[r#"
            error: cannot write `runs/.small.new`: not permitted

            hint: make the folder writable, or work in a project folder that is"#]],
    );
    check(
        &whole,
        |project| symlink(READ_ONLY, project.path(".temper")).unwrap(),
        expect![[r#"
            error: cannot write `.temper/cache/contamination`: not permitted

            hint: make the folder writable or choose another one"#]],
    );
}

#[test]
fn output_that_cannot_be_written_is_refused() {
    let whole = Project::new();
    let train = ["tokenizer", "train", "general", "--vocabulary", "300", "--out", "recipe.toml/x"];
    check_call(
        &whole,
        |_| (),
        &train,
        expect![[r#"
        error: cannot write `recipe.toml/x`: Not a directory (os error 20)

        hint: a file lies where a folder is needed; move it or choose another folder"#]],
    );
    let import = ["corpus", "import", "general.jsonl", "--out", "recipe.toml/x.parquet"];
    check_call(
        &whole,
        |_| (),
        &import,
        expect![[r#"
        error: cannot write `recipe.toml/x.parquet`: Not a directory (os error 20)

        hint: a file lies where a folder is needed; move it or choose another folder"#]],
    );
    // Whatever is written beside the file goes to a device that is always full.
    let project = whole.copy();
    symlink("/dev/full", project.path("full.parquet.partial")).unwrap();
    let import = ["corpus", "import", "general.jsonl", "--out", "full.parquet"];
    expect![[r#"
        error: cannot write `full.parquet`: No space left on device (os error 28)

        hint: free space on this volume or choose a folder on another one; what is already written is kept and used again"#]].assert_eq(&error(&project, project.temper(&import).expect_code(2)));
    assert_eq!(project.files(), whole.files());
}

#[test]
fn a_run_in_use_is_refused_with_the_process() {
    let project = Project::new();
    let mut running = project.command(&["run", "recipe.toml", "--set", "training.max_steps=300"]);
    let mut running = running.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !project.path("runs/small/run.json").exists() {}
    // Stopped, it keeps its lock for as long as this test takes.
    let signal = |name: &str| {
        let id = running.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    };
    signal("-STOP");
    let refused = project.temper(&["resume", "runs/small"]).expect_code(2);
    let text = error(&project, refused).replace(&running.id().to_string(), "<pid>");
    expect![[r#"
        error: run `runs/small` is in use by process <pid>

        hint: wait for it to end, or stop it with Ctrl-C"#]]
    .assert_eq(&text);
    let again = project.temper(&["run", "recipe.toml"]).expect_code(2);
    expect![[r#"
        error: run `runs/small` exists already; expected a new name

        hint: `temper resume runs/small` continues it, `--set name=…` starts another"#]]
    .assert_eq(&error(&project, again));
    running.kill().unwrap();
    running.wait().unwrap();
    let runs = project.temper(&["runs", "--json"]).expect_success().json();
    assert_eq!(runs[0]["state"], "interrupted");
}

#[test]
fn devices_that_are_not_there_are_refused() {
    let whole = Project::new();
    let run = |device| ["run", "recipe.toml", "--device", device];
    check_call(
        &whole,
        |_| (),
        &run("tpu"),
        expect![[r#"
        error: device `tpu` is unknown; expected cpu, cuda:N, wgpu:N or vulkan:N

        hint: this binary has cpu"#]],
    );
    check_call(
        &whole,
        |_| (),
        &run("cpu:1"),
        expect![[r#"
        error: device `cpu:1`: there is one CPU device

        hint: use `--device cpu`"#]],
    );
    check_call(
        &whole,
        |_| (),
        &run("cuda:first"),
        expect![[r#"
        error: device `cuda:first`: found `first`, expected a device number: invalid digit found in string

        hint: devices of a kind are counted from 0, as in `cuda:0`"#]],
    );
    if !cfg!(feature = "cuda") {
        check_call(
            &whole,
            |_| (),
            &run("cuda:0"),
            expect![[r#"
            error: device `cuda:0`: this binary was built without cuda (it has: cpu)

            hint: rebuild with `--features cuda`, or use `--device cpu`"#]],
        );
    }
    check_call(
        &whole,
        |_| (),
        &[
            "run",
            "recipe.toml",
            "--device",
            "cpu,cpu",
            "--set",
            "training.gradient_sum='collective'",
        ],
        expect![[r#"
            error: training.gradient_sum: found `collective` for devices `cpu,cpu`, expected different CUDA devices, which have collective operations

            hint: say `gradient_sum = "tree"`, or `--device cuda:0,cuda:1`"#]],
    );
}

#[test]
fn what_is_asked_of_the_wrong_folder_is_refused() {
    let whole = Project::new();
    check_call(
        &whole,
        |_| (),
        &["resume", "model"],
        expect![[r#"
        error: `model` is no run: found no `run.json` in it

        hint: name a run directory, such as `runs/<name>`; `temper runs` lists them"#]],
    );
    check_call(
        &whole,
        |_| (),
        &["audit", "runs/none"],
        expect![[r#"
        error: `runs/none` is no run: found no `run.json` in it

        hint: name a run directory, such as `runs/<name>`; `temper runs` lists them"#]],
    );
    check_call(
        &whole,
        |_| (),
        &["eval", "model", "--suite", "small"],
        expect![[r#"
            error: checkpoint `model` has no `model.safetensors` and no `model.safetensors.index.json`

            hint: name the folder of a Hugging Face checkpoint with its weights"#]],
    );
    check_call(
        &whole,
        |_| (),
        &["generate", "runs/none@4", "--prompt", "x"],
        expect![[r#"
            error: no checkpoint `runs/none@4`: `runs/none@4` is not there

            hint: in that folder: nothing"#]],
    );
}
