//! Filters of rules.

use super::api::{Cors as WrittenCors, Filter, PathModifier, RequestMirror, RequestRedirect, UrlRewrite};
use super::conditions::Refused;
use super::grants::Referrer;
use super::rules::{Served, header_changes};
use super::targets::Targets;
use crate::config::schema::{Cors, Mirror, PathRewrite, Redirect, Rewrite};
use crate::types::{Ratio, Span};

/// Adds what the filters say to a rule.
///
/// # Errors
/// A filter that weir does not have, or that does not go together with the others.
pub fn apply(
    filters: &[Filter],
    from: Referrer<'_>,
    targets: &mut Targets<'_>,
    served: &mut Served,
) -> Result<(), Refused> {
    for filter in filters {
        one(filter, from, targets, served)?;
    }
    if served.route.redirect.is_some() && served.route.filters.rewrite.is_some() {
        return Err(Refused::new("IncompatibleFilters", "a rule either redirects or rewrites"));
    }
    Ok(())
}

fn one(filter: &Filter, from: Referrer<'_>, targets: &mut Targets<'_>, served: &mut Served) -> Result<(), Refused> {
    let route = &mut served.route;
    match filter.kind.as_str() {
        "RequestHeaderModifier" => {
            let changes = filter.request_header_modifier.as_ref().ok_or_else(|| incomplete(filter))?;
            route.filters.request_headers = header_changes(changes);
        }
        "ResponseHeaderModifier" => {
            let changes = filter.response_header_modifier.as_ref().ok_or_else(|| incomplete(filter))?;
            route.filters.response_headers = header_changes(changes);
        }
        "RequestRedirect" => {
            let written = filter.request_redirect.as_ref().ok_or_else(|| incomplete(filter))?;
            route.redirect = Some(redirect(written)?);
        }
        "URLRewrite" => {
            let written = filter.url_rewrite.as_ref().ok_or_else(|| incomplete(filter))?;
            route.filters.rewrite = Some(rewrite(written)?);
        }
        "RequestMirror" => {
            let written = filter.request_mirror.as_ref().ok_or_else(|| incomplete(filter))?;
            match targets.resolve(from, &written.backend_ref) {
                Ok(backend) => route.mirrors.get_or_insert_default().push(Mirror { backend, share: share(written) }),
                Err(refused) => served.unresolved.push(refused),
            }
        }
        "CORS" => {
            let written = filter.cors.as_ref().ok_or_else(|| incomplete(filter))?;
            route.filters.cors = Some(cors(written));
        }
        other => {
            return Err(Refused::new("UnsupportedValue", format!("weir does not have the filter `{other}`")));
        }
    }
    Ok(())
}

fn incomplete(filter: &Filter) -> Refused {
    Refused::new("UnsupportedValue", format!("the filter {} says nothing", filter.kind))
}

fn redirect(written: &RequestRedirect) -> Result<Redirect, Refused> {
    Ok(Redirect {
        scheme: written.scheme.clone(),
        host: written.hostname.clone(),
        port: written.port,
        path: written.path.as_ref().map(path).transpose()?,
        status: written.status_code,
    })
}

fn rewrite(written: &UrlRewrite) -> Result<Rewrite, Refused> {
    Ok(Rewrite { host: written.hostname.clone(), path: written.path.as_ref().map(path).transpose()? })
}

fn cors(written: &WrittenCors) -> Cors {
    Cors {
        allow_origins: written.allow_origins.clone(),
        allow_methods: written.allow_methods.clone(),
        allow_headers: written.allow_headers.clone(),
        expose_headers: written.expose_headers.clone(),
        allow_credentials: written.allow_credentials.unwrap_or(false),
        max_age: written.max_age.map(|seconds| Span::secs(seconds.into())),
    }
}

fn path(written: &PathModifier) -> Result<PathRewrite, Refused> {
    match (written.kind.as_str(), &written.replace_full_path, &written.replace_prefix_match) {
        ("ReplaceFullPath", Some(path), _) => Ok(PathRewrite::Full(path.clone())),
        ("ReplacePrefixMatch", _, Some(path)) => Ok(PathRewrite::Prefix(path.clone())),
        (other, ..) => Err(Refused::new("UnsupportedValue", format!("a path cannot be changed by `{other}`"))),
    }
}

fn share(mirror: &RequestMirror) -> Option<Ratio> {
    let percent = mirror.percent.map(|percent| f64::from(percent) / 100.0);
    let fraction = mirror
        .fraction
        .as_ref()
        .map(|part| f64::from(part.numerator) / f64::from(part.denominator.unwrap_or(100).max(1)));
    percent.or(fraction).map(Ratio::from_fraction)
}
