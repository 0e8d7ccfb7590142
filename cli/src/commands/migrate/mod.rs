//! `tfx migrate`: brings the engines to what this version needs.

use crate::{
    context::Context,
    exit::Failure,
    output::{Column, Listing},
};
use clap::{Args, Subcommand, ValueEnum};
use tfx_ops::migrate::{self, MigrateError, Row, StepState};

/// Bring MongoDB, the topics and ClickHouse to what this version needs.
///
/// Steps are ordered, recorded where they act, and safe to repeat: on new and on existing volumes, with data in them and
/// messages arriving. The embedded stores bring themselves up to date.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Migrate {
    #[command(subcommand)]
    command: Option<MigrateCommand>,
}

#[derive(Debug, Subcommand)]
enum MigrateCommand {
    /// Show each step and whether it is applied (the default).
    Status {
        #[command(flatten)]
        of: Targets,
        /// Exit with 1 when something is to be applied.
        #[arg(long)]
        check: bool,
    },
    /// Apply what is not applied yet, in order.
    Up {
        #[command(flatten)]
        of: Targets,
    },
}

#[derive(Debug, Args)]
struct Targets {
    /// Only these engines.
    #[arg(value_name = "TARGET")]
    targets: Vec<Target>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// Indexes of MongoDB.
    Mongo,
    /// Topics of the event log.
    Topics,
    /// Tables and views of ClickHouse.
    Clickhouse,
}

impl Target {
    const fn name(self) -> &'static str {
        match self {
            Self::Mongo => "mongo",
            Self::Topics => "topics",
            Self::Clickhouse => "clickhouse",
        }
    }
}

impl Migrate {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let settings = context.settings()?;
        let engines = tfx_wiring::migrations(&settings).await.map_err(Failure::failed)?;
        if engines.is_empty() {
            context.out.note(
                "nothing to migrate: the embedded stores bring themselves up to date when they are opened",
            );
        }
        let status = MigrateCommand::Status { of: Targets { targets: Vec::new() }, check: false };
        match self.command.unwrap_or(status) {
            MigrateCommand::Status { of, check } => {
                let rows = migrate::status(&engines, &of.names()).await.map_err(failed)?;
                let due = rows.iter().filter(|r| r.state != StepState::Applied).count();
                print(context, &rows)?;
                match due {
                    0 => Ok(()),
                    due if check => {
                        Err(Failure::failed(format!("{due} steps are to be applied")).hint("tfx migrate up"))
                    }
                    due => {
                        context.out.note(format!("{due} to be applied: tfx migrate up"));
                        Ok(())
                    }
                }
            }
            MigrateCommand::Up { of } => {
                let out = context.out;
                let done = move |target: &str, step: &migrate::Step| {
                    out.note(format!("applied {target} {}", step.id));
                };
                print(context, &migrate::up(&engines, &of.names(), done).await.map_err(failed)?)
            }
        }
    }
}

impl Targets {
    fn names(&self) -> Vec<&'static str> {
        self.targets.iter().map(|t| t.name()).collect()
    }
}

fn failed(error: MigrateError) -> Failure {
    match error {
        MigrateError::NotUsed(_) => {
            Failure::usage(error).hint("'tfx config show --set' shows which engines are used")
        }
        MigrateError::Failed { .. } => {
            Failure::failed(error).hint("what was applied stays; run it again when that is mended")
        }
    }
}

fn print(context: &Context, rows: &[Row]) -> Result<(), Failure> {
    let rows = rows.iter().map(serde_json::to_value).collect::<Result<_, _>>().map_err(Failure::failed)?;
    let columns = vec![
        Column::text("target", "target"),
        Column::text("step", "step"),
        Column::text("state", "state"),
        Column::time("applied", "applied_at"),
        Column::text("what", "what"),
    ];
    context.out.rows(&Listing { columns, rows, name: "step" })
}
