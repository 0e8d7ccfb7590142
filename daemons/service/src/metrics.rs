//! `GET /metrics` in the Prometheus text format: requests of each service, and what a daemon adds itself.

use axum::{Router, routing::get};
use http::header;
use std::{
    fmt::{self, Display, Write as _},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Route groups are few and fixed, so that no visitor can make new series.
const GROUPS: [&str; 8] = ["c", "postback", "api", "healthz", "readyz", "metrics", "internal", "other"];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// Upper bounds in microseconds.
const BUCKETS: [u64; 14] =
    [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000];

#[derive(Debug, Default)]
struct Group {
    by_class: [AtomicU64; CLASSES.len()],
    buckets: [AtomicU64; BUCKETS.len()],
    micros: AtomicU64,
}

/// Why a connection ended before its client wanted it to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Its head did not come in time.
    Head,
    /// It was idle for too long.
    Idle,
    /// Nobody read the answer.
    Unread,
    /// Its client sent no more, and did not get its answer soon.
    Gone,
    /// It made place for another.
    NoRoom,
    /// There was no room for it.
    Refused,
}

const CUTS: [(Cut, &str); 6] = [
    (Cut::Head, "slow_head"),
    (Cut::Idle, "idle"),
    (Cut::Unread, "unread"),
    (Cut::Gone, "gone"),
    (Cut::NoRoom, "no_room"),
    (Cut::Refused, "refused"),
];

/// Why a request could not be read, and nobody but its client was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Its head is longer than `HTTP_MAX_HEADER_BYTES`, or has more than a hundred headers.
    TooLarge,
    /// It is no HTTP.
    Malformed,
}

const UNREADABLE: [(Unreadable, &str); 2] =
    [(Unreadable::TooLarge, "too_large"), (Unreadable::Malformed, "malformed")];

/// Requests of one service, counted by [`crate::serve`].
#[derive(Debug, Default)]
pub struct Registry {
    groups: [Group; GROUPS.len()],
    panics: AtomicU64,
    connections: AtomicU64,
    cuts: [AtomicU64; CUTS.len()],
    unreadable: [AtomicU64; UNREADABLE.len()],
}

impl Registry {
    /// The registry of a service; the same for the same name in one process.
    pub fn of(service: &'static str) -> Arc<Self> {
        static ALL: Mutex<Vec<(&str, Arc<Registry>)>> = Mutex::new(Vec::new());
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, registry)) = all.iter().find(|(name, _)| *name == service) {
            return Arc::clone(registry);
        }
        let registry = Arc::new(Self::default());
        all.push((service, Arc::clone(&registry)));
        registry
    }

    pub(crate) fn group(path: &str) -> usize {
        let first = path.strip_prefix('/').unwrap_or(path).split('/').next().unwrap_or("");
        GROUPS.iter().position(|g| *g == first).unwrap_or(GROUPS.len() - 1)
    }

    pub(crate) fn record(&self, group: usize, status: u16, took: Duration) {
        let group = &self.groups[group];
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        group.by_class[class].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        group.micros.fetch_add(micros, Ordering::Relaxed);
        if let Some(bucket) = BUCKETS.iter().position(|b| micros <= *b) {
            group.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn cut(&self, why: Cut) {
        self.cuts[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn unreadable(&self, why: Unreadable) {
        self.unreadable[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn write(&self, out: &mut Text, service: &str) {
        for (name, group) in GROUPS.iter().zip(&self.groups) {
            let counts: Vec<u64> = group.by_class.iter().map(|c| c.load(Ordering::Relaxed)).collect();
            let total: u64 = counts.iter().sum();
            if total == 0 {
                continue;
            }
            for (class, count) in CLASSES.iter().zip(counts).filter(|(_, n)| *n > 0) {
                let labels = [("service", service), ("route", name), ("status", class)];
                out.counter("tfx_http_requests_total", "Requests answered", &labels, count);
            }
            let mut below = 0;
            for (bound, bucket) in BUCKETS.iter().zip(&group.buckets) {
                below += bucket.load(Ordering::Relaxed);
                let bound = (*bound as f64 / 1e6).to_string();
                out.histogram("_bucket", &[("service", service), ("route", name), ("le", &bound)], below);
            }
            out.histogram("_bucket", &[("service", service), ("route", name), ("le", "+Inf")], total);
            let seconds = group.micros.load(Ordering::Relaxed) as f64 / 1e6;
            out.histogram("_sum", &[("service", service), ("route", name)], seconds);
            out.histogram("_count", &[("service", service), ("route", name)], total);
        }
        let labels = [("service", service)];
        out.counter(
            "tfx_http_connections_total",
            "Connections accepted",
            &labels,
            self.connections.load(Ordering::Relaxed),
        );
        for ((_, why), count) in CUTS.iter().zip(&self.cuts) {
            let labels = [("service", service), ("reason", *why)];
            let help = "Connections that were cut or refused, by reason";
            out.counter("tfx_http_connections_cut_total", help, &labels, count.load(Ordering::Relaxed));
        }
        for ((_, why), count) in UNREADABLE.iter().zip(&self.unreadable) {
            let labels = [("service", service), ("reason", *why)];
            let help =
                "Requests whose head could not be read: answered 400, 414 or 431, and in no other count";
            out.counter("tfx_http_unreadable_total", help, &labels, count.load(Ordering::Relaxed));
        }
        out.counter(
            "tfx_panics_total",
            "Requests whose handler panicked",
            &labels,
            self.panics.load(Ordering::Relaxed),
        );
    }
}

/// Text in the making: families in the order in which they came up, each with its head once and all of its values.
#[derive(Debug, Default)]
pub struct Text(Vec<Family>);

#[derive(Debug)]
struct Family {
    name: String,
    head: String,
    values: String,
}

impl Text {
    /// A value that only grows; `name` ends in `_total`.
    pub fn counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: impl Display) {
        line(self.family(name, help, "counter"), name, labels, value);
    }

    /// A value that may fall.
    pub fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: impl Display) {
        line(self.family(name, help, "gauge"), name, labels, value);
    }

    fn histogram(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        const NAME: &str = "tfx_http_request_seconds";
        line(self.family(NAME, "Time to answer", "histogram"), &format!("{NAME}{suffix}"), labels, value);
    }

    fn family(&mut self, name: &str, help: &str, kind: &str) -> &mut String {
        let at = self.0.iter().position(|f| f.name == name).unwrap_or_else(|| {
            let help = help.replace('\\', "\\\\").replace('\n', "\\n");
            let head = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
            self.0.push(Family { name: name.to_owned(), head, values: String::new() });
            self.0.len() - 1
        });
        &mut self.0[at].values
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|family| write!(f, "{}{}", family.head, family.values))
    }
}

fn line(out: &mut String, name: &str, labels: &[(&str, &str)], value: impl Display) {
    out.push_str(name);
    for (i, (label, text)) in labels.iter().enumerate() {
        let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(out, "{}{label}=\"{text}\"", if i == 0 { '{' } else { ',' });
    }
    let _ = writeln!(out, "{} {value}", if labels.is_empty() { "" } else { "}" });
}

/// `GET /metrics` of a service; `extra` adds the daemon's own. Put it behind [`crate::internal::guard`].
pub fn routes(service: &'static str, extra: impl Fn(&mut Text) + Clone + Send + Sync + 'static) -> Router {
    let registry = Registry::of(service);
    let handler = move || {
        let (registry, extra) = (Arc::clone(&registry), extra.clone());
        async move {
            let mut text = Text::default();
            registry.write(&mut text, service);
            extra(&mut text);
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text.to_string())
        }
    };
    Router::new().route("/metrics", get(handler))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_and_class_with_their_time() {
        let registry = Registry::default();
        for (path, status, micros) in
            [("/c/x", 302, 40), ("/c/y", 302, 700), ("/c/y", 404, 9_000_000), ("/x", 200, 1)]
        {
            registry.record(Registry::group(path), status, Duration::from_micros(micros));
        }
        let mut text = Text::default();
        registry.write(&mut text, "traffic");
        let text = text.to_string();
        let lines: Vec<&str> = text.lines().collect();
        for want in [
            r#"tfx_http_requests_total{service="traffic",route="c",status="3xx"} 2"#,
            r#"tfx_http_requests_total{service="traffic",route="c",status="4xx"} 1"#,
            r#"tfx_http_requests_total{service="traffic",route="other",status="2xx"} 1"#,
            r#"tfx_http_request_seconds_bucket{service="traffic",route="c",le="0.00005"} 1"#,
            r#"tfx_http_request_seconds_bucket{service="traffic",route="c",le="0.001"} 2"#,
            r#"tfx_http_request_seconds_bucket{service="traffic",route="c",le="5"} 2"#,
            r#"tfx_http_request_seconds_bucket{service="traffic",route="c",le="+Inf"} 3"#,
            r#"tfx_http_request_seconds_sum{service="traffic",route="c"} 9.00074"#,
            r#"tfx_panics_total{service="traffic"} 0"#,
        ] {
            assert!(lines.contains(&want), "{want}\n{text}");
        }
    }

    #[test]
    fn label_values_are_escaped() {
        let mut text = Text::default();
        text.gauge("x", "X", &[("a", "q\"\\\n")], 1);
        let text = text.to_string();
        assert!(text.ends_with("x{a=\"q\\\"\\\\\\n\"} 1\n"), "{text}");
    }
}
