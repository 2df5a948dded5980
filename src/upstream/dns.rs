//! Names to addresses, and again when their time is up.
//!
//! A name keeps its last good addresses while servers fail; only a server that says that there are none takes them away.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::config::{LookupIpStrategy, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup_ip::LookupIp;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{Hosts, TokioResolver};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Addresses by host name, each list sorted. A name without addresses does not resolve (now).
pub type Resolved = HashMap<String, Vec<IpAddr>>;

/// Resolves a set of names, and keeps them resolved.
///
/// IP literals and `localhost` (127.0.0.1; write `[::1]` for the other) need no server, and names in the hosts file none
/// either. Otherwise A and AAAA by the machine's DNS configuration, search domains included.
pub struct Resolver {
    lookups: TokioResolver,
    names: BTreeMap<String, Entry>,
    under_way: JoinSet<(String, Result<Answer, NetError>)>,
}

/// What is known of a name.
#[derive(Debug, Default)]
struct Entry {
    addresses: Vec<IpAddr>,
    /// When to ask again; `None` while that is under way, or when there is nobody to ask.
    due: Option<Instant>,
    /// Failures since the last answer.
    failures: u32,
}

/// What a server said, or the hosts file.
#[derive(Debug)]
struct Answer {
    addresses: Vec<IpAddr>,
    valid_for: Duration,
}

impl Resolver {
    /// By the machine's own configuration. Without a usable one, which is logged, only the hosts file resolves names.
    ///
    /// Call it, and everything here, inside a tokio runtime.
    pub fn system() -> Self {
        let (config, options) = hickory_resolver::system_conf::read_system_conf().unwrap_or_else(|error| {
            tracing::warn!(%error, "this machine has no usable DNS configuration: only the hosts file resolves names");
            (ResolverConfig::default(), ResolverOpts::default())
        });
        Self::with(config, options)
    }

    fn with(config: ResolverConfig, mut options: ResolverOpts) -> Self {
        // The entries here are the cache, and say themselves when to ask again.
        options.cache_size = 0;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.use_hosts_file = ResolveHosts::Always;
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options);
        let lookups = builder.build().expect("only TLS and DNSSEC, which are not compiled in, can fail");
        Self { lookups, names: BTreeMap::new(), under_way: JoinSet::new() }
    }

    /// From now on these names; the hosts file is read again. Returns when each new one has been tried once, or after
    /// [`FIRST_WAIT`]: what is not resolved by then has no addresses, and [`Resolver::changed`] tells when it has. Cancel safe.
    pub async fn resolve(&mut self, hosts: BTreeSet<String>) -> Resolved {
        match Hosts::from_system() {
            Ok(file) => self.lookups.set_hosts(Arc::new(file)),
            Err(error) => tracing::warn!(%error, "cannot read the hosts file"),
        }
        self.names.retain(|name, _| hosts.contains(name));
        for host in hosts {
            if !self.names.contains_key(&host) {
                self.begin(host);
            }
        }
        let tried = async {
            while self.names.values().any(|entry| entry.due.is_none() && entry.addresses.is_empty()) {
                match self.under_way.join_next().await {
                    Some(result) => drop(self.take(result)),
                    None => break,
                }
            }
        };
        // Late answers come by `changed`.
        let _ = tokio::time::timeout(FIRST_WAIT, tried).await;
        self.resolved()
    }

    /// Waits until the addresses of any name have changed, and returns all of them. Cancel safe.
    pub async fn changed(&mut self) -> Resolved {
        loop {
            let next = self.names.values().filter_map(|entry| entry.due).min();
            let changed = tokio::select! {
                Some(result) = self.under_way.join_next() => self.take(result),
                () = sleep_until(next) => {
                    self.ask_again();
                    false
                }
            };
            if changed {
                return self.resolved();
            }
        }
    }

    fn resolved(&self) -> Resolved {
        self.names.iter().map(|(name, entry)| (name.clone(), entry.addresses.clone())).collect()
    }

    /// Learns `host` for the first time.
    fn begin(&mut self, host: String) {
        let addresses: Vec<IpAddr> = literal(&host).into_iter().collect();
        if addresses.is_empty() {
            self.ask(host.clone());
        }
        self.names.insert(host, Entry { addresses, ..Entry::default() });
    }

    fn ask(&mut self, host: String) {
        let lookups = self.lookups.clone();
        self.under_way.spawn(async move {
            let answer = look_up(&lookups, &host).await;
            (host, answer)
        });
    }

    fn ask_again(&mut self) {
        let now = Instant::now();
        let mut names = Vec::new();
        for (name, entry) in &mut self.names {
            if entry.due.is_some_and(|due| due <= now) {
                entry.due = None;
                names.push(name.clone());
            }
        }
        for name in names {
            self.ask(name);
        }
    }

    /// Takes an answer in. Returns whether it changes anything.
    fn take(&mut self, result: Result<(String, Result<Answer, NetError>), tokio::task::JoinError>) -> bool {
        let Ok((name, result)) = result else { return false };
        // It may have gone with a reload.
        let Some(entry) = self.names.get_mut(&name) else { return false };
        match result {
            Ok(answer) => {
                entry.due = Some(Instant::now() + answer.valid_for.clamp(SHORTEST, LONGEST));
                entry.failures = 0;
                if entry.addresses == answer.addresses {
                    return false;
                }
                tracing::info!(name, addresses = ?answer.addresses, "the addresses of a name have changed");
                entry.addresses = answer.addresses;
                true
            }
            Err(error) => {
                if entry.failures == 0 {
                    let kept = entry.addresses.len();
                    tracing::warn!(name, %error, kept, "cannot resolve a name: its last addresses stay in use");
                }
                let wait = SHORTEST.saturating_mul(1 << entry.failures.min(5));
                entry.failures = entry.failures.saturating_add(1);
                entry.due = Some(Instant::now() + wait);
                false
            }
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("names", &self.names).finish_non_exhaustive()
    }
}

/// The address of a host that needs no server.
fn literal(host: &str) -> Option<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        // One of the two: where nobody listens on the other, half of the first attempts would fail.
        return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Asks for `host`, as it stands before any search domain.
///
/// In two steps, because a search domain may well know nothing of a name whose own servers fail just now: that must not look
/// as if the name were gone.
async fn look_up(lookups: &TokioResolver, host: &str) -> Result<Answer, NetError> {
    if host.contains('.') {
        let absolute = format!("{}.", host.trim_end_matches('.'));
        match lookups.lookup_ip(absolute).await {
            Err(error) if error.is_no_records_found() => {}
            found => return found.map(Answer::from),
        }
    }
    match lookups.lookup_ip(host).await {
        Err(error) if error.is_no_records_found() => Ok(Answer { addresses: Vec::new(), valid_for: ABSENT }),
        found => found.map(Answer::from),
    }
}

impl From<LookupIp> for Answer {
    fn from(found: LookupIp) -> Self {
        let mut addresses: Vec<IpAddr> = found.iter().collect();
        // Servers rotate them; in this order an unchanged answer is an equal one.
        addresses.sort_unstable();
        addresses.dedup();
        Self { addresses, valid_for: found.valid_until().saturating_duration_since(std::time::Instant::now()) }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// The longest that [`Resolver::resolve`] waits for servers.
pub const FIRST_WAIT: Duration = Duration::from_secs(5);
/// However short a TTL is, servers are asked no more often; and the first pause after a failure.
const SHORTEST: Duration = Duration::from_secs(1);
/// However long a TTL is: a name that moves without warning is followed within minutes.
const LONGEST: Duration = Duration::from_secs(300);
/// How soon to ask again for a name that is not there: it may be about to come.
const ABSENT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
