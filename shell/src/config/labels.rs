//! Labels of everything that an exporter sends.

use std::fmt;
use std::slice;
use std::vec;

/// Labels of all that an exporter sends, by the name that each format has for them: labels (Prometheus), tags (InfluxDB,
/// DogStatsD), resource attributes (OpenTelemetry). They keep their order. Which names and values a format takes is
/// checked when its exporter starts.
///
/// ```
/// use loaddensity_metrics_shell::Labels;
///
/// let labels = Labels::new().with("region", "eu").with("team", "load");
/// assert_eq!(labels, Labels::from([("region", "eu"), ("team", "load")]));
/// assert_eq!(format!("{labels:?}"), r#"{"region": "eu", "team": "load"}"#);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Labels(Vec<(String, String)>);

impl Labels {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// These, and one more after them. A name that is there already stays: DogStatsD may show one several times, and
    /// the others refuse it.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values in their order.
    pub fn iter(&self) -> LabelsIter<'_> {
        LabelsIter(self.0.iter())
    }

    /// Whether one has this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.iter().any(|(other, _)| other == name)
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<N: Into<String>, V: Into<String>, const COUNT: usize> From<[(N, V); COUNT]> for Labels {
    fn from(labels: [(N, V); COUNT]) -> Self {
        labels.into_iter().collect()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(labels: I) -> Self {
        let mut all = Self::new();
        all.extend(labels);
        all
    }
}

impl<N: Into<String>, V: Into<String>> Extend<(N, V)> for Labels {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, labels: I) {
        self.0.extend(labels.into_iter().map(|(name, value)| (name.into(), value.into())));
    }
}

impl IntoIterator for Labels {
    type Item = (String, String);
    type IntoIter = vec::IntoIter<(String, String)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a str, &'a str);
    type IntoIter = LabelsIter<'a>;

    fn into_iter(self) -> LabelsIter<'a> {
        self.iter()
    }
}

/// The names and values of [`Labels`] in their order.
#[derive(Clone, Debug)]
pub struct LabelsIter<'a>(slice::Iter<'a, (String, String)>);

impl<'a> Iterator for LabelsIter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for LabelsIter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_their_order_however_they_are_given() {
        let one_by_one = Labels::new().with("b", "1").with(String::from("a"), String::from("2"));
        let mut extended = Labels::from([("b", "1")]);
        extended.extend([("a", "2")]);
        for labels in [Labels::from([("b", "1"), ("a", "2")]), one_by_one.clone().into_iter().collect(), extended] {
            assert_eq!(labels, one_by_one);
        }
        assert!(one_by_one.iter().eq([("b", "1"), ("a", "2")]));
        assert_eq!((one_by_one.len(), one_by_one.iter().len(), Labels::new().is_empty()), (2, 2, true));
        assert!(one_by_one.has("a") && !one_by_one.has("1"));
        assert_eq!(format!("{one_by_one:?}"), r#"{"b": "1", "a": "2"}"#);
    }
}
