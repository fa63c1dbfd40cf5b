//! Which runs of a trial take place at the same time.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;

/// Runs in progress, each with the runs that it overlapped so far.
#[derive(Debug, Default)]
pub(super) struct OverlapTracker(Mutex<BTreeMap<String, BTreeSet<String>>>);

impl OverlapTracker {
    /// Adds a run that starts.
    pub(super) fn begin(&self, run_id: &str) {
        let mut running = self.0.lock();
        for overlapped in running.values_mut() {
            overlapped.insert(run_id.to_owned());
        }
        let others = running.keys().cloned().collect();
        running.insert(run_id.to_owned(), others);
    }

    /// Removes a run that ended. Returns the runs that it overlapped; empty if it was removed before.
    pub(super) fn end(&self, run_id: &str) -> Vec<String> {
        self.0.lock().remove(run_id).unwrap_or_default().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_overlap_those_in_progress_and_no_others() {
        let tracker = OverlapTracker::default();
        tracker.begin("a");
        tracker.begin("b");
        assert_eq!(tracker.end("a"), ["b"]);
        tracker.begin("c");
        assert_eq!(tracker.end("b"), ["a", "c"]);
        assert_eq!(tracker.end("c"), ["b"]);
        tracker.begin("d");
        assert_eq!((tracker.end("d"), tracker.end("d")), (vec![], vec![]));
    }
}
