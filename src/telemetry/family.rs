//! Metric families of the exposition format, built from numbers that are kept elsewhere.

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, MetricFamily, MetricType};

use super::names::{Kind, Metric};

/// The family of one metric, filled sample by sample.
pub(super) struct Family {
    metric: Metric,
    samples: Vec<prometheus::proto::Metric>,
}

impl Family {
    /// Without samples.
    pub(super) fn new(metric: Metric) -> Self {
        Self { metric, samples: Vec::new() }
    }

    /// With one sample that has no labels.
    pub(super) fn single(metric: Metric, value: f64) -> MetricFamily {
        let mut family = Self::new(metric);
        family.value(&[], value);
        family.finish()
    }

    /// Adds a counter's or gauge's value. `labels` are in the order of [`Metric::labels`].
    pub(super) fn value(&mut self, labels: &[&str], value: f64) {
        let mut sample = self.sample(labels);
        if self.metric.kind == Kind::Counter {
            let mut counter = Counter::default();
            counter.set_value(value);
            sample.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            sample.set_gauge(gauge);
        }
        self.samples.push(sample);
    }

    /// Adds a histogram from counts by bucket (not cumulative; one more than there are bounds) and the sum of the values.
    pub(super) fn histogram(&mut self, labels: &[&str], bounds: &[f64], counts: &[u64], sum: f64) {
        let mut seen = 0;
        let mut buckets = Vec::with_capacity(bounds.len());
        for (bound, count) in bounds.iter().zip(counts) {
            seen += count;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(seen);
            buckets.push(bucket);
        }
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(counts.iter().sum());
        histogram.set_sample_sum(sum);
        let mut sample = self.sample(labels);
        sample.set_histogram(histogram);
        self.samples.push(sample);
    }

    /// The family; one without samples is left out by the registry.
    pub(super) fn finish(self) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.metric.name.to_owned());
        family.set_help(self.metric.help.to_owned());
        family.set_field_type(match self.metric.kind {
            Kind::Counter => MetricType::COUNTER,
            Kind::Gauge => MetricType::GAUGE,
            Kind::Histogram => MetricType::HISTOGRAM,
        });
        family.set_metric(self.samples);
        family
    }

    fn sample(&self, values: &[&str]) -> prometheus::proto::Metric {
        debug_assert_eq!(values.len(), self.metric.labels.len(), "{}", self.metric.name);
        let pair = |(name, value): (&&str, &&str)| {
            let mut label = LabelPair::default();
            label.set_name((*name).to_owned());
            label.set_value((*value).to_owned());
            label
        };
        let mut sample = prometheus::proto::Metric::default();
        sample.set_label(self.metric.labels.iter().zip(values).map(pair).collect());
        sample
    }
}
