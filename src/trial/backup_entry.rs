//! Format of a trial backup, its trust, and the action for each object. Pure.
//!
//! Threat model: users of a namespace can write backup Secrets, and `recover` restores them with higher privileges.
//! A backup is trusted only if the live object carries its digest in an annotation, or if `trial.json` records the
//! digest. Writing the annotation takes the permission to change that very object.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::rand::SecureRandom as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::error::Error;
use super::manifest::remove_server_fields;
use super::manifest_apply;
use super::manifest_apply::TRIAL_LABEL;
use crate::k8s::DiscoveredKind;

/// Key of the Secret with the backup.
const SECRET_KEY: &str = "backup.json";
const SECRET_NAME_PREFIX: &str = "kubectl-chaos-trial-";
/// Annotation of objects of a trial: the digest of the backup.
pub(super) const DIGEST_ANNOTATION: &str = "kubectl-chaos/backup-digest";
/// Maximum size of an encoded backup, 2 MiB; the API server accepts no larger Secret.
const MAX_BYTES: usize = 2_097_152;
pub(super) const MAX_OBJECTS: usize = 1000;
/// API groups whose objects grant permissions. Writing their label takes fewer permissions than they grant.
const PERMISSION_GROUPS: [&str; 2] = ["rbac.authorization.k8s.io", "authorization.openshift.io"];

/// One object of a backup.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct BackupEntry {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    /// The object before the trial; `None` if it did not exist.
    pub(super) original: Option<Json>,
    /// UID of the original.
    #[serde(default)]
    pub(super) uid: Option<String>,
}

/// Content of the Secret.
#[derive(Serialize, Deserialize)]
struct BackupContent {
    /// Random, so that the digest does not reveal the content.
    salt: String,
    objects: Vec<BackupEntry>,
}

/// Provenance of a backup: how far it is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provenance {
    /// Read live by this process.
    Observed,
    /// The trial directory records the digest.
    Confirmed,
    /// Unverified content of a Secret.
    Unverified,
}

/// Mark of a trial on a live object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrialMark {
    /// Applied by the trial with this backup.
    Own,
    /// Applied by the trial with another backup.
    Other,
    /// Not marked by the trial.
    None,
}

/// Action for one object of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreAction {
    /// Nothing to do.
    None,
    /// Delete the object that the trial added.
    Delete,
    /// Replace the trial's object with the original.
    Restore,
    /// Create the missing original.
    Recreate,
    /// Leave the object unchanged, although it differs.
    Skip(SkipReason),
}

/// Reason to leave an object unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    #[error("cluster-scoped objects are never part of a trial backup; the Secret may be forged")]
    ClusterScoped,
    #[error("the object carries another backup digest; compare it with the backup and restore it manually")]
    BackupChanged,
    #[error("another user created or changed the object after the trial")]
    ReplacedByOther,
    #[error("the object grants permissions and {UNVERIFIED}")]
    GrantsPermissions,
    #[error("the object is missing and {UNVERIFIED}")]
    Missing,
    #[error("cannot read the object: {0}")]
    Unreadable(String),
}

const UNVERIFIED: &str = "the backup Secret alone is not trusted; pass --from DIR or apply it manually";

/// Reason why a Secret is not a valid backup.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupDefect {
    #[error("label {TRIAL_LABEL} is not a trial ID")]
    InvalidTrial,
    #[error("label names trial {trial}, but the name of the Secret does not")]
    NameMismatch { trial: String },
    #[error("content is too large for a Secret")]
    TooLarge,
    #[error("content cannot be parsed")]
    Unparsable,
    #[error("content has more than {MAX_OBJECTS} objects")]
    TooManyObjects,
    #[error("{kind} {name}: incomplete reference")]
    IncompleteReference { kind: String, name: String },
    #[error("{kind} {name}: invalid {field} '{found}': expected '{expected}'")]
    FieldMismatch { kind: String, name: String, field: &'static str, found: String, expected: String },
    #[error("{kind} {name}: duplicate object")]
    Duplicate { kind: String, name: String },
    #[error("digest differs from the one in trial.json")]
    DigestMismatch,
}

/// Returns the name of the Secret of a trial.
pub(super) fn secret_name(trial: &str) -> String {
    format!("{SECRET_NAME_PREFIX}{trial}")
}

/// Encodes a backup as the data of a Secret, and computes its digest.
pub(super) fn encode(objects: &[BackupEntry]) -> Result<(Json, String), Error> {
    let mut salt = [0_u8; 32];
    ring::rand::SystemRandom::new().fill(&mut salt).map_err(|_| Error::NoRandomNumbers)?;
    let content = BackupContent { salt: hex(&salt), objects: objects.to_vec() };
    let text = serde_json::to_vec(&content).unwrap_or_default();
    Ok((json!({SECRET_KEY: BASE64_STANDARD.encode(&text)}), digest(&text)))
}

/// Whether a labelled Secret is a backup or claims to be one. Manifests of a trial can contain other Secrets.
pub(super) fn is_backup(secret: &Json) -> bool {
    let name = secret["metadata"]["name"].as_str().unwrap_or_default();
    name.starts_with(SECRET_NAME_PREFIX) || secret["data"].get(SECRET_KEY).is_some()
}

/// Decodes and validates a backup, and computes its digest.
pub(super) fn decode(secret: &Json) -> Result<(Vec<BackupEntry>, String), BackupDefect> {
    let metadata = &secret["metadata"];
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let (name, namespace) = (text(&metadata["name"]), text(&metadata["namespace"]));
    let trial = text(&metadata["labels"][TRIAL_LABEL]);
    if !is_trial_id(&trial) {
        return Err(BackupDefect::InvalidTrial);
    }
    if name != secret_name(&trial) {
        return Err(BackupDefect::NameMismatch { trial });
    }
    let encoded = secret["data"][SECRET_KEY].as_str().unwrap_or_default();
    if encoded.len() > MAX_BYTES {
        return Err(BackupDefect::TooLarge);
    }
    let bytes = BASE64_STANDARD.decode(encoded).unwrap_or_default();
    // the parser limits the depth; its message could reveal the content
    let content: BackupContent = serde_json::from_slice(&bytes).map_err(|_| BackupDefect::Unparsable)?;
    let mut objects = content.objects;
    if objects.len() > MAX_OBJECTS {
        return Err(BackupDefect::TooManyObjects);
    }
    for entry in &mut objects {
        check_entry(entry, &namespace)?;
        entry.original.iter_mut().for_each(remove_server_fields);
    }
    for (index, entry) in objects.iter().enumerate() {
        if objects[..index].iter().any(|other| (&other.kind, &other.name) == (&entry.kind, &entry.name)) {
            return Err(BackupDefect::Duplicate { kind: entry.kind.clone(), name: entry.name.clone() });
        }
    }
    Ok((objects, digest(&bytes)))
}

/// Checks that the original matches the reference of its entry.
fn check_entry(entry: &BackupEntry, namespace: &str) -> Result<(), BackupDefect> {
    let (kind, name) = (entry.kind.clone(), entry.name.clone());
    if [&entry.api_version, &entry.kind, &entry.name].into_iter().any(String::is_empty) {
        return Err(BackupDefect::IncompleteReference { kind, name });
    }
    let Some(original) = &entry.original else { return Ok(()) };
    for (field, pointer, expected) in [
        ("apiVersion", "/apiVersion", entry.api_version.as_str()),
        ("kind", "/kind", &entry.kind),
        ("name", "/metadata/name", &entry.name),
        ("namespace", "/metadata/namespace", namespace),
    ] {
        let found = original.pointer(pointer).and_then(Json::as_str);
        if found != Some(expected) {
            let (found, expected) = (found.unwrap_or_default().to_owned(), expected.to_owned());
            return Err(BackupDefect::FieldMismatch { kind, name, field, found, expected });
        }
    }
    Ok(())
}

fn is_trial_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Marks an object as applied by a trial with the backup of that digest.
pub(super) fn mark(object: &mut Json, trial: &str, digest: &str) {
    manifest_apply::mark(object, "labels", TRIAL_LABEL, trial);
    manifest_apply::mark(object, "annotations", DIGEST_ANNOTATION, digest);
}

/// Reads the mark of an object.
pub(super) fn read_mark(object: &Json, trial: &str, digest: &str) -> TrialMark {
    let metadata = &object["metadata"];
    if metadata["labels"][TRIAL_LABEL] != trial {
        TrialMark::None
    } else if metadata["annotations"][DIGEST_ANNOTATION] == digest {
        TrialMark::Own
    } else {
        TrialMark::Other
    }
}

/// Whether the live object is the original, or does not exist.
pub(super) fn is_original(entry: &BackupEntry, live: Option<&Json>) -> bool {
    live.is_none_or(|live| entry.uid.is_some() && live["metadata"]["uid"].as_str() == entry.uid.as_deref())
}

/// Decides the action for an object.
pub(super) fn restore_action(
    entry: &BackupEntry,
    kind: &DiscoveredKind,
    live: Option<&Json>,
    mark: TrialMark,
    provenance: Provenance,
) -> RestoreAction {
    if !kind.namespaced {
        return RestoreAction::Skip(SkipReason::ClusterScoped);
    }
    let is_unverified = provenance == Provenance::Unverified;
    match (&entry.original, live) {
        (None, None) => RestoreAction::None,
        (_, Some(_)) if mark == TrialMark::Other => RestoreAction::Skip(SkipReason::BackupChanged),
        // not applied yet, or already restored
        (_, Some(_))
            if mark == TrialMark::None
                && (provenance == Provenance::Observed || is_original(entry, live)) =>
        {
            RestoreAction::None
        }
        (_, Some(_)) if mark == TrialMark::None => RestoreAction::Skip(SkipReason::ReplacedByOther),
        (None, Some(_)) => RestoreAction::Delete,
        (Some(_), Some(_)) if is_unverified && grants_permissions(kind) => {
            RestoreAction::Skip(SkipReason::GrantsPermissions)
        }
        (Some(_), Some(_)) => RestoreAction::Restore,
        (Some(_), None) if is_unverified => RestoreAction::Skip(SkipReason::Missing),
        (Some(_), None) => RestoreAction::Recreate,
    }
}

fn grants_permissions(kind: &DiscoveredKind) -> bool {
    PERMISSION_GROUPS.contains(&&*kind.resource.group)
}

fn digest(text: &[u8]) -> String {
    format!("sha256:{}", hex(ring::digest::digest(&ring::digest::SHA256, text).as_ref()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::Resource;

    fn settings() -> BackupEntry {
        let original = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "settings", "namespace": "shop"}, "data": {"a": "1"}});
        BackupEntry {
            api_version: "v1".to_owned(),
            kind: "ConfigMap".to_owned(),
            name: "settings".to_owned(),
            original: Some(original),
            uid: Some("u".to_owned()),
        }
    }

    fn secret(objects: &[BackupEntry]) -> Json {
        let (data, _) = encode(objects).unwrap();
        json!({"metadata": {"name": "kubectl-chaos-trial-0a", "namespace": "shop",
            "labels": {"kubectl-chaos/trial": "0a"}}, "data": data})
    }

    #[test]
    fn encoded_backup_decodes_with_the_same_digest() {
        let (data, digest) = encode(&[settings()]).unwrap();
        let mut secret = secret(&[]);
        secret["data"] = data;
        let (objects, again) = decode(&secret).unwrap();
        assert_eq!((again, objects.len(), &objects[0].name), (digest.clone(), 1, &settings().name));
        assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
        // the salt hides the content
        assert_ne!(encode(&[settings()]).unwrap().1, digest);
    }

    #[test]
    fn forged_backups_are_rejected() {
        let check = |change: &dyn Fn(&mut Json, &mut Vec<BackupEntry>), expected: BackupDefect| {
            let mut objects = vec![settings()];
            change(&mut Json::Null, &mut objects);
            let mut secret = secret(&objects);
            change(&mut secret, &mut Vec::new());
            assert_eq!(decode(&secret).map(drop).unwrap_err(), expected);
        };
        let of_secret = |change: fn(&mut Json)| {
            move |secret: &mut Json, _: &mut Vec<BackupEntry>| {
                if !secret.is_null() {
                    change(secret);
                }
            }
        };
        let of_object = |change: fn(&mut BackupEntry)| {
            move |_: &mut Json, objects: &mut Vec<BackupEntry>| objects.iter_mut().for_each(change)
        };
        check(
            &of_secret(|it| it["metadata"]["name"] = json!("mine")),
            BackupDefect::NameMismatch { trial: "0a".to_owned() },
        );
        check(
            &of_secret(|it| it["metadata"]["labels"] = json!({"kubectl-chaos/trial": "x"})),
            BackupDefect::InvalidTrial,
        );
        let mismatch = |field: &'static str, found: &str, expected: &str| BackupDefect::FieldMismatch {
            kind: "ConfigMap".to_owned(),
            name: "settings".to_owned(),
            field,
            found: found.to_owned(),
            expected: expected.to_owned(),
        };
        check(
            &of_secret(|it| it["metadata"]["namespace"] = json!("other")),
            mismatch("namespace", "shop", "other"),
        );
        check(&of_secret(|it| it["data"] = json!({"backup.json": "W10="})), BackupDefect::Unparsable);
        check(
            &of_secret(|it| it["data"] = json!({"backup.json": "x".repeat(MAX_BYTES + 1)})),
            BackupDefect::TooLarge,
        );
        check(
            &of_secret(|it| {
                let object = "{\"api_version\":\"v1\",\"kind\":\"K\",\"name\":\"n\",\"original\":";
                let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
                let deep = format!("{{\"salt\":\"\",\"objects\":[{object}{open}{close}}}]}}");
                it["data"] = json!({"backup.json": BASE64_STANDARD.encode(deep)});
            }),
            BackupDefect::Unparsable,
        );
        let change = |pointer: &'static str| {
            move |_: &mut Json, objects: &mut Vec<BackupEntry>| {
                for one in objects {
                    *one.original.as_mut().unwrap().pointer_mut(pointer).unwrap() = json!("other");
                }
            }
        };
        check(&change("/kind"), mismatch("kind", "other", "ConfigMap"));
        check(&change("/apiVersion"), mismatch("apiVersion", "other", "v1"));
        check(&change("/metadata/name"), mismatch("name", "other", "settings"));
        check(&change("/metadata/namespace"), mismatch("namespace", "other", "shop"));
        check(&of_object(|one| one.original = Some(json!("x"))), mismatch("apiVersion", "", "v1"));
        check(
            &of_object(|one| one.name.clear()),
            BackupDefect::IncompleteReference { kind: "ConfigMap".to_owned(), name: String::new() },
        );
        check(
            &|_, objects| objects.extend(objects.clone()),
            BackupDefect::Duplicate { kind: "ConfigMap".to_owned(), name: "settings".to_owned() },
        );
        check(&|_, objects| *objects = vec![settings(); MAX_OBJECTS + 1], BackupDefect::TooManyObjects);
    }

    #[test]
    fn limits_of_a_backup_are_inclusive() {
        let entry = |number: usize| BackupEntry {
            name: format!("settings-{number}"),
            original: None,
            uid: None,
            ..settings()
        };
        let all: Vec<BackupEntry> = (0..MAX_OBJECTS).map(entry).collect();
        assert_eq!(decode(&secret(&all)).unwrap().0.len(), MAX_OBJECTS);
        let mut longest = secret(&[]);
        longest["data"] = json!({"backup.json": "x".repeat(MAX_BYTES)});
        assert_eq!(decode(&longest).map(drop).unwrap_err(), BackupDefect::Unparsable);
    }

    #[test]
    fn other_secrets_of_a_trial_are_not_backups() {
        assert!(is_backup(&secret(&[])));
        assert!(is_backup(&json!({"metadata": {"name": "x"}, "data": {"backup.json": ""}})));
        assert!(!is_backup(&json!({"metadata": {"name": "x"}, "data": {"password": ""}})));
    }

    #[test]
    fn restore_action_depends_on_mark_and_provenance() {
        let kind_of = |group: &'static str, namespaced: bool| DiscoveredKind {
            resource: Resource {
                group: group.into(),
                version: "v1".into(),
                plural: "things".into(),
                kind: "Thing".into(),
            },
            namespaced,
            deletable: true,
        };
        let namespaced_kind = kind_of("", true);
        let (with, without) = (settings(), BackupEntry { original: None, uid: None, ..settings() });
        let live = |uid: &str| Some(json!({"metadata": {"uid": uid}}));
        let check = |one: &BackupEntry,
                     kind: &DiscoveredKind,
                     live: Option<Json>,
                     mark,
                     provenance,
                     expected: RestoreAction| {
            let action = restore_action(one, kind, live.as_ref(), mark, provenance);
            assert_eq!(action, expected, "{one:?} {live:?} {mark:?} {provenance:?}");
        };
        use Provenance::{Confirmed, Observed, Unverified};
        use TrialMark::{Other, Own};
        let skip = RestoreAction::Skip;
        let cluster = kind_of("", false);
        for provenance in [Unverified, Confirmed, Observed] {
            check(&without, &namespaced_kind, None, TrialMark::None, provenance, RestoreAction::None);
            check(&without, &namespaced_kind, live("new"), Own, provenance, RestoreAction::Delete);
            check(&with, &namespaced_kind, live("u"), Own, provenance, RestoreAction::Restore);
            check(&with, &namespaced_kind, live("u"), TrialMark::None, provenance, RestoreAction::None);
            for one in [&with, &without] {
                check(one, &cluster, live("u"), Own, provenance, skip(SkipReason::ClusterScoped));
                check(one, &cluster, None, TrialMark::None, provenance, skip(SkipReason::ClusterScoped));
            }
        }
        for provenance in [Unverified, Confirmed] {
            for one in [&with, &without] {
                let expected = skip(SkipReason::ReplacedByOther);
                check(one, &namespaced_kind, live("new"), TrialMark::None, provenance, expected);
            }
        }
        check(&without, &namespaced_kind, live("new"), TrialMark::None, Observed, RestoreAction::None);
        check(&with, &namespaced_kind, live("new"), TrialMark::None, Observed, RestoreAction::None);
        for one in [&with, &without] {
            check(one, &namespaced_kind, live("u"), Other, Unverified, skip(SkipReason::BackupChanged));
            check(one, &namespaced_kind, live("u"), Other, Confirmed, skip(SkipReason::BackupChanged));
        }
        check(&with, &namespaced_kind, None, TrialMark::None, Unverified, skip(SkipReason::Missing));
        let role = kind_of("rbac.authorization.k8s.io", true);
        check(&with, &role, live("u"), Own, Unverified, skip(SkipReason::GrantsPermissions));
        check(&without, &role, live("u"), Own, Unverified, RestoreAction::Delete);
        for provenance in [Confirmed, Observed] {
            check(&with, &namespaced_kind, None, TrialMark::None, provenance, RestoreAction::Recreate);
            check(&with, &role, live("u"), Own, provenance, RestoreAction::Restore);
        }
    }

    #[test]
    fn mark_matches_one_trial_and_one_backup() {
        for mut object in
            [json!({"metadata": {}}), json!({"metadata": {"labels": null, "annotations": {"a": "b"}}})]
        {
            mark(&mut object, "0a", "sha256:1");
            assert_eq!(read_mark(&object, "0a", "sha256:1"), TrialMark::Own, "{object}");
            assert_eq!(read_mark(&object, "0b", "sha256:1"), TrialMark::None);
            assert_eq!(read_mark(&object, "0a", "sha256:2"), TrialMark::Other);
        }
        assert_eq!(read_mark(&json!({}), "0a", "sha256:1"), TrialMark::None);
    }
}
