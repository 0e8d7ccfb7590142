//! Traces of clicks and requests: where they go, and of how many.

use crate::{Secret, http, source::Reader, vars};

/// Traces.
#[derive(Debug, Clone)]
pub struct TraceSettings {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`, whole: with `/v1/traces` behind it.
    pub url: String,
    /// `OTEL_EXPORTER_OTLP_HEADERS`; values may be keys.
    pub headers: Vec<(String, Secret)>,
    /// `OTEL_TRACES_SAMPLER_ARG`: the part of all clicks, and of all requests to the API, 0 to 1.
    pub ratio: f64,
}

impl TraceSettings {
    /// None: traces are off.
    pub(crate) fn read(r: &mut Reader<'_>) -> Option<Self> {
        let ratio = r.number(&vars::OTEL_TRACES_SAMPLER_ARG, 0.0, 1.0);
        let mut headers = Vec::new();
        for pair in r.list::<String>(&vars::OTEL_EXPORTER_OTLP_HEADERS) {
            let is_name = |name: &str| {
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            };
            match pair.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
                Some((name, value)) if is_name(name) => {
                    headers.push((name.to_owned(), Secret::from(value.to_owned())));
                }
                _ => r.problem(
                    &vars::OTEL_EXPORTER_OTLP_HEADERS,
                    "has one that is not name=value; names have letters, digits, '-', '_' and '.'",
                ),
            }
        }
        r.text(&vars::OTEL_EXPORTER_OTLP_ENDPOINT)?;
        let base = http::base_url(r, &vars::OTEL_EXPORTER_OTLP_ENDPOINT);
        // It stands in logs, as it is.
        if http::holds_login(&base) {
            r.problem(
                &vars::OTEL_EXPORTER_OTLP_ENDPOINT,
                "holds a login; OTEL_EXPORTER_OTLP_HEADERS takes it, such as authorization=Basic …",
            );
        }
        let url = if base.ends_with("/v1/traces") { base } else { format!("{base}/v1/traces") };
        Some(Self { url, headers, ratio })
    }
}
