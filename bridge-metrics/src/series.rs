//! Which series the labels of the facade lead to.

use std::borrow::Cow;

use loaddensity_metrics_shell::{Label, LabelError, Reach, Registry, Series};
use metrics::Key;

use crate::unshown::{FacadeMetric, Lack};

/// Where something with a set of labels counts.
pub(crate) enum Place {
    /// In this series, alone; in the run, whatever the series, where it is an instrument of the run.
    Apart(Series),
    /// With other sets of labels: in the overflow series, or in the run.
    Shared,
    /// Nowhere.
    Nowhere,
}

/// Where an instrument counts what it has with the labels of `key`.
pub(crate) fn place_of(metric: &FacadeMetric, reach: Reach, key: &Key) -> Place {
    let has_labels = key.labels().len() != 0;
    if reach == Reach::Run && has_labels {
        let why = "what it has with labels counts without them, because it was used without labels first. Declare it for each \
                   series before, with the registry's call";
        metric.lacks(Lack::Labels, why);
        return Place::Shared;
    }
    if reach == Reach::Run {
        return Place::Apart(Series::OVERFLOW);
    }
    match series_of(metric.recorder.registry(), key) {
        Ok(Series::OVERFLOW) => {
            let why =
                "some of its labels count in the overflow series, because the storage has room for no more series";
            metric.lacks(Lack::Labels, why);
            Place::Shared
        }
        Ok(series) => Place::Apart(series),
        Err(error) => {
            metric.lacks(Lack::Labels, format_args!("some of its labels count in the overflow series: {error}"));
            Place::Shared
        }
    }
}

/// The labels `method` and `name` are the series' own; keys that a series cannot have get another beginning.
fn series_of(registry: Registry<'static>, key: &Key) -> Result<Series, LabelError> {
    let value_of = |wanted| key.labels().find(|label| label.key() == wanted).map_or("", metrics::Label::value);
    let others = key.labels().filter(|label| !OF_SERIES.contains(&label.key()));
    let labels: Vec<_> = others.map(|label| (shown_key(label.key()), label.value())).collect();
    registry.series_with_labels(value_of(METHOD), value_of(NAME), labels.iter().map(|(key, value)| (&**key, *value)))
}

const METHOD: &str = "method";
const NAME: &str = "name";
const OF_SERIES: [&str; 2] = [METHOD, NAME];

/// What Prometheus puts before a label that somebody else has set already.
const EXPORTED: &str = "exported_";

fn shown_key(key: &str) -> Cow<'_, str> {
    // The value is none that could be too long.
    match (Label { key, value: "x" }).check() {
        Err(LabelError::Reserved | LabelError::Start) => Cow::Owned(format!("{EXPORTED}{key}")),
        _ => Cow::Borrowed(key),
    }
}
