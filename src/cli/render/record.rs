//! What was recorded of a rollout: where the trace is, and what it has by route.

use std::path::Path;

use super::table::{self, Align};
use super::{Style, Tone, format};
use crate::analysis::RouteTally;

/// Where the trace of a rollout is and what can be done with it, and the sums of its routes, the canary's worst first.
pub fn record(path: &Path, routes: &[RouteTally], style: &Style) -> Vec<String> {
    let mut lines = Vec::new();
    if !routes.is_empty() {
        lines.extend([String::new(), style.paint(Tone::Strong, "By route")]);
        lines.extend(by_route(routes, style));
    }
    let shown = path.display();
    lines.extend([String::new(), style.paint(Tone::Strong, "What was recorded"), format!("  {shown}")]);
    let ways = "`weir replay FILE` judges it anew, by other numbers too; `weir simulate --trace FILE` plays your policy on this traffic.";
    lines.extend(style.wrap(2, ways));
    lines
}

fn by_route(routes: &[RouteTally], style: &Style) -> Vec<String> {
    let heading = ["route", "stable", "errors", "rate", "canary", "errors", "rate"];
    let mut rows = vec![heading.map(|word| style.paint(Tone::Faint, word)).to_vec()];
    let mut worst: Vec<&RouteTally> = routes.iter().collect();
    worst.sort_by_key(|route| std::cmp::Reverse(route.canary.1));
    let side = |(requests, errors): (u64, u64)| {
        [format::count(requests), format::count(errors), format::share(errors, requests)]
    };
    for route in worst.iter().take(SHOWN) {
        rows.push(
            std::iter::once(route.route.to_string()).chain(side(route.stable)).chain(side(route.canary)).collect(),
        );
    }
    let aligns = [Align::Left].into_iter().chain([Align::Right; 6]).collect::<Vec<_>>();
    let mut lines = table::lines(2, &aligns, &rows);
    if routes.len() > SHOWN {
        lines.push(format!("  and {} routes more", routes.len() - SHOWN));
    }
    lines
}

/// What fails is among these.
const SHOWN: usize = 10;
