//! Bodies in protobuf, of the kinds that `kubectl` sends so: what it creates by name, evictions, and what it asks
//! about rights. Floor 1.
//!
//! The fields are a table, with the numbers of Kubernetes' own definitions. A field that is not in the table has to be
//! empty: nothing that was said is dropped. Answers are in JSON, which those clients take as well.

use base64::Engine as _;
use serde_json::{Value as Json, json};

/// What a field holds.
#[derive(Clone, Copy)]
enum Holds {
    Text,
    /// A number; zero is one too.
    Number,
    /// A number; zero stands for none.
    NumberOrNone,
    /// A number or a text, as `IntOrString`.
    Either,
    /// Names and texts.
    Texts,
    /// Names and bytes.
    Blobs,
    /// Fields of their own.
    Fields(Table),
    /// Nothing that matters.
    Nothing,
}

/// Number, name, what it holds, whether there may be several.
type Table = &'static [(u64, &'static str, Holds, bool)];

use Holds::{Blobs, Either, Fields, Nothing, Number, NumberOrNone, Text, Texts};

const METADATA: Table = &[
    (1, "name", Text, false),
    (2, "generateName", Text, false),
    (3, "namespace", Text, false),
    (6, "resourceVersion", Text, false),
    (11, "labels", Texts, false),
    (12, "annotations", Texts, false),
];
const SELECTOR: Table = &[(1, "matchLabels", Texts, false)];
const PLAIN: Table =
    &[(1, "metadata", Fields(METADATA), false), (2, "spec", Nothing, false), (3, "status", Nothing, false)];
const CONFIG_MAP: Table =
    &[(1, "metadata", Fields(METADATA), false), (2, "data", Texts, false), (3, "binaryData", Blobs, false)];
const SECRET: Table = &[
    (1, "metadata", Fields(METADATA), false),
    (2, "data", Blobs, false),
    (3, "type", Text, false),
    (4, "stringData", Texts, false),
];
const SERVICE: Table = &[
    (1, "metadata", Fields(METADATA), false),
    (2, "spec", Fields(SERVICE_SPEC), false),
    (3, "status", Nothing, false),
];
const SERVICE_SPEC: Table = &[
    (1, "ports", Fields(SERVICE_PORT), true),
    (2, "selector", Texts, false),
    (3, "clusterIP", Text, false),
    (4, "type", Text, false),
    (10, "externalName", Text, false),
];
const SERVICE_PORT: Table = &[
    (1, "name", Text, false),
    (2, "protocol", Text, false),
    (3, "port", Number, false),
    (4, "targetPort", Either, false),
    (5, "nodePort", NumberOrNone, false),
];
const DEPLOYMENT: Table = &[
    (1, "metadata", Fields(METADATA), false),
    (2, "spec", Fields(DEPLOYMENT_SPEC), false),
    (3, "status", Nothing, false),
];
const DEPLOYMENT_SPEC: Table = &[
    (1, "replicas", Number, false),
    (2, "selector", Fields(SELECTOR), false),
    (
        3,
        "template",
        Fields(&[(1, "metadata", Fields(METADATA), false), (2, "spec", Fields(POD_SPEC), false)]),
        false,
    ),
];
const POD_SPEC: Table = &[(2, "containers", Fields(CONTAINER), true), (3, "restartPolicy", Text, false)];
const CONTAINER: Table = &[
    (1, "name", Text, false),
    (2, "image", Text, false),
    (3, "command", Text, true),
    (4, "args", Text, true),
    (6, "ports", Fields(&[(3, "containerPort", Number, false), (4, "protocol", Text, false)]), true),
];
const BUDGET: Table = &[
    (1, "metadata", Fields(METADATA), false),
    (
        2,
        "spec",
        Fields(&[
            (1, "minAvailable", Either, false),
            (2, "selector", Fields(SELECTOR), false),
            (3, "maxUnavailable", Either, false),
        ]),
        false,
    ),
    (3, "status", Nothing, false),
];
const EVICTION: Table =
    &[(1, "metadata", Fields(METADATA), false), (2, "deleteOptions", Fields(OPTIONS), false)];
const OPTIONS: Table = &[
    (1, "gracePeriodSeconds", Number, false),
    (2, "preconditions", Fields(&[(1, "uid", Text, false), (2, "resourceVersion", Text, false)]), false),
    (4, "propagationPolicy", Text, false),
    (5, "dryRun", Text, true),
];

/// By kind.
const KINDS: &[(&str, Table)] = &[
    ("ConfigMap", CONFIG_MAP),
    ("DeleteOptions", OPTIONS),
    ("Deployment", DEPLOYMENT),
    ("Eviction", EVICTION),
    ("Namespace", PLAIN),
    ("PodDisruptionBudget", BUDGET),
    ("Secret", SECRET),
    // whatever is asked about is allowed
    ("SelfSubjectAccessReview", PLAIN),
    ("Service", SERVICE),
    ("ServiceAccount", &[(1, "metadata", Fields(METADATA), false)]),
];

/// What stands before a body.
const MAGIC: &[u8] = b"k8s\0";

/// Reads a body. Nothing for what is of another kind, says what the table does not know, or is broken.
pub(super) fn read(body: &[u8]) -> Option<Json> {
    let envelope = fields(body.strip_prefix(MAGIC)?)?;
    let types = fields(first(&envelope, 1)?)?;
    let (api_version, kind) = (text(first(&types, 1)?)?, text(first(&types, 2)?)?);
    let (_, table) = KINDS.iter().find(|(known, _)| *known == kind)?;
    let mut object = message(first(&envelope, 2)?, table)?;
    object["apiVersion"] = json!(api_version);
    object["kind"] = json!(kind);
    Some(object)
}

/// What a field of a message is on the wire.
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Wire<'_>)>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = number(&mut bytes)?;
        let value = match key & 7 {
            0 => Wire::Number(number(&mut bytes)?),
            2 => {
                let length = usize::try_from(number(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Wire::Bytes(value)
            }
            _ => return None,
        };
        fields.push((key >> 3, value));
    }
    Some(fields)
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn first<'a>(fields: &[(u64, Wire<'a>)], wanted: u64) -> Option<&'a [u8]> {
    fields.iter().find_map(|(field, value)| match value {
        Wire::Bytes(bytes) if *field == wanted => Some(*bytes),
        _ => None,
    })
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Whether a message has nothing but zeros and empty fields, which are sent for what was not said.
fn says_nothing(bytes: &[u8]) -> bool {
    fields(bytes).is_some_and(|all| {
        all.iter().all(|(_, value)| match value {
            Wire::Number(number) => *number == 0,
            Wire::Bytes(bytes) => says_nothing(bytes),
        })
    })
}

fn message(bytes: &[u8], table: Table) -> Option<Json> {
    let mut object = json!({});
    for (field, value) in fields(bytes)? {
        let Some((_, name, holds, several)) = table.iter().find(|(known, ..)| *known == field) else {
            match value {
                Wire::Number(0) => continue,
                Wire::Bytes(bytes) if says_nothing(bytes) => continue,
                _ => return None,
            }
        };
        let value = match (holds, value) {
            (Nothing, _) | (NumberOrNone, Wire::Number(0)) => continue,
            (Number | NumberOrNone, Wire::Number(number)) => json!(number.cast_signed()),
            (Text, Wire::Bytes([])) if !several => continue,
            (Text, Wire::Bytes(bytes)) => json!(text(bytes)?),
            (Texts | Blobs, Wire::Bytes(bytes)) => {
                let entry = fields(bytes)?;
                let (key, value) = (text(first(&entry, 1)?)?, first(&entry, 2).unwrap_or_default());
                object[name][key] = match holds {
                    Blobs => json!(base64::prelude::BASE64_STANDARD.encode(value)),
                    _ => json!(text(value)?),
                };
                continue;
            }
            (Either, Wire::Bytes(bytes)) => either(bytes)?,
            (Fields(table), Wire::Bytes(bytes)) => message(bytes, table)?,
            _ => return None,
        };
        match object[name].as_array_mut() {
            Some(list) if *several => list.push(value),
            _ if *several => object[name] = json!([value]),
            _ => object[name] = value,
        }
    }
    Some(object)
}

/// An `IntOrString`: which of both, the number, the text.
fn either(bytes: &[u8]) -> Option<Json> {
    let fields = fields(bytes)?;
    let at = |wanted: u64| {
        fields.iter().find_map(|(field, value)| match value {
            Wire::Number(number) if *field == wanted => Some(number.cast_signed()),
            _ => None,
        })
    };
    match at(1).unwrap_or(0) {
        0 => Some(json!(at(2).unwrap_or(0))),
        _ => Some(json!(text(first(&fields, 3)?)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field with bytes.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut field = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
        field.extend(bytes);
        field
    }

    fn body(kind: &str, message: &[u8]) -> Vec<u8> {
        let types = [field(1, b"v1"), field(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), field(1, &types), field(2, message)].concat()
    }

    #[test]
    fn what_kubectl_sends_is_read() {
        let check = |kind: &str, message: &[u8], expected: Option<Json>| {
            let expected = expected.map(|mut expected| {
                expected["apiVersion"] = json!("v1");
                expected["kind"] = json!(kind);
                expected
            });
            assert_eq!(read(&body(kind, message)), expected, "{kind}");
        };
        let metadata = field(1, &[field(1, b"x"), field(2, b""), field(8, b"")].concat());
        let entry = field(2, &[field(1, b"a"), field(2, b"1")].concat());
        let config = [metadata.clone(), entry.clone()].concat();
        check("ConfigMap", &config, Some(json!({"metadata": {"name": "x"}, "data": {"a": "1"}})));
        let secret = [metadata.clone(), entry].concat();
        check("Secret", &secret, Some(json!({"metadata": {"name": "x"}, "data": {"a": "MQ=="}})));
        let options = [vec![8, 0], field(2, &field(1, b"uid"))].concat();
        let eviction = [metadata.clone(), field(2, &options)].concat();
        let expected = json!({"metadata": {"name": "x"},
            "deleteOptions": {"gracePeriodSeconds": 0, "preconditions": {"uid": "uid"}}});
        check("Eviction", &eviction, Some(expected));
        let port = [vec![24, 80], field(4, &[8, 1, 26, 1, b'h']), vec![40, 0]].concat();
        let service = [metadata.clone(), field(2, &field(1, &port))].concat();
        let ports = json!([{"port": 80, "targetPort": "h"}]);
        check("Service", &service, Some(json!({"metadata": {"name": "x"}, "spec": {"ports": ports}})));
        let deployment =
            [metadata.clone(), field(2, &[vec![8, 0], field(4, &field(1, b""))].concat())].concat();
        check("Deployment", &deployment, Some(json!({"metadata": {"name": "x"}, "spec": {"replicas": 0}})));
        // what is not known must not get lost, and what is broken is nothing
        check("ConfigMap", &[metadata.clone(), field(9, b"more")].concat(), None);
        check("Pod", &metadata, None);
        for end in 0..config.len() {
            let _ = read(&body("ConfigMap", &config)[..end]);
        }
        assert_eq!(read(b"{}"), None);
    }
}
