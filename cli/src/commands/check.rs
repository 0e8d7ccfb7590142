//! `tfx check`: what a monitor such as Nagios or a line of cron asks. One line, performance data, and the exit codes of
//! monitoring plugins: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.

use crate::{
    context::Context,
    exit::{Failure, Kind, Verdict},
    input, when,
};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::time::Duration;
use tfx_api::health::HealthList;
use tfx_domain::Timestamp;
use tfx_ops::clock;
use tokio::time::timeout;

/// What is checked.
#[derive(Debug, Subcommand)]
pub(crate) enum CheckCommand {
    /// How many destinations are down, and whether they are probed at all.
    Destinations(Destinations),
}

/// How the verdict is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Style {
    /// One line with performance data, as monitoring plugins write.
    #[default]
    Nagios,
    /// Metrics, for a file that node_exporter reads.
    Prometheus,
    /// One object.
    Json,
}

/// When it is how bad.
#[derive(Debug, Args)]
#[command(after_help = "Exits 0 if all is well, 1 for WARNING, 2 for CRITICAL, 3 for UNKNOWN.\n\
    No answer in time, or nobody there, is CRITICAL; a wrong command line, UNKNOWN.\n\n\
    Example, a line of cron:\n  \
    */5 * * * *  tfx check destinations || mail -s offers ops@example.com")]
pub(crate) struct Destinations {
    /// How it is written.
    #[arg(long, value_enum, default_value_t)]
    format: Style,
    /// So many down are a WARNING.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = input::within::<u64>(1, 1_000_000))]
    warn: u64,
    /// So many down are CRITICAL.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = input::within::<u64>(1, 1_000_000))]
    crit: u64,
    /// A newest probe that is older is CRITICAL, since nobody probes any more: 90s, 15m.
    #[arg(long, value_name = "LENGTH", default_value = "5m", value_parser = seconds)]
    max_age: u64,
    /// How long to wait for the answer: 2s, 1m.
    #[arg(long, value_name = "LENGTH", default_value = "10s", value_parser = waited)]
    timeout: u64,
}

/// A length of time in seconds, as everywhere; a number alone is of seconds, as monitors write it.
fn seconds(text: &str) -> Result<u64, String> {
    if text.is_empty() || text.bytes().any(|b| !b.is_ascii_digit()) {
        when::span(text)
    } else {
        input::number(text)
    }
}

/// From a second to an hour.
fn waited(text: &str) -> Result<u64, String> {
    let length = seconds(text)?;
    if (1..=3_600).contains(&length) { Ok(length) } else { Err("must be from 1s to 1h".to_owned()) }
}

impl CheckCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Destinations(c) => c.run(context).await,
        }
    }
}

/// What the check found out.
struct Found {
    verdict: Verdict,
    /// For people.
    what: String,
    /// Name, value, and unit as plugins write it.
    figures: Vec<(&'static str, u64, &'static str)>,
}

impl Destinations {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        if self.crit < self.warn {
            let (crit, warn) = (self.crit, self.warn);
            let message = format!("--crit {crit} is less than --warn {warn}: there would be no WARNING");
            return Err(Failure::usage(message).hint("--crit N: so many down are CRITICAL"));
        }
        let found = match context.client() {
            Ok(client) => match timeout(Duration::from_secs(self.timeout), client.health(None)).await {
                Ok(Ok(list)) => self.judge(&list, clock::now()),
                Ok(Err(e)) => refused(&e.into()),
                Err(_) => {
                    let what = format!("api-service does not answer within {} s", self.timeout);
                    nothing(Verdict::Critical, &what)
                }
            },
            Err(e) => refused(&e),
        };
        context.out.lines(self.lines(&found))?;
        match found.verdict {
            Verdict::Ok => Ok(()),
            verdict => Err(Failure::new(Kind::Verdict(verdict), found.what)),
        }
    }

    fn judge(&self, list: &HealthList, now: Timestamp) -> Found {
        let age = list.newest_probe_at.map(|at| u64::try_from(now.duration_since(at).as_secs()).unwrap_or(0));
        let down = list.items.iter().filter(|row| row.state == tfx_api::health::Health::Down);
        let named: Vec<&str> = down.map(|row| row.slug.as_str()).take(5).collect();
        let (verdict, mut what) = match (list.down, age) {
            _ if list.watched == 0 => (Verdict::Ok, "no destination has a health check".to_owned()),
            (_, None) => (Verdict::Unknown, format!("none of {} destinations was probed yet", list.watched)),
            (_, Some(age)) if age > self.max_age => {
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
        let mut figures =
            vec![("down", list.down, ""), ("unknown", list.unknown, ""), ("watched", list.watched, "")];
        figures.extend(age.map(|age| ("newest_probe_age", age, "s")));
        Found { verdict, what, figures }
    }

    fn lines(&self, found: &Found) -> Vec<String> {
        let (word, code) = (found.verdict.word(), found.verdict.code());
        match self.format {
            Style::Nagios => {
                // What is well lies within these ranges; the least and the most there can be stand behind them.
                let watched =
                    found.figures.iter().find(|(name, ..)| *name == "watched").map_or(0, |(_, n, _)| *n);
                let limits = |name| match name {
                    "down" => format!(";0:{};0:{};0;{watched}", self.warn - 1, self.crit - 1),
                    "unknown" => format!(";;;0;{watched}"),
                    "newest_probe_age" => format!(";;0:{};0", self.max_age),
                    _ => ";;;0".to_owned(),
                };
                let data: Vec<String> = found
                    .figures
                    .iter()
                    .map(|(name, n, unit)| format!("{name}={n}{unit}{}", limits(name)))
                    .collect();
                // A bar begins the performance data: none in the text.
                let what = found.what.replace('|', "/");
                let data = if data.is_empty() { String::new() } else { format!(" | {}", data.join(" ")) };
                vec![format!("DESTINATIONS {word} - {what}{data}")]
            }
            Style::Prometheus => {
                let mut lines = vec![
                    "# HELP tfx_check_destinations_verdict 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN".to_owned(),
                    "# TYPE tfx_check_destinations_verdict gauge".to_owned(),
                    format!("tfx_check_destinations_verdict {code}"),
                    "# HELP tfx_check_destinations_info Why, in words".to_owned(),
                    "# TYPE tfx_check_destinations_info gauge".to_owned(),
                    format!(
                        "tfx_check_destinations_info{{verdict=\"{word}\",reason=\"{}\"}} 1",
                        found.what.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
                    ),
                ];
                for (name, n, _) in &found.figures {
                    let (suffix, help) = match *name {
                        "down" => ("", "Destinations that count as down"),
                        "unknown" => ("", "Destinations with a health check that were never probed"),
                        "watched" => ("", "Active destinations with a health check"),
                        _ => ("_seconds", "Age of the newest probe"),
                    };
                    let name = format!("tfx_check_destinations_{name}{suffix}");
                    lines.push(format!("# HELP {name} {help}"));
                    lines.push(format!("# TYPE {name} gauge"));
                    lines.push(format!("{name} {n}"));
                }
                lines
            }
            Style::Json => {
                let figures: serde_json::Map<_, _> =
                    found.figures.iter().map(|(name, n, _)| ((*name).to_owned(), json!(n))).collect();
                vec![
                    json!({ "verdict": word, "code": code, "what": found.what, "figures": figures })
                        .to_string(),
                ]
            }
        }
    }
}

/// Nobody there is CRITICAL; a wrong token or command line says nothing about destinations.
fn refused(failure: &Failure) -> Found {
    let verdict = match failure.kind {
        Kind::Unreachable | Kind::TimedOut => Verdict::Critical,
        _ => Verdict::Unknown,
    };
    let problems = failure.problems.0.iter().map(|p| format!(": {} {}", p.path, p.message));
    nothing(verdict, &format!("{}{}", failure.message, problems.collect::<String>()))
}

fn nothing(verdict: Verdict, what: &str) -> Found {
    Found { verdict, what: what.replace('\n', " "), figures: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
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
            put_off: Vec::new(),
            left_out: Vec::new(),
        }
    }

    #[test]
    fn verdicts_follow_the_limits() {
        let now = Timestamp::from_second(1_000_000).expect("a time");
        let check = Destinations { format: Style::Nagios, warn: 1, crit: 3, max_age: 300, timeout: 10 };
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
                Some(-9),
                Verdict::Ok,
                "DESTINATIONS OK - 0 of 5 destinations down | down=0;0:0;0:2;0;5 unknown=0;;;0;5 watched=5;;;0 newest_probe_age=0s;;0:300;0",
            ),
        ] {
            let found = check.judge(&list(watched, down, age), now);
            assert_eq!((found.verdict, check.lines(&found)), (verdict, vec![line.to_owned()]));
        }
        let metrics = Destinations { format: Style::Prometheus, ..check };
        let found = nothing(Verdict::Critical, "no \"answer\" of C:\\x");
        let reason = r#"tfx_check_destinations_info{verdict="CRITICAL",reason="no \"answer\" of C:\\x"} 1"#;
        assert!(metrics.lines(&found).contains(&reason.to_owned()), "{:?}", metrics.lines(&found));
    }

    #[test]
    fn lengths_of_time_are_said_as_everywhere_and_as_monitors_do() {
        for (text, want) in
            [("2s", Some(2)), ("10", Some(10)), ("1m", Some(60)), ("0s", None), ("2h", None), ("2x", None)]
        {
            assert_eq!(waited(text).ok(), want, "{text}");
        }
    }
}
