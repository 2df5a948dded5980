//! Who looks on while something happens: every answer and every share is noted, and not only how it ended.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::ensure;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::sleep;

use crate::harness::{Namespace, Reply, Result, get_with};
use crate::weir::Pod;

/// Visits, one after the other, and those that failed.
#[derive(Default)]
pub struct Visits {
    good: Cell<u32>,
    /// The canary's own bad answers.
    by_canary: Cell<u32>,
    others: RefCell<Vec<String>>,
}

impl Visits {
    /// So many to `name`.
    pub async fn pay(&self, times: u32, (address, port): (Ipv4Addr, u16), name: &str) {
        for _ in 0..times {
            let is_canarys = |reply: &Reply| reply.headers.get("x-version").is_some_and(|version| version == "v2");
            match visit(address, port, name).await {
                Ok(reply) if reply.status == 200 => self.good.set(self.good.get() + 1),
                Ok(reply) if is_canarys(&reply) => self.by_canary.set(self.by_canary.get() + 1),
                trouble => self.others.borrow_mut().push(format!("{name} at {address}: {trouble:?}")),
            }
        }
    }

    /// Fails when one failed by anything but the canary's own answer.
    pub fn failed_only_by_the_canary(&self) -> Result {
        let others = self.others.borrow();
        ensure!(others.is_empty(), "{} visits failed, the first: {}", others.len(), others[0]);
        ensure!(self.good.get() > 0, "nobody came");
        Ok(())
    }

    /// Fails when one failed.
    pub fn were_all_answered(&self) -> Result {
        self.failed_only_by_the_canary()?;
        ensure!(self.by_canary.get() == 0, "{} visits failed by the canary", self.by_canary.get());
        Ok(())
    }
}

/// Looks at shares all the time, until it is dropped.
pub struct Shares {
    seen: Rc<RefCell<BTreeSet<(String, String)>>>,
    looks: Rc<Cell<usize>>,
    task: AbortHandle,
}

impl Shares {
    /// Those of the canaries of `names` with each of `pods`.
    pub fn look(ns: &Namespace, pods: &[Pod], names: &'static [&'static str]) -> Self {
        let (seen, looks) = (Rc::<RefCell<BTreeSet<_>>>::default(), Rc::<Cell<usize>>::default());
        let (ns, pods, noted, count) = (ns.clone(), pods.to_vec(), seen.clone(), looks.clone());
        let look = async move {
            loop {
                for (pod, name) in pods.iter().flat_map(|pod| names.iter().map(move |name| (pod, name))) {
                    let weight = pod.weight(&ns, name).await.unwrap_or_else(|error| format!("{error:#}"));
                    noted.borrow_mut().insert(((*name).to_owned(), weight));
                }
                count.set(count.get() + 1);
                sleep(BETWEEN_LOOKS).await;
            }
        };
        Self { seen, looks, task: spawn_local(look).abort_handle() }
    }

    /// How often it has looked at all of them.
    pub fn looks(&self) -> usize {
        self.looks.get()
    }

    /// Fails when a canary ever had another share than these.
    pub fn were<const N: usize>(&self, wanted: [(&str, &str); N]) -> Result {
        let wanted = wanted.map(|(name, share)| (name.to_owned(), share.to_owned()));
        let seen = self.seen.borrow();
        ensure!(*seen == BTreeSet::from(wanted), "in {} looks: {seen:?}", self.looks());
        Ok(())
    }
}

impl Drop for Shares {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Visits `name` at `address`.
pub async fn visit(address: Ipv4Addr, port: u16, name: &str) -> Result<Reply> {
    get_with(address, port, "/", &[("host", &format!("{name}.test"))]).await
}

const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
