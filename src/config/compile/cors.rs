//! What pages of other origins may do.

use http::HeaderValue;

use super::Compiler;
use super::values::is_token;
use crate::config::defaults;
use crate::config::schema;
use crate::config::tree::At;
use crate::cors::{Allowed, Cors, OriginPattern};

impl Compiler<'_> {
    pub(super) fn cors(&mut self, cors: &schema::Cors, at: &At<'_>) -> Cors {
        let max_age = defaults::CORS_MAX_AGE.or(cors.max_age).0.as_secs();
        let exposed = match self.allowed(&cors.expose_headers, "field", &at.key("exposeHeaders")) {
            Allowed::Nothing => None,
            Allowed::Everything => Some(HeaderValue::from_static("*")),
            Allowed::These(list) => Some(list),
        };
        Cors {
            origins: self.origins(&cors.allow_origins, &at.key("allowOrigins")),
            methods: self.allowed(&cors.allow_methods, "method", &at.key("allowMethods")),
            headers: self.allowed(&cors.allow_headers, "field", &at.key("allowHeaders")),
            exposed,
            credentials: cors.allow_credentials,
            max_age: max_age.into(),
        }
    }

    fn origins(&mut self, written: &[String], at: &At<'_>) -> Vec<OriginPattern> {
        let mut origins = Vec::with_capacity(written.len());
        for (index, text) in written.iter().enumerate() {
            match OriginPattern::parse(text) {
                Ok(origin) => origins.push(origin),
                Err(error) => {
                    self.error(&at.item(index), error.to_string())
                        .help("write it like https://shop.example.com, https://*.example.com or *");
                }
            }
        }
        origins
    }

    /// A list of tokens, or `*` alone.
    fn allowed(&mut self, written: &[String], noun: &str, at: &At<'_>) -> Allowed {
        if written.iter().any(|text| text == "*") {
            if written.len() > 1 {
                self.error(at, "`*` stands for all of them already").help("remove the others");
            }
            return Allowed::Everything;
        }
        for (index, text) in written.iter().enumerate().filter(|(_, text)| !is_token(text)) {
            self.error(&at.item(index), format!("`{text}` is not the name of a {noun}"));
        }
        match HeaderValue::from_str(&written.join(", ")) {
            Ok(list) if !written.is_empty() => Allowed::These(list),
            _ => Allowed::Nothing,
        }
    }
}
