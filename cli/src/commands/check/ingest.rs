//! `tfx check ingest`: how many messages of the event log wait for the reports, and how many became no event.

use super::found::{CheckArgs, Figure, Found, Unit, in_order, tell};
use crate::{
    context::Context,
    exit::{Failure, Verdict},
    input,
    pipeline::{self, MOST_ERRORS},
};
use clap::Args;
use jiff::SignedDuration;
use tfx_api::ingestion::IngestionLag;
use tfx_ops::clock;

/// When it is how bad.
#[derive(Debug, Args)]
#[command(after_help = "Exits 0 if all is well, 1 for WARNING, 2 for CRITICAL, 3 for UNKNOWN.\n\
    Without an event log (embedded) nothing waits: tfx check producer watches the\n\
    outboxes.\n\n\
    Example, a line of cron:\n  \
    */5 * * * *  tfx check ingest --warn 50000 || mail -s reports ops@example.com")]
pub(crate) struct Ingest {
    /// So many messages that wait are a WARNING.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = input::within::<u64>(1, u64::MAX >> 1))]
    warn: u64,
    /// So many are CRITICAL.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = input::within::<u64>(1, u64::MAX >> 1))]
    crit: u64,
    /// So many messages that became no event within the last hour are a WARNING.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = input::within::<u64>(1, 1_000))]
    warn_errors: u64,
    /// So many are CRITICAL.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = input::within::<u64>(1, 1_000))]
    crit_errors: u64,
    #[command(flatten)]
    asked: CheckArgs,
}

impl Ingest {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        in_order(&self.warn, &self.crit, u64::to_string, "--crit N: so many that wait are CRITICAL")?;
        let hint = "--crit-errors N: so many that became no event are CRITICAL";
        in_order(&self.warn_errors, &self.crit_errors, u64::to_string, hint)?;
        let found = async {
            let client = self.asked.client(context).await?;
            let lag = match pipeline::lag(&client).await.map_err(Failure::from) {
                Err(failure) if failure.kind == crate::exit::Kind::NotFound => {
                    return Ok(Found::new(Verdict::Critical, &failure.message));
                }
                lag => lag?,
            };
            let hour_ago =
                clock::now().saturating_sub(SignedDuration::from_hours(1)).map_err(Failure::failed)?;
            let errors = pipeline::errors(&client, hour_ago).await?;
            Ok(self.judge(lag.as_ref(), errors.unwrap_or(0) as u64))
        };
        tell(context, "ingest", &self.asked, "api-service", found).await
    }

    fn judge(&self, lag: Option<&IngestionLag>, errors: u64) -> Found {
        let Some(lag) = lag else {
            return Found::new(Verdict::Ok, "no event log here: events go straight into the store");
        };
        let waiting = lag.messages;
        let verdict = match () {
            () if waiting >= self.crit || errors >= self.crit_errors => Verdict::Critical,
            () if waiting >= self.warn || errors >= self.warn_errors => Verdict::Warning,
            () => Verdict::Ok,
        };
        let mut what = format!("{waiting} messages wait for the reports");
        if waiting >= self.warn
            && let Some(worst) = lag.partitions.iter().max_by_key(|p| p.messages)
        {
            what.push_str(&format!(" (most in {}/{}: {})", worst.topic, worst.partition, worst.messages));
        }
        let more = if errors >= MOST_ERRORS as u64 { " or more" } else { "" };
        what.push_str(&format!(", {errors}{more} became no event within the last hour"));
        if errors > 0 {
            what.push_str(": tfx ingest errors --since 1h");
        }
        let limits = |warn: u64, crit: u64| format!(";0:{};0:{};0", warn - 1, crit - 1);
        let figures = vec![
            Figure {
                name: "lag",
                value: waiting,
                unit: Unit::Count,
                help: "Messages of the event log that wait for the reports",
                limits: limits(self.warn, self.crit),
            },
            Figure {
                name: "errors",
                value: errors,
                unit: Unit::Count,
                help: "Messages that became no event within the last hour",
                limits: limits(self.warn_errors, self.crit_errors),
            },
        ];
        Found { figures, ..Found::new(verdict, &what) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::check::style::Style;
    use tfx_api::ingestion::PartitionLag;

    #[test]
    fn lag_and_errors_each_have_limits() {
        let asked = CheckArgs { format: Style::Nagios, timeout: 10 };
        let check = Ingest { warn: 10, crit: 20, warn_errors: 1, crit_errors: 1_000, asked };
        let lag = |messages| {
            let partition =
                PartitionLag { topic: "t.clicks".to_owned(), partition: 3, end: 9, taken: None, messages };
            IngestionLag { groups: "g".to_owned(), messages, partitions: vec![partition] }
        };
        for (messages, errors, line) in [
            (
                9,
                0,
                "INGEST OK - 9 messages wait for the reports, 0 became no event within the last hour | lag=9;0:9;0:19;0 errors=0;0:0;0:999;0",
            ),
            (
                10,
                0,
                "INGEST WARNING - 10 messages wait for the reports (most in t.clicks/3: 10), 0 became no event within the last hour | lag=10;0:9;0:19;0 errors=0;0:0;0:999;0",
            ),
            (
                0,
                1,
                "INGEST WARNING - 0 messages wait for the reports, 1 became no event within the last hour: tfx ingest errors --since 1h | lag=0;0:9;0:19;0 errors=1;0:0;0:999;0",
            ),
            (
                20,
                0,
                "INGEST CRITICAL - 20 messages wait for the reports (most in t.clicks/3: 20), 0 became no event within the last hour | lag=20;0:9;0:19;0 errors=0;0:0;0:999;0",
            ),
            (
                0,
                1_000,
                "INGEST CRITICAL - 0 messages wait for the reports, 1000 or more became no event within the last hour: tfx ingest errors --since 1h | lag=0;0:9;0:19;0 errors=1000;0:0;0:999;0",
            ),
        ] {
            assert_eq!(Style::Nagios.lines("ingest", &check.judge(Some(&lag(messages)), errors)), [line]);
        }
        assert_eq!(check.judge(None, 0).verdict, Verdict::Ok);
    }
}
