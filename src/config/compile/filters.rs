//! Changes to requests and responses: fields, host, path, redirects.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue, StatusCode};

use super::Compiler;
use crate::config::defaults;
use crate::config::schema;
use crate::config::tree::At;
use crate::snapshot::{HeaderEdits, PathRewrite, Redirect};

impl Compiler<'_> {
    pub(super) fn header_edits(&mut self, changes: &schema::HeaderChanges, at: &At<'_>) -> HeaderEdits {
        let remove = at.key("remove");
        HeaderEdits {
            set: self.fields(&changes.set, &at.key("set")),
            add: self.fields(&changes.add, &at.key("add")),
            remove: changes
                .remove
                .iter()
                .enumerate()
                .filter_map(|(index, name)| self.own_header(&remove.item(index), name))
                .collect(),
        }
    }

    fn fields(&mut self, fields: &BTreeMap<String, String>, at: &At<'_>) -> Vec<(HeaderName, HeaderValue)> {
        let pairs = fields.iter().filter_map(|(name, value)| {
            let value = self.header_value(&at.key(name), value);
            Some((self.own_header(&at.key_itself(name), name)?, value?))
        });
        pairs.collect()
    }

    /// The name of a field that is the configuration's to change.
    fn own_header(&mut self, at: &At<'_>, name: &str) -> Option<HeaderName> {
        let header = self.header_name(at, name)?;
        if header == http::header::HOST {
            self.error(at, "filters do not change `host`").help("use `rewrite: { host: ... }`");
            return None;
        }
        if FRAMING.contains(&header.as_str()) {
            self.error(at, format!("`{header}` belongs to one connection alone, and weir writes it by itself"))
                .help("remove it here");
            return None;
        }
        Some(header)
    }

    /// `prefix` is the length of the prefix that the route matches by, if it does.
    pub(super) fn path_rewrite(
        &mut self,
        rewrite: &schema::PathRewrite,
        prefix: Option<usize>,
        at: &At<'_>,
    ) -> Option<PathRewrite> {
        match rewrite {
            schema::PathRewrite::Full(path) => {
                self.path(&at.key("full"), path)?;
                Some(PathRewrite::Full(path.clone()))
            }
            schema::PathRewrite::Prefix(replacement) => {
                self.path(&at.key("prefix"), replacement)?;
                let Some(matched) = prefix else {
                    self.error(
                        &at.key_itself("prefix"),
                        "there is no prefix to replace: the route does not match by prefix",
                    )
                    .help("use `full`, or match the path by prefix");
                    return None;
                };
                Some(PathRewrite::Prefix { matched, replacement: replacement.clone() })
            }
        }
    }

    pub(super) fn redirect(&mut self, redirect: &schema::Redirect, prefix: Option<usize>, at: &At<'_>) -> Redirect {
        if *redirect == schema::Redirect::default() && !at.lost_any() {
            self.error(at, "this redirects to the same place again").help("write a `scheme`, `host`, `port` or `path`");
        }
        if let Some(host) = &redirect.host {
            self.redirect_host(&at.key("host"), host);
        }
        if redirect.port == Some(0) {
            self.error(&at.key("port"), "there is no port 0");
        }
        let scheme = redirect.scheme.as_deref().and_then(|scheme| self.scheme(&at.key("scheme"), scheme));
        let path = redirect.path.as_ref().and_then(|path| self.path_rewrite(path, prefix, &at.key("path")));
        let status = defaults::REDIRECT_STATUS.or(redirect.status);
        if !REDIRECTS.contains(&status) {
            self.error(&at.key("status"), format!("{status} is not a redirect")).help("use 301, 302, 303, 307 or 308");
        }
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FOUND);
        Redirect { scheme, host: redirect.host.clone(), port: redirect.port, path, status }
    }

    fn redirect_host(&mut self, at: &At<'_>, host: &str) {
        if self.authority(at, host).is_some() && host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']')) {
            self.error(at, format!("`{host}` is a host with a port")).help("write the port as `port`");
        }
    }

    fn scheme(&mut self, at: &At<'_>, scheme: &str) -> Option<http::uri::Scheme> {
        match scheme {
            "http" => Some(http::uri::Scheme::HTTP),
            "https" => Some(http::uri::Scheme::HTTPS),
            _ => {
                self.error(at, format!("`{scheme}` is not a scheme to redirect to")).help("use http or https");
                None
            }
        }
    }
}

/// Fields that tell how one message is framed on one connection: a filter that touched them would break it.
const FRAMING: [&str; 8] =
    ["connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];
