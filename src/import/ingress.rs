//! A pair of Ingresses, one of them with ingress-nginx's canary annotations, as a Gateway, HTTPRoutes and a `CanaryRelease`.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::networking::v1::{HTTPIngressPath, Ingress, IngressBackend, IngressServiceBackend};
use serde_json::{Value, json};

use super::ImportError;
use super::manifest::{Draft, Import, Manifest, Step, steps, with};
use super::read::Object;
use crate::kubernetes::nginx::{ALWAYS, Canary, HeaderRule, PREFIX, is_true};
use crate::types::{Ratio, Span};

/// Translates every Ingress that another one is a canary of. The others are named in a note.
pub(super) fn import(objects: &[Object]) -> Result<Import, ImportError> {
    let mut ingresses = Vec::new();
    for object in objects.iter().filter(|object| object.kind == "Ingress") {
        ingresses.push(Read::new(object)?);
    }
    let mut import = Import::default();
    let (canaries, mains): (Vec<_>, Vec<_>) = ingresses.iter().partition(|ingress| ingress.canary.is_some());
    let mut used: BTreeSet<String> = BTreeSet::new();
    for main in &mains {
        let of_main: Vec<&Read<'_>> =
            canaries.iter().copied().filter(|canary| canary.object.namespace == main.object.namespace).collect();
        let pair = Pair { main, canaries: &of_main, objects };
        let with_canary: Vec<_> = pair.canary_names().collect();
        if with_canary.is_empty() {
            import.notes.push(format!("{} has no canary, and is left as it is", main.object));
        } else {
            used.extend(with_canary.into_iter().map(str::to_owned));
            import.add(pair.manifests());
        }
    }
    let alone = canaries.iter().filter(|canary| !used.contains(&canary.object.name));
    import.notes.extend(alone.map(|canary| {
        format!("{} is a canary of no Ingress that is imported: no host and path are the same", canary.object)
    }));
    Ok(import)
}

/// An Ingress as it was read.
#[derive(Debug)]
struct Read<'a> {
    object: &'a Object,
    ingress: Ingress,
    canary: Option<(Canary, Vec<String>)>,
}

impl<'a> Read<'a> {
    fn new(object: &'a Object) -> Result<Self, ImportError> {
        let ingress: Ingress = object.whole()?;
        let canary = ingress.metadata.annotations.as_ref().and_then(Canary::read);
        Ok(Self { object, ingress, canary })
    }

    /// One of ingress-nginx's annotations.
    fn annotation(&self, name: &str) -> Option<&str> {
        self.ingress.metadata.annotations.as_ref()?.get(&format!("{PREFIX}{name}")).map(String::as_str)
    }

    /// Its paths by host, and the default backend as the path `/` of every host.
    fn hosts(&self) -> BTreeMap<&str, Vec<HTTPIngressPath>> {
        let mut hosts: BTreeMap<&str, Vec<HTTPIngressPath>> = BTreeMap::new();
        let Some(spec) = &self.ingress.spec else { return hosts };
        for rule in spec.rules.iter().flatten() {
            let paths = rule.http.iter().flat_map(|http| http.paths.iter().cloned());
            hosts.entry(rule.host.as_deref().unwrap_or_default()).or_default().extend(paths);
        }
        if let Some(backend) = &spec.default_backend {
            let path = HTTPIngressPath { backend: backend.clone(), path: None, path_type: "Prefix".to_owned() };
            hosts.entry("").or_default().push(path);
        }
        hosts
    }

    /// The hosts that it has certificates for, with the Secret of each.
    fn secrets(&self) -> Vec<(String, String)> {
        let tls = self.ingress.spec.iter().flat_map(|spec| spec.tls.iter().flatten());
        let named = tls.filter_map(|tls| Some((tls.hosts.clone().unwrap_or_default(), tls.secret_name.clone()?)));
        named.flat_map(|(hosts, secret)| hosts.into_iter().map(move |host| (host, secret.clone()))).collect()
    }

    /// ingress-nginx sends plain requests for a host with a certificate to HTTPS, unless told otherwise.
    fn redirects(&self) -> bool {
        let on = |name| self.annotation(name).map(is_true);
        on("force-ssl-redirect").or_else(|| on("ssl-redirect")).unwrap_or(true)
    }
}

/// An Ingress and the canaries beside it.
struct Pair<'a> {
    main: &'a Read<'a>,
    canaries: &'a [&'a Read<'a>],
    objects: &'a [Object],
}

impl<'a> Pair<'a> {
    /// The canary of a path of the main Ingress, and the backend there. ingress-nginx allows one for each path.
    fn canary_of(&self, host: &str, path: &HTTPIngressPath) -> Option<(&'a Read<'a>, IngressServiceBackend)> {
        self.canaries.iter().find_map(|canary| {
            let paths = canary.hosts().remove(host)?;
            let same = paths
                .into_iter()
                .find(|other| other.path.as_deref().unwrap_or("/") == path.path.as_deref().unwrap_or("/"))?;
            Some((*canary, same.backend.service?))
        })
    }

    fn canary_names(&self) -> impl Iterator<Item = &'a str> {
        let hosts = self.main.hosts();
        let found: BTreeSet<&str> = hosts
            .iter()
            .flat_map(|(host, paths)| paths.iter().filter_map(|path| self.canary_of(host, path)))
            .map(|(canary, _)| canary.object.name.as_str())
            .collect();
        found.into_iter()
    }

    fn manifests(&self) -> Vec<Manifest> {
        let hosts = self.main.hosts();
        let mut manifests = vec![self.gateway()];
        for (index, (host, paths)) in hosts.iter().enumerate() {
            let name = match hosts.len() {
                1 => self.main.object.name.clone(),
                _ => format!("{}-{}", self.main.object.name, index + 1),
            };
            manifests.extend(self.routes(&name, host, paths));
        }
        manifests.extend(self.releases());
        manifests
    }

    fn gateway(&self) -> Manifest {
        let mut listeners = vec![json!({ "name": "http", "port": 80, "protocol": "HTTP" })];
        let secrets = self.main.secrets();
        listeners.extend(secrets.iter().enumerate().map(|(index, (host, secret))| {
            let tls = json!({ "mode": "Terminate", "certificateRefs": [{ "name": secret }] });
            json!({ "name": https(index), "port": 443, "protocol": "HTTPS", "hostname": host, "tls": tls })
        }));
        let canaries: Vec<&str> = self.canary_names().collect();
        let note = format!(
            "From {} and its canary {}. A Gateway has an address of its own: move DNS to it, then delete the Ingresses. Several \
             HTTPRoutes may share one Gateway.",
            self.main.object,
            canaries.join(", ")
        );
        Draft::new(GATEWAY_API, "Gateway", self.main.object)
            .noted([note])
            .noted(self.annotations())
            .spec(json!({ "gatewayClassName": "weir", "listeners": listeners }))
    }

    /// The route of a host, and the one that sends its plain requests to HTTPS.
    fn routes(&self, name: &str, host: &str, paths: &[HTTPIngressPath]) -> Vec<Manifest> {
        let secured = self.main.secrets().iter().position(|(secured, _)| secured == host).map(https);
        let redirected = secured.is_some() && self.main.redirects();
        let parent =
            |section: Option<&str>| with(json!({ "name": self.main.object.name }), [("sectionName", json!(section))]);
        let hostnames = if host.is_empty() { json!([]) } else { json!([host]) };
        let mut parents = vec![parent(secured.as_deref())];
        if secured.is_some() && !redirected {
            parents.push(parent(Some("http")));
        }
        let mut notes = Vec::new();
        let rules: Vec<Value> = paths.iter().flat_map(|path| self.rules(host, path, &mut notes)).collect();
        let spec = with(json!({ "parentRefs": parents }), [("hostnames", hostnames.clone()), ("rules", json!(rules))]);
        let mut routes =
            vec![Draft::new(GATEWAY_API, "HTTPRoute", self.main.object).named(name).noted(notes).spec(spec)];
        if redirected {
            let redirect =
                json!({ "type": "RequestRedirect", "requestRedirect": { "scheme": "https", "statusCode": 308 } });
            let rule = json!({ "filters": [redirect] });
            let spec = with(
                json!({ "parentRefs": [parent(Some("http"))] }),
                [("hostnames", hostnames), ("rules", json!([rule]))],
            );
            let name = format!("{name}-to-https");
            routes.push(Draft::new(GATEWAY_API, "HTTPRoute", self.main.object).named(name).spec(spec));
        }
        routes
    }

    /// What a path becomes: the requests that choose the canary by a field or a cookie, then all others.
    fn rules(&self, host: &str, path: &HTTPIngressPath, notes: &mut Vec<String>) -> Vec<Value> {
        let Some(stable) = &path.backend.service else {
            notes.push(format!("{}: a resource backend has no counterpart", path.path.as_deref().unwrap_or("/")));
            return Vec::new();
        };
        let path_match = self.path_match(path, notes);
        let mut rules = Vec::new();
        let mut rule = |headers: Value, service: &IngressServiceBackend, notes: &mut Vec<String>| {
            let matching = with(json!({ "path": path_match }), [("headers", headers)]);
            let body = with(json!({ "matches": [matching] }), [("filters", self.rewrite(notes))]);
            let backend = json!({ "name": service.name, "port": self.port(service, notes) });
            rules.push(with(body, [("backendRefs", json!([backend]))]));
        };
        if let Some((canary, service)) = self.canary_of(host, path) {
            for header in canary.canary.iter().flat_map(|(canary, _)| choices(canary)) {
                rule(json!([header]), &service, notes);
                add(notes, FORCED);
            }
        }
        rule(Value::Null, stable, notes);
        rules
    }

    fn path_match(&self, path: &HTTPIngressPath, notes: &mut Vec<String>) -> Value {
        let text = path.path.as_deref().unwrap_or("/");
        let regex = self.main.annotation("use-regex").is_some_and(is_true) && path.path_type != "Exact";
        if regex {
            // nginx looks for the expression at the beginning and does not ask for the end.
            return json!({ "type": "RegularExpression", "value": format!("{text}.*") });
        }
        if path.path_type == "ImplementationSpecific" && text != "/" {
            add(notes, format!("{text} is a prefix of whole segments: {text}/cart, but not {text}x as with nginx"));
        }
        let kind = if path.path_type == "Exact" { "Exact" } else { "PathPrefix" };
        json!({ "type": kind, "value": text })
    }

    fn rewrite(&self, notes: &mut Vec<String>) -> Value {
        match self.main.annotation("rewrite-target") {
            None => Value::Null,
            Some(target) if target.contains('$') => {
                add(notes, format!("rewrite-target {target}: groups of a regular expression have no counterpart"));
                Value::Null
            }
            Some(target) => {
                let path = json!({ "type": "ReplaceFullPath", "replaceFullPath": target });
                json!([{ "type": "URLRewrite", "urlRewrite": { "path": path } }])
            }
        }
    }

    /// The number of a port; a named one is looked up in the Service.
    fn port(&self, service: &IngressServiceBackend, notes: &mut Vec<String>) -> i32 {
        let port = service.port.as_ref();
        if let Some(number) = port.and_then(|port| port.number) {
            return number;
        }
        let name = port.and_then(|port| port.name.as_deref()).unwrap_or_default();
        let found = self.objects.iter().find(|object| {
            object.kind == "Service" && object.name == service.name && object.namespace == self.main.object.namespace
        });
        let ports = found.and_then(|found| found.value.pointer("/spec/ports")?.as_array());
        let port = ports.and_then(|ports| ports.iter().find(|port| port["name"] == name));
        port.and_then(|port| i32::try_from(port["port"].as_i64()?).ok()).unwrap_or_else(|| {
            add(
                notes,
                format!(
                    "port {name} of Service {}: write its number instead of 80, or import the Service too",
                    service.name
                ),
            );
            80
        })
    }

    /// One for each pair of Services.
    fn releases(&self) -> Vec<Manifest> {
        let mut pairs: BTreeMap<(String, String), &Read<'_>> = BTreeMap::new();
        for (host, paths) in &self.main.hosts() {
            for path in paths {
                if let (Some((canary, service)), Some(stable)) =
                    (self.canary_of(host, path), stable_name(&path.backend))
                {
                    pairs.entry((stable, service.name)).or_insert(canary);
                }
            }
        }
        pairs.into_iter().filter_map(|((stable, canary), read)| self.release(&stable, &canary, read)).collect()
    }

    fn release(&self, stable: &str, canary: &str, read: &Read<'_>) -> Option<Manifest> {
        let (annotations, problems) = read.canary.as_ref()?;
        let mut notes = vec![format!("From {}: Service {canary} is the canary of Service {stable}.", read.object)];
        notes.extend(problems.iter().cloned());
        if stable == canary {
            notes.push("Both Ingresses name the same Service: give the new version a Service of its own.".to_owned());
        }
        if annotations.weight == Ratio::ZERO {
            notes.push(
                "canary-weight is 0: without a release only those who choose it get the canary. Apply this when it is to get \
                 traffic."
                    .to_owned(),
            );
        } else {
            notes.push(format!(
                "canary-weight was {}: it stays there until `kubectl weir resume`, then evidence moves it. A canary that is worse \
                 than stable is taken out at any time.",
                annotations.weight
            ));
        }
        let services = json!({ "stable": { "service": stable }, "canary": { "service": canary } });
        let body = with(services, [("steps", steps(&from(annotations.weight))), ("affinity", self.affinity())]);
        Some(Draft::new("weir.dev/v1alpha1", "CanaryRelease", self.main.object).named(stable).noted(notes).spec(body))
    }

    fn affinity(&self) -> Value {
        if self.main.annotation("affinity") != Some("cookie") {
            return Value::Null;
        }
        let age = self.main.annotation("session-cookie-max-age").and_then(|age| age.parse().ok()).map(Span::secs);
        let name = self.main.annotation("session-cookie-name");
        json!({ "cookie": with(json!({}), [("name", json!(name)), ("maxAge", json!(age))]) })
    }

    /// What is to be said of ingress-nginx's other annotations.
    fn annotations(&self) -> Vec<String> {
        let all = self.main.ingress.metadata.annotations.iter().flat_map(BTreeMap::keys);
        let ours = all.filter_map(|name| name.strip_prefix(PREFIX));
        ours.filter_map(|name| match ANNOTATIONS.iter().find(|(known, _)| *known == name) {
            Some((_, "")) => None,
            Some((_, text)) => Some(format!("{name}: {text}")),
            None => Some(format!("{name} has no counterpart")),
        })
        .collect()
    }
}

fn stable_name(backend: &IngressBackend) -> Option<String> {
    backend.service.as_ref().map(|service| service.name.clone())
}

/// The matches of those who choose the canary, the stronger first.
fn choices(canary: &Canary) -> Vec<Value> {
    let header = canary.header.as_ref().map(|header| match &header.rule {
        HeaderRule::AlwaysNever => json!({ "name": header.name, "type": "Exact", "value": ALWAYS }),
        HeaderRule::Value(value) => json!({ "name": header.name, "type": "Exact", "value": value }),
        HeaderRule::Pattern(pattern) => {
            let pattern = HeaderRule::whole_pattern(pattern);
            json!({ "name": header.name, "type": "RegularExpression", "value": pattern })
        }
    });
    let cookie = canary
        .cookie_patterns()
        .map(|[always, _]| json!({ "name": "Cookie", "type": "RegularExpression", "value": always }));
    header.into_iter().chain(cookie).collect()
}

/// The weight there is, held; then weir's own steps above it.
fn from(weight: Ratio) -> Vec<Step> {
    let held = Step { pause: true, ..Step::of(weight) };
    let own = [1, 5, 25, 50].map(|percent| Step::of(Ratio::percent(percent)));
    let held = (weight > Ratio::ZERO && weight < Ratio::ONE).then_some(held);
    held.into_iter().chain(own.into_iter().filter(|step| step.weight > weight)).collect()
}

fn https(index: usize) -> String {
    format!("https-{}", index + 1)
}

fn add(notes: &mut Vec<String>, note: impl Into<String>) {
    let note = note.into();
    if !notes.contains(&note) {
        notes.push(note);
    }
}

const GATEWAY_API: &str = "gateway.networking.k8s.io/v1";

const FORCED: &str = "\
Those who choose the canary by a field or cookie get it whatever the release decides, as with ingress-nginx. `never` has no
counterpart; see overrides for testers with a secret, to either side.";

/// What is to be said of ingress-nginx's annotations. No text: they are translated, or mean nothing here.
const ANNOTATIONS: &[(&str, &str)] = &[
    ("canary", ""),
    ("affinity", ""),
    ("affinity-mode", ""),
    ("affinity-canary-behavior", "a client stays with its version, not with its pod"),
    ("session-cookie-name", ""),
    ("session-cookie-max-age", ""),
    ("session-cookie-expires", ""),
    ("ssl-redirect", ""),
    ("force-ssl-redirect", ""),
    ("use-regex", ""),
    ("rewrite-target", ""),
    ("proxy-body-size", "bodies may have any size"),
    ("proxy-buffering", "bodies are passed on as they come"),
    ("proxy-request-buffering", "bodies are passed on as they come"),
    ("proxy-read-timeout", "see timeouts of an HTTPRoute's rules, which are for the whole request"),
    ("proxy-send-timeout", "see timeouts of an HTTPRoute's rules, which are for the whole request"),
    ("proxy-next-upstream", "weir repeats what may be repeated, a canary's failures on stable"),
    ("proxy-next-upstream-tries", "weir repeats what may be repeated, a canary's failures on stable"),
    ("backend-protocol", "say it in the Service: appProtocol kubernetes.io/h2c, or a BackendTLSPolicy"),
    ("enable-cors", "see the CORS filter of an HTTPRoute"),
    ("permanent-redirect", "see the RequestRedirect filter of an HTTPRoute"),
];
