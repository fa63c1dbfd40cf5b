//! Trials: the same experiment before and after a change, each run in a namespace of its own. Floor 2.
//!
//! ```text
//!  manifest   what is deployed, made fit for the namespace of a run
//!  outside    what an experiment would touch or measure beyond it
//!  order      in which order the runs come
//!  standing   what stands where a trial in place puts its own
//!  kept       what a Secret says of it, and how far that is believed
//!  stage      the namespace of a run: made, filled, ready, removed
//! ```

mod backup;
mod backup_entry;
mod deployment;
mod isolation;
mod leftovers;
pub mod manifest;
mod manifest_apply;
mod readiness;
mod schedule;

pub use backup::{Backup, BackupProof, InvalidBackup, RestorePlan};
pub use backup_entry::RestoreAction;
pub use deployment::{PlannedChange, ResolvedManifest, TrialCluster, replicas};
pub use isolation::{AllowedScopes, IsolationContext, IsolationViolation, ReachedScope, activities, outside};
pub use leftovers::{list_leftovers, list_trial_names, plan_removal};
pub use readiness::Workload;
pub use schedule::{Arm, order};
