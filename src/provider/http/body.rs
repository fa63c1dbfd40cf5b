//! What goes into a request and what comes out of an answer, by the rules of Python's `requests`.

use encoding_rs::Encoding;
use url::Url;

use super::error::InvalidRequest;
use crate::value::Value;

/// Appends arguments to the query of an address.
pub(super) fn add_query(url: &mut Url, arguments: &Value) -> Result<(), InvalidRequest> {
    let Some(query) = form(arguments)? else { return Ok(()) };
    let joined = match url.query().filter(|query| !query.is_empty()) {
        Some(existing) => format!("{existing}&{query}"),
        None => query,
    };
    url.set_query(Some(&joined));
    Ok(())
}

/// Arguments as a query or a form: a list repeats its key, null is left out, a text stays as it is. Nothing is
/// sent for what is empty.
pub(super) fn form(arguments: &Value) -> Result<Option<String>, InvalidRequest> {
    let pairs: Vec<(&str, &Value)> = match arguments {
        Value::Text(text) => return Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Value::Map(entries) => entries.iter().map(|(key, value)| (key.as_str(), value)).collect(),
        Value::List(items) => {
            items.iter().map(pair).collect::<Option<_>>().ok_or(InvalidRequest::NotPairs)?
        }
        other if !other.is_truthy() => return Ok(None),
        other => {
            return Err(InvalidRequest::InvalidArguments(other.kind()));
        }
    };
    let mut encoder = url::form_urlencoded::Serializer::new(String::new());
    for (key, value) in pairs {
        append(&mut encoder, key, value, true);
    }
    Ok(Some(encoder.finish()).filter(|text| !text.is_empty()))
}

fn pair(item: &Value) -> Option<(&str, &Value)> {
    match item.as_list()? {
        [key, value] => Some((key.as_text()?, value)),
        _ => None,
    }
}

fn append(
    encoder: &mut url::form_urlencoded::Serializer<'_, String>,
    key: &str,
    value: &Value,
    outermost: bool,
) {
    match value {
        // inside a list a null is left out, and alone it is
        Value::Null => {}
        Value::List(items) => items.iter().for_each(|item| {
            if outermost || *item != Value::Null {
                append(encoder, key, item, false);
            }
        }),
        // Python iterates over the keys of a mapping
        Value::Map(entries) => {
            entries.keys().for_each(|name| {
                encoder.append_pair(key, name);
            });
        }
        other => {
            encoder.append_pair(key, &other.python_text());
        }
    }
}

/// The text of an answer: by the charset of its content type; ISO-8859-1 for other `text/…`; else UTF-8. What
/// is not text in that encoding is replaced.
pub(super) fn decode(bytes: &[u8], content_type: Option<&str>) -> String {
    let content_type = content_type.unwrap_or_default();
    let charset = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']))
    });
    let latin1 = |name: &str| {
        matches!(name.to_ascii_lowercase().as_str(), "iso-8859-1" | "iso8859-1" | "latin-1" | "latin1")
    };
    match charset {
        Some(name) if latin1(name) => bytes.iter().map(|byte| char::from(*byte)).collect(),
        Some(name) => {
            let encoding = Encoding::for_label(name.as_bytes()).unwrap_or(encoding_rs::UTF_8);
            encoding.decode_without_bom_handling(bytes).0.into_owned()
        }
        None if content_type.trim_start().to_ascii_lowercase().starts_with("text/") => {
            bytes.iter().map(|byte| char::from(*byte)).collect()
        }
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// The name of a header as servers usually write it. The client library keeps no case.
pub(super) fn title_case(name: &str) -> String {
    let capitalize = |capitalize: &str| {
        let mut chars = capitalize.chars();
        chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
    };
    name.split('-').map(capitalize).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arguments_are_encoded_as_requests_does() {
        let check = |arguments: serde_json::Value, expected: Option<&str>| {
            assert_eq!(form(&arguments.clone().into()).unwrap(), expected.map(str::to_owned), "{arguments}");
        };
        check(json!({"a": 1, "b": "x y", "c": true}), Some("a=1&b=x+y&c=True"));
        check(json!({"a": [1, 2], "b": null, "c": ""}), Some("a=1&a=2&c="));
        check(json!({"a": [null, 1.0], "é": "&="}), Some("a=1.0&%C3%A9=%26%3D"));
        check(json!({"a": {"x": 1, "y": 2}}), Some("a=x&a=y"));
        check(json!([["a", 1], ["b", [2, 3]]]), Some("a=1&b=2&b=3"));
        check(json!("raw text=1"), Some("raw text=1"));
        check(json!(null), None);
        check(json!({}), None);
        check(json!(""), None);
        check(json!({"a": null}), None);
        assert!(form(&json!(5).into()).is_err());
        assert!(form(&json!([1, 2]).into()).is_err());
    }

    #[test]
    fn query_is_appended_to_an_existing_query() {
        let check = |url: &str, arguments: serde_json::Value, expected: &str| {
            let mut url = Url::parse(url).unwrap();
            add_query(&mut url, &arguments.into()).unwrap();
            assert_eq!(url.as_str(), expected);
        };
        check("http://h/p", json!({"a": 1}), "http://h/p?a=1");
        check("http://h/p?x=1", json!({"a": 1}), "http://h/p?x=1&a=1");
        check("http://h/p?x=1#f", json!({}), "http://h/p?x=1#f");
        check("http://h/p", json!("a=b c"), "http://h/p?a=b%20c");
    }

    #[test]
    fn bodies_are_decoded() {
        let check = |bytes: &[u8], content_type: Option<&str>, expected: &str| {
            assert_eq!(decode(bytes, content_type), expected, "{content_type:?}");
        };
        check(b"caf\xe9", Some("text/plain; charset=iso-8859-1"), "café");
        check("café".as_bytes(), Some("text/plain; charset=\"UTF-8\""), "café");
        check(b"caf\xe9", Some("text/html"), "café");
        check("café".as_bytes(), Some("application/json; charset=utf-8"), "café");
        check("café".as_bytes(), Some("application/octet-stream"), "café");
        check(b"\x80", Some("text/plain; charset=windows-1252"), "€");
        check(b"a\xff", None, "a\u{fffd}");
        check(b"a", Some("text/plain; charset=nonsense"), "a");
    }

    #[test]
    fn header_names_get_their_usual_case() {
        assert_eq!(title_case("content-type"), "Content-Type");
        assert_eq!(title_case("x-b3-traceid"), "X-B3-Traceid");
        assert_eq!(title_case(""), "");
    }
}
