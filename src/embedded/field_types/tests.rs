//! Writes the table from the types of `k8s-openapi`, and compares both checks.

use std::any::type_name;
use std::cell::RefCell;
use std::collections::BTreeMap;

use k8s_openapi::api::{apps, batch, core, networking, policy};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta;
use serde::de::value::{Error, StrDeserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Value as Json, json};

use super::*;

/// Calls a macro-like function with every type of the API that is checked.
macro_rules! for_each_type {
    ($function:ident $(, $argument:expr)*) => {
        $function::<core::v1::Pod>("Pod" $(, $argument)*);
        $function::<core::v1::Service>("Service" $(, $argument)*);
        $function::<core::v1::Endpoints>("Endpoints" $(, $argument)*);
        $function::<core::v1::Namespace>("Namespace" $(, $argument)*);
        $function::<core::v1::Node>("Node" $(, $argument)*);
        $function::<core::v1::ConfigMap>("ConfigMap" $(, $argument)*);
        $function::<core::v1::Secret>("Secret" $(, $argument)*);
        $function::<core::v1::ReplicationController>("ReplicationController" $(, $argument)*);
        $function::<apps::v1::Deployment>("Deployment" $(, $argument)*);
        $function::<apps::v1::ReplicaSet>("ReplicaSet" $(, $argument)*);
        $function::<apps::v1::StatefulSet>("StatefulSet" $(, $argument)*);
        $function::<apps::v1::DaemonSet>("DaemonSet" $(, $argument)*);
        $function::<batch::v1::Job>("Job" $(, $argument)*);
        $function::<policy::v1::PodDisruptionBudget>("PodDisruptionBudget" $(, $argument)*);
        $function::<networking::v1::NetworkPolicy>("NetworkPolicy" $(, $argument)*);
        $function::<apiextensions::v1::CustomResourceDefinition>("CustomResourceDefinition" $(, $argument)*);
        $function::<meta::v1::ObjectMeta>("ObjectMeta" $(, $argument)*);
    };
}

/// Deserializer that records which types a type asks for, and answers with empty values.
struct TypeTracer<'a> {
    /// The fields of each type.
    types: &'a RefCell<BTreeMap<&'static str, String>>,
    /// The traced type.
    traced: &'a RefCell<String>,
}

impl TypeTracer<'_> {
    fn record(&self, name: impl Into<String>) {
        *self.traced.borrow_mut() = name.into();
    }

    fn enclose(&self, open: char, close: char) {
        let inner = self.traced.borrow().clone();
        self.record(format!("{open}{inner}{close}"));
    }

    /// Returns a tracer that records at the same place.
    fn again(&self) -> TypeTracer<'_> {
        TypeTracer { types: self.types, traced: self.traced }
    }
}

macro_rules! trace_scalars {
    ($($method:ident $name:literal $visit:ident($value:expr)),+ $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.record($name);
            visitor.$visit($value)
        })+
    };
}

impl<'de> Deserializer<'de> for TypeTracer<'_> {
    type Error = Error;

    trace_scalars! {
        deserialize_bool "bool" visit_bool(false),
        deserialize_i32 "int32" visit_i32(0),
        deserialize_i64 "int64" visit_i64(0),
        deserialize_f64 "float" visit_f64(0.0),
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        const SCHEMA: &str = "JSONSchemaProps";
        match type_name::<V::Value>().rsplit("::").next().unwrap() {
            "IntOrString" => {
                self.record("int32|string");
                visitor.visit_str("")
            }
            "Quantity" => visitor.visit_str(""),
            "JSONSchemaPropsOrArray" => {
                self.record(format!("{SCHEMA}|[{SCHEMA}]"));
                visitor
                    .visit_seq(serde::de::value::SeqDeserializer::<_, Error>::new(std::iter::empty::<()>()))
            }
            "JSONSchemaPropsOrBool" => {
                self.record(format!("{SCHEMA}|bool"));
                visitor.visit_bool(false)
            }
            "JSONSchemaPropsOrStringArray" => {
                self.record(format!("{SCHEMA}|[string]"));
                visitor
                    .visit_seq(serde::de::value::SeqDeserializer::<_, Error>::new(std::iter::empty::<()>()))
            }
            "Value" => {
                self.record("any");
                visitor.visit_unit()
            }
            other => Err(Error::custom(format!("a type of any value: {other}"))),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match type_name::<V::Value>().rsplit("::").next().unwrap() {
            "String" => {
                self.record("string");
                visitor.visit_str("")
            }
            "ByteString" => {
                self.record("bytes");
                visitor.visit_str("")
            }
            "Timestamp" => visitor.visit_str("1970-01-01T00:00:00Z"),
            other => Err(Error::custom(format!("a type of text: {other}"))),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let value = visitor.visit_newtype_struct(self.again())?;
        match name {
            "Quantity" => self.record("quantity"),
            "Time" | "MicroTime" => self.record("time"),
            _ => {}
        }
        Ok(value)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value = visitor.visit_seq(OneItem { tracer: self.again(), is_done: false })?;
        self.enclose('[', ']');
        Ok(value)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value =
            visitor.visit_map(Entries { tracer: self.again(), keys: &["key"], fields: &mut Vec::new() })?;
        self.enclose('{', '}');
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        // an object of the API has these two first, and refuses other values than its own
        let is_object = fields.starts_with(&["apiVersion", "kind"]);
        let mut keys = if is_object { fields[2..].to_vec() } else { fields.to_vec() };
        let visited_fields = self.types.borrow().get(name).cloned();
        match &visited_fields {
            // a time has no default, so it must be given
            Some(visited_fields) => {
                keys.retain(|key| visited_fields.split(' ').any(|field| field == format!("{key}=time")));
            }
            // for types that contain themselves
            None => drop(self.types.borrow_mut().insert(name, String::new())),
        }
        let mut types = Vec::new();
        let value = visitor.visit_map(Entries { tracer: self.again(), keys: &keys, fields: &mut types })?;
        if visited_fields.is_none() {
            let types = types.iter().map(|(field, found)| format!("{field}={found}")).collect::<Vec<_>>();
            self.types.borrow_mut().insert(name, types.join(" "));
        }
        self.record(name);
        Ok(value)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom(format!("an unknown field of {}", type_name::<V::Value>())))
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct enum identifier
    }
}

/// List with one traced item.
struct OneItem<'a> {
    tracer: TypeTracer<'a>,
    is_done: bool,
}

impl<'de> SeqAccess<'de> for OneItem<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if std::mem::replace(&mut self.is_done, true) {
            return Ok(None);
        }
        seed.deserialize(self.tracer.again()).map(Some)
    }
}

/// Mapping with traced values.
struct Entries<'a> {
    tracer: TypeTracer<'a>,
    keys: &'a [&'static str],
    /// The type of each key.
    fields: &'a mut Vec<(&'static str, String)>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(key) = self.keys.get(self.fields.len()) else { return Ok(None) };
        let key: StrDeserializer<'_, Error> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let value = seed.deserialize(self.tracer.again())?;
        let traced = self.tracer.traced.borrow().clone();
        self.fields.push((self.keys[self.fields.len()], traced));
        Ok(value)
    }
}

fn trace<'de, T: Deserialize<'de>>(name: &str, types: &RefCell<BTreeMap<&'static str, String>>) {
    let traced = RefCell::default();
    let result = T::deserialize(TypeTracer { types, traced: &traced });
    assert!(result.is_ok(), "{name}: {:?}", result.err());
    assert_eq!(traced.into_inner(), name);
}

#[test]
fn table_has_the_types_of_k8s_openapi() {
    let types = RefCell::default();
    for_each_type!(trace, &types);
    let mut text = String::new();
    for (name, fields) in types.into_inner() {
        text += &format!("{name} {fields}\n");
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/embedded/field_types.txt");
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(TABLE, text, "UPDATE_GOLDEN=1 writes it");
}

/// Values of every kind.
fn values() -> Vec<Json> {
    vec![
        json!(null),
        json!(true),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(99_999_999_999_u64),
        json!(u64::MAX),
        json!("text"),
        json!("dGV4dA=="),
        json!("2026-01-01T00:00:00Z"),
        json!("2026-01-01T00:00:00.5+01:00"),
        json!("2026-01-01"),
        json!([]),
        json!([null]),
        json!([1]),
        json!(["text"]),
        json!([{}]),
        json!([[]]),
        json!({}),
        json!({"a": null}),
        json!({"a": 1}),
        json!({"a": "text"}),
        json!({"a": "dGV4dA=="}),
        json!({"a": []}),
        json!({"a": {}}),
    ]
}

/// Compares both checks for every value at every field of a type.
fn compare<'de, T: Deserialize<'de>>(name: &'static str, total: &mut usize) {
    let mut checked = std::collections::HashSet::new();
    compare_below::<T>(name, name, &|value| value, &mut checked, total);
}

fn compare_below<'de, T: Deserialize<'de>>(
    root: &'static str,
    expected: &'static str,
    wrap: &dyn Fn(Json) -> Json,
    checked: &mut std::collections::HashSet<&'static str>,
    total: &mut usize,
) {
    // the API server accepts objects without a time
    let is_skipped = |value: &Json| expected == "time" && value.is_null();
    for value in values().into_iter().filter(|value| !is_skipped(value)) {
        let object = wrap(value);
        let reference = T::deserialize(object.clone());
        if reference.as_ref().is_err_and(|error| error.to_string().starts_with("missing field")) {
            continue;
        }
        assert_eq!(check_type(root, &object).is_ok(), reference.is_ok(), "{object}: {:?}", reference.err());
        *total += 1;
    }
    if let Some((first, second)) = split_choice(expected) {
        compare_below::<T>(root, first, wrap, checked, total);
        compare_below::<T>(root, second, wrap, checked, total);
    } else if let Some(item) = enclosed(expected, '[', ']') {
        compare_below::<T>(root, item, &|value| wrap(json!([value])), checked, total);
    } else if let Some(entry) = enclosed(expected, '{', '}') {
        compare_below::<T>(root, entry, &|value| wrap(json!({"key": value})), checked, total);
    } else if let Some(fields) = types().get(expected).filter(|_| checked.insert(expected)) {
        for (field, expected) in fields.split(' ').filter_map(|field| field.split_once('=')) {
            compare_below::<T>(root, expected, &|value| wrap(json!({field: value})), checked, total);
        }
    }
}

#[test]
fn check_accepts_what_k8s_openapi_accepts() {
    let mut total = 0;
    for_each_type!(compare, &mut total);
    assert!(total > 50_000, "{total} cases");
}

#[test]
fn error_names_the_field() {
    let check = |object: Json, expected: &str| {
        assert_eq!(check_type("Pod", &object).unwrap_err().to_string(), expected);
    };
    check(json!([]), "invalid object: expected Pod, not a list");
    check(json!({"spec": {"nodeName": 1}}), "invalid spec.nodeName: expected string, not this number");
    check(
        json!({"spec": {"containers": [{}, {"ports": [{"containerPort": "80"}]}]}}),
        "invalid spec.containers[1].ports[0].containerPort: expected int32, not this text",
    );
    check(
        json!({"metadata": {"labels": {"a": null}}}),
        "invalid metadata.labels.a: expected string, not null",
    );
}
