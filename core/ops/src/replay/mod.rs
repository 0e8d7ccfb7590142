//! Sends the requests of a real access log at tracking links, with bounded concurrency and rate.

mod line;

pub use line::LogLine;

use hdrhistogram::Histogram;
use reqwest::{Client, Method, header, redirect};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    io::BufRead,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, task::JoinSet, time};

/// How a replay is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The tracking links, taken in turn.
    pub links: Vec<String>,
    /// Most requests under way at once.
    pub concurrency: usize,
    /// Most requests per second; none: as fast as they are answered.
    pub rate: Option<f64>,
    /// Stop after this many requests.
    pub limit: Option<u64>,
    /// How often the log is sent through.
    pub repeat: u32,
    /// Longest time to wait for one answer.
    pub timeout: Duration,
}

/// Why a replay could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log cannot be read.
    #[error("the log cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// No line of the log is in the combined format.
    #[error(
        "no line is in the combined log format (address - user [time] \"request\" status bytes \"referrer\" \"user agent\")"
    )]
    NoLines,
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(#[from] reqwest::Error),
}

/// How far a replay is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Requests that were sent and came to an end.
    pub done: u64,
    /// Requests that will be sent in all.
    pub total: u64,
}

/// What came of a replay.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Requests sent.
    pub sent: u64,
    /// Requests answered, whatever the status.
    pub answered: u64,
    /// Lines of the log that are not in the combined format.
    pub skipped_lines: u64,
    /// Answers by status.
    pub by_status: BTreeMap<u16, u64>,
    /// Requests without an answer, by reason.
    pub failed: BTreeMap<String, u64>,
    /// From the first request to the last answer, in seconds.
    pub seconds: f64,
    /// Answers per second.
    pub requests_per_second: f64,
    /// Time to an answer in milliseconds.
    pub latency_ms: Latency,
    /// True when it was stopped before its end.
    pub interrupted: bool,
}

/// Percentiles in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Latency {
    /// Half of the answers came within.
    pub p50: f64,
    /// 90 of 100.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p999: f64,
    /// The longest of all.
    pub max: f64,
}

struct Tally {
    answered: u64,
    done: u64,
    by_status: BTreeMap<u16, u64>,
    failed: BTreeMap<String, u64>,
    micros: Histogram<u64>,
}

/// Replays `log`. `progress` is called after every answer; `stop` ends the sending early, what is under way is
/// still waited for.
///
/// # Errors
/// The log cannot be read or has no usable line; no answer is an error of its own.
pub async fn replay(
    log: impl BufRead,
    options: &Options,
    progress: impl Fn(Progress) + Send + Sync + 'static,
    stop: impl Future<Output = ()>,
) -> Result<Summary, ReplayError> {
    let (lines, skipped_lines) = read(log)?;
    let lines = Arc::new(lines);
    let per_round = lines.len() as u64;
    let all = per_round * u64::from(options.repeat);
    let total = options.limit.map_or(all, |limit| limit.min(all));
    let client = tfx_api::http::client(|| {
        Client::builder()
            .redirect(redirect::Policy::none())
            .no_gzip()
            .timeout(options.timeout)
            .pool_max_idle_per_host(options.concurrency)
            .no_proxy()
    })?;
    let tally = Arc::new(Mutex::new(Tally {
        answered: 0,
        done: 0,
        by_status: BTreeMap::new(),
        failed: BTreeMap::new(),
        // Three digits over everything up to the time-out; grows by itself.
        micros: Histogram::new(3).unwrap_or_else(|_| unreachable!("3 digits are within 0 to 5")),
    }));
    let progress = Arc::new(progress);
    let places = Arc::new(Semaphore::new(options.concurrency));
    let mut pace = options.rate.map(|rate| {
        let mut pace = time::interval(Duration::from_secs_f64(1.0 / rate.max(0.001)));
        pace.set_missed_tick_behavior(time::MissedTickBehavior::Burst);
        pace
    });
    let mut tasks = JoinSet::new();
    let begun = Instant::now();
    let mut sent = 0;
    let mut stop = std::pin::pin!(stop);
    let mut interrupted = false;
    while sent < total {
        let next = async {
            if let Some(pace) = &mut pace {
                pace.tick().await;
            }
            places.clone().acquire_owned().await
        };
        let place = tokio::select! {
            place = next => place,
            () = &mut stop => { interrupted = true; break }
        };
        let Ok(place) = place else { break };
        let line = lines[usize::try_from(sent % per_round).unwrap_or(0)].clone();
        let link = &options.links[usize::try_from(sent).unwrap_or(0) % options.links.len()];
        let request = line.request(&client, link);
        let (tally, progress) = (tally.clone(), progress.clone());
        tasks.spawn(async move {
            let started = Instant::now();
            let result = request.send().await;
            let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            let mut t = lock(&tally);
            t.done += 1;
            match result {
                Ok(response) => {
                    t.answered += 1;
                    *t.by_status.entry(response.status().as_u16()).or_default() += 1;
                    let _ = t.micros.record(micros);
                }
                Err(e) => *t.failed.entry(reason(&e)).or_default() += 1,
            }
            let done = t.done;
            drop(t);
            progress(Progress { done, total });
            drop(place);
        });
        sent += 1;
        while tasks.try_join_next().is_some() {}
    }
    while tasks.join_next().await.is_some() {}
    let seconds = begun.elapsed().as_secs_f64();
    let t = lock(&tally);
    let at = |quantile| millis(t.micros.value_at_quantile(quantile));
    Ok(Summary {
        sent,
        answered: t.answered,
        skipped_lines,
        by_status: t.by_status.clone(),
        failed: t.failed.clone(),
        seconds,
        requests_per_second: ratio(t.answered, seconds),
        latency_ms: Latency {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: millis(t.micros.max()),
        },
        interrupted,
    })
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn ratio(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

fn read(log: impl BufRead) -> Result<(Vec<LogLine>, u64), ReplayError> {
    let mut lines = Vec::new();
    let mut skipped = 0;
    for bytes in log.split(b'\n') {
        let bytes = bytes?;
        if bytes.is_empty() {
            continue;
        }
        match LogLine::parse(&String::from_utf8_lossy(&bytes)) {
            Some(line) => lines.push(line),
            None => skipped += 1,
        }
    }
    if lines.is_empty() { Err(ReplayError::NoLines) } else { Ok((lines, skipped)) }
}

/// Few enough kinds to count by.
fn reason(error: &reqwest::Error) -> String {
    let kind = if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "could not connect"
    } else if error.is_builder() {
        "not a valid request"
    } else {
        "connection lost"
    };
    kind.to_owned()
}

impl LogLine {
    /// The same request at a tracking link: address in `X-Forwarded-For`, referrer, user agent, query.
    fn request(&self, client: &Client, link: &str) -> reqwest::RequestBuilder {
        let join = if link.contains('?') { '&' } else { '?' };
        let url = if self.query.is_empty() { link.to_owned() } else { format!("{link}{join}{}", self.query) };
        let method = if self.head { Method::HEAD } else { Method::GET };
        let mut request = client.request(method, url).header("x-forwarded-for", self.address.to_string());
        if !self.user_agent.is_empty() {
            request = request.header(header::USER_AGENT, header_value(&self.user_agent));
        }
        if !self.referrer.is_empty() {
            request = request.header(header::REFERER, header_value(&self.referrer));
        }
        request
    }
}

/// Logs hold bytes that a header cannot; they are left out, as a browser could not have sent them.
fn header_value(text: &str) -> header::HeaderValue {
    let visible: Vec<u8> = text.bytes().filter(|b| *b == b'\t' || (*b >= b' ' && *b != 0x7f)).collect();
    header::HeaderValue::from_bytes(&visible).unwrap_or_else(|_| header::HeaderValue::from_static(""))
}
