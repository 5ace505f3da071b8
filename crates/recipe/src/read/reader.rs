//! A serde deserializer over a document's nodes, which knows where it is.

use std::cell::RefCell;
use std::collections::btree_map;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::{Refused, UnknownKey, one_of, shown, wanted};
use crate::document::{Node, Value};

/// One value on its way into a serde type.
pub(super) struct Reader<'a> {
    pub(super) node: &'a Node,
    pub(super) path: Vec<String>,
    /// Keys that the type does not have, noted on the way.
    pub(super) unknown: &'a RefCell<Vec<UnknownKey>>,
}

impl<'a> Reader<'a> {
    fn child(&self, segment: String, node: &'a Node) -> Self {
        let mut path = self.path.clone();
        path.push(segment);
        Reader { node, path, unknown: self.unknown }
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Boolean(boolean) => visitor.visit_bool(*boolean),
            Value::Integer(integer) => visitor.visit_i64(*integer),
            Value::Float(float) => visitor.visit_f64(*float),
            Value::Text(string) => visitor.visit_str(string),
            Value::List(items) => {
                let expected = wanted(&visitor);
                let mut access = Items { reader: &self, items: items.iter() };
                let value = visitor.visit_seq(&mut access)?;
                match access.items.len() {
                    0 => Ok(value),
                    _ => Err(Refused::invalid_length(items.len(), &expected.as_str())),
                }
            }
            Value::Table(entries) => visitor.visit_map(Entries {
                reader: &self,
                entries: entries.iter(),
                known: None,
                next: None,
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        if let Value::Text(variant) = &self.node.value {
            visitor.visit_enum(variant.as_str().into_deserializer())
        } else {
            let found = shown(self.node.value.unexpected());
            Err(Refused::custom(format!("found {found}, expected {}", one_of(variants))))
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        if let Value::Table(entries) = &self.node.value {
            let entries = entries.iter();
            visitor.visit_map(Entries { reader: &self, entries, known: Some(fields), next: None })
        } else if let Value::List(_) = &self.node.value {
            // serde would take a list for a struct with its fields in order.
            Err(Refused::invalid_type(Unexpected::Seq, &"a table"))
        } else {
            self.deserialize_any(visitor)
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// The items of a list.
struct Items<'r, 'a> {
    reader: &'r Reader<'a>,
    items: btree_map::Iter<'a, usize, Node>,
}

impl<'de> SeqAccess<'de> for &mut Items<'_, '_> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refused> {
        let Some((index, node)) = self.items.next() else { return Ok(None) };
        let child = self.reader.child(format!("[{index}]"), node);
        let path = child.path.clone();
        seed.deserialize(child).map(Some).map_err(|refused| refused.at(&path))
    }
}

/// The entries of a table; with `known`, other keys are noted and passed over.
struct Entries<'r, 'a> {
    reader: &'r Reader<'a>,
    entries: btree_map::Iter<'a, String, Node>,
    known: Option<&'static [&'static str]>,
    next: Option<(&'a String, &'a Node)>,
}

impl<'de> MapAccess<'de> for Entries<'_, '_> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refused> {
        for (key, node) in self.entries.by_ref() {
            match self.known {
                Some(known) if !known.contains(&key.as_str()) => {
                    let path = self.reader.child(key.clone(), node).path;
                    self.reader.unknown.borrow_mut().push(UnknownKey { path, known });
                }
                Some(_) | None => {
                    self.next = Some((key, node));
                    let key: StrDeserializer<'_, Refused> = key.as_str().into_deserializer();
                    return seed.deserialize(key).map(Some);
                }
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        let (key, node) = self.next.take().expect("serde asks for a value after its key");
        let child = self.reader.child(key.clone(), node);
        let path = child.path.clone();
        seed.deserialize(child).map_err(|refused| refused.at(&path))
    }
}
