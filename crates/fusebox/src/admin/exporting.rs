//! What exporters of metrics need of the interface.

#[cfg(feature = "otlp")]
use super::metrics::Exports;
use super::metrics::{Format, Series, Source};
#[cfg(feature = "otlp")]
use super::wall::Wall;
use super::{Admin, Answer};
use std::sync::Arc;

impl Admin {
    /// In the metrics, at most so many circuits have series of their own; the rest is told under one name, and
    /// `fusebox_metrics_capped` says how many these are. Default: 1,000.
    #[must_use]
    pub fn max_series(self, most: usize) -> Admin {
        Admin { series: Arc::new(Series::new(most)), ..self }
    }

    /// In the format that is asked for.
    pub(super) fn metrics(&self, accept: Option<&str>) -> Answer {
        let format = Format::accepted(accept);
        Answer::new(200, format.content_type(), self.metrics_source().text(format))
    }

    pub(crate) fn metrics_source(&self) -> Source<'_> {
        Source {
            registry: &self.registry,
            left_closed: &self.left_closed,
            series: &self.series,
            subjects: self.subjects.read(),
            exports: &self.exports,
        }
    }

    /// Now, on the wall.
    #[cfg(feature = "otlp")]
    pub(crate) fn date(&self) -> std::time::Duration {
        Wall::read(self.registry.clock().now()).today()
    }

    #[cfg(feature = "otlp")]
    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    #[cfg(feature = "otlp")]
    pub(crate) fn exports(&self) -> &Exports {
        &self.exports
    }
}
