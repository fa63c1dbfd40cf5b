//! Layout of the journal of a running run as a file with incremental updates.
//!
//! The file is valid JSON at every instant and holds every finished activity, at a constant cost per activity.
//! Each growing list is a region padded with spaces, and an update patches the changed entries. A full region
//! causes a new layout with twice the room, so the amortized cost per entry is constant.
//!
//! A patch is never applied to the published file. Of two copies the hidden one is patched and then replaces
//! the other. Each copy therefore has a state of its own.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::region::{JournalRegion, RegionChange};
use super::{
    ActivityRoute, ClusterInfo, Environment, Journal, JournalBuilder, JournalExtension, Keyword, RunVerdict,
    ToleranceRecord,
};
use crate::event::{RunPhase, RunStatus};
use crate::experiment::HypothesisStrategy;
use crate::value::{Map, Value};

const REGIONS: [JournalRegion; 8] = [
    JournalRegion::Head,
    JournalRegion::Before,
    JournalRegion::After,
    JournalRegion::During,
    JournalRegion::Run,
    JournalRegion::Rollbacks,
    JournalRegion::Extension,
    JournalRegion::Activities,
];

/// The text before each region, and at the end.
const FRAME: [&str; 9] = [
    "{",
    ",\"steady_states\":{\"before\":",
    ",\"after\":",
    ",\"during\":[",
    "]},\"run\":[",
    "],\"rollbacks\":[",
    "],\"kubectl-chaos\":{",
    ",\"activities\":[",
    "],\"samples\":[]}}\n",
];

/// Update of a copy of the file.
#[derive(Debug, PartialEq)]
pub enum FilePatch {
    /// Nothing.
    Nothing,
    /// Rewrite the file.
    Whole(Vec<u8>),
    /// Overwrite these bytes at these offsets.
    Parts(Vec<(u64, Vec<u8>)>),
}

/// State of one copy.
#[derive(Debug, Default)]
struct CopyState {
    /// The layout number of the last write; 0 before the first.
    layout: u64,
    /// Per region: where its entries end, from its beginning, up to the first one that changed.
    ends: [Vec<usize>; 8],
    /// Per region: how many bytes of it are in use.
    used: [usize; 8],
    dirty: [bool; 8],
}

/// The layout of the file and what its two copies hold.
#[derive(Debug)]
pub struct LiveLayout {
    layout: u64,
    /// Per region: the offset of its first byte, and its room.
    places: [(usize, usize); 8],
    copies: [CopyState; 2],
}

impl Default for LiveLayout {
    fn default() -> Self {
        Self { layout: 1, places: [(0, 0); 8], copies: [CopyState::default(), CopyState::default()] }
    }
}

impl LiveLayout {
    /// Marks changed entries.
    pub fn mark_changed(&mut self, changes: &[RegionChange]) {
        for change in changes {
            let region = change.region as usize;
            for copy in &mut self.copies {
                copy.ends[region].truncate(change.index);
                copy.dirty[region] = true;
            }
        }
    }

    /// Returns the patch that updates a copy (0 or 1), and assumes that it is applied.
    ///
    /// If applying fails, the caller must [`forget`](Self::forget) the copy.
    pub fn patch(&mut self, copy: usize, recorder: &JournalBuilder) -> FilePatch {
        let index = copy & 1;
        if self.copies[index].layout != self.layout {
            return FilePatch::Whole(self.lay_out(index, recorder));
        }
        let mut parts = Vec::new();
        for region in REGIONS {
            let region_index = region as usize;
            let copy = &mut self.copies[index];
            if !copy.dirty[region_index] {
                continue;
            }
            let kept_bytes = copy.ends[region_index].last().copied().unwrap_or(0);
            let mut bytes = Vec::new();
            render(region, recorder, kept_bytes, &mut copy.ends[region_index], &mut bytes);
            let end = kept_bytes + bytes.len();
            let (offset, room) = self.places[region_index];
            if end > room {
                self.layout += 1;
                return FilePatch::Whole(self.lay_out(index, recorder));
            }
            // overwrite the rest of a longer rendering with spaces
            bytes.resize(bytes.len() + copy.used[region_index].saturating_sub(end), b' ');
            copy.used[region_index] = end;
            copy.dirty[region_index] = false;
            parts.push(((offset + kept_bytes) as u64, bytes));
        }
        if parts.is_empty() { FilePatch::Nothing } else { FilePatch::Parts(parts) }
    }

    /// Discards the state of a copy: the next patch rewrites it.
    pub fn invalidate(&mut self, copy: usize) {
        self.copies[copy & 1].layout = 0;
    }

    /// Whether a copy is out of date.
    pub fn is_behind(&self, copy: usize) -> bool {
        let copy = &self.copies[copy & 1];
        copy.layout != self.layout || copy.dirty.contains(&true)
    }

    fn lay_out(&mut self, index: usize, recorder: &JournalBuilder) -> Vec<u8> {
        let mut file = Vec::new();
        let is_new_layout = self.copies[1 - index].layout != self.layout;
        let copy = &mut self.copies[index];
        for region in REGIONS {
            let region_index = region as usize;
            file.extend_from_slice(FRAME[region_index].as_bytes());
            let start = file.len();
            copy.ends[region_index].clear();
            render(region, recorder, 0, &mut copy.ends[region_index], &mut file);
            let used = file.len() - start;
            // the other copy may have this layout already, and then its room is what counts
            let room =
                if is_new_layout { (used * 2).max(512) } else { self.places[region_index].1.max(used) };
            if !is_new_layout && room > self.places[region_index].1 {
                self.layout += 1;
                return self.lay_out(index, recorder);
            }
            file.resize(start + room, b' ');
            self.places[region_index] = (start, room);
            copy.used[region_index] = used;
            copy.dirty[region_index] = false;
        }
        file.extend_from_slice(FRAME[8].as_bytes());
        copy.layout = self.layout;
        file
    }
}

/// Renders the entries of a region from the first one that is not in `ends`, and records their ends.
///
/// `from` is the offset of that entry from the start of the region.
fn render(
    region: JournalRegion,
    recorder: &JournalBuilder,
    from: usize,
    ends: &mut Vec<usize>,
    out: &mut Vec<u8>,
) {
    let journal = recorder.journal();
    match region {
        JournalRegion::Head => render_fields(&JournalHead::new(journal), ends, out),
        JournalRegion::Extension => {
            render_fields(&journal.extension.as_ref().map(ExtensionHead::new), ends, out);
        }
        JournalRegion::Before => list(&[recorder.state_of(RunPhase::Before)], from, ends, out),
        JournalRegion::After => list(&[recorder.state_of(RunPhase::After)], from, ends, out),
        JournalRegion::During => list(&journal.steady_states.during, from, ends, out),
        JournalRegion::Run => list(&journal.run, from, ends, out),
        JournalRegion::Rollbacks => list(&journal.rollbacks, from, ends, out),
        JournalRegion::Activities => list(journal.actions(), from, ends, out),
    }
}

fn list<T: Serialize>(items: &[T], from: usize, ends: &mut Vec<usize>, out: &mut Vec<u8>) {
    let start = out.len();
    for (index, item) in items.iter().enumerate().skip(ends.len()) {
        if index > 0 {
            out.push(b',');
        }
        append(item, out);
        ends.push(from + out.len() - start);
    }
}

/// Renders the entries of one object without its braces.
fn render_fields<T: Serialize>(object: &T, ends: &mut Vec<usize>, out: &mut Vec<u8>) {
    let mut text = Vec::new();
    append(object, &mut text);
    let entries = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    out.extend_from_slice(entries);
    ends.push(entries.len());
}

fn append<T: Serialize>(item: &T, out: &mut Vec<u8>) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, item).is_err() {
        // nothing in a journal can fail to be written; if it did, the file would still be JSON
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// The keys of a [`Journal`] before its lists.
///
/// Serde cannot render a part of a struct, and a flattened part would be buffered whenever a journal is read.
#[derive(Serialize)]
struct JournalHead<'a> {
    #[serde(rename = "chaoslib-version")]
    chaoslib_version: &'a Option<String>,
    platform: &'a Option<String>,
    node: &'a Option<String>,
    experiment: &'a Value,
    start: &'a Option<String>,
    status: &'a Keyword<RunStatus>,
    deviated: bool,
}

impl<'a> JournalHead<'a> {
    fn new(journal: &'a Journal) -> Self {
        Self {
            chaoslib_version: &journal.chaoslib_version,
            platform: &journal.platform,
            node: &journal.node,
            experiment: &journal.experiment,
            start: &journal.start,
            status: &journal.status,
            deviated: journal.deviated,
        }
    }
}

/// The keys of a [`JournalExtension`] before its lists, for the same reason.
#[derive(Serialize)]
struct ExtensionHead<'a> {
    schema: u32,
    version: &'a str,
    run_id: &'a str,
    finished: bool,
    reason: &'a Option<String>,
    verdict: &'a Option<Keyword<RunVerdict>>,
    exit_code: Option<u8>,
    namespace: &'a Option<String>,
    cluster: &'a Option<ClusterInfo>,
    services: &'a [ActivityRoute],
    experiment_hash: &'a str,
    hypothesis_strategy: &'a Option<Keyword<HypothesisStrategy>>,
    variables: &'a Option<BTreeMap<String, String>>,
    annotations: Annotations<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a Environment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'a str>,
    #[serde(skip_serializing_if = "<[ToleranceRecord]>::is_empty")]
    tolerances: &'a [ToleranceRecord],
}

impl<'a> ExtensionHead<'a> {
    fn new(extension: &'a JournalExtension) -> Self {
        Self {
            schema: extension.schema,
            version: &extension.version,
            run_id: &extension.run_id,
            finished: extension.finished,
            reason: &extension.reason,
            verdict: &extension.verdict,
            exit_code: extension.exit_code,
            namespace: &extension.namespace,
            cluster: &extension.cluster,
            services: &extension.services,
            experiment_hash: &extension.experiment_hash,
            hypothesis_strategy: &extension.hypothesis_strategy,
            variables: &extension.variables,
            annotations: Annotations(&extension.annotations),
            environment: extension.environment.as_ref(),
            error_code: extension.error_code.as_deref(),
            tolerances: &extension.tolerances,
        }
    }
}

struct Annotations<'a>(&'a Map);

impl Serialize for Annotations<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0)
    }
}

#[cfg(test)]
mod tests;
