//! Traces (OpenTelemetry, OTLP over HTTP): of a click from the request over the journal to the store that has the event, and the
//! postbacks that came of it, in whichever service that happens; of a request to the API the request itself.
//!
//! The trace of a click is the click's id as a number, and whether it is one of those that are traced follows from that number too:
//! so services agree without telling each other, and nothing about it is kept with events
//! (`docs/decisions/0053-a-trace-is-a-click.md`). Where traces are off, asking costs one comparison.

mod exporter;
mod stored;

pub use stored::TracedSink;

use exporter::{Counted, Told};
use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{
        BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanExporter as _, SpanLinks,
        SpanProcessor as _,
    },
};
use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, SystemTime},
};
use tfx_domain::id::ClickId;

/// Spans that may wait to be sent; what is more is left out, and counted.
const QUEUE: usize = 8_192;
/// Spans of one request to the collector.
const BATCH: usize = 512;
/// How long spans wait for others.
const DELAY: Duration = Duration::from_secs(1);
/// The longest request to the collector.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The bits of a trace's number that are random by the W3C's Trace Context, level 2.
const RANDOM: u64 = (1 << 56) - 1;

/// Where traces go, and of how many clicks.
#[derive(Debug, Clone)]
pub struct TracesConfig {
    /// The collector's whole URL for traces: `http://host:4318/v1/traces`.
    pub url: String,
    /// Headers of each request to it, which may hold keys.
    pub headers: HashMap<String, String>,
    /// The part of all clicks, and of all requests, that is traced: 0 to 1.
    pub ratio: f64,
    /// The service, as traces name it.
    pub service: &'static str,
}

/// Takes spans of clicks and requests; cheap to clone.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Sending>>);

struct Sending {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
    counted: Arc<Counted>,
    /// Clicks and requests whose random part is less are traced.
    below: u64,
}

/// The number of a request that is traced. Whatever asked had no say in it.
#[derive(Debug, Clone, Copy)]
pub struct RequestNumber(u128);

/// A step on the way of a click, or a request.
#[derive(Debug)]
pub struct Step {
    /// What happened.
    pub name: Cow<'static, str>,
    /// Who was asked.
    pub kind: StepKind,
    /// When it began.
    pub began: SystemTime,
    /// When it had ended.
    pub ended: SystemTime,
    /// Why it failed; empty: it did not.
    pub failed: String,
    /// What else is known of it: no addresses, user agents or parameters.
    pub facts: Vec<(&'static str, String)>,
}

/// Who was asked in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// This service.
    Server,
    /// A server of others.
    Client,
    /// Who takes events.
    Producer,
    /// Nobody outside.
    Internal,
}

/// Spans since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TraceCounts {
    /// Taken by the collector.
    pub sent: u64,
    /// Not taken by it.
    pub failed: u64,
    /// Left out, since too many waited.
    pub dropped: u64,
}

impl Traces {
    /// Begins to take spans. The collector need not be there: what it does not take is left out, counted, and told in the log now and
    /// then. To be called outside of a runtime's threads that must not wait.
    ///
    /// # Errors
    /// Why nothing can be sent there.
    pub fn start(config: &TracesConfig) -> Result<Self, String> {
        let (url, headers) = (config.url.clone(), config.headers.clone());
        // A client that may block is neither made nor ended on a thread of a runtime.
        let made = std::thread::spawn(move || {
            let client = reqwest::blocking::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .timeout(TIMEOUT)
                .build()
                .map_err(|e| e.to_string())?;
            let exporter = SpanExporter::builder().with_http().with_http_client(client);
            let exporter = exporter.with_protocol(Protocol::HttpBinary).with_endpoint(url);
            exporter.with_headers(headers).with_timeout(TIMEOUT).build().map_err(|e| e.to_string())
        });
        let mut exporter = made.join().unwrap_or_else(|_| Err("it broke off in this program".to_owned()))?;
        let resource = Resource::builder_empty()
            .with_attribute(KeyValue::new("service.name", config.service))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        exporter.set_resource(&resource);
        let counted = Arc::new(Counted::default());
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        let processor = BatchSpanProcessor::new(Told::new(exporter, &config.url, &counted), batches);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2^56")]
        let below = (config.ratio.clamp(0.0, 1.0) * (RANDOM + 1) as f64) as u64;
        let scope = InstrumentationScope::builder("traffoflex").build();
        Ok(Self(Some(Arc::new(Sending { processor, scope, counted, below }))))
    }

    /// Whether any click or request is traced.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Whether this click is.
    pub fn takes(&self, click: ClickId) -> bool {
        self.0.as_ref().is_some_and(|sending| random_part(click.to_bits()) < sending.below)
    }

    /// A number for a request that begins; none: it is not one of those that are traced.
    pub fn number(&self) -> Option<RequestNumber> {
        let sending = self.0.as_ref()?;
        let number = rand::random::<u128>();
        (random_part(number) < sending.below).then_some(RequestNumber(number))
    }

    /// A request that has ended: a trace of its own.
    pub fn request(&self, RequestNumber(number): RequestNumber, step: Step) {
        self.add(number, step, None);
    }

    /// What the trace of a click begins with; there is one for each.
    pub fn click(&self, click: ClickId, step: Step) {
        self.of_click(click, step, None);
    }

    /// What became of a click that is traced, or its event.
    pub fn step(&self, click: ClickId, step: Step) {
        self.of_click(click, step, Some(first_span(click.to_bits())));
    }

    fn of_click(&self, click: ClickId, mut step: Step, parent: Option<SpanId>) {
        if self.takes(click) {
            step.facts.insert(0, ("tfx.click_id", click.to_string()));
            self.add(click.to_bits(), step, parent);
        }
    }

    fn add(&self, number: u128, step: Step, parent: Option<SpanId>) {
        let Some(sending) = &self.0 else { return };
        if !sending.counted.begin(QUEUE) {
            return;
        }
        let span =
            if parent.is_some() { SpanId::from(rand::random::<u64>() | 1) } else { first_span(number) };
        let trace = TraceId::from(number);
        let context = SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::default());
        let attributes = step.facts.into_iter().map(|(name, value)| KeyValue::new(name, value)).collect();
        let status = if step.failed.is_empty() { Status::Unset } else { Status::error(step.failed) };
        sending.processor.on_end(SpanData {
            span_context: context,
            parent_span_id: parent.unwrap_or(SpanId::INVALID),
            parent_span_is_remote: false,
            span_kind: match step.kind {
                StepKind::Server => SpanKind::Server,
                StepKind::Client => SpanKind::Client,
                StepKind::Producer => SpanKind::Producer,
                StepKind::Internal => SpanKind::Internal,
            },
            name: step.name,
            start_time: step.began,
            end_time: step.ended.max(step.began),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: sending.scope.clone(),
        });
    }

    /// Spans since the start.
    pub fn counts(&self) -> TraceCounts {
        let Some(sending) = &self.0 else { return TraceCounts::default() };
        let counted = &sending.counted;
        TraceCounts {
            sent: counted.sent.load(Relaxed),
            failed: counted.failed.load(Relaxed),
            dropped: counted.dropped.load(Relaxed),
        }
    }

    /// Sends what waits, and takes no more. It may wait for the collector as long as `within`: not on a thread of a runtime.
    pub fn stop(&self, within: Duration) {
        if let Some(sending) = &self.0 {
            // Whatever it says: what is not sent by now is not sent.
            let _ = sending.processor.shutdown_with_timeout(within);
            sending.counted.give_up();
        }
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Traces").field(&self.is_on()).finish()
    }
}

/// The part of a number that nobody chose.
#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn random_part(number: u128) -> u64 {
    number as u64 & RANDOM
}

/// The span that a trace begins with; that of a click as every service knows it.
#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn first_span(number: u128) -> SpanId {
    SpanId::from(number as u64 | 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tfx_domain::Timestamp;

    fn traces(ratio: f64) -> Traces {
        // Nobody listens there.
        let url = "http://127.0.0.1:9/v1/traces".to_owned();
        let config = TracesConfig { url, headers: HashMap::new(), ratio, service: "test" };
        Traces::start(&config).expect("traces")
    }

    fn clicks() -> impl Iterator<Item = ClickId> {
        let at = Timestamp::from_second(1_780_000_000).expect("a time");
        // Spread as random numbers are.
        (1..=10_000_u128)
            .map(move |n| ClickId::generate(at, n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)))
    }

    #[test]
    fn services_take_the_same_part_of_all_clicks() {
        let (one, other) = (traces(0.1), traces(0.1));
        let taken = clicks().filter(|click| one.takes(*click)).count();
        assert!((900..1_100).contains(&taken), "{taken}");
        assert!(clicks().all(|click| one.takes(click) == other.takes(click)));
        let numbered = (0..10_000).filter(|_| one.number().is_some()).count();
        assert!((800..1_200).contains(&numbered), "{numbered}");
        let (all, none) = (traces(1.0), traces(0.0));
        assert!(all.number().is_some() && none.number().is_none() && Traces::default().number().is_none());
        assert!(
            clicks().all(|click| all.takes(click) && !none.takes(click) && !Traces::default().takes(click))
        );
    }

    #[test]
    fn what_nobody_takes_is_counted_and_holds_nobody_up() {
        let traces = traces(1.0);
        let now = tfx_ports::clock::precise();
        let step = || Step {
            name: "click".into(),
            kind: StepKind::Server,
            began: now,
            ended: now,
            failed: String::new(),
            facts: Vec::new(),
        };
        clicks().chain(clicks()).for_each(|click| traces.click(click, step()));
        traces.stop(Duration::from_millis(500));
        let TraceCounts { sent, failed, dropped } = traces.counts();
        assert_eq!((sent, failed + dropped), (0, 20_000));
        assert!(dropped > 0 && failed > 0, "{failed} {dropped}");
    }
}
