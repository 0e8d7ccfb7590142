//! Logs: JSON lines on stderr, one format everywhere, each with the service it is of. A failure is logged once, where it
//! is handled.

use serde_json::Value;
use std::{
    fmt,
    io::{Write as _, stderr},
};
use tfx_ports::clock;
use tracing::{
    Event, Instrument as _, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{
    EnvFilter,
    layer::{Context, Layer, SubscriberExt as _},
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

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

/// Logs from here on, and panics as log lines too. Lines outside of every service are of `program`. If something logs
/// already, nothing changes.
///
/// # Errors
/// The level is none.
pub fn init(level: &str, program: &'static str) -> Result<(), InvalidFilter> {
    let filter = EnvFilter::builder()
        .parse(level)
        .map_err(|source| InvalidFilter { given: level.to_owned(), source })?;
    let started = tracing_subscriber::registry().with(filter).with(Lines { program }).try_init();
    if started.is_ok() {
        std::panic::set_hook(Box::new(|info| {
            let at = info.location().map(ToString::to_string).unwrap_or_default();
            let message = info.payload_as_str().unwrap_or("panic");
            tracing::error!(at, error = message, "panic");
        }));
    }
    Ok(())
}

/// Runs a service: each line that it logs names it, also where several share a process.
pub fn within<F: Future>(service: &'static str, run: F) -> impl Future<Output = F::Output> {
    run.instrument(tracing::error_span!("service", service))
}

/// Writes a line for each event.
struct Lines {
    program: &'static str,
}

/// The service of a span.
struct Service(String);

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        struct Named(Option<Service>);
        impl Visit for Named {
            fn record_str(&mut self, field: &Field, value: &str) {
                if field.name() == SERVICE {
                    self.0 = Some(Service(value.to_owned()));
                }
            }
            fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
        }
        let mut named = Named(None);
        attributes.record(&mut named);
        if let (Some(service), Some(span)) = (named.0, context.span(id)) {
            span.extensions_mut().insert(service);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Line(String::with_capacity(256));
        line.0.push('{');
        line.text("timestamp", &format!("{:.6}", clock::now()));
        line.text("level", event.metadata().level().as_str());
        let mut spans = context.event_scope(event).into_iter().flatten();
        let named = spans.find_map(|s| s.extensions().get::<Service>().map(|service| service.0.clone()));
        line.text(SERVICE, named.as_deref().unwrap_or(self.program));
        event.record(&mut line);
        line.text("target", event.metadata().target());
        line.0.push_str("}\n");
        // Nobody is left to tell when stderr is gone.
        let _ = stderr().lock().write_all(line.0.as_bytes());
    }
}

const SERVICE: &str = "service";

/// A JSON object in the making.
struct Line(String);

impl Line {
    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&json(name));
        self.0.push(':');
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.0.push_str(&json(text));
    }

    fn plain(&mut self, field: &Field, value: &dyn fmt::Display) {
        self.name(field.name());
        self.0.push_str(&value.to_string());
    }
}

fn json(text: &str) -> String {
    Value::from(text).to_string()
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.plain(field, &Value::from(value));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, &value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, &value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, &value);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field.name(), &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_none_names_the_setting() {
        let refused = init("info,tfx=loud", "x").expect_err("no level").to_string();
        assert!(refused.contains("LOG_LEVEL") && refused.contains("loud"), "{refused}");
    }
}
