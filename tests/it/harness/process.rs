//! Whether a process runs, on Linux and on other Unix systems.

use std::path::Path;
use std::process::Command;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::wait_until;

/// Whether a process runs. One that has ended and has not been waited for (a zombie) does not.
fn is_running(id: u32) -> bool {
    let raw = Pid::from_raw(id.try_into().expect("a process id")).expect("not 0");
    // signal 0 reaches zombies as well
    test_kill_process(raw) != Err(Errno::SRCH) && !is_zombie(id)
}

/// Reads /proc, so that the tests need no `ps`, which small images do not have.
#[cfg(target_os = "linux")]
fn is_zombie(id: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{id}/stat")) {
        // ID (NAME) STATE …, where the name can contain anything
        Ok(status) => status.rsplit(") ").next().expect("a state").starts_with(['Z', 'X']),
        // it was waited for a moment ago
        Err(error) => {
            // reading fails with ESRCH when the process ends between open and read
            let is_absent = error.kind() == std::io::ErrorKind::NotFound
                || error.raw_os_error() == Some(Errno::SRCH.raw_os_error());
            assert!(is_absent, "/proc/{id}/stat: {error}");
            true
        }
    }
}

/// Runs `ps`, which every other Unix has.
#[cfg(not(target_os = "linux"))]
fn is_zombie(id: u32) -> bool {
    let told = Command::new("ps").args(["-o", "stat=", "-p", &id.to_string()]).output().expect("ps");
    let state = String::from_utf8(told.stdout).expect("UTF-8 of ps");
    // no state: it was waited for a moment ago
    state.trim().is_empty() || state.trim_start().starts_with('Z')
}

/// Whether the process with the id in a file runs.
pub fn is_running_in(file: &Path) -> bool {
    is_running(
        std::fs::read_to_string(file)
            .expect("a file with a process id")
            .trim()
            .parse()
            .expect("a process id"),
    )
}

#[test]
fn is_running_is_false_for_zombie_and_reaped_process() {
    assert!(is_running(std::process::id()));
    let mut child = Command::new("sleep").arg("300").spawn().expect("sleep");
    assert!(is_running(child.id()));
    child.kill().expect("a running child");
    // nothing waits for it yet: it becomes a zombie, and stays one
    wait_until("the child is a zombie", || !is_running(child.id()));
    child.wait().expect("a killed child");
    assert!(!is_running(child.id()));
}
