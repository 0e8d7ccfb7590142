//! `tfx check destinations`: how many of the watched destinations are down, and whether they are probed at all.

use super::found::{CheckArgs, Figure, Found, Unit, in_order, seconds, tell};
use crate::{
    context::Context,
    exit::{Failure, Verdict},
    input,
    output::printable,
};
use clap::Args;
use tfx_api::health::HealthList;
use tfx_domain::Timestamp;
use tfx_ops::clock;

/// How old the newest probe may be where nobody says how often there are some. Seconds.
const MAX_AGE_S: u64 = 300;
/// One that is further in the future was made before the clock was set back, or that of this machine is wrong. Seconds.
const AHEAD_S: i64 = 5;

/// When it is how bad.
#[derive(Debug, Args)]
#[command(after_help = "Exits 0 if all is well, 1 for WARNING, 2 for CRITICAL, 3 for UNKNOWN.\n\
    No answer in time, or nobody there, is CRITICAL; a wrong command line, UNKNOWN.\n\n\
    Example, a line of cron:\n  \
    */5 * * * *  tfx check destinations || mail -s offers ops@example.com")]
pub(crate) struct Destinations {
    /// So many down are a WARNING.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = input::within::<u64>(1, 1_000_000))]
    warn: u64,
    /// So many down are CRITICAL.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = input::within::<u64>(1, 1_000_000))]
    crit: u64,
    /// A newest probe that is older is CRITICAL, since nobody probes any more: 90s, 15m
    /// [default: three intervals, as traffic-service says; else 5m].
    #[arg(long, value_name = "LENGTH", value_parser = seconds)]
    max_age: Option<u64>,
    #[command(flatten)]
    asked: CheckArgs,
}

impl Destinations {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        in_order(&self.warn, &self.crit, u64::to_string, "--crit N: so many down are CRITICAL")?;
        let found = async {
            let list = self.asked.client(context).await?.health(None).await?;
            Ok(self.judge(&list, clock::now()))
        };
        tell(context, "destinations", &self.asked, "api-service", found).await
    }

    fn judge(&self, list: &HealthList, now: Timestamp) -> Found {
        let age = list.newest_probe_at.map(|at| now.duration_since(at).as_secs());
        let ahead = age.filter(|age| *age < -AHEAD_S).map(i64::unsigned_abs);
        let age = age.map(|age| u64::try_from(age).unwrap_or(0));
        let max_age = self.max_age.or(list.late_after_s).unwrap_or(MAX_AGE_S);
        let down = list.items.iter().filter(|row| row.state == tfx_api::health::Health::Down);
        let named: Vec<&str> = down.map(|row| row.slug.as_str()).take(5).collect();
        let (verdict, mut what) = match (list.down, age) {
            _ if list.watched == 0 => (Verdict::Ok, "no destination has a health check".to_owned()),
            (_, None) => (Verdict::Unknown, format!("none of {} destinations was probed yet", list.watched)),
            (_, Some(age)) if age > max_age => {
                (Verdict::Critical, format!("the newest probe is {age} s old: is traffic-service running?"))
            }
            (down, _) if down >= self.crit => {
                (Verdict::Critical, format!("{down} of {} destinations down", list.watched))
            }
            (down, _) if down >= self.warn => {
                (Verdict::Warning, format!("{down} of {} destinations down", list.watched))
            }
            (down, _) => (Verdict::Ok, format!("{down} of {} destinations down", list.watched)),
        };
        if !named.is_empty() {
            let more = list.down.saturating_sub(named.len() as u64);
            what.push_str(&format!(": {}", named.join(", ")));
            if more > 0 {
                what.push_str(&format!(" and {more} more"));
            }
        }
        // Nobody knows how those are, through a fault of the prober's machine.
        for put_off in &list.put_off {
            let count = put_off.destinations;
            what.push_str(&printable(&format!("; probes of {count} put off: {}", put_off.reason)));
        }
        if let Some(ahead) = ahead {
            what.push_str(&format!("; the newest probe is {ahead} s in the future: was the clock set back?"));
        }
        let is_blind = verdict == Verdict::Ok && (ahead.is_some() || !list.put_off.is_empty());
        let verdict = if is_blind { Verdict::Warning } else { verdict };
        let figure = |name, value, help, limits| Figure { name, value, unit: Unit::Count, help, limits };
        let watched = list.watched;
        let (warn, crit) = (self.warn - 1, self.crit - 1);
        let mut figures = vec![
            figure(
                "down",
                list.down,
                "Destinations that count as down",
                format!(";0:{warn};0:{crit};0;{watched}"),
            ),
            figure(
                "unknown",
                list.unknown,
                "Destinations with a health check that were never probed",
                format!(";;;0;{watched}"),
            ),
            figure("watched", watched, "Active destinations with a health check", ";;;0".to_owned()),
        ];
        figures.extend(age.filter(|_| ahead.is_none()).map(|age| Figure {
            unit: Unit::Seconds,
            ..figure("newest_probe_age", age, "Age of the newest probe", format!(";;0:{max_age};0"))
        }));
        Found { verdict, what, figures }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::check::style::Style;
    use tfx_api::health::{Health, HealthRow};

    fn list(watched: u64, down: u64, age: Option<i64>) -> HealthList {
        let at = |s| Timestamp::from_second(1_000_000 - s).expect("a time");
        let row = |n| HealthRow {
            destination_id: format!("dst_{n}"),
            slug: format!("offer-{n}|x"),
            state: Health::Down,
            since: None,
            probed_at: None,
            in_a_row: 3,
            status: None,
            failure: String::new(),
            reason: String::new(),
            latency_ms: None,
        };
        HealthList {
            items: (0..down).map(row).collect(),
            next: None,
            watched,
            down,
            unknown: 0,
            undecided: 0,
            newest_probe_at: age.map(at),
            late_after_s: None,
            put_off: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// An interval of an hour makes no probe late that is not.
    #[test]
    fn what_is_late_follows_from_how_often_there_are_probes() {
        let now = Timestamp::from_second(1_000_000).expect("a time");
        let verdict = |max_age, late_after_s, age| {
            let asked = CheckArgs { format: Style::Nagios, timeout: 10 };
            let check = Destinations { warn: 1, crit: 3, max_age, asked };
            check.judge(&HealthList { late_after_s, ..list(5, 0, Some(age)) }, now).verdict
        };
        assert_eq!(verdict(None, Some(10_815), 3_000), Verdict::Ok);
        assert_eq!(verdict(None, Some(10_815), 10_816), Verdict::Critical);
        assert_eq!(verdict(Some(600), Some(10_815), 3_000), Verdict::Critical, "who says it, has it");
        assert_eq!(verdict(None, None, 301), Verdict::Critical);
    }

    #[test]
    fn verdicts_follow_the_limits() {
        let now = Timestamp::from_second(1_000_000).expect("a time");
        let asked = CheckArgs { format: Style::Nagios, timeout: 10 };
        let check = Destinations { warn: 1, crit: 3, max_age: None, asked };
        for (watched, down, age, verdict, line) in [
            (
                0,
                0,
                None,
                Verdict::Ok,
                "DESTINATIONS OK - no destination has a health check | down=0;0:0;0:2;0;0 unknown=0;;;0;0 watched=0;;;0",
            ),
            (
                5,
                0,
                None,
                Verdict::Unknown,
                "DESTINATIONS UNKNOWN - none of 5 destinations was probed yet | down=0;0:0;0:2;0;5 unknown=0;;;0;5 watched=5;;;0",
            ),
            (
                5,
                0,
                Some(10),
                Verdict::Ok,
                "DESTINATIONS OK - 0 of 5 destinations down | down=0;0:0;0:2;0;5 unknown=0;;;0;5 watched=5;;;0 newest_probe_age=10s;;0:300;0",
            ),
            (
                5,
                1,
                Some(300),
                Verdict::Warning,
                "DESTINATIONS WARNING - 1 of 5 destinations down: offer-0/x | down=1;0:0;0:2;0;5 unknown=0;;;0;5 watched=5;;;0 newest_probe_age=300s;;0:300;0",
            ),
            (
                9,
                7,
                Some(1),
                Verdict::Critical,
                "DESTINATIONS CRITICAL - 7 of 9 destinations down: offer-0/x, offer-1/x, offer-2/x, offer-3/x, offer-4/x and 2 more | down=7;0:0;0:2;0;9 unknown=0;;;0;9 watched=9;;;0 newest_probe_age=1s;;0:300;0",
            ),
            (
                5,
                0,
                Some(301),
                Verdict::Critical,
                "DESTINATIONS CRITICAL - the newest probe is 301 s old: is traffic-service running? | down=0;0:0;0:2;0;5 unknown=0;;;0;5 watched=5;;;0 newest_probe_age=301s;;0:300;0",
            ),
            (
                5,
                0,
                Some(-3),
                Verdict::Ok,
                "DESTINATIONS OK - 0 of 5 destinations down | down=0;0:0;0:2;0;5 unknown=0;;;0;5 watched=5;;;0 newest_probe_age=0s;;0:300;0",
            ),
            (
                5,
                0,
                Some(-80),
                Verdict::Warning,
                "DESTINATIONS WARNING - 0 of 5 destinations down; the newest probe is 80 s in the future: was the clock set back? | down=0;0:0;0:2;0;5 unknown=0;;;0;5 watched=5;;;0",
            ),
        ] {
            let found = check.judge(&list(watched, down, age), now);
            assert_eq!(
                (found.verdict, Style::Nagios.lines("destinations", &found)),
                (verdict, vec![line.to_owned()])
            );
        }
    }
}
