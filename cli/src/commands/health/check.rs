//! `tfx health check`: probes destinations now.

use super::list::columns;
use crate::{
    commands::entity::failed,
    complete,
    context::Context,
    exit::{self, Failure},
    output::Listing,
};
use clap::Args;
use futures_util::{StreamExt as _, stream};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{collections::HashSet, time::Duration};
use tfx_api::{
    ApiError, Client,
    health::{Health, HealthRow},
};
use tfx_domain::entity::Kind;
use tokio::time::sleep;

/// Probes asked for at the same time.
const AT_ONCE: usize = 8;
/// How often an answer that says to come later is taken at its word.
const PATIENCE: u32 = 30;

/// Which destinations.
#[derive(Debug, Args)]
#[command(after_help = "A probe counts like those that traffic-service makes by itself: it may bring a\n\
    destination up or down. Of one that is paused it is told alone.\n\n\
    Exits 1 if one of them is down afterwards, fails the probe and is not known to\n\
    be up (nothing is known of one that is paused), or could not be probed.\n\
    Whoever asks too often waits for his turn, and exits 7 if there was none for\n\
    minutes.\n\n\
    Examples:\n  \
    tfx health check offer-1 offer-2\n  \
    tfx health check --all")]
pub(crate) struct Check {
    /// These, by slug or id.
    #[arg(value_name = "DESTINATION", add = complete::of(Kind::Destination), required_unless_present = "all")]
    destinations: Vec<String>,
    /// All that are active and have a health check.
    #[arg(long, conflicts_with = "destinations")]
    all: bool,
}

impl Check {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let asked = if self.all {
            client.health(None).await?.items.into_iter().map(|row| row.slug).collect()
        } else {
            self.destinations
        };
        let bar = bar(asked.len());
        let mut probed: Vec<(usize, String, Result<HealthRow, ApiError>)> = stream::iter(asked)
            .enumerate()
            .map(|(n, destination)| {
                let (client, bar) = (&client, &bar);
                async move {
                    let row = probe(client, &destination).await;
                    bar.inc(1);
                    (n, destination, row)
                }
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        bar.finish_and_clear();
        probed.sort_by_key(|(n, ..)| *n);
        let (mut rows, mut failures, mut down, mut failed) = (Vec::new(), Vec::new(), 0, 0);
        for (_, destination, row) in probed {
            match row {
                Ok(row) => {
                    down += usize::from(row.state == Health::Down);
                    failed += usize::from(row.state == Health::Unknown && !row.reason.is_empty());
                    rows.push(serde_json::to_value(row).map_err(Failure::failed)?);
                }
                Err(e) => failures.push(failure(&destination, e)),
            }
        }
        let count = rows.len();
        if count > 0 {
            context.out.rows(&Listing { columns: columns(), rows, name: "slug" })?;
        }
        // What is true of all alike, such as a service that is away, is told once.
        let mut told = HashSet::new();
        failures.retain(|failure: &Failure| told.insert((failure.message.clone(), failure.hint.clone())));
        // The first failure is the command's; the others are told before it.
        if let Some(first) = failures.pop() {
            failures.iter().for_each(|failure| context.out.failure(failure));
            return Err(first);
        }
        let mut wrong = Vec::new();
        if down > 0 {
            wrong.push(format!("{down} of {count} down"));
        }
        if failed > 0 {
            let are = if failed == 1 { "is" } else { "are" };
            wrong.push(format!("{failed} of {count} failed the probe and {are} not known to be up"));
        }
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(Failure::failed(wrong.join(", "))),
        }
    }
}

/// Probes one. A service that has too much to do says when to come again, which is done a few times.
async fn probe(client: &Client, destination: &str) -> Result<HealthRow, ApiError> {
    for _ in 0..PATIENCE {
        match client.check_destination(destination).await {
            Err(ApiError::Problem(p)) if p.status == 429 => {
                sleep(Duration::from_secs(p.retry_after_s.unwrap_or(1).clamp(1, 10))).await;
            }
            done => return done,
        }
    }
    client.check_destination(destination).await
}

/// What was too much to the end was waited for in vain; it is not that nobody may.
fn failure(destination: &str, error: ApiError) -> Failure {
    let too_many = error.problem().is_some_and(|p| p.status == 429);
    let failure = failed(Kind::Destination, destination, error);
    if too_many { Failure { kind: exit::Kind::TimedOut, ..failure } } else { failure }
}

/// Only a terminal sees it.
fn bar(length: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length as u64), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("probing {wide_bar} {pos} of {len}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
