//! `tfx stack`: the engines that the services run on.

use crate::{context::Context, exit::Failure};
use clap::{Args, Subcommand, ValueEnum};
use std::env;
use tfx_ops::stack::{Engine, Stack, StackError};

/// What is done with a stack.
#[derive(Debug, Subcommand)]
pub(crate) enum StackCommand {
    /// Start what does not run, and wait until everything answers.
    Up(StackChoice),
    /// End everything.
    Down {
        #[command(flatten)]
        choice: StackChoice,
        /// What it keeps goes too.
        #[arg(long)]
        purge: bool,
    },
    /// Show what runs.
    Status(StackChoice),
    /// Show what the services have logged.
    Logs {
        #[command(flatten)]
        choice: StackChoice,
        /// Only of this one.
        #[arg(value_name = "SERVICE")]
        service: Option<String>,
        /// Go on with what is to come.
        #[arg(short, long)]
        follow: bool,
    },
}

/// How the engines of a stack are run.
#[derive(Debug, Args)]
pub(crate) struct StackChoice {
    /// How the engines are run.
    #[arg(long, value_enum, default_value_t)]
    engine: EngineArg,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum EngineArg {
    /// MongoDB, a Kafka-protocol broker and ClickHouse as processes on this machine; no Docker.
    #[default]
    Local,
    /// Everything, with the services, in containers.
    Compose,
}

impl StackCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let done = match self {
            Self::Up(choice) => {
                let stack = choice.find()?;
                stack.up().await.map(|()| choice.said(context))
            }
            Self::Down { choice, purge } => choice.find()?.down(purge).await,
            Self::Status(choice) => choice.find()?.status().await,
            Self::Logs { choice, service, follow } => choice.find()?.logs(service.as_deref(), follow).await,
        };
        done.map_err(failed)
    }
}

impl StackChoice {
    fn find(&self) -> Result<Stack, Failure> {
        let engine = match self.engine {
            EngineArg::Local => Engine::Local,
            EngineArg::Compose => Engine::Compose,
        };
        Stack::find(engine, &env::current_dir().map_err(Failure::failed)?).map_err(failed)
    }

    fn said(&self, context: &Context) {
        if self.engine == EngineArg::Local {
            context.out.note(
                "next: eval \"$(deploy/local/stack env --export)\" && tfx migrate up, then tfx up runs on these engines",
            );
        }
    }
}

/// What a stack's failure is to the user.
pub(super) fn failed(error: StackError) -> Failure {
    let hint = match &error {
        StackError::NoDeploy { .. } => "run it in a checkout of the repository",
        StackError::Program { .. } => "is it installed, and on the PATH?",
        StackError::NoCompose(_) => {
            "install docker with its compose plugin; --engine local and smoke --stack local do without"
        }
        StackError::NotPublished { .. } => {
            "the ports: of the service in deploy/docker-compose.yml publish it"
        }
        StackError::Failed { .. } => "what it said stands above; tfx stack logs shows more",
    };
    Failure::failed(error).hint(hint)
}
