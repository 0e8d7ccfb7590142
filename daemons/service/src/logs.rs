//! Logs: JSON lines on stderr, one format everywhere. A failure is logged once, where it is handled.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// A level or filter that is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "LOG_LEVEL is '{given}': {source}; allowed is error, warn, info, debug or a filter such as info,tfx_traffic=debug"
)]
pub struct InvalidFilter {
    given: String,
    #[source]
    source: tracing_subscriber::filter::ParseError,
}

/// Logs from here on, and panics as log lines too. If something logs already, nothing changes.
///
/// # Errors
/// The level is none.
pub fn init(level: &str) -> Result<(), InvalidFilter> {
    let filter = EnvFilter::builder()
        .parse(level)
        .map_err(|source| InvalidFilter { given: level.to_owned(), source })?;
    let layer = fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
    let started =
        tracing_subscriber::registry().with(filter).with(layer.with_writer(std::io::stderr)).try_init();
    if started.is_ok() {
        std::panic::set_hook(Box::new(|info| {
            let at = info.location().map(ToString::to_string).unwrap_or_default();
            let message = info.payload_as_str().unwrap_or("panic");
            tracing::error!(at, error = message, "panic");
        }));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_none_names_the_setting() {
        let refused = init("info,tfx=loud").expect_err("no level").to_string();
        assert!(refused.contains("LOG_LEVEL") && refused.contains("loud"), "{refused}");
    }
}
