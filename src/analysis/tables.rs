//! Bets looked up by weight, kind, alternative and the cell of stable's rate; each cell is computed once, when it is first
//! looked at: a rollout sees a handful of them.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use super::Policy;
use super::cells::{CELLS, middle};
use super::hypotheses::{Kind, MAX_ALTERNATIVES};
use super::line::{FOUR, Four};
use crate::types::Ratio;

/// The share of the canary by which a tick is weighed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Share<'a> {
    /// The weight in force, by which labels were drawn.
    Drawn(&'a Table),
    /// The share that was seen, where the weight in force does not fit it.
    Seen(&'a Policy, f64),
}

impl Share<'_> {
    /// As a fraction of one.
    pub(super) fn fraction(&self) -> f64 {
        match self {
            Self::Drawn(table) => table.weight.fraction(),
            Self::Seen(_, share) => *share,
        }
    }

    /// The bets against "tolerable".
    pub(super) fn against(&self, kind: Kind, cell: u8) -> Cow<'_, Bets> {
        match self {
            Self::Drawn(table) => Cow::Borrowed(table.against(kind, cell)),
            Self::Seen(policy, share) => Cow::Owned(bets_against(policy, kind, *share, cell)),
        }
    }

    /// The bets against "bad".
    pub(super) fn in_favour(&self, kind: Kind, cell: u8) -> Cow<'_, Four> {
        match self {
            Self::Drawn(table) => Cow::Borrowed(table.in_favour(kind, cell)),
            Self::Seen(policy, share) => Cow::Owned(bets_in_favour(policy, kind, *share, cell)),
        }
    }
}

/// One bet for each alternative of a kind.
pub(super) type Bets = [Four; MAX_ALTERNATIVES / FOUR];

/// The bets at one weight.
#[derive(Debug, PartialEq)]
pub(super) struct Table {
    policy: Policy,
    weight: Ratio,
    kinds: [KindTable; Kind::ALL.len()],
}

/// The bets of one kind, by cell.
#[derive(Debug, PartialEq)]
struct KindTable {
    against: Vec<OnceLock<Bets>>,
    in_favour: Vec<OnceLock<Four>>,
}

impl Table {
    /// A table of which nothing has been looked at.
    pub(super) fn new(policy: &Policy, weight: Ratio) -> Self {
        let kinds = Kind::ALL
            .map(|_| KindTable { against: vec![OnceLock::new(); CELLS], in_favour: vec![OnceLock::new(); CELLS] });
        Self { policy: policy.clone(), weight, kinds }
    }

    fn against(&self, kind: Kind, cell: u8) -> &Bets {
        let bets = &self.kinds[kind as usize].against[usize::from(cell)];
        bets.get_or_init(|| bets_against(&self.policy, kind, self.weight.fraction(), cell))
    }

    fn in_favour(&self, kind: Kind, cell: u8) -> &Four {
        let bets = &self.kinds[kind as usize].in_favour[usize::from(cell)];
        bets.get_or_init(|| bets_in_favour(&self.policy, kind, self.weight.fraction(), cell))
    }
}

/// The tables of the weights that were used last.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables(Vec<Arc<Table>>);

impl Tables {
    /// The table of a weight, computed if need be.
    pub(super) fn of(&mut self, policy: &Policy, weight: Ratio) -> Arc<Table> {
        if let Some(table) = self.find(weight) {
            return Arc::clone(table);
        }
        let table = Arc::new(Table::new(policy, weight));
        if self.0.len() == KEPT {
            self.0.remove(0);
        }
        self.0.push(Arc::clone(&table));
        table
    }

    /// The table of a weight, if it is there.
    pub(super) fn find(&self, weight: Ratio) -> Option<&Arc<Table>> {
        self.0.iter().find(|table| table.weight == weight)
    }
}

fn bets_against(policy: &Policy, kind: Kind, share: f64, cell: u8) -> Bets {
    let bet = |index| kind.bet_against(policy, share, middle(cell), index);
    std::array::from_fn(|four| Four::from_fn(|lane| bet(four * FOUR + lane)))
}

fn bets_in_favour(policy: &Policy, kind: Kind, share: f64, cell: u8) -> Four {
    if matches!(kind, Kind::WarmUp | Kind::Route) {
        return Four::default();
    }
    Four::from_fn(|index| kind.bet_for(policy, share, middle(cell), index))
}

/// A rollout has a handful of steps; more weights than this are computed again when they return.
const KEPT: usize = 12;
