//! What is told afterwards: clicks, the report, counters, broken messages.

use super::{super::StepOutcome, CURRENCY, Run, pause, text};
use serde_json::Value;
use std::time::Instant;
use tfx_api::{
    ingestion::IngestionQuery,
    report::{Dimension, Metric, ReportFilter, ReportRequest},
};
use tfx_domain::event::TestTraffic;

/// What a run puts into the log that is no event: these, with its tag between them.
const BROKEN: (&str, &str) = ("smoke-", " is no event");

impl Run<'_> {
    pub(super) async fn stored(&self) -> Result<String, String> {
        let begun = Instant::now();
        let limit = begun + self.options.patience;
        for id in &self.clicks {
            loop {
                match self.target.api.click(*id).await {
                    Ok(_) => break,
                    Err(e) => pause(limit, format!("click {id}: {e}")).await?,
                }
            }
        }
        Ok(format!(
            "{} of {}, all after {} ms",
            self.clicks.len(),
            self.clicks.len(),
            begun.elapsed().as_millis()
        ))
    }

    pub(super) async fn report(&self) -> Result<String, String> {
        let request = ReportRequest {
            since: Some(self.begun),
            dimensions: vec![Dimension::Campaign],
            filters: vec![ReportFilter {
                dimension: Dimension::Campaign,
                values: vec![self.slug("campaign")],
                negate: false,
            }],
            metrics: Metric::ALL.to_vec(),
            test: TestTraffic::Only,
            currency: CURRENCY.parse().ok(),
            ..ReportRequest::default()
        };
        let wanted = [
            (Metric::Clicks, "20"),
            (Metric::Trafficbacks, "1"),
            (Metric::Hits, "21"),
            (Metric::Conversions, "2"),
            (Metric::Sales, "2"),
            (Metric::Revenue, "14.5"),
            (Metric::Cost, "0.21"),
            (Metric::Profit, "14.29"),
        ];
        let limit = Instant::now() + self.options.patience;
        loop {
            let answer = self.target.api.report(&request).await.map_err(|e| text(&e))?;
            let wrong: Vec<String> = wanted
                .iter()
                .filter_map(|(metric, value)| {
                    let seen = answer.totals.get(metric).map(|v| v.normalize().to_string());
                    (seen.as_deref() != Some(*value)).then(|| {
                        format!("{} is {}, wanted {value}", metric.as_str(), seen.unwrap_or_default())
                    })
                })
                .collect();
            if wrong.is_empty() {
                return Ok("20 clicks, 1 trafficback, 2 sales, 14.5 XTS revenue, 14.29 XTS profit".to_owned());
            }
            pause(limit, wrong.join("; ")).await?;
        }
    }

    pub(super) async fn delivered(&self) -> Result<String, String> {
        let limit = Instant::now() + self.options.patience;
        loop {
            let stats = self.target.api.event_stats().await.map_err(|e| text(&e))?;
            let mut wrong = Vec::new();
            for (name, service) in [("traffic", &stats.traffic), ("postback", &stats.postback)] {
                let Some(counters) = &service.stats else {
                    return Err(format!("{name}: {}", service.error.clone().unwrap_or_default()));
                };
                for counter in ["dropped_total", "refused_total", "outbox_depth_events"] {
                    match counters.get(counter).and_then(Value::as_u64) {
                        Some(0) => {}
                        seen => wrong.push(format!("{name}: {counter} is {seen:?}")),
                    }
                }
            }
            if wrong.is_empty() {
                return Ok("0 dropped, 0 refused, outbox empty".to_owned());
            }
            pause(limit, wrong.join("; ")).await?;
        }
    }

    /// Only the one that this check breaks itself may be among the errors since it began, besides those that other
    /// runs of it broke.
    pub(super) async fn ingestion(&self) -> Result<StepOutcome, String> {
        let broken = format!("{}{}{}", BROKEN.0, self.options.tag, BROKEN.1);
        if let Some(log) = &self.target.log {
            log.port.republish(&log.topic, None, broken.as_bytes()).await.map_err(|e| e.to_string())?;
        }
        let begun = Instant::now();
        let limit = begun + self.options.patience;
        let query = IngestionQuery { since: Some(self.begun), ..IngestionQuery::default() };
        loop {
            let found = match self.target.api.ingestion_errors(&query).await {
                Ok(page) => page.items,
                Err(e) if e.problem().is_some_and(|p| p.code == "no_event_log") => {
                    let reason = "no event log here: events go straight into the store".to_owned();
                    return Ok(StepOutcome::Skipped { reason });
                }
                Err(e) => return Err(text(&e)),
            };
            let (own, others): (Vec<_>, Vec<_>) = found
                .iter()
                .filter(|e| !is_of_another_run(&e.message, &broken))
                .partition(|e| e.message == broken);
            if let Some(other) = others.first() {
                let (topic, partition, offset) = (&other.topic, other.partition, other.offset);
                return Err(format!("{topic}/{partition}@{offset}: {}", other.error));
            }
            if self.target.log.is_none() {
                return Ok(StepOutcome::Passed {
                    detail: "no broken message since the check began".to_owned(),
                });
            }
            if let Some(told) = own.first() {
                let ms = begun.elapsed().as_millis();
                let detail = format!("{}/{}@{} after {ms} ms", told.topic, told.partition, told.offset);
                return Ok(StepOutcome::Passed { detail });
            }
            pause(limit, "it is not among the errors".to_owned()).await?;
        }
    }
}

/// Whether a broken message is one that another run of this check broke.
fn is_of_another_run(message: &str, own: &str) -> bool {
    let tag = message.strip_prefix(BROKEN.0).and_then(|rest| rest.strip_suffix(BROKEN.1));
    message != own && tag.is_some_and(|tag| !tag.is_empty() && tag.chars().all(|c| c.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_another_run_broke_is_passed_over() {
        let own = "smoke-9abc is no event";
        let table = [
            (own, false),
            ("smoke-8abc is no event", true),
            ("smoke- is no event", false),
            ("smoke-8abc is no event!", false),
            ("x smoke-8abc is no event", false),
            ("{\"schema\":1}", false),
            ("smoke-8abc\n{} is no event", false),
        ];
        for (message, want) in table {
            assert_eq!(is_of_another_run(message, own), want, "{message:?}");
        }
    }
}
