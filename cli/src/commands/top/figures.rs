//! Rates and percentiles: what two looks tell of the time between them.

use rust_decimal::Decimal;
use serde::Serialize;
use std::collections::BTreeMap;
use tfx_api::report::{Figures, Metric};
use tfx_domain::{Timestamp, report::Unit};

/// What rates are made of, summed up since one time.
pub(super) const COUNTED: [Metric; 4] = [Metric::Clicks, Metric::Conversions, Metric::Revenue, Metric::Cost];

/// A second's worth of each of [`COUNTED`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rates {
    pub(super) clicks: Decimal,
    pub(super) conversions: Decimal,
    pub(super) revenue: Decimal,
    pub(super) cost: Decimal,
}

/// Rates between two totals; none: there was no time between, or what is summed became less, as when old events leave.
pub(super) fn rates(before: (Timestamp, &Figures), now: (Timestamp, &Figures)) -> Option<Rates> {
    let ms = now.0.duration_since(before.0).as_millis();
    let ms = Decimal::from(i64::try_from(ms).ok().filter(|ms| *ms > 0)?);
    let of = |metric: Metric| {
        let value = |f: &Figures| f.get(&metric).copied().unwrap_or_default();
        let more = value(now.1) - value(before.1);
        let rate = more.checked_mul(Decimal::ONE_THOUSAND)?.checked_div(ms)?;
        // An amount may become less: a conversion that is refused takes its revenue away.
        let places = if metric.unit() == Unit::Count { 2 } else { 4 };
        (metric != Metric::Clicks || !more.is_sign_negative()).then(|| rate.round_dp(places).normalize())
    };
    let [clicks, conversions, revenue, cost] = COUNTED.map(of);
    Some(Rates { clicks: clicks?, conversions: conversions?, revenue: revenue?, cost: cost? })
}

/// What a look at `/metrics` of the services saw, as far as it is shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Counters {
    /// Of traffic-service by outcome: `routed`, `trafficback` …
    clicks: BTreeMap<String, u64>,
    /// Answers to clicks by kind: `3xx` …
    answers: BTreeMap<String, u64>,
    /// Of postback-service by result.
    postbacks: BTreeMap<String, u64>,
    /// How many clicks were answered within so many seconds.
    within: Vec<(f64, u64)>,
}

/// Answers within the time between two looks.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Answers {
    /// A second, by kind.
    pub(super) by_kind: BTreeMap<String, f64>,
    /// Clicks a second by outcome.
    pub(super) clicks: BTreeMap<String, f64>,
    /// Postbacks a second by result.
    pub(super) postbacks: BTreeMap<String, f64>,
    /// Milliseconds; none: no click was answered.
    pub(super) p50_ms: Option<f64>,
    pub(super) p95_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
}

impl Counters {
    /// Takes in a page.
    pub(super) fn add(&mut self, page: &str) {
        for line in page.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let label = |name: &str| {
                let (_, rest) = series.split_once(&format!("{name}=\""))?;
                Some(rest.split_once('"')?.0)
            };
            let name = series.split('{').next().unwrap_or_default();
            let Ok(count) = value.parse::<u64>() else { continue };
            let is_click = label("route") == Some("c") && label("service") == Some("traffic");
            let (into, key) = match name {
                "tfx_clicks_total" => (&mut self.clicks, label("outcome")),
                "tfx_postbacks_total" => (&mut self.postbacks, label("result")),
                "tfx_http_requests_total" if is_click => (&mut self.answers, label("status")),
                "tfx_http_request_seconds_bucket" if is_click => {
                    let bound = match label("le") {
                        Some("+Inf") => f64::INFINITY,
                        Some(bound) => bound.parse().unwrap_or(f64::INFINITY),
                        None => continue,
                    };
                    self.within.push((bound, count));
                    continue;
                }
                _ => continue,
            };
            if let Some(key) = key {
                *into.entry(key.to_owned()).or_default() += count;
            }
        }
    }

    /// What was answered since `before`, in so many seconds; none: a service was started anew meanwhile, or another one
    /// answered.
    pub(super) fn since(&self, before: &Self, seconds: f64) -> Option<Answers> {
        let a_second = |now: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>| {
            let each = now.iter().map(|(key, now)| {
                let more = now.checked_sub(before.get(key).copied().unwrap_or_default())?;
                Some((key.clone(), (as_f64(more) / seconds * 1e2).round() / 1e2))
            });
            each.collect::<Option<BTreeMap<_, _>>>()
        };
        if seconds <= 0.0 {
            return None;
        }
        let fresh = |bound: f64, now: u64| {
            let earlier = before.within.iter().find(|(b, _)| *b == bound).map_or(0, |(_, count)| *count);
            now.checked_sub(earlier)
        };
        let within: Vec<(f64, u64)> = self
            .within
            .iter()
            .map(|(bound, now)| Some((*bound, fresh(*bound, *now)?)))
            .collect::<Option<_>>()?;
        let ms = |part| percentile(&within, part).map(|s| (s * 1e5).round() / 1e2);
        Some(Answers {
            by_kind: a_second(&self.answers, &before.answers)?,
            clicks: a_second(&self.clicks, &before.clicks)?,
            postbacks: a_second(&self.postbacks, &before.postbacks)?,
            p50_ms: ms(0.5),
            p95_ms: ms(0.95),
            p99_ms: ms(0.99),
        })
    }
}

/// Within so many seconds so many of all were answered: between two bounds as if evenly spread, beyond the last it is that
/// bound, as Prometheus has it.
fn percentile(within: &[(f64, u64)], part: f64) -> Option<f64> {
    let all = within.last().map(|(_, count)| as_f64(*count)).filter(|all| *all > 0.0)?;
    let wanted = all * part;
    let (mut low, mut below) = (0.0, 0.0);
    for (bound, count) in within {
        let count = as_f64(*count);
        if count >= wanted && count > below {
            return Some(if bound.is_finite() {
                low + (bound - low) * (wanted - below) / (count - below)
            } else {
                low
            });
        }
        (low, below) = (if bound.is_finite() { *bound } else { low }, count);
    }
    None
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
const fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(clicks: i64, revenue: &str) -> Figures {
        let of =
            [(Metric::Clicks, Decimal::from(clicks)), (Metric::Revenue, revenue.parse().expect("an amount"))];
        Figures { of: of.into(), ..Figures::default() }
    }

    #[test]
    fn rates_are_of_the_time_between_and_of_nothing_if_there_is_none() {
        let at = |ms| Timestamp::from_millisecond(ms).expect("a time");
        let rate =
            |ms, clicks, revenue| rates((at(0), &totals(10, "1.5")), (at(ms), &totals(clicks, revenue)));
        let found = rate(2_000, 15, "1.0").expect("rates");
        assert_eq!(
            (found.clicks.to_string(), found.revenue.to_string()),
            ("2.5".to_owned(), "-0.25".to_owned())
        );
        assert_eq!((rate(0, 15, "1"), rate(-5, 15, "1"), rate(2_000, 9, "1")), (None, None, None));
    }

    const PAGE: &str = r#"# TYPE tfx_clicks_total counter
tfx_clicks_total{outcome="routed"} 100
tfx_http_requests_total{service="traffic",route="c",status="3xx"} 100
tfx_http_requests_total{service="traffic",route="readyz",status="2xx"} 7
tfx_http_request_seconds_bucket{service="traffic",route="c",le="0.001"} 50
tfx_http_request_seconds_bucket{service="traffic",route="c",le="0.002"} 90
tfx_http_request_seconds_bucket{service="traffic",route="c",le="+Inf"} 100
tfx_postbacks_total{result="recorded"} 4
nonsense
"#;

    #[test]
    fn answers_are_those_since_the_look_before() {
        let of = |page: &str| {
            let mut counters = Counters::default();
            counters.add(page);
            counters
        };
        let (none, now) = (Counters::default(), of(PAGE));
        let found = now.since(&none, 2.0).expect("answers");
        assert_eq!(found.by_kind, BTreeMap::from([("3xx".to_owned(), 50.0)]));
        assert_eq!(found.postbacks["recorded"], 2.0);
        assert_eq!((found.p50_ms, found.p95_ms), (Some(1.0), Some(2.0)));
        // Nothing came since: no latency, and that is no nought.
        let still = now.since(&now, 2.0).expect("answers");
        assert_eq!((still.by_kind["3xx"], still.p50_ms), (0.0, None));
        // It was started anew.
        assert_eq!(none.since(&now, 2.0).map(|a| a.by_kind.len()), Some(0));
        assert_eq!(of(&PAGE.replace("100", "3")).since(&now, 2.0), None);
        assert_eq!(now.since(&none, 0.0), None);
    }
}
