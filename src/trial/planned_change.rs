//! A change of the cluster that is planned and not applied, and the manifests it is planned from.

use super::manifest::Manifest;
use crate::k8s::{DiscoveredKind, MutationPlan};
use crate::mutation::Target;

/// Manifest with the kind that the API server knows.
#[derive(Clone, Debug)]
pub struct ResolvedManifest {
    pub kind: DiscoveredKind,
    pub manifest: Manifest,
}

/// Change that is planned and not applied; the caller records it first.
pub struct PlannedChange(MutationPlan);

impl PlannedChange {
    pub(super) fn new(plan: MutationPlan) -> Self {
        Self(plan)
    }

    /// Returns the requests of the change.
    pub(super) fn into_plan(self) -> MutationPlan {
        self.0
    }

    pub fn targets(&self) -> Vec<Target> {
        self.0.targets()
    }
}
