//! Turns panics into errors, so that a bug does not leave a fault behind.
//!
//! The message of a panic may quote credentials. Only its place in the code is kept.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, UnwindSafe};
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};

use crate::error_code::{Coded, ErrorCode};

thread_local! {
    /// The guarded work of this thread that is in progress.
    static GUARDED: Cell<usize> = const { Cell::new(0) };
    /// The panics of this thread.
    static PANICS: Cell<u64> = const { Cell::new(0) };
    /// The place of the last panic of this thread.
    static LAST_PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A panic that was caught.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the program met a bug at {location}; please report it (internal.panic)")]
pub struct CaughtPanic {
    /// File, line and column in the code.
    location: String,
}

impl CaughtPanic {
    fn last() -> Self {
        Self { location: LAST_PLACE.with_borrow(Clone::clone) }
    }
}

impl Coded for CaughtPanic {
    fn code(&self) -> ErrorCode {
        ErrorCode::InternalPanic
    }
}

/// Runs a function; a panic becomes an error.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, CaughtPanic> {
    let _guard = Guard::enter();
    unwound(AssertUnwindSafe(work))
}

/// Awaits a future; a panic becomes an error.
pub async fn catch_async<F: Future>(future: F) -> Result<F::Output, CaughtPanic> {
    let _guard = Guard::enter();
    CatchPanic { future: Box::pin(future) }.await
}

/// Counts the panics of this thread, to find those of tasks that a library spawned.
#[derive(Clone, Copy, Debug)]
pub struct PanicCount(u64);

impl PanicCount {
    /// Returns the number of panics so far.
    pub fn now() -> Self {
        install_hook();
        Self(PANICS.get())
    }

    /// Returns the last panic since then, if there was one.
    pub fn panic_since(self) -> Option<CaughtPanic> {
        (PANICS.get() > self.0).then(CaughtPanic::last)
    }
}

fn unwound<T>(work: impl FnOnce() -> T + UnwindSafe) -> Result<T, CaughtPanic> {
    std::panic::catch_unwind(work).map_err(|_| CaughtPanic::last())
}

/// Future whose panics are caught.
struct CatchPanic<F> {
    future: Pin<Box<F>>,
}

impl<F: Future> Future for CatchPanic<F> {
    type Output = Result<F::Output, CaughtPanic>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.future.as_mut();
        match unwound(AssertUnwindSafe(|| future.poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// Marks work of this thread as guarded.
struct Guard(());

impl Guard {
    fn enter() -> Self {
        install_hook();
        GUARDED.set(GUARDED.get() + 1);
        Self(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        GUARDED.set(GUARDED.get().saturating_sub(1));
    }
}

/// Installs a panic hook that notes the place of every panic, and shows the message only outside guarded work.
fn install_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let default_hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            record_location(info);
            // a debug build shows it in any case
            if GUARDED.get() == 0 || cfg!(debug_assertions) {
                default_hook(info);
            }
        }));
    });
}

fn record_location(info: &PanicHookInfo<'_>) {
    let location = info.location().map_or_else(
        || "an unknown place".to_owned(),
        |location| format!("{}:{}:{}", in_crate(location.file()), location.line(), location.column()),
    );
    PANICS.set(PANICS.get() + 1);
    LAST_PLACE.set(location);
}

/// Returns a source path from the directory of its crate on: the rest is about the machine of the build.
fn in_crate(file: &str) -> &str {
    let file_start = file.rfind("/src/").map_or(0, |at| file[..at].rfind('/').map_or(0, |slash| slash + 1));
    &file[file_start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panics_become_errors_without_their_message() {
        let caught =
            catch_async(async { assert!(std::hint::black_box(1) > 1, "a secret") }).await.unwrap_err();
        let text = caught.to_string();
        assert!(text.contains("src/panic_guard.rs:") && !text.contains("secret"), "{text}");
        assert_eq!(caught.code(), ErrorCode::InternalPanic);
        assert_eq!(catch(|| 1), Ok(1));
        assert!(catch(|| assert!(std::hint::black_box(1) > 1)).is_err());
        assert_eq!(GUARDED.get(), 0);
    }

    #[tokio::test]
    async fn panics_of_spawned_tasks_are_counted() {
        let count = PanicCount::now();
        assert_eq!(count.panic_since(), None);
        let task = tokio::spawn(async { assert!(std::hint::black_box(1) > 1) });
        assert!(task.await.is_err());
        assert!(count.panic_since().is_some());
    }

    #[test]
    fn panic_locations_start_at_their_crate() {
        assert_eq!(
            in_crate("/home/x/.cargo/registry/src/index/hyper-1.0.0/src/lib.rs"),
            "hyper-1.0.0/src/lib.rs"
        );
        assert_eq!(in_crate("src/engine/mod.rs"), "src/engine/mod.rs");
        assert_eq!(in_crate("/rustc/abc/library/core/src/option.rs"), "core/src/option.rs");
    }
}
