//! Signals: what they are is the system's business, what they mean the engine's. Floor 3.

use crate::engine::Handle;
use crate::event::Signal;

/// Ends when the system asks for the end, with what it sent. It is heard from now on.
#[cfg(unix)]
pub(super) fn end() -> std::io::Result<impl Future<Output = Signal>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => Signal::Int,
            _ = terminate.recv() => Signal::Term,
        }
    })
}

/// Elsewhere there is Ctrl-C.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as elsewhere")]
pub(super) fn end() -> std::io::Result<impl Future<Output = Signal>> {
    Ok(async {
        drop(tokio::signal::ctrl_c().await);
        Signal::Int
    })
}

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
