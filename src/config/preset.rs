//! What a preset stands for: values of the analysis, in force where the file has none of its own.
//!
//! The numbers follow from two questions: how small a fault must be found, and how long that may take. With no errors at all,
//! a promotion takes `ln(1 / falsePromote) / -ln(1 - points of the bad line)` clean canary requests on the last step.

use serde_json::{Value, json};

use super::schema::{Analysis, Preset};

impl Preset {
    /// Its name in the file.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Careful => "careful",
            Self::Standard => "standard",
            Self::Fast => "fast",
        }
    }

    /// What it writes into an analysis, where nobody else does.
    pub(super) fn values(self) -> Value {
        match self {
            // 3,450 requests.
            Self::Careful => json!({
                "falsePromote": "0.1%",
                "errorRate": { "tolerable": "1.1x + 0.05%", "bad": "1.25x + 0.2%" },
                "routeErrorRate": { "tolerable": "1.1x + 0.5%", "bad": "1.25x + 2%" },
                "latency": { "tolerable": "1.1x + 0.3%", "bad": "1.25x + 1%" },
                "warmUp": "30s",
                "minimumTime": "15m",
            }),
            // 919 requests: the table of defaults.
            Self::Standard => json!({}),
            // 299 requests. What is tolerable stays: a fast release is no reason to abort sooner.
            Self::Fast => json!({
                "falsePromote": "5%",
                "errorRate": { "bad": "2x + 1%" },
                "routeErrorRate": { "bad": "2x + 10%" },
                "latency": { "bad": "2x + 5%" },
                "warmUp": "5s",
                "minimumTime": "1m",
            }),
        }
    }
}

impl Analysis {
    /// With the values of its preset.
    pub(super) fn with_preset(&self) -> Self {
        let Some(preset) = self.preset else { return self.clone() };
        let mut value = serde_json::to_value(self).unwrap_or_default();
        fill(&mut value, &preset.values());
        serde_json::from_value(value).unwrap_or_else(|_| self.clone())
    }
}

/// Puts `values` wherever `value` has nothing.
pub(super) fn fill(value: &mut Value, values: &Value) {
    match (&mut *value, values) {
        (Value::Null, _) => *value = values.clone(),
        (Value::Object(there), Value::Object(new)) => {
            for (key, new) in new {
                fill(there.entry(key.clone()).or_insert(Value::Null), new);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_counts_more_than_the_preset() {
        let analysis: Analysis =
            serde_json::from_value(json!({ "preset": "careful", "errorRate": { "bad": "3x + 9%" }, "warmUp": "1s" }))
                .unwrap();
        let filled = serde_json::to_value(analysis.with_preset()).unwrap();
        assert_eq!(filled["errorRate"], json!({ "tolerable": "1.1x + 0.05%", "bad": "3x + 9%" }));
        assert_eq!((&filled["warmUp"], &filled["minimumTime"]), (&json!("1s"), &json!("15m")));
    }

    #[test]
    fn every_value_of_a_preset_is_one_of_the_analysis() {
        for preset in [Preset::Careful, Preset::Standard, Preset::Fast] {
            let read: Result<Analysis, _> = serde_json::from_value(preset.values());
            assert!(read.is_ok(), "{preset:?}: {read:?}");
            assert_eq!(serde_json::to_value(preset).unwrap(), preset.name());
        }
    }
}
