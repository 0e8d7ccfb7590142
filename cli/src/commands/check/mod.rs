//! `tfx check`: what a monitor such as Nagios or a line of cron asks. One line, performance data, and the exit codes of
//! monitoring plugins: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. What all checks have in common is in `found` and `style`.

mod backup_age;
mod destinations;
mod disk;
mod found;
mod ingest;
mod producer;
mod reconcile;
mod services;
mod style;

use crate::{context::Context, exit::Failure};
use clap::Subcommand;

/// What is checked.
#[derive(Debug, Subcommand)]
pub(crate) enum CheckCommand {
    /// Whether the services answer and can do their jobs, and what they depend on is well.
    Services(services::Services),
    BackupAge(backup_age::BackupAge),
    /// How many destinations are down, and whether they are probed at all.
    Destinations(destinations::Destinations),
    /// How many messages of the event log wait for the reports, and how many became no event.
    Ingest(ingest::Ingest),
    /// Whether events leave the outboxes of the services.
    Producer(producer::ProducerCheck),
    /// How much room there is for the data folder and the outboxes, and how long it lasts.
    Disk(disk::Disk),
    /// Whether what was accepted is stored (tfx reconcile).
    Reconcile(reconcile::Reconcile),
}

impl CheckCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Services(c) => c.run(context).await,
            Self::BackupAge(c) => c.run(context).await,
            Self::Destinations(c) => c.run(context).await,
            Self::Ingest(c) => c.run(context).await,
            Self::Producer(c) => c.run(context).await,
            Self::Disk(c) => c.run(context).await,
            Self::Reconcile(c) => c.run(context).await,
        }
    }
}
