//! Where metrics are pushed to, and how often.

use http::{HeaderName, HeaderValue, Uri};
use std::fmt;
use std::io;
use std::time::Duration;

/// Where metrics are pushed to, and how often.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    /// The collector: `http://host:4318`. `/v1/metrics` is added to a path that does not end so.
    pub endpoint: String,
    /// From one export to the next. Default: 10 s.
    pub interval: Duration,
    /// How long one may take. Default: 5 s.
    pub timeout: Duration,
    /// Headers of each, such as `authorization`.
    pub headers: Vec<(String, String)>,
    /// The resource attribute `service.name`. Default: `fusebox`.
    pub service_name: String,
    /// Further resource attributes.
    pub resource: Vec<(String, String)>,
}

impl Config {
    /// To this collector, with everything else as usual.
    pub fn to(endpoint: impl Into<String>) -> Config {
        Config {
            endpoint: endpoint.into(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            headers: Vec::new(),
            service_name: "fusebox".into(),
            resource: Vec::new(),
        }
    }

    /// Whether it can work, as far as that shows without a collector.
    ///
    /// # Errors
    ///
    /// [`Error::Wrong`], with the first field that can never work.
    pub fn check(&self) -> Result<(), Error> {
        self.clone().checked().map(drop)
    }

    pub(super) fn checked(self) -> Result<Checked, Error> {
        let url = url(&self.endpoint).ok_or_else(|| {
            let found = self.endpoint.rsplit_once('@').map_or(&*self.endpoint, |(_, host)| host);
            Error::wrong("endpoint", found, "an http or https URL without credentials or a query")
        })?;
        for (field, span) in [("interval", self.interval), ("timeout", self.timeout)] {
            if span < Duration::from_millis(1) {
                return Err(Error::wrong(field, &format!("{span:?}"), "1 ms or more"));
            }
        }
        let mut headers = Vec::new();
        for (name, value) in self.headers {
            let read = (HeaderName::try_from(&name), HeaderValue::try_from(value));
            let (Ok(read), Ok(mut value)) = read else {
                return Err(Error::wrong("headers", &name, "names and values that HTTP allows"));
            };
            value.set_sensitive(true);
            headers.push((read, value));
        }
        let Config { interval, timeout, service_name, resource, .. } = self;
        Ok(Checked { url, interval, timeout, headers, service_name, resource })
    }
}

impl fmt::Debug for Config {
    /// Without the headers' values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("endpoint", &self.endpoint)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

/// The same, checked.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) url: Uri,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) service_name: String,
    pub(super) resource: Vec<(String, String)>,
}

const PATH: &str = "/v1/metrics";

/// Where exports go.
fn url(endpoint: &str) -> Option<Uri> {
    let given: Uri = endpoint.parse().ok()?;
    let is_plain = matches!(given.scheme_str()?, "http" | "https")
        && !given.authority()?.as_str().contains('@')
        && given.host().is_some_and(|host| !host.is_empty())
        && given.query().is_none();
    let path = given.path().trim_end_matches('/');
    let path = if path.ends_with(PATH) { path.to_owned() } else { format!("{path}{PATH}") };
    let authority = given.authority()?.clone();
    is_plain.then(|| {
        Uri::builder().scheme(given.scheme()?.clone()).authority(authority).path_and_query(path).build().ok()
    })?
}

/// Why there can be no exports.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A field that can never work.
    Wrong {
        /// The field.
        field: &'static str,
        /// What was found.
        found: String,
        /// What is accepted.
        accepted: &'static str,
    },
    /// There is no thread to be had.
    Thread(io::Error),
}

impl Error {
    fn wrong(field: &'static str, found: &str, accepted: &'static str) -> Error {
        Error::Wrong { field, found: found.into(), accepted }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Wrong { field, found, accepted } => {
                write!(f, "export metrics: {field}: found {found:?}, accepted: {accepted}")
            }
            Error::Thread(error) => write!(f, "start the thread that exports metrics: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Wrong { .. } => None,
            Error::Thread(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_metrics_is_added_where_it_is_missing() {
        let url = |endpoint: &str| url(endpoint).map(|url| url.to_string());
        for (endpoint, expected) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/metrics"),
            ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/metrics"),
            ("https://otel.test/otlp", "https://otel.test/otlp/v1/metrics"),
            ("http://[::1]:4318/v1/metrics", "http://[::1]:4318/v1/metrics"),
        ] {
            assert_eq!(url(endpoint).as_deref(), Some(expected), "{endpoint}");
        }
        for endpoint in
            ["", "127.0.0.1:4318", "grpc://a:4317", "http://", "http://u:p@a", "http://a/?k=1", "/v1/metrics"]
        {
            assert_eq!(url(endpoint), None, "{endpoint}");
        }
    }

    #[test]
    fn what_can_never_work_is_refused_and_no_secret_is_told() {
        let good = || Config::to("http://127.0.0.1:4318");
        assert!(good().check().is_ok());
        let told = |config: Config| config.check().expect_err("wrong").to_string();
        let secret = told(Config::to("http://ann:secret@host/"));
        assert!(secret.contains("endpoint: found \"host/\"") && !secret.contains("secret"), "{secret}");
        assert!(told(Config { interval: Duration::ZERO, ..good() }).contains("interval"));
        let headers = vec![("authorization".into(), "Bearer secret\n".into())];
        let header = told(Config { headers, ..good() });
        assert!(header.contains("authorization") && !header.contains("secret"), "{header}");
    }
}
