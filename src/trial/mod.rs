//! Trials: the same experiment before and after a change, with a namespace for each run.
//!
//! ```text
//!  manifest        parsed manifests, adapted to the namespace of a run
//!  isolation       check of what an experiment reaches outside that namespace
//!  pairs           runs and their results, by pair
//!  schedule        which run comes next, and when the trial ends
//!  capacity        whether both arms of a pair fit in the cluster
//!  planned_change  a change that is planned and not applied
//!  backup          objects that a trial in place replaces, and their restoration
//!  backup_entry    format of a backup, its trust, the action for each object
//!  deployment      namespaces and objects of the runs: create, wait, delete
//!  error           errors of these steps
//! ```

mod backup;
mod backup_entry;
mod capacity;
mod deployment;
mod error;
mod isolation;
mod leftovers;
pub mod manifest;
mod manifest_apply;
mod pairs;
mod planned_change;
mod readiness;
mod schedule;

pub use crate::arm::Arm;
pub use backup::{Backup, BackupProof, InvalidBackup, RestorePlan};
pub use backup_entry::RestoreAction;
pub use capacity::SeparationCause;
pub use deployment::{TrialCluster, replica_counts, workload_images};
pub use error::Error;
pub use isolation::{
    AllowedScopes, IsolationContext, IsolationViolation, ReachedScope, find_violations, list_activities,
};
pub use leftovers::{list_leftovers, list_trial_names, plan_removal};
pub use pairs::{PairCounts, RunResult, ScheduledRun};
pub use planned_change::{PlannedChange, ResolvedManifest};
pub use readiness::Workload;
pub use schedule::{Concurrency, Repetition, Schedule, TrialEnd};
