//! Handlers of the signals of the operating system.

use crate::app::Signals;
use crate::event::Signal;

/// Installs the handler of a signal.
#[cfg(unix)]
pub(super) fn install(signals: &Signals, kind: Signal) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    if kind == Signal::Hup && ignores_hangup() {
        return Ok(());
    }
    let mut stream = signal(match kind {
        Signal::Int => SignalKind::interrupt(),
        Signal::Term => SignalKind::terminate(),
        Signal::Hup => SignalKind::hangup(),
        Signal::Usr1 => SignalKind::user_defined1(),
        Signal::Usr2 => SignalKind::user_defined2(),
    })?;
    let signals = signals.clone();
    tokio::spawn(async move {
        while stream.recv().await.is_some() {
            signals.push(kind);
        }
    });
    Ok(())
}

/// Installs the handler of Ctrl-C, the only signal on other platforms.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "same signature as on Unix")]
pub(super) fn install(signals: &Signals, kind: Signal) -> std::io::Result<()> {
    if kind == Signal::Int {
        let signals = signals.clone();
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                signals.push(kind);
            }
        });
    }
    Ok(())
}

/// Returns whether the process ignores SIGHUP, as it does under `nohup`.
#[cfg(target_os = "linux")]
fn ignores_hangup() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| is_hangup_ignored(&status))
}

/// Returns whether standard error is no terminal, as under `nohup`: other systems do not show ignored signals.
#[cfg(all(unix, not(target_os = "linux")))]
fn ignores_hangup() -> bool {
    use std::io::IsTerminal as _;
    !std::io::stderr().is_terminal()
}

/// Reads the `SigIgn` mask of `/proc/self/status`: one bit per signal, the lowest is SIGHUP.
#[cfg(target_os = "linux")]
fn is_hangup_ignored(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).is_some_and(|bits| bits & 1 == 1)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn ignored_hangup_is_read_from_the_mask() {
        assert!(is_hangup_ignored("Name:\tx\nSigIgn:\t0000000000001001\n"));
        assert!(!is_hangup_ignored("SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n"));
        assert!(!is_hangup_ignored(""));
    }
}
