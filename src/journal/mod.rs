//! The journal: what a run did and found, key for key as the Chaos Toolkit writes it, plus one key of our own.
//!
//! ```text
//!  events ─► JournalBuilder ─► Journal ─► to_json, LiveLayout      the file
//!  file   ─► Record::read, Record::untrusted ─► Journal            the same model
//!  Journal ─► judge                                                the verdict, for every reader
//! ```
//!
//! [`LiveLayout`] renders a growing journal as a file that is updated at a cost linear in its length.

mod bounds;
mod builder;
mod design_kind;
mod event_lines;
mod keyword;
mod live_layout;
mod model;
mod read;
mod region;
#[cfg(test)]
mod round_trip;
mod run_document;
mod run_verdict;
mod untrusted;
mod verdict;

pub use crate::event::{NOT_READY, RunStatus};
pub use crate::mutation::EffectState;
pub use builder::{JournalBuilder, JournalDelta, JournalHeader};
pub use design_kind::DesignKind;
pub use event_lines::EventSerializer;
pub use keyword::{EntryStatus, Keyword};
pub use live_layout::{FilePatch, LiveLayout};
pub use model::{
    ActionRecord, ActivityRoute, ClusterInfo, EffectRecord, Environment, HypothesisCheck, Interruption,
    Journal, JournalEntry, JournalExtension, SteadyStates, TargetRecord, ToleranceRecord, TrialDesign,
    UnwrittenFacts,
};
pub use read::{JournalError, Record};
pub use region::{JournalRegion, RegionChange};
pub use run_document::{OutputContext, RUN_SCHEMA, RunDocument, TOOLKIT_RUN_SCHEMA, answer};
pub use run_verdict::RunVerdict;
pub use untrusted::LimitError;
pub use verdict::{Strictness, judge};

/// The version of `chaostoolkit-lib` whose journal format this program writes.
pub const CHAOSLIB_VERSION: &str = "1.45.1";
/// The version of the format under [`EXTENSION_KEY`].
pub const SCHEMA: u32 = 1;
/// The key that this program adds to the journal.
pub const EXTENSION_KEY: &str = "kubectl-chaos";
