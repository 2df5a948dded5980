//! Canaries: which backends, which steps, who stays where, who may choose.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use http::Method;

use super::Compiler;
use super::routes::by_release;
use super::values::is_token;
use crate::config::defaults;
use crate::config::load::reason;
use crate::config::schema;
use crate::config::tree::At;
use crate::rollout::{HoldBack, MirrorFirst, OnNoEvidence, OnSuspicion, Spec, Step};
use crate::snapshot::{Affinity, Backend, Override, OverrideKey, Release, ReleaseLive, RouteLive};
use crate::types::{Name, Ratio, Span};

impl Compiler<'_> {
    pub(super) fn releases(&mut self, backends: &BTreeMap<Name, Arc<Backend>>) -> BTreeMap<Name, Arc<Release>> {
        let at = self.root().key("releases");
        let (following, leading): (Vec<_>, Vec<_>) =
            self.file().releases.iter().partition(|(_, release)| release.follows.is_some());
        let routes = by_release(self.file());
        let mut followers: HashMap<&Name, Vec<&schema::Release>> = HashMap::new();
        for (leader, release) in following.iter().filter_map(|(_, release)| Some((release.follows.as_ref()?, release)))
        {
            followers.entry(leader).or_default().push(release);
        }
        let compiled = leading.into_iter().filter_map(|(name, release)| {
            let company = Company {
                routes: routes.get(name).map_or(&[], Vec::as_slice),
                followers: followers.get(name).map_or(&[], Vec::as_slice),
            };
            let release = self.release((name, release), company, backends, &at.key(name.as_str()))?;
            Some((name.clone(), Arc::new(release)))
        });
        let mut releases: BTreeMap<Name, Arc<Release>> = compiled.collect();
        for (name, release) in following {
            if let Some(release) = self.follower(name, release, backends, &releases, &at.key(name.as_str())) {
                releases.insert(name.clone(), Arc::new(release));
            }
        }
        releases
    }

    /// A release that moves with another one.
    fn follower(
        &mut self,
        name: &Name,
        release: &schema::Release,
        backends: &BTreeMap<Name, Arc<Backend>>,
        others: &BTreeMap<Name, Arc<Release>>,
        at: &At<'_>,
    ) -> Option<Release> {
        self.two_sides(release, at);
        let leader = release.follows.as_ref()?;
        self.must_exist(&at.key("follows"), "release", leader, &self.loaded.declared.releases);
        if self.file().releases.get(leader).is_some_and(|leader| leader.follows.is_some()) {
            self.error(&at.key("follows"), format!("`{leader}` follows another release itself"))
                .help("let all of them follow the same one, which follows none");
        }
        if let Some(key) = written_beside_follows(release) {
            self.error(&at.key_itself(key), format!("`{key}` is that of `{leader}`, which this release follows"))
                .help("write it there");
        }
        Some(Release {
            name: name.clone(),
            follows: Some(leader.clone()),
            stable: backends.get(&release.stable)?.clone(),
            canary: backends.get(&release.canary)?.clone(),
            ..Release::clone(others.get(leader)?)
        })
    }

    fn release(
        &mut self,
        (name, release): (&Name, &schema::Release),
        company: Company<'_>,
        backends: &BTreeMap<Name, Arc<Backend>>,
        at: &At<'_>,
    ) -> Option<Release> {
        self.two_sides(release, at);
        let (written, analysis) = (release.analysis.with_preset(), at.key("analysis"));
        let affinity =
            release.affinity.as_ref().and_then(|affinity| self.affinity(name, affinity, &at.key("affinity")));
        let overrides = self.overrides(&release.overrides, &at.key("overrides"));
        let rollout = identity(release, company.followers);
        let live = self.leaves.release(name, &rollout);
        let routes = self.routes_live(company.routes, &live);
        let steps = self.steps(release.steps.as_deref(), &at.key("steps"));
        let at_mirror = at.key("mirrorFirst");
        let mirror_first = release.mirror_first.as_ref().map(|written| self.mirror_first(written, &steps, &at_mirror));
        let (mirror_first, mirrored_methods) = mirror_first.unzip();
        // Whoever writes steps of his own means the first one.
        let start_by_traffic = release.start_by_traffic.unwrap_or_else(|| steps == default_steps());
        let hold_back = release.hold_back.and_then(|written| self.hold_back(written, &steps, &at.key("holdBack")));
        let on_no_evidence = match written.on_no_evidence {
            schema::OnNoEvidence::Hold => OnNoEvidence::Hold,
            schema::OnNoEvidence::Promote => OnNoEvidence::Promote,
            schema::OnNoEvidence::Abort => OnNoEvidence::Abort,
        };
        let on_suspicion = match written.on_suspicion {
            schema::OnSuspicion::Hold => OnSuspicion::Hold,
            schema::OnSuspicion::StepBack => OnSuspicion::StepBack,
        };
        let failures = self.failures(&written.failures, &analysis.key("failures"));
        let bounds = self.bounds(&written.latency, &analysis.key("latency"));
        let policy = self.policy(&written, &analysis);
        let checks = self.checks(&release.checks, &at.key("checks"));
        Some(Release {
            name: name.clone(),
            follows: None,
            stable: backends.get(&release.stable)?.clone(),
            canary: backends.get(&release.canary)?.clone(),
            affinity,
            overrides,
            failures,
            bounds,
            spec: Spec { rollout, mirror_first, steps, on_no_evidence, on_suspicion, hold_back, start_by_traffic },
            mirrored_methods: mirrored_methods.unwrap_or_default(),
            policy,
            judge_latency: defaults::LATENCY_ENABLED.or(written.latency.enabled),
            checks,
            routes,
            live,
        })
    }

    /// The counters of the routes `names`, which lead to one release. One alone has nothing to tell that the whole has not.
    fn routes_live(&self, names: &[Name], live: &ReleaseLive) -> Vec<Arc<RouteLive>> {
        let names = if names.len() < 2 { &[] } else { names };
        names.iter().map(|name| live.route(name, self.leaves.workers)).collect()
    }

    fn two_sides(&mut self, release: &schema::Release, at: &At<'_>) {
        let known = &self.loaded.declared.backends;
        self.must_exist(&at.key("stable"), "backend", &release.stable, known);
        self.must_exist(&at.key("canary"), "backend", &release.canary, known);
        if release.stable == release.canary {
            self.error(&at.key("canary"), "stable and canary are the same backend")
                .help("name the backend of the new version");
        }
    }

    fn steps(&mut self, written: Option<&[schema::Step]>, at: &At<'_>) -> Vec<Step> {
        let Some(written) = written else { return default_steps() };
        if written.is_empty() && !at.lost_any() {
            self.error(at, "there is no step")
                .help("write some, such as [5%, 25%, 50%], or remove `steps` for the default");
        }
        let mut steps: Vec<Step> = Vec::with_capacity(written.len());
        for (index, one) in written.iter().enumerate() {
            let at = at.item(index);
            let (step, at_weight) = match one {
                schema::Step::Weight(weight) => (step(*weight), at),
                schema::Step::Full(full) => (self.full_step(full, &at), at.key("weight")),
            };
            self.step_weight(step.weight, steps.last().map(|step| step.weight), &at_weight);
            steps.push(step);
        }
        steps
    }

    /// With the methods of requests that are copied.
    fn mirror_first(
        &mut self,
        written: &schema::MirrorFirst,
        steps: &[Step],
        at: &At<'_>,
    ) -> (MirrorFirst, Box<[Method]>) {
        let share = defaults::MIRROR_FIRST_SHARE.or(written.share);
        let last = steps.last().map_or(Ratio::ONE, |step| step.weight);
        if share == Ratio::ZERO {
            self.error(&at.key("share"), "nothing is copied")
                .help("write a share, such as 10%, or remove `mirrorFirst`");
        } else if share > Ratio::percent(50) {
            self.error(&at.key("share"), format!("{share} leaves too little of stable to compare with"))
                .help("the largest is 50%");
        } else if share >= last {
            self.error(&at.key("share"), format!("{share} is not less than the last step, {last}"))
                .help("copies come before the steps, and promote nobody: write a smaller share");
        }
        let requests = defaults::MIRROR_FIRST_REQUESTS.or(written.requests);
        let requests = self.within(&at.key("requests"), requests, 1, u32::MAX).into();
        let at_least = defaults::MIRROR_FIRST_AT_LEAST.or(written.at_least).0;
        let at_most = self.at_most(written.at_most, at_least, at);
        let methods = self.mirrored_methods(written.methods.as_deref(), &at.key("methods"));
        (MirrorFirst { share, requests, at_least, at_most }, methods)
    }

    fn mirrored_methods(&mut self, written: Option<&[String]>, at: &At<'_>) -> Box<[Method]> {
        let Some(written) = written else {
            return defaults::MIRROR_FIRST_METHODS.value.iter().filter_map(|name| name.parse().ok()).collect();
        };
        if written.is_empty() && !at.lost_any() {
            self.error(at, "there is no method")
                .help("write some, such as [GET, HEAD], or remove `methods` for the default");
        }
        let numbered = written.iter().enumerate();
        numbered.filter_map(|(index, method)| self.method(method, &at.item(index))).collect()
    }

    fn at_most(&mut self, written: Option<Span>, at_least: Duration, at: &At<'_>) -> Option<Duration> {
        let at_most = written.map(|span| self.positive(&at.key("atMost"), span));
        if at_most.is_some_and(|at_most| at_most < at_least) {
            self.error(&at.key("atMost"), "this is shorter than `atLeast`")
                .help("`atMost` counts from the start of the step, as `atLeast` does");
        }
        at_most
    }

    fn hold_back(&mut self, written: schema::HoldBack, steps: &[Step], at: &At<'_>) -> Option<HoldBack> {
        let weight = defaults::HOLD_BACK_WEIGHT.or(written.weight);
        let time = self.positive(&at.key("for"), defaults::HOLD_BACK_FOR.or(written.time));
        let last = steps.last()?.weight;
        if weight == Ratio::ZERO {
            self.error(&at.key("weight"), "stable keeps nothing")
                .help("write a small share, such as 5%, or remove `holdBack`");
        } else if weight.complement() <= last {
            let message = format!("after the last step of {last} the canary would get no more");
            self.error(&at.key("weight"), message).help(format!("let stable keep less than {}", last.complement()));
        }
        Some(HoldBack { weight, time })
    }

    fn full_step(&mut self, full: &schema::FullStep, at: &At<'_>) -> Step {
        let at_least = defaults::STEP_AT_LEAST.or(full.at_least).0;
        let at_most = self.at_most(full.at_most, at_least, at);
        Step { weight: full.weight, at_least, at_most, pause: full.pause }
    }

    fn step_weight(&mut self, weight: Ratio, before: Option<Ratio>, at: &At<'_>) {
        if weight == Ratio::ZERO {
            self.error(at, "a step of 0% shows nothing").help("begin with a small share, such as 1%");
        } else if weight == Ratio::ONE {
            self.error(at, "a step of 100% leaves nothing to compare with")
                .help("remove it: after the last step the canary gets 100%");
        } else if let Some(before) = before.filter(|before| *before >= weight) {
            self.error(at, format!("{weight} is not more than the step before, {before}")).help("steps rise");
        }
    }

    fn affinity(&mut self, release: &Name, affinity: &schema::Affinity, at: &At<'_>) -> Option<Affinity> {
        match affinity {
            schema::Affinity::Cookie(cookie) => {
                let at = at.key("cookie");
                let default = || format!("weir-{}", release.as_str().replace('/', "."));
                let name = cookie.name.clone().unwrap_or_else(default);
                self.cookie_name(&at.key("name"), &name);
                let max_age = self.positive(&at.key("maxAge"), defaults::COOKIE_MAX_AGE.or(cookie.max_age));
                if !max_age.is_zero() && max_age < Duration::from_secs(1) {
                    self.error(&at.key("maxAge"), "a cookie's age counts in whole seconds").help("write 1s or more");
                }
                Some(Affinity::Cookie { name, max_age })
            }
            schema::Affinity::Header(name) => self.header_name(&at.key("header"), name).map(Affinity::Header),
            schema::Affinity::ClientIp(_) => Some(Affinity::ClientIp),
        }
    }

    fn cookie_name(&mut self, at: &At<'_>, name: &str) {
        if !is_token(name) {
            self.error(at, format!("`{name}` is not the name of a cookie"))
                .help("use letters, digits, `-`, `.` and `_`");
        }
    }

    fn overrides(&mut self, overrides: &[schema::Override], at: &At<'_>) -> Vec<Override> {
        let numbered = overrides.iter().enumerate();
        numbered.filter_map(|(index, one)| self.one_override(one, &at.item(index))).collect()
    }

    fn one_override(&mut self, written: &schema::Override, at: &At<'_>) -> Option<Override> {
        let value = self.secret(written, at);
        let open = written.value.is_none() && written.value_file.is_none() && written.from.is_empty();
        if open && !["value", "valueFile", "from"].iter().any(|key| at.lost(key)) {
            self.error(at, "everybody could choose this side").help(SECRET);
        }
        let key = match (&written.header, &written.cookie) {
            (Some(name), None) => OverrideKey::Header(self.header_name(&at.key("header"), name)?),
            (None, Some(name)) => {
                self.cookie_name(&at.key("cookie"), name);
                OverrideKey::Cookie(name.clone())
            }
            (Some(_), Some(_)) => {
                self.error(&at.key_itself("cookie"), "this override has `header` already")
                    .help("write one override for each");
                return None;
            }
            (None, None) => {
                if !at.lost("header") && !at.lost("cookie") {
                    self.error(at, "this override looks at nothing").help("add `header: NAME` or `cookie: NAME`");
                }
                return None;
            }
        };
        Some(Override { to: written.to, key, value, from: written.from.clone() })
    }

    /// The secret value, from the file or from its own file. One that is short can be guessed, unless only some may try.
    fn secret(&mut self, written: &schema::Override, at: &At<'_>) -> Option<String> {
        let (value, at) = match (&written.value, &written.value_file) {
            (Some(_), Some(_)) => {
                self.error(&at.key_itself("valueFile"), "this override has `value` already").help("keep one of them");
                return None;
            }
            (Some(value), None) => (value.clone(), at.key("value")),
            (None, Some(path)) => match self.loaded.read_text(path) {
                Ok(text) => (text.trim().to_owned(), at.key("valueFile")),
                Err(error) => {
                    let message = format!("`{}` cannot be read: {}", path.display(), reason(&error));
                    self.error(&at.key("valueFile"), message);
                    return None;
                }
            },
            (None, None) => return None,
        };
        if value.len() < MIN_SECRET && written.from.is_empty() {
            self.error(&at, format!("a secret of {} characters can be guessed", value.chars().count())).help(SECRET);
        } else {
            self.header_value(&at, &value);
        }
        Some(value)
    }
}

/// What the rest of the file says of a release.
#[derive(Clone, Copy)]
struct Company<'a> {
    /// The routes that lead to it, or to one that follows it.
    routes: &'a [Name],
    /// The releases that follow it.
    followers: &'a [&'a schema::Release],
}

/// Which rollout a release asks for: another text is another rollout. Also what clients' sides are drawn from, so it must stay
/// as it is over versions of weir. Names contain none of `>`, `#` and `+`.
fn identity(release: &schema::Release, followers: &[&schema::Release]) -> String {
    let mut identity = format!("{}>{}", release.stable, release.canary);
    for follower in followers {
        identity.push_str(&format!("+{}>{}", follower.stable, follower.canary));
    }
    if let Some(revision) = &release.revision {
        identity.push_str(&format!("#{revision}"));
    }
    identity
}

/// A key that a release which follows another one must not have.
fn written_beside_follows(release: &schema::Release) -> Option<&'static str> {
    let written = [
        (release.revision.is_some(), "revision"),
        (release.steps.is_some(), "steps"),
        (release.mirror_first.is_some(), "mirrorFirst"),
        (release.start_by_traffic.is_some(), "startByTraffic"),
        (release.hold_back.is_some(), "holdBack"),
        (release.affinity.is_some(), "affinity"),
        (!release.overrides.is_empty(), "overrides"),
        (release.analysis != schema::Analysis::default(), "analysis"),
        (!release.checks.is_empty(), "checks"),
    ];
    written.into_iter().find(|(is, _)| *is).map(|(_, key)| key)
}

fn default_steps() -> Vec<Step> {
    defaults::STEPS.value.iter().map(|&weight| step(weight)).collect()
}

fn step(weight: Ratio) -> Step {
    let at_least = defaults::STEP_AT_LEAST.value.0;
    Step { weight, at_least, at_most: None, pause: defaults::STEP_PAUSE.value }
}

/// With 16 random characters, guessing takes longer than any rollout.
const MIN_SECRET: usize = 16;

const SECRET: &str = "add a `value` of 16 characters or more, or `from` with the networks of the testers";
