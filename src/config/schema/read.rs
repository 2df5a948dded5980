//! How values are read that may be written in two ways, and values of other crates whose own errors say too little.

use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::{FullStep, PathMatch, PathMatchKind, Step, ValueMatch, ValueMatchKind};

impl<'de> Deserialize<'de> for PathMatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expecting = "a path such as /shop, or one of exact, prefix, regex and grpcMethod with a text";
        let text = |text: &str| Ok(Self::Prefix(text.to_owned()));
        text_or_mapping(deserializer, expecting, text, Self::Kind as fn(PathMatchKind) -> Self)
    }
}

impl<'de> Deserialize<'de> for ValueMatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expecting = "a text, or one of exact and regex with a text";
        let text = |text: &str| Ok(Self::Exact(text.to_owned()));
        text_or_mapping(deserializer, expecting, text, Self::Kind as fn(ValueMatchKind) -> Self)
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expecting = "a share such as 5%, or a mapping with weight, atLeast, atMost and pause";
        let text =
            |text: &str| text.parse().map(Self::Weight).map_err(|error: crate::types::RatioError| error.to_string());
        text_or_mapping(deserializer, expecting, text, Self::Full as fn(FullStep) -> Self)
    }
}

/// Reads a short form from text, or the long form from a mapping.
///
/// Not `#[serde(untagged)]`: that would forget where in the mapping an error is, and what it is.
fn text_or_mapping<'de, D: Deserializer<'de>, T, M: Deserialize<'de>>(
    deserializer: D,
    expecting: &'static str,
    text: impl Fn(&str) -> Result<T, String>,
    mapping: impl Fn(M) -> T,
) -> Result<T, D::Error> {
    deserializer.deserialize_any(TextOrMapping { expecting, text, mapping, long: PhantomData })
}

struct TextOrMapping<F, G, M> {
    expecting: &'static str,
    text: F,
    mapping: G,
    long: PhantomData<M>,
}

impl<'de, T, M, F, G> Visitor<'de> for TextOrMapping<F, G, M>
where
    M: Deserialize<'de>,
    F: Fn(&str) -> Result<T, String>,
    G: Fn(M) -> T,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.text)(text).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        if map.size_hint() == Some(0) {
            return Err(A::Error::custom(format!("nothing is written here: write {}", self.expecting)));
        }
        let long = M::deserialize(MapAccessDeserializer::new(&mut map))?;
        if map.next_key::<String>()?.is_some() {
            return Err(A::Error::custom(format!("only one key can be here: write {}", self.expecting)));
        }
        Ok((self.mapping)(long))
    }
}

/// An address with a port.
pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    let hint = || match text.rsplit_once(':').map_or(text.as_str(), |(_, port)| port).parse::<u16>() {
        Ok(port) => format!("write 0.0.0.0:{port}, [::]:{port} or 127.0.0.1:{port}"),
        Err(_) => "write it like 0.0.0.0:8080, [::]:443 or 127.0.0.1:8080".to_owned(),
    };
    text.parse().map_err(|_| D::Error::custom(format!("`{text}` is not an IP address with a port: {}", hint())))
}

/// As [`address`], where it may be left out.
pub(super) fn maybe_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    struct Address(SocketAddr);

    impl<'de> Deserialize<'de> for Address {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            address(deserializer).map(Self)
        }
    }

    Ok(Option::<Address>::deserialize(deserializer)?.map(|address| address.0))
}

/// Networks; a plain address is the network of itself.
pub(super) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    struct Network(IpNet);

    impl<'de> Deserialize<'de> for Network {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
            let wrong =
                || D::Error::custom(format!("`{text}` is not a network: write it like 10.0.0.0/8 or 192.0.2.7"));
            network.map(Self).ok_or_else(wrong)
        }
    }

    Ok(Vec::<Network>::deserialize(deserializer)?.into_iter().map(|network| network.0).collect())
}
