//! A folder per noun, a file per verb; a file for a noun whose verbs are all shared or small.

mod alert;
mod audit;
mod backup;
mod bench;
mod campaign;
mod check;
mod click;
mod completions;
mod config;
mod conversion;
mod destination;
mod doctor;
mod entity;
mod erase;
mod events;
mod explain;
mod health;
mod ingest;
mod login;
mod logs;
mod man;
mod migrate;
mod network;
mod postback;
mod preset;
mod profile;
mod prune;
mod rate;
mod reconcile;
mod report;
mod restore;
mod retention;
mod revision;
mod rollback;
mod secrets;
mod set;
mod smoke;
mod source;
mod stack;
mod status;
mod stream;
mod template;
mod token;
mod top;
mod up;
mod user;

use crate::{context::Context, exit::Failure, output::text};
use clap::Subcommand;
use serde_json::Value;
use tfx_domain::problem::Problems;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(up::Up),
    /// Campaigns: public entries, each with one tracking link.
    #[command(subcommand)]
    Campaign(campaign::CampaignCommand),
    /// Streams: who may enter a campaign, and where they go.
    #[command(subcommand)]
    Stream(Box<stream::StreamCommand>),
    /// Destinations: where clicks are sent, with payout and limits.
    #[command(subcommand)]
    Destination(Box<destination::DestinationCommand>),
    /// Traffic sources: where clicks are bought.
    #[command(subcommand)]
    Source(source::SourceCommand),
    /// Affiliate networks: who pays.
    #[command(subcommand)]
    Network(network::NetworkCommand),
    /// Postback templates: how a network's words map to ours.
    #[command(subcommand)]
    Template(Box<template::TemplateCommand>),
    /// Presets: known networks and traffic sources, to begin with.
    #[command(subcommand)]
    Preset(preset::PresetCommand),
    /// Rates: what currencies are worth in each other, by days.
    #[command(subcommand)]
    Rate(rate::RateCommand),
    /// Alerts: rules that tell, and pause, when something is wrong.
    #[command(subcommand)]
    Alert(alert::AlertCommand),
    Export(set::Export),
    Plan(set::Plan),
    Apply(set::Apply),
    Schema(set::Schema),
    /// Revisions: the configuration as it was, and what changed.
    #[command(subcommand)]
    Revision(revision::RevisionCommand),
    Rollback(rollback::Rollback),
    Explain(Box<explain::Explain>),
    Report(Box<report::Report>),
    /// Clicks: what was recorded of requests on tracking links.
    #[command(subcommand)]
    Click(click::ClickCommand),
    /// Conversions: what networks reported about clicks.
    #[command(subcommand)]
    Conversion(conversion::ConversionCommand),
    /// Postbacks: try one, list what came in and what sources were told.
    #[command(subcommand)]
    Postback(postback::PostbackCommand),
    /// Health of destinations: how they are, probe them, what changed.
    #[command(subcommand)]
    Health(health::HealthCommand),
    Audit(audit::Audit),
    Login(login::Login),
    Logout(login::Logout),
    Whoami(login::Whoami),
    /// People: who may log in, and as what.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Logins that go on.
    #[command(subcommand)]
    Session(user::SessionCommand),
    /// Profiles: places that tfx works with, by name.
    #[command(subcommand)]
    Profile(profile::ProfileCommand),
    /// API tokens: keys for programs, with scopes and an end.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Settings: check them, show them.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Event producers: their counters.
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// ClickHouse's reading of topics: what broke, how far behind it is.
    #[command(subcommand)]
    Ingest(ingest::IngestCommand),
    Migrate(migrate::Migrate),
    /// What grows with time: for how long it is kept, and forgetting it.
    #[command(subcommand)]
    Retention(retention::RetentionCommand),
    Prune(prune::Prune),
    /// What seals the secrets of the configuration: its keys.
    #[command(subcommand)]
    Secrets(secrets::SecretsCommand),
    Erase(erase::Erase),
    /// Backups: what a store holds, into a file.
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    /// Backups, back into a store.
    #[command(subcommand)]
    Restore(Box<restore::RestoreCommand>),
    /// The engines that the services run on.
    #[command(subcommand)]
    Stack(stack::StackCommand),
    /// Verdicts for monitors and cron: one line and an exit code.
    #[command(subcommand)]
    Check(check::CheckCommand),
    Status(status::StatusCommand),
    Top(top::TopCommand),
    Logs(Box<logs::Logs>),
    Doctor(doctor::Doctor),
    Reconcile(reconcile::Reconcile),
    Smoke(smoke::Smoke),
    Bench(Box<bench::Bench>),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Command {
    /// What is wrong with what it says, beside flags that cannot be read, as far as that can be told without asking.
    pub(crate) fn problems(&self) -> Problems {
        match self {
            Self::Campaign(campaign::CampaignCommand::Entity(c)) => c.problems(),
            Self::Stream(c) => c.problems(),
            Self::Destination(c) => c.problems(),
            Self::Source(source::SourceCommand::Entity(c)) => c.problems(),
            Self::Network(network::NetworkCommand::Entity(c)) => c.problems(),
            Self::Template(c) => c.problems(),
            Self::Alert(alert::AlertCommand::Entity(c)) => c.problems(),
            Self::Report(c) => c.problems(),
            Self::Click(c) => c.problems(),
            Self::Conversion(c) => c.problems(),
            Self::Postback(c) => c.problems(),
            _ => Problems::default(),
        }
    }

    /// Runs it.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Up(c) => c.run(context).await,
            Self::Campaign(c) => c.run(context).await,
            Self::Stream(c) => c.run(context).await,
            Self::Destination(c) => c.run(context).await,
            Self::Source(c) => c.run(context).await,
            Self::Network(c) => c.run(context).await,
            Self::Preset(c) => c.run(context),
            Self::Template(c) => c.run(context).await,
            Self::Rate(c) => c.run(context).await,
            Self::Alert(c) => c.run(context).await,
            Self::Export(c) => c.run(context).await,
            Self::Plan(c) => c.run(context).await,
            Self::Apply(c) => c.run(context).await,
            Self::Schema(c) => c.run(context),
            Self::Revision(c) => c.run(context).await,
            Self::Rollback(c) => c.run(context).await,
            Self::Explain(c) => c.run(context).await,
            Self::Report(c) => c.run(context).await,
            Self::Click(c) => c.run(context).await,
            Self::Conversion(c) => c.run(context).await,
            Self::Postback(c) => c.run(context).await,
            Self::Health(c) => c.run(context).await,
            Self::Check(c) => c.run(context).await,
            Self::Audit(c) => c.run(context).await,
            Self::Login(c) => c.run(context).await,
            Self::Logout(c) => c.run(context).await,
            Self::Whoami(c) => c.run(context).await,
            Self::User(c) => c.run(context).await,
            Self::Session(c) => c.run(context).await,
            Self::Profile(c) => c.run(context),
            Self::Token(c) => c.run(context).await,
            Self::Config(c) => c.run(context),
            Self::Events(c) => c.run(context).await,
            Self::Ingest(c) => c.run(context).await,
            Self::Migrate(c) => c.run(context).await,
            Self::Retention(c) => c.run(context).await,
            Self::Secrets(c) => c.run(context).await,
            Self::Prune(c) => c.run(context).await,
            Self::Erase(c) => c.run(context).await,
            Self::Backup(c) => c.run(context).await,
            Self::Restore(c) => c.run(context).await,
            Self::Stack(c) => c.run(context).await,
            Self::Status(c) => c.run(context).await,
            Self::Top(c) => c.run(context).await,
            Self::Logs(c) => c.run(context).await,
            Self::Doctor(c) => c.run(context).await,
            Self::Reconcile(c) => c.run(context).await,
            Self::Smoke(c) => c.run(context).await,
            Self::Bench(c) => c.run(context).await,
            Self::Completions(c) => c.run(context),
            Self::Man(c) => c.run(context),
        }
    }
}

/// `[[name, value], …]` as people read parameters: `name=value name=value`.
pub(crate) fn pairs(value: &Value) -> String {
    let one = |pair: &Value| format!("{}={}", text(&pair[0]), text(&pair[1]));
    value.as_array().into_iter().flatten().map(one).collect::<Vec<_>>().join(" ")
}
