//! Signals: what they are is the system's business, what they mean the engine's. Floor 3.

use crate::engine::Handle;
use crate::event::Signal;

/// Listens from now on, and hands every signal to a run. Ends with the runtime.
#[cfg(unix)]
pub(super) fn listen(handle: &Handle) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = [
        (SignalKind::interrupt(), Signal::Int),
        (SignalKind::terminate(), Signal::Term),
        (SignalKind::user_defined1(), Signal::Usr1),
        (SignalKind::user_defined2(), Signal::Usr2),
    ];
    for (kind, meaning) in kinds {
        let mut stream = signal(kind)?;
        let handle = handle.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                handle.signal(meaning);
            }
        });
    }
    Ok(())
}

/// Elsewhere there is Ctrl-C.
#[cfg(not(unix))]
pub(super) fn listen(handle: &Handle) -> std::io::Result<()> {
    let handle = handle.clone();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            handle.signal(Signal::Int);
        }
    });
    Ok(())
}
