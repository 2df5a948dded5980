//! Which requests go where.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use http::StatusCode;

use super::{Compiler, Targets};
use crate::config::defaults;
use crate::config::schema;
use crate::config::tree::At;
use crate::retry::RetryPolicy;
use crate::route::{Matcher, Rule};
use crate::snapshot::{BackendEdits, Branch, Mirror, Phases, Route, Split, Target, Traffic, TrafficKey};
use crate::split::{SharePhase, WeightedSplit};
use crate::types::{Name, Weight};

impl Compiler<'_> {
    pub(super) fn routes(&mut self, targets: &Targets) -> Vec<Rule<Arc<Route>>> {
        let at = self.root().key("routes");
        let routes = &self.file().routes;
        if routes.is_empty() && self.root().is_written() && !at.lost_any() && !self.root().lost("routes") {
            self.warn(&at, "there is no route: every request gets 404").help("add one: routes: [{ release: NAME }]");
        }
        let mut names = BTreeMap::new();
        let mut led: HashMap<&Name, usize> = HashMap::new();
        let mut rules = Vec::new();
        for (index, route) in routes.iter().enumerate() {
            let at = at.item(index);
            let name = name_of(index, route);
            if let Some(first) = names.insert(name.clone(), index + 1) {
                self.error(&at.key("name"), format!("two routes are named `{name}`"))
                    .help(format!("the first is route {first} of the file: give each a name of its own"));
            }
            let places = leading(route, &self.file().releases).into_iter().map(|release| {
                let before = led.entry(release).or_default();
                (release, std::mem::replace(before, *before + 1))
            });
            let places = places.collect();
            rules.extend(self.route((route, places), &name, targets, &at));
        }
        rules
    }

    /// One rule for each match: a rewrite of the prefix depends on which prefix matched.
    fn route(
        &mut self,
        (route, places): (&schema::Route, BTreeMap<&Name, usize>),
        name: &Name,
        targets: &Targets,
        at: &At<'_>,
    ) -> Vec<Rule<Arc<Route>>> {
        self.one_target(route, at);
        self.listeners_of(route, &at.key("listeners"));
        let written = Written { route, places, name, targets, served: self.served(route), at };
        let mut rules = Vec::new();
        for matching in self.matchers(route, at) {
            if let Some(target) = self.compiled(&written, matching.path.prefix_len()) {
                let listeners = route.listeners.as_ref().map(|_| written.served.clone());
                rules.push(Rule { listeners, matching, target: Arc::new(target) });
            }
        }
        rules
    }

    fn compiled(&mut self, written: &Written<'_>, prefix: Option<usize>) -> Option<Route> {
        let Written { route, name, targets, at, .. } = written;
        let target = self.target((route, name), prefix, targets, at);
        let filters = at.key("filters");
        let at_rewrite = filters.key("rewrite");
        let rewrite = route.filters.rewrite.as_ref();
        let host = rewrite.and_then(|rewrite| rewrite.host.as_deref());
        let path = rewrite.and_then(|rewrite| rewrite.path.as_ref());
        let retry = route.retry.clone().unwrap_or_default();
        let request_headers = self.header_edits(&route.filters.request_headers, &filters.key("requestHeaders"));
        let response_headers = self.header_edits(&route.filters.response_headers, &filters.key("responseHeaders"));
        let rewrite_host = host.and_then(|host| self.authority(&at_rewrite.key("host"), host));
        let rewrite_path = path.and_then(|path| self.path_rewrite(path, prefix, &at_rewrite.key("path")));
        let cors = route.filters.cors.as_ref().map(|cors| Box::new(self.cors(cors, &filters.key("cors"))));
        let mirrors = self.mirrors((route, name), targets, at);
        let timeout = route.timeout.map(|timeout| self.positive(&at.key("timeout"), timeout));
        let attempt_timeout = route.backend_timeout.map(|timeout| self.positive(&at.key("backendTimeout"), timeout));
        let retry = self.retry(&retry, &at.key("retry"));
        // Only now: what is wrong beside a missing target is to be said too.
        let target = target?;
        let traffic = self.traffic(name, &target, &written.served);
        let evidence = evidence(written, &target);
        Some(Route {
            name: Name::clone(name),
            target,
            request_headers,
            response_headers,
            rewrite_host,
            rewrite_path,
            cors,
            mirrors,
            timeout,
            attempt_timeout,
            retry,
            evidence,
            traffic,
        })
    }

    /// Exactly one target, and nothing beside a redirect that a redirect cannot do.
    fn one_target(&mut self, route: &schema::Route, at: &At<'_>) {
        let written = [
            ("release", route.release.is_some()),
            ("backend", route.backend.is_some()),
            ("backends", route.backends.is_some()),
            ("redirect", route.redirect.is_some()),
        ];
        let named: Vec<&str> =
            written.iter().filter(|(key, there)| *there || at.lost(key)).map(|(key, _)| *key).collect();
        match named.as_slice() {
            [] => self
                .error(at, "this route leads nowhere")
                .help("add one of `release`, `backend`, `backends` and `redirect`"),
            [_] => {}
            [first, .., second] => {
                self.error(&at.key_itself(second), format!("this route has `{first}` already"))
                    .help("keep one of them");
            }
        }
        let beside = [
            ("mirror", route.mirror.is_some()),
            ("mirrors", route.mirrors.is_some()),
            ("timeout", route.timeout.is_some()),
            ("backendTimeout", route.backend_timeout.is_some()),
            ("retry", route.retry.is_some()),
        ];
        for (key, _) in beside.iter().filter(|(_, there)| *there && route.redirect.is_some()) {
            self.error(&at.key_itself(key), format!("a redirect has no use for `{key}`"))
                .help("remove it: nothing is forwarded");
        }
    }

    fn listeners_of(&mut self, route: &schema::Route, at: &At<'_>) {
        let Some(names) = &route.listeners else { return };
        if names.is_empty() && !at.lost_any() {
            self.error(at, "this route is served on no listener").help("name one, or remove `listeners` for all");
        }
        let known = &self.loaded.declared.listeners;
        for (index, name) in names.iter().enumerate() {
            self.must_exist(&at.item(index), "listener", name, known);
        }
    }

    /// The indices of the listeners that serve a route.
    fn served(&self, route: &schema::Route) -> Vec<usize> {
        let listeners = self.file().listeners.iter().enumerate();
        let wanted = |name: &Name| route.listeners.as_ref().is_none_or(|names| names.contains(name));
        listeners.filter(|(_, listener)| wanted(&listener.name)).map(|(index, _)| index).collect()
    }

    fn matchers(&mut self, route: &schema::Route, at: &At<'_>) -> Vec<Matcher> {
        let list = at.key("matches");
        match (&route.matching, &route.matches) {
            (Some(_), Some(_)) => {
                self.error(&at.key_itself("matches"), "this route has `match` already")
                    .help("put all of them into `matches`");
                Vec::new()
            }
            (Some(one), None) => vec![self.matcher(one, &at.key("match"))],
            (None, Some(many)) => {
                if many.is_empty() && !list.lost_any() {
                    self.error(&list, "no request matches this route")
                        .help("add a match, or remove `matches` for every request");
                }
                many.iter().enumerate().map(|(index, one)| self.matcher(one, &list.item(index))).collect()
            }
            (None, None) => vec![Matcher::default()],
        }
    }

    /// `None` when the target does not exist, which has been reported by then.
    fn target(
        &mut self,
        (route, route_name): (&schema::Route, &Name),
        prefix: Option<usize>,
        targets: &Targets,
        at: &At<'_>,
    ) -> Option<Target> {
        let declared = &self.loaded.declared;
        if let Some(name) = &route.release {
            self.must_exist(&at.key("release"), "release", name, &declared.releases);
            return targets.releases.get(name).cloned().map(Target::Release);
        }
        if let Some(name) = &route.backend {
            self.must_exist(&at.key("backend"), "backend", name, &declared.backends);
            return targets.backends.get(name).cloned().map(Target::Backend);
        }
        if let Some(backends) = &route.backends {
            return self.split((backends, route_name), targets, &at.key("backends"));
        }
        let redirect = route.redirect.as_ref()?;
        Some(Target::Redirect(self.redirect(redirect, prefix, &at.key("redirect"))))
    }

    fn split(
        &mut self,
        (written, route): (&[schema::WeightedBackend], &Name),
        targets: &Targets,
        at: &At<'_>,
    ) -> Option<Target> {
        let weights: Vec<Weight> = written.iter().map(|backend| backend.weight).collect();
        if weights.iter().all(|weight| weight.value() == 0) && !at.lost_any() {
            self.warn(at, "the weights sum up to 0: every request gets 500").help("give one of them a weight above 0");
        }
        let (mut branches, mut edits, mut lost) = (Vec::new(), Vec::new(), false);
        for (index, one) in written.iter().enumerate() {
            let at = at.item(index);
            if written[..index].iter().any(|other| (&other.name, &other.release) == (&one.name, &one.release)) {
                self.twice(one, &at);
            }
            let filters = at.key("filters");
            let changes = BackendEdits {
                request: self.header_edits(&one.filters.request_headers, &filters.key("requestHeaders")),
                response: self.header_edits(&one.filters.response_headers, &filters.key("responseHeaders")),
            };
            let Some(target) = self.branch(one, targets, &at) else {
                lost = true;
                continue;
            };
            let slot = edits.len();
            edits.resize(slot + target.backends().len(), changes);
            branches.push(Branch { slot, target });
        }
        let phase = self.leaves.split(route, made_of(written));
        (!lost)
            .then(|| Target::Split(Arc::new(Split { weights: WeightedSplit::new(&weights), branches, edits, phase })))
    }

    /// One of a split; `None` when it does not exist, which has been reported by then.
    fn branch(&mut self, one: &schema::WeightedBackend, targets: &Targets, at: &At<'_>) -> Option<Target> {
        let declared = &self.loaded.declared;
        match (&one.name, &one.release) {
            (Some(name), None) => {
                self.must_exist(&at.key("name"), "backend", name, &declared.backends);
                targets.backends.get(name).cloned().map(Target::Backend)
            }
            (None, Some(name)) => {
                self.must_exist(&at.key("release"), "release", name, &declared.releases);
                targets.releases.get(name).cloned().map(Target::Release)
            }
            (Some(_), Some(_)) => {
                self.error(&at.key_itself("release"), "this share goes to a backend already")
                    .help("keep one of `name` and `release`");
                None
            }
            (None, None) => {
                if !at.lost_any() {
                    self.error(at, "this share goes nowhere")
                        .help("add the `name` of a backend, or the name of a `release`");
                }
                None
            }
        }
    }

    fn twice(&mut self, one: &schema::WeightedBackend, at: &At<'_>) {
        let (key, what, name) = match (&one.name, &one.release) {
            (Some(name), _) => ("name", "backend", name),
            (None, Some(name)) => ("release", "release", name),
            (None, None) => return,
        };
        self.warn(&at.key(key), format!("the {what} `{name}` is in this list twice"))
            .help("add the weights up, unless their filters differ");
    }

    fn mirrors(&mut self, (route, name): (&schema::Route, &Name), targets: &Targets, at: &At<'_>) -> Box<[Mirror]> {
        if route.mirror.is_some() && route.mirrors.is_some() {
            self.error(&at.key_itself("mirrors"), "this route has `mirror` already")
                .help("put all of them into `mirrors`");
        }
        let list = at.key("mirrors");
        let one = route.mirror.iter().map(|mirror| (mirror, at.key("mirror")));
        let many = route.mirrors.iter().flatten().enumerate().map(|(index, mirror)| (mirror, list.item(index)));
        let all = one.chain(many).enumerate();
        all.filter_map(|(index, (mirror, at))| self.mirror(mirror, self.leaves.mirror(name, index), targets, &at))
            .collect()
    }

    fn mirror(
        &mut self,
        mirror: &schema::Mirror,
        phase: Phases<SharePhase>,
        targets: &Targets,
        at: &At<'_>,
    ) -> Option<Mirror> {
        self.must_exist(&at.key("backend"), "backend", &mirror.backend, &self.loaded.declared.backends);
        let share = defaults::MIRROR_SHARE.or(mirror.share);
        let backend = targets.backends.get(&mirror.backend).cloned()?;
        Some(Mirror { backend, share, phase })
    }

    fn retry(&mut self, retry: &schema::Retry, at: &At<'_>) -> RetryPolicy {
        let attempts = self.within(&at.key("attempts"), defaults::RETRY_ATTEMPTS.or(retry.attempts), 1, MAX_ATTEMPTS);
        let list = at.key("statuses");
        let statuses = retry.statuses.as_deref().unwrap_or(defaults::RETRY_STATUSES.value);
        let statuses: Vec<StatusCode> =
            statuses.iter().enumerate().filter_map(|(index, &status)| self.status(&list.item(index), status)).collect();
        RetryPolicy::new(attempts, statuses, defaults::RETRY_BUDGET.or(retry.budget))
    }

    /// A status that an attempt can fail with.
    fn status(&mut self, at: &At<'_>, status: u16) -> Option<StatusCode> {
        if !(400..600).contains(&status) {
            self.error(at, format!("{status} is not the status of a failure")).help("use statuses from 400 to 599");
            return None;
        }
        StatusCode::from_u16(status).ok()
    }

    /// The counters of a route; none where it is not served.
    fn traffic(&self, name: &Name, target: &Target, served: &[usize]) -> Vec<Box<[Arc<Traffic>]>> {
        let backends: Vec<&Name> = target.backends().into_iter().map(|backend| &backend.name).collect();
        let listeners = self.file().listeners.iter().enumerate().map(|(index, listener)| {
            let key =
                |backend: String| TrafficKey { listener: listener.name.to_string(), route: name.to_string(), backend };
            let slots = std::iter::once(String::new()).chain(backends.iter().map(ToString::to_string));
            let slots = slots.take(if served.contains(&index) { usize::MAX } else { 0 });
            slots.map(|backend| self.leaves.traffic(key(backend))).collect()
        });
        listeners.collect()
    }

    /// Says so when a match was written before: its requests never reach the second route.
    pub(super) fn shadowed(&mut self) {
        // By the text of the match: where it is served, and the number of its route.
        let mut seen: HashMap<String, Vec<(Vec<usize>, usize)>> = HashMap::new();
        for (index, route) in self.file().routes.iter().enumerate() {
            let at = self.root().key("routes").item(index);
            let served = self.served(route);
            for (at, matching) in written_matches(route, &at) {
                let same = seen.entry(serde_json::to_string(&matching).unwrap_or_default()).or_default();
                let shared = |(other, _): &&(Vec<usize>, usize)| served.iter().any(|listener| other.contains(listener));
                if let Some((_, first)) = same.iter().find(shared) {
                    let message =
                        format!("route {first} of the file matches the same requests: this one never gets any");
                    self.warn(&at, message).help("remove one, or let them differ");
                }
                same.push((served.clone(), index + 1));
            }
        }
    }
}

/// The matches of a route, and where they are; one for every request when there is none.
fn written_matches<'a>(route: &schema::Route, at: &At<'a>) -> Vec<(At<'a>, schema::Match)> {
    let one = route.matching.iter().map(|one| (at.key("match"), one.clone()));
    let many = route.matches.iter().flatten().enumerate();
    let many = many.map(|(index, one)| (at.key("matches").item(index), one.clone()));
    let mut matches: Vec<_> = one.chain(many).collect();
    if matches.is_empty() {
        matches.push((at.clone(), schema::Match::default()));
    }
    matches
}

/// A route as it is written, and what it is written among.
struct Written<'a> {
    route: &'a schema::Route,
    /// For each release that its evidence is of: how many routes of the file before it lead there, too.
    places: BTreeMap<&'a Name, usize>,
    name: &'a Name,
    targets: &'a Targets,
    served: Vec<usize>,
    at: &'a At<'a>,
}

/// The weights of a split and who has them, in a text that differs when they do.
fn made_of(split: &[schema::WeightedBackend]) -> String {
    let one = |one: &schema::WeightedBackend| {
        let (kind, name) = if one.name.is_some() { ("backend", &one.name) } else { ("release", &one.release) };
        format!("{kind} {} {}", name.as_ref().map_or("", |name| name.as_str()), one.weight.value())
    };
    split.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The place of a route among those of each release that its target leads to, by slot.
fn evidence(written: &Written<'_>, target: &Target) -> Box<[Option<usize>]> {
    let place = |slot: usize| {
        let (release, _) = target.release(slot)?;
        // A follower has the routes of its leader.
        let place = *written.places.get(release.follows.as_ref().unwrap_or(&release.name))?;
        release.routes.get(place).filter(|live| live.name == *written.name).map(|_| place)
    };
    let places: Box<[_]> = (0..target.backends().len()).map(place).collect();
    if places.iter().any(Option::is_some) { places } else { Box::default() }
}

/// The names of the routes that lead to each release or to one that follows it, in the order of the file.
pub(super) fn by_release(file: &schema::File) -> HashMap<&Name, Vec<Name>> {
    let mut names: HashMap<&Name, Vec<Name>> = HashMap::new();
    for (index, route) in file.routes.iter().enumerate() {
        for release in leading(route, &file.releases) {
            names.entry(release).or_default().push(name_of(index, route));
        }
    }
    names
}

/// The releases that `route` leads to, or those which they follow, each once.
fn leading<'a>(route: &'a schema::Route, releases: &'a BTreeMap<Name, schema::Release>) -> BTreeSet<&'a Name> {
    let leader = |name| releases.get(name).and_then(|release| release.follows.as_ref()).unwrap_or(name);
    route.releases().into_iter().map(leader).collect()
}

fn name_of(index: usize, route: &schema::Route) -> Name {
    route.name.clone().unwrap_or_else(|| default_name(index))
}

fn default_name(index: usize) -> Name {
    format!("route-{}", index + 1).parse().expect("letters, a dash and a number are a name")
}

/// More attempts than this only make an outage worse.
const MAX_ATTEMPTS: u32 = 10;
