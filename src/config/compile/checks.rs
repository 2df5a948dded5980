//! Further conditions: Prometheus queries and webhooks.

use super::Compiler;
use crate::config::defaults;
use crate::config::schema;
use crate::config::tree::At;
use crate::snapshot::{Check, CheckKind, Comparison};

impl Compiler<'_> {
    pub(super) fn checks(&mut self, checks: &[schema::Check], at: &At<'_>) -> Vec<Check> {
        let mut compiled: Vec<Check> = Vec::with_capacity(checks.len());
        for (index, check) in checks.iter().enumerate() {
            let at = at.item(index);
            if checks[..index].iter().any(|other| other.name == check.name) {
                self.error(&at.key("name"), format!("two checks are named `{}`", check.name))
                    .help("give each a name of its own");
            }
            compiled.extend(self.check(check, &at));
        }
        compiled
    }

    fn check(&mut self, check: &schema::Check, at: &At<'_>) -> Option<Check> {
        let interval = self.positive(&at.key("interval"), defaults::CHECK_INTERVAL.or(check.interval));
        let timeout = self.positive(&at.key("timeout"), defaults::CHECK_TIMEOUT.or(check.timeout));
        let failures = self.within(&at.key("failures"), defaults::CHECK_FAILURES.or(check.failures), 1, 100);
        let kind = match (&check.prometheus, &check.webhook) {
            (Some(prometheus), None) => self.prometheus(prometheus, &at.key("prometheus"))?,
            (None, Some(webhook)) => CheckKind::Webhook { url: self.url(&at.key("webhook").key("url"), &webhook.url)? },
            (Some(_), Some(_)) => {
                self.error(&at.key_itself("webhook"), "this check has `prometheus` already")
                    .help("write one check for each");
                return None;
            }
            (None, None) => {
                if !at.lost("prometheus") && !at.lost("webhook") {
                    self.error(at, "this check asks nobody").help("add `prometheus` or `webhook`");
                }
                return None;
            }
        };
        Some(Check { name: check.name.clone(), kind, interval, timeout, failures })
    }

    fn prometheus(&mut self, check: &schema::PrometheusCheck, at: &At<'_>) -> Option<CheckKind> {
        let address = self.url(&at.key("address"), &check.address);
        if check.query.trim().is_empty() {
            self.error(&at.key("query"), "the query is empty");
        }
        let pass_if = comparison(&check.pass_if);
        if pass_if.is_none() {
            self.error(&at.key("passIf"), format!("`{}` is not a comparison with a number", check.pass_if))
                .help("write it like \"< 0.05\" or \">= 1\", in quotes");
        }
        Some(CheckKind::Prometheus { address: address?, query: check.query.clone(), pass_if: pass_if? })
    }
}

/// `< 0.05` and the like.
fn comparison(text: &str) -> Option<Comparison> {
    let text = text.trim();
    let end = text.find(|c: char| !"<>=!".contains(c))?;
    let number: f64 = text[end..].trim().parse().ok().filter(|number: &f64| number.is_finite())?;
    Some(match &text[..end] {
        "<" => Comparison::Less(number),
        "<=" => Comparison::LessOrEqual(number),
        ">" => Comparison::Greater(number),
        ">=" => Comparison::GreaterOrEqual(number),
        "==" => Comparison::Equal(number),
        "!=" => Comparison::NotEqual(number),
        _ => return None,
    })
}
