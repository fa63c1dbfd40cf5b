//! Leftovers of trials and the action for each.

use crate::k8s::{Metadata, NAMESPACES, Resource};
use crate::trial::{Arm, Backup, InvalidBackup, RestoreAction, RestorePlan};

/// Action for a leftover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    Delete,
    /// Replace the trial's object with the original.
    Restore,
    /// Create the missing original.
    Recreate,
    /// Nothing to do.
    None,
    /// Leave it unchanged; the reason says why.
    Skip,
}

impl Disposition {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Restore => "restore",
            Self::Recreate => "recreate",
            Self::None => "none",
            Self::Skip => "skip",
        }
    }

    pub(super) fn changes_cluster(self) -> bool {
        !matches!(self, Self::None | Self::Skip)
    }
}

/// Object that a trial left behind or replaced.
pub(crate) struct Leftover {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) trial: String,
    pub(crate) created: Option<String>,
    pub(crate) action: Disposition,
    /// Reason for skipping it.
    pub(crate) reason: Option<String>,
    /// Secret with the backup of the object.
    pub(crate) backup_secret: Option<String>,
    /// API group; empty for the core group.
    pub(crate) group: String,
}

impl Leftover {
    fn new(metadata: &Metadata, kind: &str, group: &str, action: Disposition) -> Self {
        Self {
            kind: kind.to_owned(),
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            trial: metadata.trial().unwrap_or_default().to_owned(),
            created: metadata.creation_timestamp.clone(),
            action,
            reason: None,
            backup_secret: None,
            group: group.to_owned(),
        }
    }

    /// Creates the entry of an object with the label of a trial.
    pub(super) fn from_object(resource: &Resource, metadata: &Metadata) -> Self {
        let leftover = Self::new(metadata, &resource.kind, &resource.group, Disposition::Delete);
        match foreign_reason(resource, metadata) {
            None => leftover,
            Some(reason) => Self { action: Disposition::Skip, reason: Some(reason), ..leftover },
        }
    }

    /// Creates the entries of a backup: its Secret, and each of its objects.
    pub(super) fn from_backup(backup: &Backup, plans: &[RestorePlan]) -> Vec<Self> {
        let objects: Vec<Self> = plans.iter().map(|plan| Self::from_plan(backup, plan)).collect();
        let is_kept = objects.iter().any(|object| object.action == Disposition::Skip);
        let secret = Self {
            kind: "Secret".to_owned(),
            name: backup.secret_name(),
            action: if is_kept { Disposition::Skip } else { Disposition::Delete },
            reason: is_kept.then(|| {
                "objects of this backup are skipped; resolve them, then delete the Secret".to_owned()
            }),
            backup_secret: None,
            group: String::new(),
            ..Self::for_backup(backup)
        };
        std::iter::once(secret).chain(objects).collect()
    }

    fn from_plan(backup: &Backup, plan: &RestorePlan) -> Self {
        let (action, reason) = match &plan.action {
            RestoreAction::None => (Disposition::None, None),
            RestoreAction::Delete => (Disposition::Delete, None),
            RestoreAction::Restore => (Disposition::Restore, None),
            RestoreAction::Recreate => (Disposition::Recreate, None),
            RestoreAction::Skip(reason) => (Disposition::Skip, Some(reason.to_string())),
        };
        let group = plan.api_version.split_once('/').map_or("", |(group, _)| group);
        Self {
            kind: plan.kind.clone(),
            name: plan.name.clone(),
            action,
            reason,
            backup_secret: Some(backup.secret_name()),
            group: group.to_owned(),
            ..Self::for_backup(backup)
        }
    }

    /// Returns the fields that a backup Secret and its objects share.
    fn for_backup(backup: &Backup) -> Self {
        Self {
            namespace: Some(backup.namespace().to_owned()),
            trial: backup.trial().to_owned(),
            created: backup.created().map(str::to_owned),
            ..Self::new(&Metadata::default(), "", "", Disposition::None)
        }
    }

    /// Creates the entry of a Secret that is not a valid backup.
    pub(super) fn from_invalid_backup(invalid: &InvalidBackup) -> Self {
        let reason = format!(
            "not a valid trial backup ({}); nothing is restored from it; investigate and delete it",
            invalid.reason
        );
        Self { reason: Some(reason), ..Self::new(&invalid.metadata, "Secret", "", Disposition::Skip) }
    }
}

/// Returns the reason why a labelled object is not of a trial.
///
/// Namespaces of trials have a fixed form of name. Cluster-scoped objects have the names of the manifests.
pub(super) fn foreign_reason(resource: &Resource, metadata: &Metadata) -> Option<String> {
    if *resource != NAMESPACES {
        return None;
    }
    let trial = metadata.trial().unwrap_or_default();
    let parse_name = || {
        let rest = metadata.name.strip_prefix("chaos-trial-")?.strip_prefix(trial)?.strip_prefix('-')?;
        let (arm, repeat) = rest.split_once('-')?;
        let is_arm = [Arm::Before, Arm::After].iter().any(|known| known.name() == arm);
        (is_arm && repeat.parse::<u32>().is_ok()).then_some(())
    };
    if !trial.is_empty() && parse_name().is_some() {
        return None;
    }
    let reason = "labelled as a trial namespace but not named like one; remove the label kubectl-chaos/trial or delete \
                  it yourself";
    Some(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    #[test]
    fn labelled_namespace_with_another_name_is_foreign() {
        let check = |name: &str, trial: Json, expected: bool| {
            let metadata: Metadata = serde_json::from_value(json!({"name": name, "labels":
                {"kubectl-chaos/trial": trial}}))
            .unwrap();
            assert_eq!(foreign_reason(&NAMESPACES, &metadata).is_none(), expected, "{name} {trial}");
            let other = Resource { kind: "ClusterRole".into(), ..NAMESPACES };
            assert_eq!(foreign_reason(&other, &metadata), None);
        };
        check("chaos-trial-0a1b2c3d-before-1", json!("0a1b2c3d"), true);
        check("chaos-trial-0a1b2c3d-after-10", json!("0a1b2c3d"), true);
        check("chaos-trial-0a1b2c3d-before-1", json!("ffffffff"), false);
        check("chaos-trial-0a1b2c3d-later-1", json!("0a1b2c3d"), false);
        check("chaos-trial-0a1b2c3d-before-x", json!("0a1b2c3d"), false);
        check("chaos-trial-0a1b2c3d", json!("0a1b2c3d"), false);
        check("kube-system", json!("0a1b2c3d"), false);
        check("kube-system", json!(""), false);
        check("chaos-trial--before-1", json!(""), false);
        check("chaos-trial--before-1", Json::Null, false);
    }
}
