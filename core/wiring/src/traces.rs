//! Traces as the settings want them.

use crate::WiringError;
use tfx_settings::Settings;
use tfx_traces::{Traces, TracesConfig};

/// Takes spans of a service's clicks or requests; none where traces are off.
///
/// # Errors
/// Nothing can be sent to that collector; whether it is there is not asked.
pub fn traces(settings: &Settings, service: &'static str) -> Result<Traces, WiringError> {
    let Some(traces) = &settings.traces else { return Ok(Traces::default()) };
    let headers = traces.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
    let config =
        TracesConfig { url: traces.url.clone(), headers: headers.collect(), ratio: traces.ratio, service };
    Traces::start(&config).map_err(WiringError::Traces)
}
