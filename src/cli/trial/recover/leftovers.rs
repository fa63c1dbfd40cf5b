//! What was left of trials, and what becomes of each thing, as it is shown before anything is done. Floor 3.

use serde_json::{Value as Json, json};

use crate::cli::table::{Table, TableRow as Row};
use crate::k8s::{Metadata, NAMESPACES, Resource};
use crate::trial::{Arm, Backup, InvalidBackup, RestoreAction, RestorePlan};

/// The schema of the answer.
const SCHEMA: &str = "kubectl-chaos/recover/v1";

/// What becomes of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposition {
    /// It goes.
    Delete,
    /// It becomes again what it was.
    Restore,
    /// It is gone, and is made as it was.
    Recreate,
    /// It is as it should be.
    None,
    /// It stays as it is, though there would be something to do.
    Skip,
}

impl Disposition {
    /// As it stands in the table and in the answer.
    fn name(self) -> &'static str {
        match self {
            Self::Delete => "removed",
            Self::Restore => "put back",
            Self::Recreate => "made again",
            Self::None => "stays",
            Self::Skip => "left alone",
        }
    }

    /// Whether something is done.
    pub(super) fn changes_cluster(self) -> bool {
        !matches!(self, Self::None | Self::Skip)
    }
}

/// Something that was left of a trial.
pub(super) struct Leftover {
    pub(super) kind: String,
    pub(super) name: String,
    namespace: Option<String>,
    trial: String,
    created: Option<String>,
    pub(super) action: Disposition,
    /// Why it is left alone, and what to do.
    pub(super) reason: Option<String>,
    /// The Secret that says so of it.
    backup_secret: Option<String>,
    /// Its group; empty for the core.
    group: String,
}

impl Leftover {
    fn new(thing: &Metadata, kind: &str, group: &str, becomes: Disposition) -> Self {
        Self {
            kind: kind.to_owned(),
            name: thing.name.clone(),
            namespace: thing.namespace.clone(),
            trial: thing.trial().unwrap_or_default().to_owned(),
            created: thing.creation_timestamp.clone(),
            action: becomes,
            reason: None,
            backup_secret: None,
            group: group.to_owned(),
        }
    }

    /// Something that was made for a trial, or looks like it.
    pub(super) fn from_object(resource: &Resource, thing: &Metadata) -> Self {
        let left = Self::new(thing, &resource.kind, &resource.group, Disposition::Delete);
        match foreign_reason(resource, thing) {
            None => left,
            Some(why) => Self { action: Disposition::Skip, reason: Some(why), ..left },
        }
    }

    /// A Secret that keeps something, and what becomes of everything that it keeps.
    pub(super) fn from_backup(standing: &Backup, outlook: &[RestorePlan]) -> Vec<Self> {
        let objects: Vec<Self> = outlook.iter().map(|one| Self::from_plan(standing, one)).collect();
        let stays = objects.iter().any(|one| one.action == Disposition::Skip);
        let secret = Self {
            kind: "Secret".to_owned(),
            name: standing.secret_name(),
            action: if stays { Disposition::Skip } else { Disposition::Delete },
            reason: stays.then(|| {
                "something of what it keeps is left alone: once that is settled, delete the Secret".to_owned()
            }),
            backup_secret: None,
            group: String::new(),
            ..Self::for_backup(standing)
        };
        std::iter::once(secret).chain(objects).collect()
    }

    fn from_plan(standing: &Backup, one: &RestorePlan) -> Self {
        let (becomes, why) = match &one.action {
            RestoreAction::None => (Disposition::None, None),
            RestoreAction::Delete => (Disposition::Delete, None),
            RestoreAction::Restore => (Disposition::Restore, None),
            RestoreAction::Recreate => (Disposition::Recreate, None),
            RestoreAction::Skip(why) => (Disposition::Skip, Some(why.clone())),
        };
        let group = one.api_version.split_once('/').map_or("", |(group, _)| group);
        Self {
            kind: one.kind.clone(),
            name: one.name.clone(),
            action: becomes,
            reason: why,
            backup_secret: Some(standing.secret_name()),
            group: group.to_owned(),
            ..Self::for_backup(standing)
        }
    }

    /// What a Secret and everything that it keeps have in common.
    fn for_backup(standing: &Backup) -> Self {
        Self {
            namespace: Some(standing.namespace().to_owned()),
            trial: standing.trial().to_owned(),
            created: standing.created().map(str::to_owned),
            ..Self::new(&Metadata::default(), "", "", Disposition::None)
        }
    }

    /// A Secret that passes for one of a trial, and is none.
    pub(super) fn from_invalid_backup(one: &InvalidBackup) -> Self {
        let why = format!(
            "{}: no trial has written it as it is, and nothing of it is put back; look who did, and delete it",
            one.reason
        );
        Self { reason: Some(why), ..Self::new(&one.metadata, "Secret", "", Disposition::Skip) }
    }

    /// Its kind and its name, as kubectl takes them.
    fn qualified_name(&self) -> String {
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        format!("{}{group}/{}", self.kind.to_lowercase(), self.name)
    }

    fn to_json(&self) -> Json {
        json!({"kind": self.kind, "name": self.name, "namespace": self.namespace, "trial": self.trial,
            "since": self.created, "becomes": self.action.name(), "why": self.reason, "kept_in": self.backup_secret})
    }
}

/// Why something that bears the label of a trial was not made by one; nothing where it may have been. Things of the
/// whole cluster have the names that manifests gave them; a namespace has one that only trials give.
pub(super) fn foreign_reason(resource: &Resource, thing: &Metadata) -> Option<String> {
    if *resource != NAMESPACES {
        return None;
    }
    let trial = thing.trial().unwrap_or_default();
    let own = || {
        let rest = thing.name.strip_prefix("chaos-trial-")?.strip_prefix(trial)?.strip_prefix('-')?;
        let (arm, repeat) = rest.split_once('-')?;
        let is_arm = [Arm::Before, Arm::After].iter().any(|known| known.name() == arm);
        (is_arm && repeat.parse::<u32>().is_ok()).then_some(())
    };
    if !trial.is_empty() && own().is_some() {
        return None;
    }
    let why = "it bears the label of a trial, and not the name of a trial's namespace: take its label \
               kubectl-chaos/trial off, or remove it yourself";
    Some(why.to_owned())
}

/// The list of it; names alone are only those of things that trials made, and not of what stood there before them.
pub(super) fn to_table(left: &[Leftover], is_of_names: bool) -> Table {
    let line = |one: &Leftover| Row {
        name: one.qualified_name(),
        cells: vec![
            one.kind.clone(),
            one.name.clone(),
            one.namespace.clone().unwrap_or_default(),
            one.trial.clone(),
            one.created.clone().unwrap_or_default(),
            one.action.name().to_owned(),
        ],
        wide_cells: vec![one.reason.clone().unwrap_or_default()],
    };
    Table {
        heads: &["KIND", "NAME", "NAMESPACE", "TRIAL", "SINCE", "BECOMES"],
        wide_heads: &["WHY"],
        lines: left.iter().filter(|one| !is_of_names || one.backup_secret.is_none()).map(line).collect(),
    }
}

/// What machines read.
pub(super) fn to_document(address: &str, left: &[Leftover]) -> Json {
    let left: Vec<Json> = left.iter().map(Leftover::to_json).collect();
    json!({"schema": SCHEMA, "cluster": address, "left": left})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_namespaces_with_the_names_of_trials_are_theirs() {
        let check = |name: &str, trial: Json, expected: bool| {
            let thing: Metadata = serde_json::from_value(json!({"name": name, "labels":
                {"kubectl-chaos/trial": trial}}))
            .unwrap();
            assert_eq!(foreign_reason(&NAMESPACES, &thing).is_none(), expected, "{name} {trial}");
            let other = Resource { kind: "ClusterRole".into(), ..NAMESPACES };
            assert_eq!(foreign_reason(&other, &thing), None);
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
