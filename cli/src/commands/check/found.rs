//! What a check is asked for besides its own limits, what it finds out, and how that becomes an exit code. A check that
//! does not end in time is CRITICAL; so is nobody there. What it looks at is each check's own.

use super::style::Style;
use crate::{
    context::Context,
    exit::{Failure, Kind, Verdict},
    input, when,
};
use clap::Args;
use std::{fmt::Display, future::Future, time::Duration};
use tfx_api::Client;
use tokio::{task::spawn_blocking, time::timeout};

/// The part of its time in which a check has to be asked and answered.
const PART: f64 = 0.9;

/// What every check is asked.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// How it is written.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Style,
    /// How long to wait for the answer: 2s, 1m.
    #[arg(long, value_name = "LENGTH", default_value = "10s", value_parser = waited)]
    pub(super) timeout: u64,
}

impl CheckArgs {
    /// A client of api-service. The file of its token may be on a disk that does not answer: it is read beside, and waited for as
    /// long as the check may take.
    ///
    /// # Errors
    /// As [`Context::client`]; the token cannot be read in time.
    pub(super) async fn client(&self, context: &Context) -> Result<Client, Failure> {
        let (within, context) = (self.each(), context.clone());
        let read = spawn_blocking(move || context.client());
        match timeout(within, read).await {
            Ok(client) => client.map_err(Failure::failed)?,
            Err(_) => Err(Failure::new(
                Kind::TimedOut,
                format!(
                    "the token cannot be read: its file (TFX_TOKEN_FILE, else of the profile or the data folder) does not answer \
                     within {} s",
                    self.timeout
                ),
            )),
        }
    }

    /// How long each of several may take to answer, so that who did not can be named before the check is over.
    pub(super) fn each(&self) -> Duration {
        Duration::from_secs(self.timeout).mul_f64(PART)
    }
}

/// A length of time in seconds, as everywhere; a number alone is of seconds, as monitors write it.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
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

/// What a check found out.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) verdict: Verdict,
    /// For people, in one line.
    pub(super) what: String,
    pub(super) figures: Vec<Figure>,
}

impl Found {
    pub(super) fn new(verdict: Verdict, what: &str) -> Self {
        Self { verdict, what: what.replace('\n', " "), figures: Vec::new() }
    }
}

/// One figure of it.
#[derive(Debug)]
pub(super) struct Figure {
    /// Its name in performance data and JSON, with underscores.
    pub(super) name: &'static str,
    pub(super) value: u64,
    pub(super) unit: Unit,
    /// What it is, for metrics.
    pub(super) help: &'static str,
    /// The ranges that are well, and the least and the most there can be: `;WARN;CRIT;MIN;MAX`, with no end of it that is empty.
    pub(super) limits: String,
}

/// What a figure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// So many now.
    Count,
    /// So many since a start: it only grows.
    Total,
    Seconds,
    Milliseconds,
    Bytes,
}

impl Unit {
    /// As monitoring plugins write it (<https://nagios-plugins.org/doc/guidelines.html#AEN197>).
    pub(super) const fn of_plugins(self) -> &'static str {
        match self {
            Self::Count => "",
            Self::Total => "c",
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Bytes => "B",
        }
    }

    /// What the names of metrics end in, which are of base units (<https://prometheus.io/docs/practices/naming/>).
    pub(super) const fn of_metrics(self) -> &'static str {
        match self {
            Self::Count => "",
            Self::Total => "_total",
            Self::Seconds | Self::Milliseconds => "_seconds",
            Self::Bytes => "_bytes",
        }
    }
}

/// A check's limits when `--crit` is to be at least `--warn`.
pub(super) fn in_order<T: PartialOrd>(
    warn: &T,
    crit: &T,
    shown: impl Fn(&T) -> String,
    hint: &str,
) -> Result<(), Failure> {
    if crit < warn {
        let message =
            format!("--crit {} is less than --warn {}: there would be no WARNING", shown(crit), shown(warn));
        return Err(Failure::usage(message).hint(hint.to_owned()));
    }
    Ok(())
}

/// Waits for what a check finds, writes it and exits as it says. `whose` is who does not answer if nothing comes in time.
pub(super) async fn tell(
    context: &Context,
    subject: &'static str,
    asked: &CheckArgs,
    whose: impl Display,
    found: impl Future<Output = Result<Found, Failure>>,
) -> Result<(), Failure> {
    let found = match timeout(Duration::from_secs(asked.timeout), found).await {
        Ok(Ok(found)) => found,
        Ok(Err(failure)) => refused(&failure),
        Err(_) => {
            Found::new(Verdict::Critical, &format!("{whose} does not answer within {} s", asked.timeout))
        }
    };
    context.out.lines(asked.format.lines(subject, &found))?;
    match found.verdict {
        Verdict::Ok => Ok(()),
        verdict => Err(Failure::new(Kind::Verdict(verdict), found.what)),
    }
}

/// Nobody there is CRITICAL; a wrong token or command line says nothing about what is checked.
fn refused(failure: &Failure) -> Found {
    let verdict = match failure.kind {
        Kind::Unreachable | Kind::TimedOut => Verdict::Critical,
        _ => Verdict::Unknown,
    };
    let problems = failure.problems.0.iter().map(|p| format!(": {} {}", p.path, p.message));
    Found::new(verdict, &format!("{}{}", failure.message, problems.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_said_as_everywhere_and_as_monitors_do() {
        for (text, want) in
            [("2s", Some(2)), ("10", Some(10)), ("1m", Some(60)), ("0s", None), ("2h", None), ("2x", None)]
        {
            assert_eq!(waited(text).ok(), want, "{text}");
        }
    }
}
