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
    Removed,
    /// It becomes again what it was.
    PutBack,
    /// It is gone, and is made as it was.
    MadeAgain,
    /// It is as it should be.
    Stays,
    /// It stays as it is, though there would be something to do.
    LeftAlone,
}

impl Disposition {
    /// As it stands in the table and in the answer.
    fn words(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::PutBack => "put back",
            Self::MadeAgain => "made again",
            Self::Stays => "stays",
            Self::LeftAlone => "left alone",
        }
    }

    /// Whether something is done.
    pub(super) fn is_a_change(self) -> bool {
        !matches!(self, Self::Stays | Self::LeftAlone)
    }
}

/// Something that was left of a trial.
pub(super) struct Leftover {
    pub(super) kind: String,
    pub(super) name: String,
    namespace: Option<String>,
    trial: String,
    since: Option<String>,
    pub(super) becomes: Disposition,
    /// Why it is left alone, and what to do.
    pub(super) why: Option<String>,
    /// The Secret that says so of it.
    kept_in: Option<String>,
    /// Its group; empty for the core.
    group: String,
}

impl Leftover {
    fn of(thing: &Metadata, kind: &str, group: &str, becomes: Disposition) -> Self {
        Self {
            kind: kind.to_owned(),
            name: thing.name.clone(),
            namespace: thing.namespace.clone(),
            trial: thing.trial().unwrap_or_default().to_owned(),
            since: thing.creation_timestamp.clone(),
            becomes,
            why: None,
            kept_in: None,
            group: group.to_owned(),
        }
    }

    /// Something that was made for a trial, or looks like it.
    pub(super) fn made(resource: &Resource, thing: &Metadata) -> Self {
        let left = Self::of(thing, &resource.kind, &resource.group, Disposition::Removed);
        match foreign(resource, thing) {
            None => left,
            Some(why) => Self { becomes: Disposition::LeftAlone, why: Some(why), ..left },
        }
    }

    /// A Secret that keeps something, and what becomes of everything that it keeps.
    pub(super) fn kept(standing: &Backup, outlook: &[RestorePlan]) -> Vec<Self> {
        let objects: Vec<Self> = outlook.iter().map(|one| Self::object(standing, one)).collect();
        let stays = objects.iter().any(|one| one.becomes == Disposition::LeftAlone);
        let secret = Self {
            kind: "Secret".to_owned(),
            name: standing.name(),
            becomes: if stays { Disposition::LeftAlone } else { Disposition::Removed },
            why: stays.then(|| {
                "something of what it keeps is left alone: once that is settled, delete the Secret".to_owned()
            }),
            kept_in: None,
            group: String::new(),
            ..Self::within(standing)
        };
        std::iter::once(secret).chain(objects).collect()
    }

    fn object(standing: &Backup, one: &RestorePlan) -> Self {
        let (becomes, why) = match &one.fate {
            RestoreAction::Stays => (Disposition::Stays, None),
            RestoreAction::Removed => (Disposition::Removed, None),
            RestoreAction::PutBack => (Disposition::PutBack, None),
            RestoreAction::MadeAgain => (Disposition::MadeAgain, None),
            RestoreAction::LeftAlone(why) => (Disposition::LeftAlone, Some(why.clone())),
        };
        let group = one.api_version.split_once('/').map_or("", |(group, _)| group);
        Self {
            kind: one.kind.clone(),
            name: one.name.clone(),
            becomes,
            why,
            kept_in: Some(standing.name()),
            group: group.to_owned(),
            ..Self::within(standing)
        }
    }

    /// What a Secret and everything that it keeps have in common.
    fn within(standing: &Backup) -> Self {
        Self {
            namespace: Some(standing.namespace().to_owned()),
            trial: standing.trial().to_owned(),
            since: standing.since().map(str::to_owned),
            ..Self::of(&Metadata::default(), "", "", Disposition::Stays)
        }
    }

    /// A Secret that passes for one of a trial, and is none.
    pub(super) fn misfit(one: &InvalidBackup) -> Self {
        let why = format!(
            "{}: no trial has written it as it is, and nothing of it is put back; look who did, and delete it",
            one.why
        );
        Self { why: Some(why), ..Self::of(&one.metadata, "Secret", "", Disposition::LeftAlone) }
    }

    /// Its kind and its name, as kubectl takes them.
    fn named(&self) -> String {
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        format!("{}{group}/{}", self.kind.to_lowercase(), self.name)
    }

    fn document(&self) -> Json {
        json!({"kind": self.kind, "name": self.name, "namespace": self.namespace, "trial": self.trial,
            "since": self.since, "becomes": self.becomes.words(), "why": self.why, "kept_in": self.kept_in})
    }
}

/// Why something that bears the label of a trial was not made by one; nothing where it may have been. Things of the
/// whole cluster have the names that manifests gave them; a namespace has one that only trials give.
pub(super) fn foreign(resource: &Resource, thing: &Metadata) -> Option<String> {
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
pub(super) fn list(left: &[Leftover], is_of_names: bool) -> Table {
    let line = |one: &Leftover| Row {
        name: one.named(),
        cells: vec![
            one.kind.clone(),
            one.name.clone(),
            one.namespace.clone().unwrap_or_default(),
            one.trial.clone(),
            one.since.clone().unwrap_or_default(),
            one.becomes.words().to_owned(),
        ],
        wide_cells: vec![one.why.clone().unwrap_or_default()],
    };
    Table {
        heads: &["KIND", "NAME", "NAMESPACE", "TRIAL", "SINCE", "BECOMES"],
        wide_heads: &["WHY"],
        lines: left.iter().filter(|one| !is_of_names || one.kept_in.is_none()).map(line).collect(),
    }
}

/// What machines read.
pub(super) fn document(address: &str, left: &[Leftover]) -> Json {
    let left: Vec<Json> = left.iter().map(Leftover::document).collect();
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
            assert_eq!(foreign(&NAMESPACES, &thing).is_none(), expected, "{name} {trial}");
            let other = Resource { kind: "ClusterRole".into(), ..NAMESPACES };
            assert_eq!(foreign(&other, &thing), None);
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
