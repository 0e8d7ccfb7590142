//! What is asked to hold what was accepted against what is stored, hour by hour, so that more in one hour does not hide less
//! in another.

use super::why::{Cause, Obstacles};
use crate::{
    exit::Failure,
    pipeline::{self, Producer},
};
use jiff::SignedDuration;
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};
use tfx_api::{
    Client, Page,
    conversions::{Conversion, ConversionQuery},
    health::HealthQuery,
    postbacks::{Directions, PostbackQuery, TestTraffic},
    report::{Attribution, Dimension, Metric, ReportRequest},
    service::RecordedEvents,
};
use tfx_domain::Timestamp;
use tfx_ops::clock;
use tokio::time::{Instant, sleep};

/// Seconds of an hour.
const HOUR: i64 = 3_600;
/// How far back it goes unless something else is said.
const BACK: SignedDuration = SignedDuration::from_hours(24);
/// Pause between looks at what is on its way.
const EVERY: Duration = Duration::from_millis(500);
/// The most of a page.
const PAGE: usize = 1_000;
/// So many rows a report may have.
const ROWS: usize = 100_000;

/// By hour since the epoch.
type Hours = BTreeMap<i64, u64>;
/// From, inclusive, and to, exclusive.
type Span = (Timestamp, Timestamp);

/// What was accepted and what is stored.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Balance {
    pub(crate) kinds: Vec<Kind>,
    /// Cause something is missing; nothing if nothing is.
    pub(crate) why: Vec<Cause>,
    /// Who could not be asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) silent: Vec<String>,
    /// What else is to be known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
}

/// One kind of event.
#[derive(Debug, Serialize)]
pub(crate) struct Kind {
    pub(crate) kind: &'static str,
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
    /// None: nobody could be asked.
    pub(crate) accepted: Option<u64>,
    /// None: it is not counted.
    pub(crate) published: Option<u64>,
    pub(crate) stored: u64,
    pub(crate) missing: u64,
    /// The hours in which something is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) hours: Vec<Hour>,
    /// Which, as far as that is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) ids: Vec<String>,
}

/// An hour in which something is missing.
#[derive(Debug, Serialize)]
pub(crate) struct Hour {
    pub(crate) hour: Timestamp,
    pub(crate) accepted: u64,
    pub(crate) stored: u64,
}

impl Balance {
    pub(crate) fn missing(&self) -> u64 {
        self.kinds.iter().map(|k| k.missing).sum()
    }
}

impl Kind {
    fn new(kind: &'static str, span: Span, accepted: &Hours, published: Option<u64>, stored: &Hours) -> Self {
        let of = |hours: &Hours, hour: &i64| hours.get(hour).copied().unwrap_or(0);
        let less = accepted.iter().filter(|(hour, n)| of(stored, hour) < **n);
        let hours: Vec<Hour> = less
            .filter_map(|(hour, accepted)| {
                let at = Timestamp::from_second(hour * HOUR).ok()?;
                Some(Hour { hour: at, accepted: *accepted, stored: of(stored, hour) })
            })
            .collect();
        Self {
            kind,
            since: span.0,
            until: span.1,
            accepted: Some(accepted.values().sum()),
            published,
            stored: stored.values().sum(),
            missing: hours.iter().map(|h| h.accepted - h.stored).sum(),
            hours,
            ids: Vec::new(),
        }
    }
}

/// Looks again and again, until nothing is missing or the time is over. `ids`: so many of what is missing are named.
///
/// # Errors
/// api-service does not answer, or refuses.
pub(crate) async fn look(
    client: &Client,
    (since, until): (Option<Timestamp>, Option<Timestamp>),
    patience: Duration,
    ids: usize,
) -> Result<Balance, Failure> {
    let over = Instant::now() + patience;
    let recorded = client.recorded_events().await?;
    let now = recorded.traffic.at.or(recorded.postback.at).unwrap_or_else(clock::now);
    let until = until.map_or(now, |until| until.min(now));
    let since = match since {
        Some(since) => since,
        None => until.checked_sub(BACK).map_err(Failure::failed)?,
    };
    if since >= until {
        return Err(Failure::usage(format!("--since {since} is not before --until {until}")));
    }
    let asked = Lookup {
        client,
        clicks: Counted::of(&recorded.traffic, &["click_events", "trafficback_events"], since, until),
        postbacks: Counted::of(&recorded.postback, &["postback_log_events"], since, until),
        health: Counted::of(&recorded.traffic, &["destination_health_events"], since, until),
        conversions: conversions(client, (since, until)).await?,
        span: (since, until),
    };
    let mut balance = Balance::default();
    for (service, events) in
        [("traffic-service", &recorded.traffic), ("postback-service", &recorded.postback)]
    {
        if let Some(error) = &events.error {
            balance.silent.push(format!("{service} did not tell what it has accepted: {error}"));
        }
        if let Some(from) = events.since.filter(|from| *from > since) {
            let from = crate::when::shown(&from.to_string());
            balance
                .notes
                .push(format!("{service} counts since it started, {from}: what came before is not compared"));
        }
    }
    loop {
        balance.kinds = asked.kinds().await?;
        if balance.missing() == 0 {
            return Ok(balance);
        }
        if Instant::now() >= over {
            break;
        }
        sleep(EVERY).await;
    }
    let stats = client.event_stats().await?;
    let told = [("traffic-service", &stats.traffic), ("postback-service", &stats.postback)];
    let producers = told.into_iter().filter_map(|(name, stats)| Some((name, Producer::of(stats).ok()?)));
    let lag = pipeline::lag(client).await?.map_or(0, |lag| lag.messages);
    let errors = pipeline::errors(client, since).await?.unwrap_or(0);
    balance.why = Obstacles { producers: producers.collect(), lag, errors }.explains(since);
    if let Some(kind) = balance.kinds.iter_mut().find(|k| k.kind == "conversions" && k.missing > 0) {
        kind.ids = asked.missing_conversions(&kind.hours, ids).await?;
    }
    Ok(balance)
}

/// What a service counted of one kind of event.
struct Counted {
    /// None: it did not tell.
    span: Option<Span>,
    accepted: Hours,
    published: u64,
}

impl Counted {
    /// Whole hours of what it counted.
    fn of(events: &RecordedEvents, topics: &[&str], since: Timestamp, until: Timestamp) -> Self {
        let (mut accepted, mut published) = (Hours::new(), 0);
        let from = Timestamp::from_second(since.as_second().div_euclid(HOUR) * HOUR).unwrap_or(since);
        let (Some(counted), Some(at)) = (events.since, events.at) else {
            return Self { span: None, accepted, published };
        };
        // An hour counts as a whole, up to when it was asked.
        let to =
            Timestamp::from_second((until.as_second() + HOUR - 1).div_euclid(HOUR) * HOUR).unwrap_or(until);
        let to = to.min(at);
        let asked = |h: &&tfx_api::service::RecordedHour| {
            topics.contains(&h.topic.as_str()) && h.hour >= from && h.hour < to
        };
        for hour in events.hours.iter().filter(asked) {
            *accepted.entry(hour.hour.as_second().div_euclid(HOUR)).or_default() += hour.accepted;
            published += hour.published;
        }
        // Times are kept to the millisecond.
        let counted = Timestamp::from_millisecond(counted.as_millisecond()).unwrap_or(counted);
        Self { span: Some((from.max(counted).min(to), to)), accepted, published }
    }
}

struct Lookup<'c> {
    client: &'c Client,
    clicks: Counted,
    postbacks: Counted,
    health: Counted,
    conversions: Vec<Conversion>,
    span: Span,
}

impl Lookup<'_> {
    async fn kinds(&self) -> Result<Vec<Kind>, Failure> {
        let mut kinds = Vec::new();
        // Nobody told what was accepted: what is stored is shown all the same.
        let none = |kind: Kind, counted: &Counted| match counted.span {
            Some(_) => kind,
            None => Kind { accepted: None, published: None, missing: 0, hours: Vec::new(), ..kind },
        };
        let of = |counted: &Counted| counted.span.unwrap_or(self.span);
        let span = of(&self.clicks);
        let stored = self.hits(span).await?;
        let kind = Kind::new("clicks", span, &self.clicks.accepted, Some(self.clicks.published), &stored);
        kinds.push(none(kind, &self.clicks));
        let mut accepted = Hours::new();
        self.conversions.iter().for_each(|c| *accepted.entry(hour(c.created_at)).or_default() += 1);
        let stored = self.converted(self.span, Some(Dimension::Hour)).await?;
        kinds.push(Kind::new("conversions", self.span, &accepted, None, &stored));
        let span = of(&self.postbacks);
        let stored = self.postback_log(span).await?;
        let published = Some(self.postbacks.published);
        kinds.push(none(
            Kind::new("postbacks", span, &self.postbacks.accepted, published, &stored),
            &self.postbacks,
        ));
        let span = of(&self.health);
        let stored = self.changes(span).await?;
        let published = Some(self.health.published);
        kinds.push(none(
            Kind::new("health changes", span, &self.health.accepted, published, &stored),
            &self.health,
        ));
        Ok(kinds)
    }

    async fn hits(&self, span: Span) -> Result<Hours, Failure> {
        self.report(span, Some(Dimension::Hour), Attribution::Click, &[Metric::Hits]).await
    }

    async fn converted(&self, span: Span, by: Option<Dimension>) -> Result<Hours, Failure> {
        let metrics = [Metric::Leads, Metric::Sales, Metric::Rebills, Metric::Rejected];
        self.report(span, by, Attribution::Conversion, &metrics).await
    }

    /// The sum of some figures by hour; without hours, under 0.
    async fn report(
        &self,
        (since, until): Span,
        by: Option<Dimension>,
        attribution: Attribution,
        metrics: &[Metric],
    ) -> Result<Hours, Failure> {
        if since >= until {
            return Ok(Hours::new());
        }
        let request = ReportRequest {
            since: Some(since),
            until: Some(until),
            dimensions: by.into_iter().collect(),
            attribution,
            test: TestTraffic::Include,
            metrics: metrics.to_vec(),
            limit: Some(ROWS),
            ..ReportRequest::default()
        };
        let answer = self.client.report(&request).await?;
        let mut hours = Hours::new();
        for row in &answer.rows {
            let at = row.key.first().and_then(|key| {
                // `2026-01-31T14:00+00:00`: minutes of an hour in UTC.
                format!("{}:00Z", key.value.split('+').next()?).parse::<Timestamp>().ok()
            });
            let sum: u64 = metrics.iter().filter_map(|m| u64::try_from(*row.figures.get(m)?).ok()).sum();
            *hours.entry(at.map_or(0, hour)).or_default() += sum;
        }
        Ok(hours)
    }

    async fn postback_log(&self, span: Span) -> Result<Hours, Failure> {
        let mut asked = PostbackQuery {
            since: Some(span.0),
            until: Some(span.1),
            direction: Some(Directions::All),
            test: Some(TestTraffic::Include),
            limit: Some(PAGE),
            ..PostbackQuery::default()
        };
        let mut hours = Hours::new();
        if span.0 >= span.1 {
            return Ok(hours);
        }
        loop {
            let page = self.client.postbacks(&asked).await?;
            page.items.iter().for_each(|p| *hours.entry(hour(p.at)).or_default() += 1);
            asked.cursor = page.next;
            if asked.cursor.is_none() {
                return Ok(hours);
            }
        }
    }

    async fn changes(&self, span: Span) -> Result<Hours, Failure> {
        let mut asked = HealthQuery {
            since: Some(span.0),
            until: Some(span.1),
            limit: Some(PAGE),
            ..HealthQuery::default()
        };
        let mut hours = Hours::new();
        if span.0 >= span.1 {
            return Ok(hours);
        }
        loop {
            let page = self.client.health_history(&asked).await?;
            page.items.iter().for_each(|h| *hours.entry(hour(h.at)).or_default() += 1);
            asked.cursor = page.next;
            if asked.cursor.is_none() {
                return Ok(hours);
            }
        }
    }

    /// The ids of conversions that no report counts: spans in which fewer are stored are halved until one millisecond is left.
    async fn missing_conversions(&self, hours: &[Hour], most: usize) -> Result<Vec<String>, Failure> {
        let mut ids = Vec::new();
        let ms = |at: Timestamp| at.as_millisecond();
        let mut spans: Vec<(i64, i64)> = hours
            .iter()
            .map(|h| (ms(h.hour).max(ms(self.span.0)), (ms(h.hour) + HOUR * 1_000).min(ms(self.span.1) + 1)))
            .collect();
        while let Some((from, to)) = spans.pop() {
            if ids.len() >= most {
                break;
            }
            let inside = |c: &&Conversion| (from..to).contains(&ms(c.created_at));
            let listed: Vec<&Conversion> = self.conversions.iter().filter(inside).collect();
            let at = |ms| Timestamp::from_millisecond(ms).map_err(Failure::failed);
            let span = (at(from)?, at(to)?);
            let stored: u64 =
                if listed.is_empty() { 0 } else { self.converted(span, None).await?.values().sum() };
            if stored >= listed.len() as u64 {
                continue;
            }
            if stored == 0 || to - from <= 1 {
                ids.extend(listed.iter().map(|c| c.id.to_string()));
                continue;
            }
            let middle = from + (to - from) / 2;
            spans.extend([(from, middle), (middle, to)]);
        }
        ids.truncate(most);
        Ok(ids)
    }
}

/// Every conversion that was first reported in that time.
async fn conversions(client: &Client, span: Span) -> Result<Vec<Conversion>, Failure> {
    let mut asked = ConversionQuery {
        since: Some(span.0),
        until: Some(span.1),
        test: Some(TestTraffic::Include),
        limit: Some(PAGE),
        ..ConversionQuery::default()
    };
    let mut all = Vec::new();
    loop {
        let Page { items, next, .. } = client.conversions(&asked).await?;
        all.extend(items);
        asked.cursor = next;
        if asked.cursor.is_none() {
            return Ok(all);
        }
    }
}

/// Hours since the epoch.
fn hour(at: Timestamp) -> i64 {
    at.as_second().div_euclid(HOUR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_in_one_hour_does_not_hide_less_in_another() {
        let (span, hours) = ((Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH), |all: &[(i64, u64)]| {
            all.iter().copied().collect::<Hours>()
        });
        let kind = Kind::new("clicks", span, &hours(&[(1, 5), (2, 5)]), None, &hours(&[(1, 7), (2, 3)]));
        assert_eq!((kind.accepted, kind.stored, kind.missing), (Some(10), 10, 2));
        assert_eq!(kind.hours[0].hour.as_second(), 2 * HOUR);
        let well = Kind::new("clicks", span, &hours(&[(1, 5)]), None, &hours(&[(1, 5), (2, 9)]));
        assert_eq!((well.missing, well.hours.len()), (0, 0));
    }

    #[test]
    fn only_whole_hours_since_the_start_are_compared() {
        let at = |s| Timestamp::from_second(s).expect("a time");
        let hour = |s, accepted| tfx_api::service::RecordedHour {
            hour: at(s),
            topic: "click_events".to_owned(),
            accepted,
            published: accepted,
        };
        let events = RecordedEvents {
            since: Some(at(3_700)),
            at: Some(at(11_000)),
            hours: vec![hour(3_600, 1), hour(7_200, 2), hour(10_800, 4)],
            error: None,
        };
        let span = |since, until| {
            let counted = Counted::of(&events, &["click_events"], at(since), at(until));
            let (from, to) = counted.span.expect("told");
            (from.as_second(), to.as_second(), counted.accepted.values().sum::<u64>())
        };
        assert_eq!(span(0, 11_000), (3_700, 11_000, 7));
        assert_eq!(span(8_000, 9_000), (7_200, 10_800, 2));
        assert_eq!(span(0, 100), (3_600, 3_600, 0));
        assert!(Counted::of(&RecordedEvents::default(), &[], at(0), at(1)).span.is_none());
    }
}
