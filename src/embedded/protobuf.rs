//! Decodes protobuf bodies of the kinds that `kubectl` sends: objects created by name, evictions, and access reviews.
//!
//! A table holds the field numbers of the Kubernetes API definitions. A field that is not in the table must be empty,
//! so no data is lost. Responses are in JSON, which these clients accept.

use base64::Engine as _;
use serde_json::{Value as Json, json};

/// The kinds that can be decoded. Each field has a number, a name and a type: an entry of `MESSAGES`, `text`,
/// `number`, `port` (zero is omitted), `either` (number or text), `texts` or `blobs` (maps), or `nothing`
/// (ignored). A star marks repeated fields.
const KINDS: &[(&str, &str)] = &[
    ("ConfigMap", "1 metadata Metadata, 2 data texts, 3 binaryData blobs"),
    ("DeleteOptions", DELETE_OPTIONS),
    ("Deployment", "1 metadata Metadata, 2 spec DeploymentSpec, 3 status nothing"),
    ("Eviction", "1 metadata Metadata, 2 deleteOptions DeleteOptions"),
    ("Namespace", "1 metadata Metadata, 2 spec nothing, 3 status nothing"),
    ("PodDisruptionBudget", "1 metadata Metadata, 2 spec BudgetSpec, 3 status nothing"),
    ("Secret", "1 metadata Metadata, 2 data blobs, 3 type text, 4 stringData texts"),
    // every request for access is allowed
    ("SelfSubjectAccessReview", "1 metadata Metadata, 2 spec nothing, 3 status nothing"),
    ("Service", "1 metadata Metadata, 2 spec ServiceSpec, 3 status nothing"),
    ("ServiceAccount", "1 metadata Metadata"),
];
const MESSAGES: &[(&str, &str)] = &[
    ("BudgetSpec", "1 minAvailable either, 2 selector Selector, 3 maxUnavailable either"),
    ("Container", "1 name text, 2 image text, 3 command text*, 4 args text*, 6 ports ContainerPort*"),
    ("ContainerPort", "3 containerPort number, 4 protocol text"),
    ("DeleteOptions", DELETE_OPTIONS),
    ("DeploymentSpec", "1 replicas number, 2 selector Selector, 3 template Template"),
    (
        "Metadata",
        "1 name text, 2 generateName text, 3 namespace text, 6 resourceVersion text, 11 labels texts, \
         12 annotations texts",
    ),
    ("PodSpec", "2 containers Container*, 3 restartPolicy text"),
    ("Preconditions", "1 uid text, 2 resourceVersion text"),
    ("Selector", "1 matchLabels texts"),
    ("ServicePort", "1 name text, 2 protocol text, 3 port number, 4 targetPort either, 5 nodePort port"),
    (
        "ServiceSpec",
        "1 ports ServicePort*, 2 selector texts, 3 clusterIP text, 4 type text, 10 externalName text",
    ),
    ("Template", "1 metadata Metadata, 2 spec PodSpec"),
];
const DELETE_OPTIONS: &str =
    "1 gracePeriodSeconds number, 2 preconditions Preconditions, 4 propagationPolicy text, 5 dryRun text*";

/// The prefix of a protobuf body.
const MAGIC: &[u8] = b"k8s\0";

/// Decodes a body. Returns nothing for an unknown kind, an unknown field, or invalid data.
pub(super) fn decode(body: &[u8]) -> Option<Json> {
    let envelope = read_fields(body.strip_prefix(MAGIC)?)?;
    let types = read_fields(first_bytes(&envelope, 1)?)?;
    let (api_version, kind) = (parse_text(first_bytes(&types, 1)?)?, parse_text(first_bytes(&types, 2)?)?);
    let mut object = decode_message(first_bytes(&envelope, 2)?, find_fields(KINDS, kind)?)?;
    object["apiVersion"] = json!(api_version);
    object["kind"] = json!(kind);
    Some(object)
}

fn find_fields(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(definition, _)| *definition == name).map(|(_, fields)| *fields)
}

/// The value of a field.
enum WireType<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn read_fields(mut bytes: &[u8]) -> Option<Vec<(u64, WireType<'_>)>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = read_varint(&mut bytes)?;
        let value = match key & 7 {
            0 => WireType::Number(read_varint(&mut bytes)?),
            2 => {
                let length = usize::try_from(read_varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                WireType::Bytes(value)
            }
            _ => return None,
        };
        fields.push((key >> 3, value));
    }
    Some(fields)
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
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

fn first_bytes<'a>(fields: &[(u64, WireType<'a>)], field_number: u64) -> Option<&'a [u8]> {
    fields.iter().find_map(|(field, value)| match value {
        WireType::Bytes(bytes) if *field == field_number => Some(*bytes),
        _ => None,
    })
}

fn parse_text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Returns whether a message has only zeros and empty fields: clients send those for unset fields.
fn is_empty_message(bytes: &[u8]) -> bool {
    read_fields(bytes).is_some_and(|all| {
        all.iter().all(|(_, value)| match value {
            WireType::Number(number) => *number == 0,
            WireType::Bytes(bytes) => is_empty_message(bytes),
        })
    })
}

/// Decodes a message with the fields of this table.
fn decode_message(bytes: &[u8], table: &str) -> Option<Json> {
    let mut object = json!({});
    for (field, value) in read_fields(bytes)? {
        let definition = table.split(", ").find_map(|one| one.strip_prefix(&format!("{field} ")));
        let Some((name, field_type)) = definition.and_then(|definition| definition.split_once(' ')) else {
            match value {
                WireType::Number(0) => continue,
                WireType::Bytes(bytes) if is_empty_message(bytes) => continue,
                _ => return None,
            }
        };
        let (field_type, several) =
            field_type.strip_suffix('*').map_or((field_type, false), |field_type| (field_type, true));
        let value = match (field_type, value) {
            ("nothing", _) | ("port", WireType::Number(0)) => continue,
            ("number" | "port", WireType::Number(number)) => json!(number.cast_signed()),
            ("text", WireType::Bytes([])) if !several => continue,
            ("text", WireType::Bytes(bytes)) => json!(parse_text(bytes)?),
            ("texts" | "blobs", WireType::Bytes(bytes)) => {
                let entry = read_fields(bytes)?;
                let (key, value) =
                    (parse_text(first_bytes(&entry, 1)?)?, first_bytes(&entry, 2).unwrap_or_default());
                object[name][key] = match field_type {
                    "blobs" => json!(base64::prelude::BASE64_STANDARD.encode(value)),
                    _ => json!(parse_text(value)?),
                };
                continue;
            }
            ("either", WireType::Bytes(bytes)) => decode_int_or_string(bytes)?,
            (part, WireType::Bytes(bytes)) => decode_message(bytes, find_fields(MESSAGES, part)?)?,
            _ => return None,
        };
        match object[name].as_array_mut() {
            Some(list) if several => list.push(value),
            _ if several => object[name] = json!([value]),
            _ => object[name] = value,
        }
    }
    Some(object)
}

/// Decodes an `IntOrString`: type, number, text.
fn decode_int_or_string(bytes: &[u8]) -> Option<Json> {
    let fields = read_fields(bytes)?;
    let find_number = |field_number: u64| {
        fields.iter().find_map(|(field, value)| match value {
            WireType::Number(number) if *field == field_number => Some(number.cast_signed()),
            _ => None,
        })
    };
    match find_number(1).unwrap_or(0) {
        0 => Some(json!(find_number(2).unwrap_or(0))),
        _ => Some(json!(parse_text(first_bytes(&fields, 3)?)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodes a field with bytes.
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
    fn tables_reference_known_types() {
        for (name, fields) in KINDS.iter().chain(MESSAGES) {
            for field in fields.split(", ") {
                let [number, _, field_type] = field.split(' ').collect::<Vec<_>>()[..] else {
                    panic!("{name}: {field}")
                };
                let plain = ["text", "number", "port", "either", "texts", "blobs", "nothing"];
                let field_type = field_type.trim_end_matches('*');
                assert!(number.parse::<u64>().is_ok(), "{name}: {field}");
                assert!(
                    plain.contains(&field_type) || find_fields(MESSAGES, field_type).is_some(),
                    "{name}: {field}"
                );
            }
        }
    }

    #[test]
    fn kubectl_bodies_are_decoded() {
        let check = |kind: &str, message: &[u8], expected: Option<Json>| {
            let expected = expected.map(|mut expected| {
                expected["apiVersion"] = json!("v1");
                expected["kind"] = json!(kind);
                expected
            });
            assert_eq!(decode(&body(kind, message)), expected, "{kind}");
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
        // unknown fields and invalid data are errors
        check("ConfigMap", &[metadata.clone(), field(9, b"more")].concat(), None);
        check("Pod", &metadata, None);
        for end in 0..config.len() {
            let _ = decode(&body("ConfigMap", &config)[..end]);
        }
        assert_eq!(decode(b"{}"), None);
    }
}
