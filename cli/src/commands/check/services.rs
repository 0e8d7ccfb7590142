//! `tfx check services`: whether all three answer and can do their jobs, and what of that which they depend on is not well.

use super::found::{CheckArgs, Figure, Found, Unit, in_order, tell};
use crate::{
    context::Context,
    exit::{Failure, Verdict},
    input,
    output::printable,
    services::{self, Service},
};
use clap::Args;
use tfx_ops::probe::WITHIN;

/// When it is how bad.
#[derive(Debug, Args)]
#[command(after_help = "Exits 0 if all is well, 1 for WARNING, 2 for CRITICAL, 3 for UNKNOWN.\n\
    TRAFFIC_SERVICE_URL, POSTBACK_SERVICE_URL and API_SERVICE_URL say where.\n\n\
    Example, a line of cron:\n  \
    */5 * * * *  tfx check services || mail -s services ops@example.com")]
pub(crate) struct Services {
    /// So many things that services depend on and that are not well are a WARNING.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = input::within::<u64>(1, 1_000_000))]
    warn: u64,
    /// So many are CRITICAL; so is a service that does not answer, or cannot do its job.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = input::within::<u64>(1, 1_000_000))]
    crit: u64,
    #[command(flatten)]
    asked: CheckArgs,
}

impl Services {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        in_order(&self.warn, &self.crit, u64::to_string, "--crit N: so many that are not well are CRITICAL")?;
        let found = async {
            Ok(self.judge(&services::ask(&context.settings()?, self.asked.each().min(WITHIN)).await?))
        };
        tell(context, "services", &self.asked, "not every service", found).await
    }

    fn judge(&self, all: &[Service]) -> Found {
        let (mut down, mut unwell, mut told, mut strange) = (0, 0, Vec::new(), 0);
        for service in all {
            let Service { name, told: answer, .. } = service;
            let report = match answer {
                Ok(report) => report,
                Err(why) => {
                    down += 1;
                    told.push(format!("{name}: {why}"));
                    continue;
                }
            };
            down += u64::from(!service.is_ready());
            if report.dependencies.is_empty() {
                strange += 1;
                if report.status != "ok" {
                    unwell += 1;
                    told.push(format!("{name} is {}", report.status));
                }
            }
            for d in report.dependencies.iter().filter(|d| d.state != "ok") {
                unwell += 1;
                told.push(format!("{name} {}: {}", d.name, d.detail.as_deref().unwrap_or(&d.state)));
            }
        }
        let verdict = match () {
            () if down > 0 || unwell >= self.crit => Verdict::Critical,
            () if unwell >= self.warn => Verdict::Warning,
            () => Verdict::Ok,
        };
        let mut what = format!("{} of {} ready", all.len() as u64 - down, all.len());
        if !told.is_empty() {
            what.push_str(&format!("; {}", told.join("; ")));
        }
        if strange > 0 {
            what.push_str(&format!("; {strange} tell strangers their state alone"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "milliseconds of an answer"
        )]
        let slowest = all.iter().map(|s| s.took_ms.round() as u64).max().unwrap_or(0);
        let (warn, crit) = (self.warn - 1, self.crit - 1);
        let figures = vec![
            Figure {
                name: "down",
                value: down,
                unit: Unit::Count,
                help: "Services that do not answer or cannot do their jobs",
                limits: format!(";;0:0;0;{}", all.len()),
            },
            Figure {
                name: "unwell",
                value: unwell,
                unit: Unit::Count,
                help: "Things that services depend on and that are not well",
                limits: format!(";0:{warn};0:{crit};0"),
            },
            Figure {
                name: "slowest_answer",
                value: slowest,
                unit: Unit::Milliseconds,
                help: "How long the slowest service took to answer",
                limits: ";;;0".to_owned(),
            },
        ];
        Found { figures, ..Found::new(verdict, &printable(&what)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::check::style::Style;
    use tfx_ops::probe::{Dependency, Report};

    fn service(name: &'static str, status: &str, dependencies: &[(&str, bool, &str)]) -> Service {
        let dependency = |(name, required, state): &(&str, bool, &str)| Dependency {
            name: (*name).to_owned(),
            required: *required,
            state: (*state).to_owned(),
            latency_ms: 1.0,
            age_ms: None,
            detail: Some("why".to_owned()),
        };
        let dependencies = dependencies.iter().map(dependency).collect();
        let report = Report { status: status.to_owned(), dependencies, ..Report::default() };
        let (url, listens) = ("http://127.0.0.1:1".to_owned(), "127.0.0.1:1".to_owned());
        Service { name, url, listens, told: Ok(report), took_ms: 1.4, ahead: None }
    }

    #[test]
    fn what_is_not_well_is_named_and_who_cannot_work_is_critical() {
        let check = Services { warn: 1, crit: 3, asked: CheckArgs { format: Style::Nagios, timeout: 10 } };
        let well = || service("traffic-service", "ok", &[("config", true, "ok")]);
        let silent = || Service { told: Err("nobody | there".to_owned()), ..well() };
        for (services, verdict, line) in [
            (
                vec![well()],
                Verdict::Ok,
                "SERVICES OK - 1 of 1 ready | down=0;;0:0;0;1 unwell=0;0:0;0:2;0 slowest_answer=1ms;;;0",
            ),
            (
                vec![well(), service("api-service", "degraded", &[("geo", false, "failed")])],
                Verdict::Warning,
                "SERVICES WARNING - 2 of 2 ready; api-service geo: why | down=0;;0:0;0;2 unwell=1;0:0;0:2;0 slowest_answer=1ms;;;0",
            ),
            (
                vec![well(), silent()],
                Verdict::Critical,
                "SERVICES CRITICAL - 1 of 2 ready; traffic-service: nobody / there | down=1;;0:0;0;2 unwell=0;0:0;0:2;0 slowest_answer=1ms;;;0",
            ),
            (
                vec![service("api-service", "failed", &[("config", true, "failed")])],
                Verdict::Critical,
                "SERVICES CRITICAL - 0 of 1 ready; api-service config: why | down=1;;0:0;0;1 unwell=1;0:0;0:2;0 slowest_answer=1ms;;;0",
            ),
            (
                vec![service("api-service", "degraded", &[])],
                Verdict::Warning,
                "SERVICES WARNING - 1 of 1 ready; api-service is degraded; 1 tell strangers their state alone | down=0;;0:0;0;1 unwell=1;0:0;0:2;0 slowest_answer=1ms;;;0",
            ),
            (
                vec![service(
                    "api-service",
                    "degraded",
                    &[("a", false, "failed"), ("b", false, "degraded"), ("c", false, "failed")],
                )],
                Verdict::Critical,
                "SERVICES CRITICAL - 1 of 1 ready; api-service a: why; api-service b: why; api-service c: why | down=0;;0:0;0;1 unwell=3;0:0;0:2;0 slowest_answer=1ms;;;0",
            ),
        ] {
            let found = check.judge(&services);
            assert_eq!(
                (found.verdict, Style::Nagios.lines("services", &found)),
                (verdict, vec![line.to_owned()])
            );
        }
    }
}
