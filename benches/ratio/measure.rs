//! Measures one run of a command with the operating system's accounting.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// The argument that makes this program measure one command.
pub(super) const MEASURE: &str = "--measure-this";

/// The time and memory of one run of a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    /// Wall-clock seconds.
    pub wall: f64,
    /// Processor seconds of all its processes.
    pub cpu: f64,
    /// The peak memory of one of them, in MiB.
    pub mebibytes: f64,
}

/// Runs a command and prints the measurement.
pub(super) fn measure_this(command: &[String]) {
    // the first program that a process starts takes longer
    let warmed = Command::new("true").status();
    assert!(warmed.is_ok_and(|status| status.success()), "there is no `true` to warm up with");
    let begun = Instant::now();
    let status = Command::new(&command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the command starts");
    let wall = begun.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    #[allow(clippy::cast_precision_loss)] // both are small
    let seconds = |time: nix::sys::time::TimeVal| time.num_microseconds() as f64 / 1e6;
    let cpu = seconds(usage.user_time()) + seconds(usage.system_time());
    // Linux counts in KiB, macOS in bytes
    let unit = if cfg!(target_os = "macos") { 1024.0 * 1024.0 } else { 1024.0 };
    #[allow(clippy::cast_precision_loss)] // small as well
    let mebibytes = usage.max_rss() as f64 / unit;
    println!("{wall} {cpu} {mebibytes} {}", status.code().unwrap_or(-1));
}

/// Runs a command in a directory; its file `config` is the kubeconfig, if present.
pub(super) fn measure(folder: &Path, command: &[String]) -> Figures {
    let itself = std::env::current_exe().unwrap();
    let mut measuring = Command::new(itself);
    measuring.arg(MEASURE).args(command).current_dir(folder);
    let config = folder.join("config");
    if config.exists() {
        measuring.env("KUBECONFIG", config);
    }
    let output = measuring.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
    let [wall, cpu, mebibytes, code] = numbers.as_slice() else {
        panic!("{command:?} was not measured: {text}")
    };
    assert!(*code == 0.0, "{command:?} ended with {code}");
    Figures { wall: *wall, cpu: *cpu, mebibytes: *mebibytes }
}

/// Returns the run with the median time, with the peak memory of all runs.
pub(super) fn middle(mut runs: Vec<Figures>) -> Figures {
    runs.sort_by(|a, b| a.wall.total_cmp(&b.wall));
    let most = runs.iter().map(|run| run.mebibytes).fold(0.0, f64::max);
    Figures { mebibytes: most, ..runs[runs.len() / 2] }
}
