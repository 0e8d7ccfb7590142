//! Stacks of engines that the repository's `deploy/` folder describes: in containers, or as plain processes.

use serde::Serialize;
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};
use tokio::{process::Command, sync::OnceCell};

/// How the engines are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// As processes on this machine, from pinned packages: `deploy/local/stack`.
    Local,
    /// In containers, with the services: `deploy/docker-compose.yml`.
    Compose,
}

/// Why a stack was not touched.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The files are not here.
    #[error("there is no {what} in {from} or above it")]
    NoDeploy {
        /// What was looked for.
        what: &'static str,
        /// The folder in which the search began.
        from: String,
    },
    /// The program that does it cannot be run.
    #[error("{program} cannot be run: {source}")]
    Program {
        /// The name of the program.
        program: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// It did not do it; it has said why.
    #[error("{program} failed ({status})")]
    Failed {
        /// The name of the program.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// There is no Docker Compose to be run.
    #[error("Docker Compose 2 is missing: {0}")]
    NoCompose(String),
    /// A container's port cannot be reached from this machine.
    #[error("port {port} of {service} is not published on this machine")]
    NotPublished {
        /// The service.
        service: String,
        /// Its port, in the container.
        port: u16,
    },
}

/// A stack.
#[derive(Debug, Clone)]
pub struct Stack {
    engine: Engine,
    file: PathBuf,
    /// The folder of a local stack; none: its usual one.
    folder: Option<PathBuf>,
    /// The project of a compose stack; none: its usual one.
    project: Option<String>,
    /// How Docker Compose is called here, once it was looked for.
    compose: OnceCell<&'static [&'static str]>,
}

impl Stack {
    /// The stack described by the nearest `deploy/` in or above `from`.
    ///
    /// # Errors
    /// There is none.
    pub fn find(engine: Engine, from: &Path) -> Result<Self, StackError> {
        let what = match engine {
            Engine::Local => "deploy/local/stack",
            Engine::Compose => "deploy/docker-compose.yml",
        };
        let missing = || StackError::NoDeploy { what, from: from.display().to_string() };
        let file = from.ancestors().map(|d| d.join(what)).find(|f| f.is_file()).ok_or_else(missing)?;
        Ok(Self { engine, file, folder: None, project: None, compose: OnceCell::new() })
    }

    /// A local stack of its own in this folder.
    #[must_use]
    pub fn in_folder(self, folder: &Path) -> Self {
        Self { folder: Some(folder.to_owned()), ..self }
    }

    /// A compose stack of its own, with containers and volumes of its own.
    #[must_use]
    pub fn as_project(self, name: &str) -> Self {
        Self { project: Some(name.to_owned()), ..self }
    }

    /// Starts what does not run and waits until everything answers. It tells how far it is on stderr.
    ///
    /// # Errors
    /// [`StackError`].
    pub async fn up(&self) -> Result<(), StackError> {
        match self.engine {
            Engine::Local => self.run(["up"]).await,
            Engine::Compose => self.run(["up", "--build", "--detach", "--wait"]).await,
        }
    }

    /// Ends everything. `purge`: what it keeps goes too.
    ///
    /// # Errors
    /// [`StackError`].
    pub async fn down(&self, purge: bool) -> Result<(), StackError> {
        match (self.engine, purge) {
            (_, false) => self.run(["down"]).await,
            (Engine::Local, true) => self.run(["down", "--purge"]).await,
            (Engine::Compose, true) => self.run(["down", "--volumes"]).await,
        }
    }

    /// Prints what runs.
    ///
    /// # Errors
    /// [`StackError`]; a local stack of which something does not run is [`StackError::Failed`].
    pub async fn status(&self) -> Result<(), StackError> {
        match self.engine {
            Engine::Local => self.run(["status"]).await,
            Engine::Compose => self.run(["ps"]).await,
        }
    }

    /// Prints what a service (none: all) has logged; with `follow`, on and on.
    ///
    /// # Errors
    /// [`StackError`].
    pub async fn logs(&self, service: Option<&str>, follow: bool) -> Result<(), StackError> {
        let mut arguments = vec!["logs"];
        arguments.extend(follow.then_some("--follow"));
        arguments.extend(service);
        self.run(arguments).await
    }

    /// What runs with these arguments; what it prints is the caller's to read.
    ///
    /// # Errors
    /// [`StackError`].
    pub async fn spoken(&self, arguments: &[String]) -> Result<Command, StackError> {
        self.command(arguments.iter().map(String::as_str)).await
    }

    /// The settings with which programs on this machine find a local stack.
    ///
    /// # Errors
    /// [`StackError`]; it does not run.
    pub async fn settings(&self) -> Result<BTreeMap<String, String>, StackError> {
        let text = self.said(["env"]).await?;
        let pair = |line: &str| line.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned()));
        Ok(text.lines().filter_map(pair).collect())
    }

    /// What a command inside a service of a compose stack prints.
    ///
    /// # Errors
    /// [`StackError`].
    pub async fn exec(&self, service: &str, command: &[&str]) -> Result<String, StackError> {
        let mut arguments = vec!["exec", "-T", service];
        arguments.extend(command);
        self.said(arguments).await
    }

    /// Where this machine reaches the port of a service of a compose stack: `host:port`.
    ///
    /// # Errors
    /// [`StackError`].
    pub async fn published(&self, service: &str, port: u16) -> Result<String, StackError> {
        let said = self.said(["port", service, &port.to_string()]).await?;
        reachable(&said).ok_or_else(|| StackError::NotPublished { service: service.to_owned(), port })
    }

    /// What it prints.
    async fn said(&self, arguments: impl IntoIterator<Item = &str>) -> Result<String, StackError> {
        let output = self.command(arguments).await?.stderr(Stdio::inherit()).output().await;
        let output = output.map_err(|source| self.not_run(source))?;
        if !output.status.success() {
            return Err(self.failed(output.status));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    async fn run(&self, arguments: impl IntoIterator<Item = &str>) -> Result<(), StackError> {
        let status = self.command(arguments).await?.status().await.map_err(|source| self.not_run(source))?;
        if status.success() { Ok(()) } else { Err(self.failed(status)) }
    }

    async fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Result<Command, StackError> {
        Ok(match self.engine {
            Engine::Local => {
                let mut command = Command::new(&self.file);
                command.args(arguments);
                if let Some(folder) = &self.folder {
                    command.arg("--dir").arg(folder);
                }
                command.stdin(Stdio::null());
                command
            }
            Engine::Compose => {
                let call = self.compose.get_or_try_init(compose).await?;
                let mut command = Command::new(call[0]);
                command.args(&call[1..]).args([OsStr::new("-f"), self.file.as_os_str()]);
                if let Some(project) = &self.project {
                    command.args(["-p", project]);
                }
                // Compose itself looks beside the file only.
                let settings =
                    self.file.ancestors().nth(2).map(|root| root.join(".env")).filter(|f| f.is_file());
                if let Some(settings) = settings {
                    command.arg("--env-file").arg(settings);
                }
                command.args(arguments).stdin(Stdio::null());
                // Somebody else's MongoDB has the port: ours stays inside the containers' network for this run.
                if std::net::TcpListener::bind("127.0.0.1:27017").is_err() {
                    command.env("MONGO_PUBLISHED_PORT", "127.0.0.1:0");
                }
                command
            }
        })
    }

    fn program(&self) -> String {
        match self.engine {
            Engine::Local => self.file.display().to_string(),
            Engine::Compose => self.compose.get().unwrap_or(&PLUGIN).join(" "),
        }
    }

    fn not_run(&self, source: io::Error) -> StackError {
        StackError::Program { program: self.program(), source }
    }

    fn failed(&self, status: ExitStatus) -> StackError {
        StackError::Failed { program: self.program(), status }
    }
}

/// Compose as a plugin of docker, and as a program of its own.
const PLUGIN: &[&str] = &["docker", "compose"];
const PROGRAM: &[&str] = &["docker-compose"];

/// How Docker Compose is called here. Compose 1 does not do: it cannot wait for what it starts.
async fn compose() -> Result<&'static [&'static str], StackError> {
    let docker = match version(PLUGIN).await {
        Ok(Some(_)) => return Ok(PLUGIN),
        Ok(None) => "docker has no compose plugin".to_owned(),
        Err(why) => why,
    };
    let alone = match version(PROGRAM).await {
        Ok(Some(version)) if !version.starts_with("1.") => return Ok(PROGRAM),
        Ok(Some(version)) => format!("docker-compose is of version {version}"),
        Ok(None) => "docker-compose does not tell its version".to_owned(),
        Err(why) => why,
    };
    Err(StackError::NoCompose(format!("{docker}, and {alone}")))
}

/// The version of Compose that is called so; none: it is not Compose. An error: why it cannot be run.
async fn version(call: &[&str]) -> Result<Option<String>, String> {
    let asked =
        Command::new(call[0]).args(&call[1..]).args(["version", "--short"]).stdin(Stdio::null()).output();
    match asked.await {
        Ok(said) if said.status.success() => {
            Ok(Some(String::from_utf8_lossy(&said.stdout).trim().to_owned()))
        }
        Ok(_) => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(format!("there is no {}", call[0])),
        Err(e) => Err(format!("{} cannot be run ({e})", call[0])),
    }
}

/// The first of the addresses that compose tells for a port, as a client reaches it.
fn reachable(said: &str) -> Option<String> {
    let mut address: SocketAddr = said.lines().next()?.trim().parse().ok()?;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    (address.port() != 0).then(|| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_ports_are_reached_on_this_machine() {
        for (said, reached) in [
            ("0.0.0.0:18081\n[::]:18081\n", Some("127.0.0.1:18081")),
            ("127.0.0.1:8080", Some("127.0.0.1:8080")),
            ("[::]:8081\n", Some("127.0.0.1:8081")),
            ("192.0.2.7:8081", Some("192.0.2.7:8081")),
            // What compose says of a port that is not published, by version.
            (":0", None),
            ("0.0.0.0:0", None),
            ("", None),
        ] {
            assert_eq!(reachable(said).as_deref(), reached, "{said:?}");
        }
    }

    #[test]
    fn a_stack_is_found_from_anywhere_in_the_repository_and_nowhere_else() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let found = Stack::find(Engine::Local, &here.join("src")).expect("found");
        assert!(found.file.ends_with("deploy/local/stack"));
        let missing = Stack::find(Engine::Compose, Path::new("/proc")).expect_err("nothing there");
        assert!(missing.to_string().contains("deploy/docker-compose.yml"), "{missing}");
    }
}
