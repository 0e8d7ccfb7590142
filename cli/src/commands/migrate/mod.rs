//! `tfx migrate`: brings the engines to what this version needs.

use crate::{
    context::Context,
    exit::{Failure, Kind},
    output::{Column, Listing, printable},
};
use clap::{Args, Subcommand, ValueEnum};
use tfx_ops::migrate::{self, MigrateError, Remedy, Row, StepState};

/// Bring MongoDB, topics and ClickHouse to what this version needs.
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
    /// Show each step, whether it is applied and whether what it made is still there (the default).
    Status {
        #[command(flatten)]
        of: Targets,
        /// Exit with 1 when something is to be applied or differs.
        #[arg(long)]
        check: bool,
    },
    /// Apply what is not applied yet and mend what differs, in order; nothing that could lose data.
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
                let (rows, mut silent) = migrate::status(&engines, &of.names()).await.map_err(failed)?;
                print(context, &rows)?;
                // The last one is the error that the command ends with.
                if let Some(last) = silent.pop() {
                    silent.iter().for_each(|e| context.out.note(printable(&format!("error: {e}"))));
                    return Err(failed(last));
                }
                let due = rows.iter().filter(|r| r.due).count();
                let by_hand =
                    rows.iter().flat_map(|r| &r.differs).filter(|d| d.remedy == Remedy::ByHand).count();
                let mut left = Vec::new();
                if due > 0 {
                    left.push(format!("{} to be applied", steps(due)));
                }
                if by_hand > 0 {
                    left.push(format!("{by_hand} to be mended by hand"));
                }
                let left = left.join(", ");
                let hint = if due > 0 { "tfx migrate up" } else { "what to do is said above" };
                match (rows.iter().all(|r| r.state == StepState::Applied), check) {
                    (true, _) => Ok(()),
                    (false, true) => Err(Failure::failed(left).hint(hint)),
                    (false, false) => {
                        context.out.note(format!("{left}: {hint}"));
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
        MigrateError::Failed { ref source, .. } => {
            let kind = if source.is_retryable() { Kind::Unreachable } else { Kind::Failed };
            Failure::new(kind, error).hint("what was applied stays; run it again when that is mended")
        }
    }
}

fn steps(n: usize) -> String {
    format!("{n} {}", if n == 1 { "step is" } else { "steps are" })
}

/// The steps, and beside them what is not as they made it.
fn print(context: &Context, all: &[Row]) -> Result<(), Failure> {
    let rows = all.iter().map(serde_json::to_value).collect::<Result<_, _>>().map_err(Failure::failed)?;
    let columns = vec![
        Column::text("target", "target"),
        Column::text("step", "step"),
        Column::text("state", "state"),
        Column::time("applied", "applied_at"),
        Column::text("what", "what"),
    ];
    context.out.rows(&Listing { columns, rows, name: "step" })?;
    for (row, differs) in all.iter().flat_map(|row| row.differs.iter().map(move |d| (row, d))) {
        context
            .out
            .note(printable(&format!("{} {}: {}; {}", row.target, row.step, differs.what, differs.todo)));
    }
    Ok(())
}
