//! What was recorded of a rollout.

use std::path::Path;

use super::{Style, Tone};

/// Where the trace of a rollout is and what can be done with it.
pub fn record(path: &Path, style: &Style) -> Vec<String> {
    let title = style.paint(Tone::Strong, "What was recorded");
    let mut lines = vec![String::new(), title, format!("  {}", path.display())];
    let ways = "`weir replay FILE` judges it anew, by other numbers too; `weir simulate --trace FILE` plays your policy on this traffic.";
    lines.extend(style.wrap(2, ways));
    lines
}
