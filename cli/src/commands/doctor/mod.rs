//! `tfx doctor`: what is wrong with an installation, and what to do about it.

mod postbacks;
mod sources;

use crate::{
    context::Context,
    exit::Failure,
    output::{Column, Format, Listing},
    room,
    services::{self, Service},
};
use clap::Args;
use serde_json::json;
use std::path::Path;
use tfx_api::{Client, entities::EntityQuery};
use tfx_domain::entity::{Kind, Status};
use tfx_ops::probe::Dependency;
use tfx_settings::Settings;

/// Less space than this is wrong: journals and stores refuse what they cannot write. Bytes.
const TOO_LITTLE: u64 = 256 << 20;
/// Less space than this will soon be too little. Bytes.
const LITTLE: u64 = 2 << 30;

/// Find what is wrong with an installation, and what to do about it.
///
/// Looks at the settings, the data folder and its disk, asks each service how it and what it depends on is, names the
/// lists by which user agents are read, campaigns that send nobody anywhere, networks whose postbacks are all refused,
/// currencies that there are not, and costs that could not be read. It changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Exits 0 if nothing is wrong; warnings are told. Exits 1 if something is wrong.\n\n\
    Example, in a script after a deployment:\n  \
    tfx doctor --output json | jq '.[] | select(.state != \"ok\")'")]
pub(crate) struct Doctor {
    /// Only what is not well.
    #[arg(long)]
    wrong: bool,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Ok,
    Warning,
    Wrong,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Wrong => "wrong",
        }
    }
}

/// What was looked at, and found.
#[derive(Debug)]
struct Finding {
    state: State,
    of: String,
    what: String,
    /// What to do; empty if nothing.
    next: String,
}

impl Finding {
    fn new(state: State, of: impl Into<String>, what: impl Into<String>) -> Self {
        Self { state, of: of.into(), what: what.into(), next: String::new() }
    }

    fn next(self, next: impl Into<String>) -> Self {
        Self { next: next.into(), ..self }
    }
}

impl Doctor {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let mut found = vec![Finding::new(State::Ok, "tfx", env!("CARGO_PKG_VERSION"))];
        match context.settings() {
            Ok(settings) => {
                found.extend(of_settings(context));
                found.extend(of_folder(&settings.data_dir));
                found.extend(of_services(&settings).await?);
            }
            Err(failure) => {
                found.extend(failure.problems.0.iter().map(|problem| {
                    Finding::new(State::Wrong, problem.path.as_str(), problem.message.as_str())
                        .next("tfx config show tells where each setting comes from")
                }));
                found.extend(of_notices(context));
            }
        }
        found.extend(of_campaigns(context).await);
        found.extend(postbacks::look(context).await);
        found.extend(sources::look(context).await);
        self.print(context, &found)?;
        match found.iter().filter(|f| f.state == State::Wrong).count() {
            0 => Ok(()),
            1 => Err(Failure::failed("one thing is wrong")),
            n => Err(Failure::failed(format!("{n} things are wrong"))),
        }
    }

    fn print(&self, context: &Context, found: &[Finding]) -> Result<(), Failure> {
        let shown = found.iter().filter(|f| !self.wrong || f.state != State::Ok);
        if context.out.format == Format::Table {
            // Sentences do not fit into columns.
            return context.out.lines(shown.flat_map(lines));
        }
        let row =
            |f: &Finding| json!({ "state": f.state.word(), "of": f.of, "found": f.what, "next": f.next });
        let columns = vec![
            Column::text("state", "state"),
            Column::text("of", "of"),
            Column::text("found", "found"),
            Column::text("next", "next"),
        ];
        context.out.rows(&Listing { columns, rows: shown.map(row).collect(), name: "of" })
    }
}

/// `warning  traffic-service geo: no geo database`, and below it what to do.
fn lines(finding: &Finding) -> Vec<String> {
    let Finding { state, of, what, next } = finding;
    let mut lines = vec![format!("{:7}  {of}: {what}", state.word())];
    if !next.is_empty() {
        lines.push(format!("{:7}  → {next}", ""));
    }
    lines
}

/// Settings that do nothing; else that there are none.
fn of_settings(context: &Context) -> Vec<Finding> {
    let mut found: Vec<Finding> = of_notices(context).collect();
    if found.is_empty() {
        found.push(Finding::new(State::Ok, "settings", "valid, and each has an effect"));
    }
    found
}

fn of_notices(context: &Context) -> impl Iterator<Item = Finding> {
    let notices = tfx_settings::notices(&context.source);
    notices.into_iter().map(|n| Finding::new(State::Warning, n.name, n.message))
}

/// The data folder, who can read it, and its disk.
fn of_folder(folder: &Path) -> Vec<Finding> {
    let shown = folder.display();
    if !folder.is_dir() {
        let what = format!("{shown} is not there");
        return vec![
            Finding::new(State::Warning, "data folder", what).next("a service makes it when it starts"),
        ];
    }
    let folders = match tfx_wiring::exposed(folder) {
        Some(told) => Finding::new(State::Warning, "data folder", told),
        None => Finding::new(State::Ok, "data folder", shown.to_string()),
    };
    let disk = match room::at(folder) {
        Ok(room) => of_disk(room.bytes, room.files, room.of_files),
        Err(error) => Finding::new(State::Warning, "disk", format!("it cannot be asked: {error}")),
    };
    vec![folders, disk]
}

/// Bytes and files that there is room for; a file system that does not count files has none in all.
fn of_disk(bytes: u64, files: u64, files_in_all: u64) -> Finding {
    let state = match bytes {
        _ if files_in_all > 0 && files < 1_000 => State::Wrong,
        n if n < TOO_LITTLE => State::Wrong,
        n if n < LITTLE => State::Warning,
        _ => State::Ok,
    };
    let what = match state {
        State::Wrong if bytes >= TOO_LITTLE => format!("there is room for {files} more files"),
        _ => format!("{} MiB free", bytes >> 20),
    };
    let found = Finding::new(state, "disk", what);
    if state == State::Ok {
        return found;
    }
    found.next(
        "tfx prune --before DATE --vacuum makes the embedded store smaller; ANALYTICS_TTL_DAYS keeps it so",
    )
}

/// Each service and what it depends on.
async fn of_services(settings: &Settings) -> Result<Vec<Finding>, Failure> {
    let mut found = Vec::new();
    for Service { name: service, url, listens, told, .. } in services::ask(settings).await? {
        match told.map(|report| report.dependencies) {
            Ok(dependencies) if dependencies.is_empty() => {
                let what = format!("{url}/readyz tells strangers nothing of what it depends on");
                found.push(
                    Finding::new(State::Warning, service, what)
                        .next("ask from a machine of INTERNAL_CIDRS, or past the proxy"),
                );
            }
            Ok(dependencies) => found.extend(dependencies.iter().map(|d| of_dependency(service, d))),
            Err(why) => {
                found
                    .push(Finding::new(State::Wrong, service, why).next(unanswered(service, &url, &listens)));
            }
        }
    }
    Ok(found)
}

/// What to do about a service that does not answer at `url`. One that was told to listen elsewhere is not looked for
/// there by itself.
fn unanswered(service: &str, url: &str, listens: &str) -> String {
    let name = variable(service);
    let port = |address: &str| address.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    match port(listens).filter(|p| *p != 0 && Some(*p) != port(url)) {
        Some(_) => format!(
            "start it (tfx up, or {service}); {name}_ADDR lets it listen at {listens}: {name}_URL must say so too"
        ),
        None => format!("start it (tfx up, or {service}); {name}_URL says where it is"),
    }
}

/// `TRAFFIC_SERVICE`.
fn variable(service: &str) -> String {
    service.to_ascii_uppercase().replace('-', "_")
}

fn of_dependency(service: &str, dependency: &Dependency) -> Finding {
    let state = match dependency.state.as_str() {
        "ok" => State::Ok,
        "failed" if dependency.required => State::Wrong,
        _ => State::Warning,
    };
    let what = dependency.detail.as_deref().unwrap_or(&dependency.state);
    Finding::new(state, format!("{service} {}", dependency.name), what)
}

/// Active campaigns without an active stream: they send everybody to trafficback.
async fn of_campaigns(context: &Context) -> Vec<Finding> {
    let found = async {
        let client = context.client()?;
        let mut query = EntityQuery { status: vec![Status::Active], ..EntityQuery::default() };
        let mut idle: Vec<Finding> = Vec::new();
        let mut active = 0;
        loop {
            let page = client.list(Kind::Campaign, &query).await?;
            active += page.items.len();
            let without = page.items.iter().filter(|c| c["active_streams"] == 0);
            for campaign in without {
                idle.push(idle_campaign(&client, campaign["slug"].as_str().unwrap_or_default()).await?);
            }
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => return Ok::<_, Failure>((active, idle)),
            }
        }
    };
    match found.await {
        Ok((active, idle)) if idle.is_empty() => {
            vec![Finding::new(State::Ok, "campaigns", format!("{active} active, each with an active stream"))]
        }
        Ok((_, idle)) => idle,
        Err(failure) => vec![
            Finding::new(State::Warning, "campaigns", format!("not looked at: {}", failure.message))
                .next(failure.hint.unwrap_or_default()),
        ],
    }
}

/// A campaign without an active stream, with a command that helps as it stands: a paused stream resumes; there is none, so
/// one is made to a destination that there is; there is none of these either, so the campaign pauses.
async fn idle_campaign(client: &Client, slug: &str) -> Result<Finding, Failure> {
    let one = |status, parent: Option<&str>| EntityQuery {
        status: vec![status],
        parent: parent.map(str::to_owned),
        limit: Some(1),
        ..EntityQuery::default()
    };
    let first = async |kind, query: EntityQuery| {
        let found = client.list(kind, &query).await?;
        let slug = found.items.first().map(|item| item["slug"].as_str().unwrap_or_default().to_owned());
        Ok::<_, Failure>(slug)
    };
    let next = match first(Kind::Stream, one(Status::Paused, Some(slug))).await? {
        Some(stream) => format!("tfx stream resume {slug}/{stream}"),
        None => match first(Kind::Destination, one(Status::Active, None)).await? {
            Some(to) => format!("tfx stream create --campaign {slug} --name main --destination {to}"),
            None => format!("tfx campaign pause {slug}"),
        },
    };
    let what = "no active stream: it sends nobody anywhere";
    Ok(Finding::new(State::Warning, format!("campaign {slug}"), what).next(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_judged_by_bytes_and_files() {
        for (bytes, files, of, state) in [
            (10 << 30, 1_000_000, 2_000_000, State::Ok),
            (10 << 30, 0, 0, State::Ok),
            (1 << 30, 1_000_000, 2_000_000, State::Warning),
            (100 << 20, 1_000_000, 2_000_000, State::Wrong),
            (10 << 30, 10, 2_000_000, State::Wrong),
            (0, 0, 2_000_000, State::Wrong),
        ] {
            let found = of_disk(bytes, files, of);
            assert_eq!((found.state, found.next.is_empty()), (state, state == State::Ok), "{found:?}");
        }
    }

    #[test]
    fn a_service_that_listens_elsewhere_is_to_be_looked_for_there() {
        let elsewhere = unanswered("traffic-service", "http://127.0.0.1:8081", "0.0.0.0:9000");
        assert!(elsewhere.contains("TRAFFIC_SERVICE_ADDR lets it listen at 0.0.0.0:9000"), "{elsewhere}");
        for listens in ["127.0.0.1:8081", "127.0.0.1:0"] {
            let there = unanswered("traffic-service", "http://127.0.0.1:8081", listens);
            assert!(there.contains("TRAFFIC_SERVICE_URL says"), "{there}");
        }
    }

    #[test]
    fn what_a_service_cannot_do_without_is_wrong_and_the_rest_is_told() {
        for (state, required, want) in [
            ("ok", true, State::Ok),
            ("ok", false, State::Ok),
            ("degraded", true, State::Warning),
            ("failed", false, State::Warning),
            ("failed", true, State::Wrong),
        ] {
            let dependency = Dependency {
                name: "analytics".into(),
                required,
                state: state.into(),
                latency_ms: 0.0,
                age_ms: None,
                detail: None,
            };
            let found = of_dependency("traffic-service", &dependency);
            assert_eq!(
                (found.state, found.of.as_str()),
                (want, "traffic-service analytics"),
                "{state} {required}"
            );
        }
    }
}
