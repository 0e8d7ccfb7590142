//! The three services as anybody may ask them: where each is, and what its `/readyz` tells.

use crate::exit::Failure;
use futures_util::future::join_all;
use jiff::SignedDuration;
use std::{
    fs,
    time::{Duration, Instant},
};
use tfx_domain::Timestamp;
use tfx_ops::{
    clock,
    probe::{Probe, Report},
};
use tfx_settings::Settings;

/// A service, where it is looked for, and what it told or why it did not.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    /// Where it was told to listen.
    pub(crate) listens: String,
    pub(crate) told: Result<Report, String>,
    /// How long the answer took, milliseconds.
    pub(crate) took_ms: f64,
    /// How far its clock is ahead of this one's, to half of the time of the answer.
    pub(crate) ahead: Option<SignedDuration>,
}

/// Asks all three at once, and waits for each of them so long.
///
/// # Errors
/// The HTTP client cannot be made.
pub(crate) async fn ask(settings: &Settings, within: Duration) -> Result<Vec<Service>, Failure> {
    let probe = Probe::within(within).map_err(Failure::failed)?;
    let addresses = &settings.addresses;
    let services = [
        ("traffic-service", &addresses.traffic_url, &addresses.traffic),
        ("postback-service", &addresses.postback_url, &addresses.postback),
        ("api-service", &addresses.api_url, &addresses.api),
    ];
    let asked = services.map(|(name, url, listens)| async {
        let (began, before) = (Instant::now(), clock::now());
        let told = probe.report(url).await;
        let took_ms = began.elapsed().as_secs_f64() * 1e3;
        let at = told.as_ref().ok().and_then(|report| report.at);
        let ahead = at.map(|at| ahead(at, before, clock::now()));
        Service { name, url: url.clone(), listens: listens.clone(), told, took_ms, ahead }
    });
    Ok(join_all(asked).await)
}

/// How far a clock that showed `at` at some time between the two is ahead for certain; nothing if it may be right.
fn ahead(at: Timestamp, before: Timestamp, after: Timestamp) -> SignedDuration {
    if at > after {
        at.duration_since(after)
    } else if at < before {
        at.duration_since(before)
    } else {
        SignedDuration::ZERO
    }
}

/// The token of `/metrics` and `/internal`: the setting, else the file of the data folder.
pub(crate) fn internal_token(settings: &Settings) -> Option<String> {
    let set = settings.access.internal_token.as_ref().map(|token| token.expose().to_owned());
    let kept = || fs::read_to_string(settings.data_dir.join("internal.token")).ok();
    set.or_else(kept).map(|token| token.trim().to_owned())
}

impl Service {
    /// Whether it answers and can do its job.
    pub(crate) fn is_ready(&self) -> bool {
        self.told.as_ref().is_ok_and(|report| report.status != "failed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_only_by_what_the_way_of_the_answer_does_not_explain() {
        let at = |ms| Timestamp::from_millisecond(ms).expect("a time");
        for (shown, want) in [(1_000, 0), (1_400, 0), (999, -1), (9_000, 7_500), (0, -1_000)] {
            assert_eq!(ahead(at(shown), at(1_000), at(1_500)).as_millis(), want, "{shown}");
        }
    }
}
