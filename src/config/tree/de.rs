//! From tree to types: a serde deserializer whose errors know their node.
//!
//! A scalar is text until a type asks for it: `no`, `1.2` and `007` reach a text field as they were written.

use std::collections::btree_map;
use std::fmt;

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::{Id, Mapping, Mark, Node, Value};

/// What is wrong, and where.
#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) kind: Kind,
    /// The node to take out, and the place to show.
    pub(crate) node: Option<(Id, Mark)>,
}

/// What is wrong.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A key or a variant that is none of the known ones.
    Unknown { found: String, known: &'static [&'static str], noun: Noun },
    /// A key that must be there is not. The structure's name is set on the way up.
    Missing { key: &'static str, structure: &'static str },
    /// Anything else, and what to do about it.
    Other { message: String, help: Option<String> },
}

/// What an unknown word stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noun {
    /// A key.
    Key,
    /// A value.
    Value,
}

impl Error {
    fn other(message: impl Into<String>) -> Self {
        Self { kind: Kind::Other { message: message.into(), help: None }, node: None }
    }

    fn help(mut self, text: impl Into<String>) -> Self {
        if let Kind::Other { help, .. } = &mut self.kind {
            *help = Some(text.into());
        }
        self
    }

    /// Says where, unless something further inside has said so already.
    fn at(mut self, node: &Node) -> Self {
        self.node.get_or_insert((node.id, node.mark));
        self
    }

    /// Says that the unknown word stands where a key does.
    fn of_key(mut self) -> Self {
        if let Kind::Unknown { noun, .. } = &mut self.kind {
            *noun = Noun::Key;
        }
        self
    }

    fn in_structure(mut self, name: &'static str) -> Self {
        if let Kind::Missing { structure, .. } = &mut self.kind
            && structure.is_empty()
        {
            *structure = name;
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    /// Errors of values read as `what is wrong: what to do`.
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        match text.rsplit_once(": ") {
            Some((message, help)) => Self::other(message).help(help),
            None => Self::other(text),
        }
    }

    fn unknown_field(found: &str, known: &'static [&'static str]) -> Self {
        Self { kind: Kind::Unknown { found: found.to_owned(), known, noun: Noun::Key }, node: None }
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> Self {
        Self { kind: Kind::Unknown { found: found.to_owned(), known, noun: Noun::Value }, node: None }
    }

    fn missing_field(key: &'static str) -> Self {
        Self { kind: Kind::Missing { key, structure: "" }, node: None }
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::other(format!("this must be {expected}"))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::other(format!("this must be {expected}"))
    }
}

impl Node {
    fn unsigned<'de, V: Visitor<'de>>(&self, most: u64, visitor: V) -> Result<V::Value, Error> {
        let text = self.scalar("a whole number")?;
        let too_large =
            |text: &str| Error::other(format!("{text} is too large")).help(format!("the largest is {most}"));
        let number: u64 =
            text.parse().map_err(|_| match text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
                true => too_large(text),
                false => Error::other(format!("`{text}` is not a whole number")).help("write it like 10"),
            })?;
        if number > most {
            return Err(too_large(text));
        }
        visitor.visit_u64(number)
    }

    /// The text of a scalar, or what is wrong.
    fn scalar(&self, wanted: &str) -> Result<&str, Error> {
        match &self.value {
            Value::Scalar { .. } if self.is_null() => {
                Err(Error::other("nothing is written here").help(format!("{wanted} is expected")))
            }
            Value::Scalar { text, .. } => Ok(text),
            Value::Sequence { .. } => Err(Error::other(format!("this is a list, and {wanted} is expected"))),
            Value::Mapping(_) => Err(Error::other(format!("this is a mapping, and {wanted} is expected"))),
        }
    }
}

impl<'de> Deserializer<'de> for &Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            Value::Scalar { .. } if self.is_null() => visitor.visit_unit(),
            Value::Scalar { text, .. } => visitor.visit_str(text),
            Value::Sequence { items, .. } => visitor.visit_seq(Items(items.iter())),
            Value::Mapping(mapping) => visitor.visit_map(Entries::of(mapping)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar("true or false")? {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            text => Err(Error::other(format!("`{text}` is neither true nor false"))),
        }
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.unsigned(u8::MAX.into(), visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.unsigned(u16::MAX.into(), visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.unsigned(u32::MAX.into(), visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.unsigned(u64::MAX, visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.scalar("text")?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            // `tls:` with nothing after it: on with its defaults, or off? Better asked than guessed.
            Value::Scalar { text, quoted: false } if text.is_empty() => {
                Err(Error::other("nothing is written here").help("write a value, or remove the key"))
            }
            _ if self.is_null() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            Value::Sequence { items, .. } => visitor.visit_seq(Items(items.iter())),
            _ if self.is_null() => visitor.visit_seq(Items([].iter())),
            Value::Scalar { text, .. } => Err(Error::other("a list is expected here").help(format!("write [{text}]"))),
            Value::Mapping(_) => Err(Error::other("a list is expected here").help("begin each item with `- `")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            Value::Mapping(mapping) => visitor.visit_map(Entries::of(mapping)),
            _ if self.is_null() => visitor.visit_map(Entries::of(&Mapping::default())),
            Value::Scalar { .. } => Err(Error::other("this is plain text, and `key: value` is expected")),
            Value::Sequence { .. } => {
                Err(Error::other("this is a list, and `key: value` is expected").help("remove the `- `"))
            }
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor).map_err(|error| error.in_structure(name))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let one_of = || super::super::suggest::enumerate(variants, "or");
        match &self.value {
            Value::Mapping(mapping) => match mapping.entries.values().next() {
                Some((key, value)) if mapping.entries.len() == 1 => {
                    visitor.visit_enum(Variant { key, value: Some(value) })
                }
                _ => Err(Error::other(format!("write exactly one of {} here", one_of()))),
            },
            Value::Scalar { .. } if !self.is_null() => visitor.visit_enum(Variant { key: self, value: None }),
            _ => Err(Error::other(format!("{} is expected here", one_of()))),
        }
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct ignored_any
    }
}

struct Items<'a>(std::slice::Iter<'a, Node>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.0.next().map(|node| seed.deserialize(node).map_err(|error| error.at(node))).transpose()
    }
}

struct Entries<'a> {
    rest: btree_map::Values<'a, String, (Node, Node)>,
    value: Option<&'a Node>,
}

impl<'a> Entries<'a> {
    fn of(mapping: &'a Mapping) -> Self {
        Self { rest: mapping.entries.values(), value: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(key).map(Some).map_err(|error| error.of_key().at(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let value = self.value.take().ok_or_else(|| Error::other("a value was asked for before its key"))?;
        seed.deserialize(value).map_err(|error| error.at(value))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// A variant by its name alone, or by its name and what it holds.
struct Variant<'a> {
    key: &'a Node,
    value: Option<&'a Node>,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        // The whole enum goes out with an unknown variant, but the name is what is shown.
        let name = self.key.scalar("a word")?;
        let deserializer: de::value::StrDeserializer<'_, Error> = name.into_deserializer();
        let variant = seed.deserialize(deserializer);
        match self.value {
            Some(_) => Ok((variant.map_err(Error::of_key)?, self)),
            None => Ok((variant?, self)),
        }
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.value {
            Some(value) if !value.is_null() => {
                Err(Error::other("this has nothing to configure").help("write its name alone"))
            }
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        match self.value {
            Some(value) => seed.deserialize(value).map_err(|error| error.at(value)),
            None => {
                let name = self.key.scalar("a word")?;
                let nothing = Node { value: Value::Scalar { text: String::new(), quoted: false }, ..*self.key };
                let explain = |_| {
                    Error::other(format!("`{name}` alone says too little")).help(format!("write {{ {name}: ... }}"))
                };
                seed.deserialize(&nothing).map_err(explain)
            }
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}
