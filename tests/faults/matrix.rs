//! What goes wrong, one fault after the other, and what clients saw of it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::load::{Load, Request};
use super::upstream::{Behaviour, Journal, Program, Upstream};

/// What goes wrong under constant load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9` of one process of each version.
    Kill,
    /// SIGSTOP of one process for five seconds.
    Freeze,
    /// New connections to one process of each version are reset.
    ResetConnections,
    /// So are connections on which a request has come.
    ResetRequests,
    /// So are connections in the middle of an answer.
    ResetAnswers,
    /// One process of each version takes a second for every answer.
    Slow,
    /// One process of each version answers every second request with 503.
    Errors,
    /// All processes close idle connections at random, as they did before.
    IdleCloses,
    /// All processes restart, one after the other.
    Restarts,
    /// The proxy reads its configuration again every 100 ms.
    Reloads,
    /// The proxy gets SIGTERM.
    Termination,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "kill -9 of one process",
            Self::Freeze => "SIGSTOP of one for 5 s",
            Self::ResetConnections => "connections reset",
            Self::ResetRequests => "requests reset",
            Self::ResetAnswers => "answers reset half-way",
            Self::Slow => "one takes 1 s",
            Self::Errors => "one answers 503",
            Self::IdleCloses => "idle connections closed",
            Self::Restarts => "all restart in turn",
            Self::Reloads => "reload every 100 ms",
            Self::Termination => "SIGTERM of the proxy",
        })
    }
}

/// Two processes of the stable version and two of the canary.
pub struct Cast {
    upstreams: Vec<Upstream>,
    journal: Arc<Journal>,
    deaths: Vec<(Instant, Instant)>,
    /// Requests before it do not count.
    from: Option<Instant>,
}

/// weir's configuration in front of `upstreams`: all as it is by default, and a canary that stays where it is. Each `round`
/// has another one.
pub fn weir_config(listener: SocketAddr, [one, two, three, four]: [SocketAddr; 4], round: u32) -> String {
    format!(
        r#"
listeners: [{{ name: web, address: "{listener}" }}]
admin: {{ address: 127.0.0.1:0 }}
proxy: {{ workers: 2 }}
routes:
  - release: shop
    filters: {{ responseHeaders: {{ set: {{ x-round: "{round}" }} }} }}
backends:
  stable: {{ endpoints: ["{one}", "{two}"] }}
  canary: {{ endpoints: ["{three}", "{four}"] }}
releases:
  shop:
    stable: stable
    canary: canary
    steps: [{{ weight: 30%, atLeast: 24h }}]
"#
    )
}

/// What the fault asks of the proxy: `reload` and `terminate`.
pub trait Proxy {
    /// Makes it read its configuration again, which is a new one, the `round`th.
    fn reload(&mut self, round: u32);
    /// Sends it SIGTERM.
    fn terminate(&mut self);
}

impl Cast {
    /// Starts them.
    pub fn start(program: Program) -> Self {
        let journal = Arc::<Journal>::default();
        let upstreams = (0..4).map(|_| Upstream::start(program, &journal)).collect();
        Self { upstreams, journal, deaths: Vec::new(), from: None }
    }

    /// Where they listen: stable, stable, canary, canary.
    pub fn addresses(&self) -> [SocketAddr; 4] {
        std::array::from_fn(|index| self.upstreams[index].address)
    }

    /// Puts `load` through `fault`.
    pub async fn suffer(mut self, fault: Fault, load: Load, proxy: &mut impl Proxy) -> Toll {
        if fault == Fault::IdleCloses {
            // Whether an endpoint closes connections so soon can only be learned from it.
            (0..self.upstreams.len()).for_each(|number| self.order(number, Behaviour::Hasty));
        }
        load.answers(200).await;
        self.from = (fault == Fault::IdleCloses).then(Instant::now);
        if fault == Fault::Termination {
            proxy.terminate();
            let requests = load.forsaken().await;
            return self.count(requests);
        }
        self.inflict(fault, proxy).await;
        load.answers(200).await;
        let requests = load.stop().await;
        self.count(requests)
    }

    async fn inflict(&mut self, fault: Fault, proxy: &mut impl Proxy) {
        match fault {
            Fault::Kill => {
                for victim in VICTIMS {
                    self.kill(victim);
                    pause(WHILE).await;
                    self.upstreams[victim].revive();
                }
            }
            Fault::Freeze => {
                self.upstreams[VICTIMS[0]].signal("STOP");
                pause(Duration::from_secs(5)).await;
                self.upstreams[VICTIMS[0]].signal("CONT");
            }
            Fault::ResetConnections => self.behave(&VICTIMS, Behaviour::ResettingConnections).await,
            Fault::ResetRequests => self.behave(&VICTIMS, Behaviour::ResettingRequests).await,
            Fault::ResetAnswers => self.behave(&VICTIMS, Behaviour::ResettingAnswers).await,
            Fault::Slow => self.behave(&VICTIMS, Behaviour::Slow(1000)).await,
            Fault::Errors => self.behave(&VICTIMS, Behaviour::Failing).await,
            Fault::IdleCloses => pause(WHILE * 2).await,
            Fault::Restarts => {
                for victim in 0..self.upstreams.len() {
                    self.restart(victim).await;
                    pause(WHILE / 5).await;
                }
            }
            Fault::Reloads => {
                for round in 0..15 {
                    proxy.reload(round);
                    pause(Duration::from_millis(100)).await;
                }
            }
            Fault::Termination => {}
        }
    }

    /// Kills process number `victim`, and starts it again a little later.
    pub async fn restart(&mut self, victim: usize) {
        self.kill(victim);
        pause(WHILE / 5).await;
        self.upstreams[victim].revive();
    }

    /// Process number `number` behaves so from now on.
    pub fn order(&mut self, number: usize, behaviour: Behaviour) {
        self.upstreams[number].order(behaviour);
    }

    fn kill(&mut self, victim: usize) {
        let death = self.upstreams[victim].kill();
        self.deaths.push(death);
    }

    /// All victims at once behave so for a while.
    async fn behave(&mut self, victims: &[usize], behaviour: Behaviour) {
        victims.iter().for_each(|victim| self.order(*victim, behaviour));
        pause(WHILE * 2).await;
        victims.iter().for_each(|victim| self.order(*victim, Behaviour::Well));
    }

    fn count(self, requests: Vec<Request>) -> Toll {
        // What the upstreams say is read by threads, which end with them.
        let Self { mut upstreams, journal, deaths, from } = self;
        for upstream in &mut upstreams {
            upstream.kill();
        }
        let mut toll = Toll { resets: journal.resets(), ..Toll::default() };
        for request in requests.into_iter().filter(|request| from.is_none_or(|from| request.began >= from)) {
            let failed = !request.is_good();
            let tally = journal.tally(request.id);
            match request.is_post {
                false => {
                    toll.gets += 1;
                    toll.failed_gets += u64::from(failed);
                }
                true => {
                    let dying = deaths.iter().any(|(from, to)| request.began <= *to && request.ended >= *from);
                    let arrived = tally.executed > 0 || tally.refused > 0 || dying;
                    toll.posts += 1;
                    toll.failed_posts += u64::from(failed);
                    toll.lost_posts += u64::from(failed && !arrived);
                    toll.doubled_posts += u64::from(tally.executed > 1);
                }
            }
            if failed {
                let method = if request.is_post { "POST" } else { "GET" };
                *toll.causes.entry(format!("{method}: {:?}", request.result)).or_default() += 1;
            }
            toll.slowest = toll.slowest.max(request.ended - request.began);
        }
        toll
    }
}

/// What a fault cost.
#[derive(Clone, Debug, Default)]
pub struct Toll {
    /// GET requests in all.
    pub gets: u64,
    /// Those without a good answer.
    pub failed_gets: u64,
    /// POST requests in all.
    pub posts: u64,
    /// Those without a good answer.
    pub failed_posts: u64,
    /// Failed ones that no upstream had seen, and that were not under way when one was killed.
    pub lost_posts: u64,
    /// Those that were executed more than once.
    pub doubled_posts: u64,
    /// Connections that were reset before a byte was read.
    pub resets: u64,
    /// The longest that a request took.
    pub slowest: Duration,
    /// How often what went wrong.
    pub causes: BTreeMap<String, u64>,
}

async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

/// One process of each version.
const VICTIMS: [usize; 2] = [0, 2];

/// How long things stay wrong.
const WHILE: Duration = Duration::from_millis(750);
