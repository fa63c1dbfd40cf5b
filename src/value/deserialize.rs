//! Reads values from any self-describing format.

use std::fmt;
use std::ops::Index;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    Deserialize, DeserializeOwned, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::{Map, Value};

static NULL: Value = Value::Null;

/// The entry of a mapping; null for a missing key and for anything that is not a mapping.
impl Index<&str> for Value {
    type Output = Value;

    fn index(&self, key: &str) -> &Value {
        self.get(key).unwrap_or(&NULL)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, value)) = entries.next_entry()? {
            map.insert(key, value);
        }
        Ok(Value::Map(map))
    }
}

/// Converts a value to another type, with the infinities that `serde_json` cannot read.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, serde_json::Error> {
    T::deserialize(ValueDeserializer(value))
}

struct ValueDeserializer(Value);

impl IntoDeserializer<'_, serde_json::Error> for ValueDeserializer {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for ValueDeserializer {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Int(number) => match (u64::try_from(number), i64::try_from(number)) {
                (Ok(number), _) => visitor.visit_u64(number),
                (_, Ok(number)) => visitor.visit_i64(number),
                _ => visitor.visit_i128(number),
            },
            Value::Float(number) => visitor.visit_f64(number),
            Value::Text(text) => visitor.visit_string(text),
            Value::List(items) => visit_items(items, visitor),
            Value::Map(entries) => visit_entries(entries, visitor),
        }
    }

    // only what fits the type is compiled for it

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0 {
            Value::Map(entries) => visit_entries(entries, visitor),
            other => Err(serde_json::Error::invalid_type(unexpected(&other), &visitor)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0 {
            Value::List(items) => visit_items(items, visitor),
            other => Err(serde_json::Error::invalid_type(unexpected(&other), &visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        match self.0 {
            Value::Text(text) => {
                let text: serde::de::value::StringDeserializer<serde_json::Error> = text.into_deserializer();
                text.deserialize_enum(name, variants, visitor)
            }
            other => Err(serde_json::Error::custom(format!("invalid type: {}, expected text", other.kind()))),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        tuple tuple_struct identifier ignored_any
    }
}

fn visit_items<'de, V: Visitor<'de>>(items: Vec<Value>, visitor: V) -> Result<V::Value, serde_json::Error> {
    visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(ValueDeserializer)))
}

fn visit_entries<'de, V: Visitor<'de>>(entries: Map, visitor: V) -> Result<V::Value, serde_json::Error> {
    let entries = entries.into_iter().map(|(key, value)| (KeyDeserializer(key), ValueDeserializer(value)));
    visitor.visit_map(MapDeserializer::new(entries))
}

fn unexpected(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Int(number) => match (u64::try_from(*number), i64::try_from(*number)) {
            (Ok(number), _) => Unexpected::Unsigned(number),
            (_, Ok(number)) => Unexpected::Signed(number),
            _ => Unexpected::Other("integer"),
        },
        Value::Float(number) => Unexpected::Float(*number),
        Value::Text(text) => Unexpected::Str(text),
        Value::List(_) => Unexpected::Seq,
        Value::Map(_) => Unexpected::Map,
    }
}

/// Key of a map: the name of a field, or a text.
struct KeyDeserializer(String);

impl IntoDeserializer<'_, serde_json::Error> for KeyDeserializer {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for KeyDeserializer {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_string(self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        ValueDeserializer(Value::Text(self.0)).deserialize_enum(name, variants, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_as_from_a_json_value() {
        let text =
            r#"{"b": [1, -1, 18446744073709551615, 1.5, 1.0, null, true, "t"], "a": {"x": {}}, "b2": 1e30}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(value, Value::from(serde_json::from_str::<serde_json::Value>(text).unwrap()));
        assert_eq!(value["a"]["x"], Value::Map(Map::new()));
        assert_eq!((&value["none"]["of"], &value["b"]["x"]), (&Value::Null, &Value::Null));
    }

    #[test]
    fn value_converts_to_other_types() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Colour {
            Red,
        }
        type Row = (Option<f64>, Option<u8>, Vec<Colour>, std::collections::BTreeMap<Name, Value>);
        #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
        struct Name(String);
        let value = Value::List(vec![
            Value::Float(f64::INFINITY),
            Value::Null,
            Value::List(vec!["red".into()]),
            Value::Map(crate::value::map([("x", Value::Float(f64::NEG_INFINITY))])),
        ]);
        let (number, none, colours, map): Row = from_value(value).unwrap();
        assert_eq!((number, none, colours), (Some(f64::INFINITY), None, vec![Colour::Red]));
        assert_eq!(map[&Name("x".to_owned())], Value::Float(f64::NEG_INFINITY));
        assert!(from_value::<Colour>(Value::Int(1)).is_err());
        assert!(from_value::<Colour>("blue".into()).is_err());
        assert!(from_value::<u8>(Value::Int(300)).is_err());
        #[derive(Debug, serde::Deserialize)]
        struct Pair {
            #[serde(rename = "a")]
            _a: Vec<bool>,
        }
        let error = |value: Value| from_value::<Pair>(value).unwrap_err().to_string();
        assert_eq!(error(Value::Int(-1)), "invalid type: integer `-1`, expected struct Pair");
        assert_eq!(error(Value::List(vec![Value::Null])), "invalid type: sequence, expected struct Pair");
        let entry = |value: Value| Value::Map(crate::value::map([("a", value)]));
        assert_eq!(error(entry("x".into())), r#"invalid type: string "x", expected a sequence"#);
    }
}
