//! What a Secret of a trial in place says, how far that is believed, and what becomes of it. Floor 2, pure.
//!
//! Whoever may write Secrets in a namespace may write such a one, and whoever restores it has other rights. So a Secret
//! is believed only as far as something else stands up for it: what stands there now bears its digest, which takes the
//! right to change that very thing; or the folder that the trial wrote knows the digest.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::rand::SecureRandom as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::manifest::clean;
use super::manifest_apply;
use super::manifest_apply::TRIAL_LABEL;
use crate::k8s::DiscoveredKind;

/// Under which key the Secret has it.
const KEY: &str = "standing.json";
/// What the names of such Secrets begin with.
const PREFIX: &str = "kubectl-chaos-trial-";
/// What things bear that a trial has put in place: the digest of what it keeps.
pub(super) const DIGEST_ANNOTATION: &str = "kubectl-chaos/kept";
/// No Secret is larger.
const MOST_BYTES: usize = 2 * 1024 * 1024;
/// More are not kept, and not looked for.
pub(super) const MOST_OBJECTS: usize = 1000;
/// Whose objects give rights: a label on one takes less than what it grants.
const GIVE_RIGHTS: [&str; 2] = ["rbac.authorization.k8s.io", "authorization.openshift.io"];

/// One object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct BackupEntry {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    /// As it stood; none where nothing did.
    pub(super) original: Option<Json>,
    /// The identity of what stood there.
    #[serde(default)]
    pub(super) uid: Option<String>,
}

/// Everything that is kept.
#[derive(Serialize, Deserialize)]
struct BackupContent {
    /// Drawn by chance, so that nothing of what is kept can be guessed by the digest.
    salt: String,
    objects: Vec<BackupEntry>,
}

/// How far what is kept is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provenance {
    /// This process has seen it stand there.
    Seen,
    /// The folder of the trial knows the digest.
    Vouched,
    /// It is the word of a Secret.
    Said,
}

/// Whose mark something bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrialMark {
    /// The trial's, which has put it in place of what is kept.
    Own,
    /// The trial's, and what is kept now is not what it was kept for.
    Other,
    /// None of the trial.
    None,
}

/// What becomes of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreAction {
    /// There is nothing to do.
    Stays,
    /// The trial added it: it goes.
    Removed,
    /// It becomes again what it was.
    PutBack,
    /// It is gone, and is made as it was.
    MadeAgain,
    /// It stays as it is, though there would be something to do: why not, and what to do.
    LeftAlone(String),
}

/// The name of the Secret of a trial.
pub(super) fn secret_name(trial: &str) -> String {
    format!("{PREFIX}{trial}")
}

/// What is written into the Secret, and its digest.
pub(super) fn write(objects: &[BackupEntry]) -> Result<(Json, String), String> {
    let mut salt = [0_u8; 32];
    let drawn = ring::rand::SystemRandom::new().fill(&mut salt);
    drawn
        .map_err(|_| "what stands there cannot be kept: there are no random numbers to be had".to_owned())?;
    let content = BackupContent { salt: hex(&salt), objects: objects.to_vec() };
    let text = serde_json::to_vec(&content).unwrap_or_default();
    Ok((json!({KEY: BASE64_STANDARD.encode(&text)}), digest(&text)))
}

/// Whether a Secret that bears the label is one that keeps something, or wants to pass for one. Manifests that a trial
/// has put in place may be Secrets, too.
pub(super) fn is_keeper(secret: &Json) -> bool {
    let name = secret["metadata"]["name"].as_str().unwrap_or_default();
    name.starts_with(PREFIX) || secret["data"].get(KEY).is_some()
}

/// What a Secret keeps, and the digest of it. An error says why no trial has written that.
pub(super) fn read(secret: &Json) -> Result<(Vec<BackupEntry>, String), String> {
    let metadata = &secret["metadata"];
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let (name, namespace) = (text(&metadata["name"]), text(&metadata["namespace"]));
    let trial = text(&metadata["labels"][TRIAL_LABEL]);
    if !is_trial(&trial) {
        return Err("its label names no trial".to_owned());
    }
    if name != secret_name(&trial) {
        return Err(format!("its label names the trial {trial}, and its name does not"));
    }
    let encoded = secret["data"][KEY].as_str().unwrap_or_default();
    if encoded.len() > MOST_BYTES {
        return Err("it keeps more than a Secret can have".to_owned());
    }
    let bytes = BASE64_STANDARD.decode(encoded).unwrap_or_default();
    // what is nested too deeply is refused by the reader; its words might tell of what is kept
    let content: BackupContent =
        serde_json::from_slice(&bytes).map_err(|_| "what it keeps cannot be understood".to_owned())?;
    let mut objects = content.objects;
    if objects.len() > MOST_OBJECTS {
        return Err(format!("it keeps more than {MOST_OBJECTS} objects"));
    }
    for one in &mut objects {
        fits(one, &namespace).map_err(|why| format!("it keeps {} {}, {why}", one.kind, one.name))?;
        one.original.iter_mut().for_each(clean);
    }
    for (index, one) in objects.iter().enumerate() {
        if objects[..index].iter().any(|other| (&other.kind, &other.name) == (&one.kind, &one.name)) {
            return Err(format!("it keeps {} {} twice", one.kind, one.name));
        }
    }
    Ok((objects, digest(&bytes)))
}

/// Whether an object is what it is kept as.
fn fits(one: &BackupEntry, namespace: &str) -> Result<(), String> {
    if [&one.api_version, &one.kind, &one.name].into_iter().any(String::is_empty) {
        return Err("which names no object".to_owned());
    }
    let Some(original) = &one.original else { return Ok(()) };
    for (what, pointer, expected) in [
        ("version", "/apiVersion", one.api_version.as_str()),
        ("kind", "/kind", &one.kind),
        ("name", "/metadata/name", &one.name),
        ("namespace", "/metadata/namespace", namespace),
    ] {
        let found = original.pointer(pointer).and_then(Json::as_str);
        if found != Some(expected) {
            return Err(format!("whose {what} is {}, not {expected}", found.unwrap_or("none")));
        }
    }
    Ok(())
}

/// Whether a text can be the name of a trial.
fn is_trial(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Marks an object as what a trial has put in place of what is kept under a digest.
pub(super) fn mark(object: &mut Json, trial: &str, digest: &str) {
    manifest_apply::mark(object, "labels", TRIAL_LABEL, trial);
    manifest_apply::mark(object, "annotations", DIGEST_ANNOTATION, digest);
}

/// The mark that an object bears.
pub(super) fn mark_of(object: &Json, trial: &str, digest: &str) -> TrialMark {
    let metadata = &object["metadata"];
    if metadata["labels"][TRIAL_LABEL] != trial {
        TrialMark::None
    } else if metadata["annotations"][DIGEST_ANNOTATION] == digest {
        TrialMark::Own
    } else {
        TrialMark::Other
    }
}

/// Whether an object is still the one that stood there when it was looked at, or none is there.
pub(super) fn is_the_same(one: &BackupEntry, now: Option<&Json>) -> bool {
    now.is_none_or(|now| one.uid.is_some() && now["metadata"]["uid"].as_str() == one.uid.as_deref())
}

/// What becomes of an object, by the mark of what stands there now.
pub(super) fn fate(
    one: &BackupEntry,
    known: &DiscoveredKind,
    now: Option<&Json>,
    mark: TrialMark,
    belief: Provenance,
) -> RestoreAction {
    if !known.namespaced {
        let why = "it is a thing of the whole cluster, which no trial replaces; whoever wrote the Secret wants it \
                   changed";
        return RestoreAction::LeftAlone(why.to_owned());
    }
    let unsaid = |what: &str| {
        RestoreAction::LeftAlone(format!(
            "{what} on the word of a Secret alone: name the folder that the trial wrote with --from, or apply it \
             yourself"
        ))
    };
    match (&one.original, now) {
        (None, None) => RestoreAction::Stays,
        (_, Some(_)) if mark == TrialMark::Other => {
            let why = "what the Secret keeps is not what the trial kept, or its mark was changed since: look at both, \
                       and apply it yourself";
            RestoreAction::LeftAlone(why.to_owned())
        }
        // where the trial never came to it, or where it was put back already
        (_, Some(_)) if mark == TrialMark::None && (belief == Provenance::Seen || is_the_same(one, now)) => {
            RestoreAction::Stays
        }
        (_, Some(_)) if mark == TrialMark::None => {
            let why = "what stands there now is not the trial's: somebody has made it, or changed it, since";
            RestoreAction::LeftAlone(why.to_owned())
        }
        (None, Some(_)) => RestoreAction::Removed,
        (Some(_), Some(_)) if belief == Provenance::Said && gives_rights(known) => {
            unsaid("it gives rights, which are not put back")
        }
        (Some(_), Some(_)) => RestoreAction::PutBack,
        (Some(_), None) if belief == Provenance::Said => unsaid("it is gone, and is not made again"),
        (Some(_), None) => RestoreAction::MadeAgain,
    }
}

fn gives_rights(known: &DiscoveredKind) -> bool {
    GIVE_RIGHTS.contains(&&*known.resource.group)
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
        let (data, _) = write(objects).unwrap();
        json!({"metadata": {"name": "kubectl-chaos-trial-0a", "namespace": "shop",
            "labels": {"kubectl-chaos/trial": "0a"}}, "data": data})
    }

    #[test]
    fn what_was_written_is_read_again_and_has_its_digest() {
        let (data, digest) = write(&[settings()]).unwrap();
        let mut secret = secret(&[]);
        secret["data"] = data;
        let (objects, again) = read(&secret).unwrap();
        assert_eq!((again, objects.len(), &objects[0].name), (digest.clone(), 1, &settings().name));
        assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
        // nothing of it can be guessed
        assert_ne!(write(&[settings()]).unwrap().1, digest);
    }

    #[test]
    fn what_no_trial_has_written_is_refused() {
        let check = |change: &dyn Fn(&mut Json, &mut Vec<BackupEntry>), expected: &str| {
            let mut objects = vec![settings()];
            change(&mut Json::Null, &mut objects);
            let mut secret = secret(&objects);
            change(&mut secret, &mut Vec::new());
            let error = read(&secret).map(drop).unwrap_err();
            assert!(error.contains(expected), "{expected:?} is not in {error:?}");
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
            "its label names the trial 0a, and its name",
        );
        check(
            &of_secret(|it| it["metadata"]["labels"] = json!({"kubectl-chaos/trial": "x"})),
            "names no trial",
        );
        check(
            &of_secret(|it| it["metadata"]["namespace"] = json!("other")),
            "whose namespace is shop, not other",
        );
        check(&of_secret(|it| it["data"] = json!({"standing.json": "W10="})), "cannot be understood");
        check(
            &of_secret(|it| it["data"] = json!({"standing.json": "x".repeat(MOST_BYTES + 1)})),
            "more than a Secret",
        );
        check(
            &of_secret(|it| {
                let object = "{\"api_version\":\"v1\",\"kind\":\"K\",\"name\":\"n\",\"original\":";
                let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
                let deep = format!("{{\"salt\":\"\",\"objects\":[{object}{open}{close}}}]}}");
                it["data"] = json!({"standing.json": BASE64_STANDARD.encode(deep)});
            }),
            "cannot be understood",
        );
        let change = |pointer: &'static str| {
            move |_: &mut Json, objects: &mut Vec<BackupEntry>| {
                for one in objects {
                    *one.original.as_mut().unwrap().pointer_mut(pointer).unwrap() = json!("other");
                }
            }
        };
        check(&change("/kind"), "whose kind is other, not ConfigMap");
        check(&change("/apiVersion"), "whose version is other, not v1");
        check(&change("/metadata/name"), "whose name is other, not settings");
        check(&change("/metadata/namespace"), "whose namespace is other, not shop");
        check(&of_object(|one| one.original = Some(json!("x"))), "whose version is none");
        check(&of_object(|one| one.name.clear()), "which names no object");
        check(&|_, objects| objects.extend(objects.clone()), "ConfigMap settings twice");
        check(&|_, objects| *objects = vec![settings(); MOST_OBJECTS + 1], "more than 1000 objects");
    }

    #[test]
    fn secrets_that_a_trial_has_put_in_place_keep_nothing() {
        assert!(is_keeper(&secret(&[])));
        assert!(is_keeper(&json!({"metadata": {"name": "x"}, "data": {"standing.json": ""}})));
        assert!(!is_keeper(&json!({"metadata": {"name": "x"}, "data": {"password": ""}})));
    }

    #[test]
    fn only_what_a_trial_has_put_there_is_touched_and_only_as_far_as_it_is_believed() {
        let known = |group: &'static str, namespaced: bool| DiscoveredKind {
            resource: Resource {
                group: group.into(),
                version: "v1".into(),
                plural: "things".into(),
                kind: "Thing".into(),
            },
            namespaced,
            deletable: true,
        };
        let thing = known("", true);
        let (with, without) = (settings(), BackupEntry { original: None, uid: None, ..settings() });
        let now = |uid: &str| Some(json!({"metadata": {"uid": uid}}));
        let check = |one: &BackupEntry,
                     known: &DiscoveredKind,
                     now: Option<Json>,
                     mark,
                     belief,
                     expected: Result<RestoreAction, &str>| {
            let found = fate(one, known, now.as_ref(), mark, belief);
            match expected {
                Ok(fate) => assert_eq!(found, fate),
                Err(words) => {
                    assert!(
                        matches!(&found, RestoreAction::LeftAlone(why) if why.contains(words)),
                        "{words:?}: {found:?}"
                    );
                }
            }
        };
        use Provenance::{Said, Seen, Vouched};
        use TrialMark::{Other, Own};
        for belief in [Said, Vouched, Seen] {
            check(&without, &thing, None, TrialMark::None, belief, Ok(RestoreAction::Stays));
            check(&without, &thing, now("new"), Own, belief, Ok(RestoreAction::Removed));
            check(&with, &thing, now("u"), Own, belief, Ok(RestoreAction::PutBack));
            check(&with, &thing, now("u"), TrialMark::None, belief, Ok(RestoreAction::Stays));
            for one in [&with, &without] {
                check(one, &known("", false), now("u"), Own, belief, Err("a thing of the whole cluster"));
                check(
                    one,
                    &known("", false),
                    None,
                    TrialMark::None,
                    belief,
                    Err("a thing of the whole cluster"),
                );
            }
        }
        for belief in [Said, Vouched] {
            check(&without, &thing, now("new"), TrialMark::None, belief, Err("not the trial's"));
            check(&with, &thing, now("new"), TrialMark::None, belief, Err("not the trial's"));
        }
        check(&without, &thing, now("new"), TrialMark::None, Seen, Ok(RestoreAction::Stays));
        check(&with, &thing, now("new"), TrialMark::None, Seen, Ok(RestoreAction::Stays));
        for one in [&with, &without] {
            check(one, &thing, now("u"), Other, Said, Err("not what the trial kept"));
            check(one, &thing, now("u"), Other, Vouched, Err("not what the trial kept"));
        }
        check(&with, &thing, None, TrialMark::None, Said, Err("not made again on the word of a Secret"));
        let role = known("rbac.authorization.k8s.io", true);
        check(&with, &role, now("u"), Own, Said, Err("it gives rights"));
        check(&without, &role, now("u"), Own, Said, Ok(RestoreAction::Removed));
        for belief in [Vouched, Seen] {
            check(&with, &thing, None, TrialMark::None, belief, Ok(RestoreAction::MadeAgain));
            check(&with, &role, now("u"), Own, belief, Ok(RestoreAction::PutBack));
        }
    }

    #[test]
    fn a_mark_is_that_of_one_trial_and_of_what_it_keeps() {
        for mut object in
            [json!({"metadata": {}}), json!({"metadata": {"labels": null, "annotations": {"a": "b"}}})]
        {
            mark(&mut object, "0a", "sha256:1");
            assert_eq!(mark_of(&object, "0a", "sha256:1"), TrialMark::Own, "{object}");
            assert_eq!(mark_of(&object, "0b", "sha256:1"), TrialMark::None);
            assert_eq!(mark_of(&object, "0a", "sha256:2"), TrialMark::Other);
        }
        assert_eq!(mark_of(&json!({}), "0a", "sha256:1"), TrialMark::None);
    }
}
