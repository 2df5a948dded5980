//! `weir demo` as a new user sees it, without a terminal.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::weir::command;

/// `weir demo` with `arguments`, whose temporary files are in `dir`.
fn demo(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = command(dir);
    command
        .arg("demo")
        .args(arguments)
        .env("TMPDIR", dir)
        .env("LC_ALL", "C")
        .env_remove("CARGO")
        .stderr(Stdio::piped());
    command
}

/// Everything it wrote, once it has ended well and left nothing in `dir`.
fn ended(mut child: Child, mut output: impl Read, dir: &Path) -> String {
    let mut text = String::new();
    output.read_to_string(&mut text).expect("it writes text");
    let mut complaints = String::new();
    child.stderr.take().expect("it is piped").read_to_string(&mut complaints).expect("it writes text");
    let status = child.wait().expect("it is our child");
    assert!(status.success(), "{status}:\n{text}\n{complaints}");
    let left: Vec<_> = std::fs::read_dir(dir).expect("the folder is ours").flatten().map(|file| file.path()).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    assert!(!text.contains('\u{1b}'), "escape codes without a terminal: {text:?}");
    text
}

fn play(arguments: &[&str]) -> String {
    let dir = tempfile::tempdir().expect("a folder for temporary files");
    let mut child = demo(dir.path(), arguments).stdout(Stdio::piped()).spawn().expect("weir was built");
    let output = child.stdout.take().expect("it is piped");
    ended(child, output, dir.path())
}

#[test]
fn the_demo_ends_when_its_time_is_up_and_leaves_nothing_behind() {
    let text = play(&["--duration", "3s"]);
    assert!(text.contains("The time was up before the canary was decided."), "{text}");
    assert!(text.contains("Nobody saw an error."), "{text}");
    assert!(text.contains("weir run --config config/weir.yaml"), "{text}");
}

#[test]
fn an_interrupted_demo_tells_what_happened_so_far_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("a folder for temporary files");
    let mut child = demo(dir.path(), &[]).stdout(Stdio::piped()).spawn().expect("weir was built");
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    // The first decision: by then everything runs.
    while !line.contains("->") {
        line.clear();
        assert!(output.read_line(&mut line).expect("it writes text") > 0, "it ended before the rollout began");
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.expect("kill is there").success());
    let text = ended(child, output, dir.path());
    assert!(text.contains("You ended it before the canary was decided."), "{text}");
    assert!(text.contains("What visitors saw"), "{text}");
}

#[test]
fn a_canary_that_fails_is_aborted_in_the_demo() {
    let text = play(&["--canary-error-rate", "100%", "--duration", "60s"]);
    assert!(text.contains("The canary was aborted after"), "{text}");
    assert!(text.contains("weir asked stable again"), "{text}");
}
