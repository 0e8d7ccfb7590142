//! `tfx doctor`: what is wrong with an installation, and what to do about it.

mod api;
mod bundle;
mod campaigns;
mod engines;
mod events;
mod machine;
mod postbacks;
mod secrets;
mod services;
mod sources;

use crate::{
    context::Context,
    exit::Failure,
    output::{Column, Format, Listing, line},
};
use api::Api;
use clap::Args;
use serde_json::json;

/// Find what is wrong with an installation, and what to do about it.
///
/// Looks at the settings, the secrets among them, the data folder with its disk and rights, and the geo databases; asks each
/// service for its version, its clock, and how what it depends on is; asks the engines for their versions, topics, tables and
/// indexes; looks at the outboxes and the way into the reports; names destinations that are down, campaigns that send nobody
/// anywhere, networks whose postbacks are all refused, currencies that there are not, and costs that could not be read. It
/// changes nothing.
///
/// With --bundle, what was found goes into a file as well, with versions, settings, metrics, counters and the newest log lines:
/// only figures and this program's own words, no names, no secrets, nothing of a visitor.
#[derive(Debug, Args)]
#[command(after_help = "Exits 0 if nothing is wrong; warnings are told. Exits 1 if something is wrong.\n\n\
    Example, in a script after a deployment:\n  \
    tfx doctor --output json | jq '.[] | select(.state != \"ok\")'\n\n\
    To ask for help:\n  \
    tfx doctor --bundle tfx-bundle.tar.gz")]
pub(crate) struct Doctor {
    /// Only what is not well.
    #[arg(long)]
    wrong: bool,
    #[command(flatten)]
    bundle: bundle::Bundle,
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
    /// What a bundle says of it: words of this program and figures, nothing that comes from elsewhere. None: only its state.
    told: Option<String>,
}

impl Finding {
    fn new(state: State, of: impl Into<String>, what: impl Into<String>) -> Self {
        Self { state, of: of.into(), what: what.into(), next: String::new(), told: None }
    }

    fn next(self, next: impl Into<String>) -> Self {
        Self { next: next.into(), ..self }
    }

    /// A bundle says this of it.
    fn told(self, told: impl Into<String>) -> Self {
        Self { told: Some(told.into()), ..self }
    }

    /// A bundle says the same as this screen: words of this program and figures alone.
    fn plain(self) -> Self {
        Self { told: Some(self.what.clone()), ..self }
    }

    fn row(&self) -> serde_json::Value {
        json!({ "state": self.state.word(), "of": self.of, "found": self.what, "next": self.next })
    }
}

impl Doctor {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let place = self.bundle.place(context)?;
        let api = Api::new(context);
        let mut told = Told { context, wrong: self.wrong, found: Vec::new() };
        told.add(vec![Finding::new(State::Ok, "tfx", env!("CARGO_PKG_VERSION")).plain()])?;
        match context.settings() {
            Ok(settings) => {
                told.add(of_settings(context))?;
                told.add(machine::look(context, &settings))?;
                told.add(secrets::of_settings(&settings))?;
                let (services, answers) = services::look(&settings).await?;
                told.add(services)?;
                if !answers {
                    api.listen().await;
                }
                told.add(engines::look(&settings).await)?;
            }
            Err(failure) => {
                let problems = failure.problems.0.iter().map(|problem| {
                    Finding::new(State::Wrong, problem.path.as_str(), problem.message.as_str())
                        .next("tfx config show tells where each setting comes from")
                });
                told.add(problems.chain(of_notices(context)).collect())?;
            }
        }
        told.add(events::look(&api).await)?;
        told.add(campaigns::look(&api).await)?;
        told.add(postbacks::look(&api).await)?;
        told.add(sources::look(&api).await)?;
        told.add(secrets::of_networks(&api).await)?;
        told.add(secrets::sealed(&api).await)?;
        let found = told.end()?;
        if let Some(place) = &place {
            self.bundle.write(context, place, &api, &found).await?;
        }
        match found.iter().filter(|f| f.state == State::Wrong).count() {
            0 => Ok(()),
            1 => Err(Failure::failed("one thing is wrong")),
            n => Err(Failure::failed(format!("{n} things are wrong"))),
        }
    }
}

/// What was found, told to people as it is found.
struct Told<'c> {
    context: &'c Context,
    wrong: bool,
    found: Vec<Finding>,
}

impl Told<'_> {
    fn shows(&self, finding: &Finding) -> bool {
        !self.wrong || finding.state != State::Ok
    }

    fn add(&mut self, some: Vec<Finding>) -> Result<(), Failure> {
        // Sentences do not fit into columns.
        if self.context.out.format == Format::Table {
            self.context.out.lines(some.iter().filter(|f| self.shows(f)).flat_map(lines))?;
        }
        self.found.extend(some);
        Ok(())
    }

    /// All of it, which machines are told at once.
    fn end(self) -> Result<Vec<Finding>, Failure> {
        if self.context.out.format == Format::Table {
            return Ok(self.found);
        }
        let shown = self.found.iter().filter(|f| self.shows(f));
        let columns = vec![
            Column::text("state", "state"),
            Column::text("of", "of"),
            Column::text("found", "found"),
            Column::text("next", "next"),
        ];
        let rows = shown.map(Finding::row).collect();
        self.context.out.rows(&Listing { columns, rows, name: "of" })?;
        Ok(self.found)
    }
}

/// `warning  traffic-service geo: no geo database`, and below it what to do. Services and engines tell what they like of
/// themselves: it stays in its line.
fn lines(finding: &Finding) -> Vec<String> {
    let Finding { state, of, what, next, .. } = finding;
    let mut lines = vec![format!("{:7}  {of}: {what}", state.word())];
    if !next.is_empty() {
        lines.push(format!("{:7}  → {next}", ""));
    }
    lines.iter().map(|text| line(text)).collect()
}

/// Settings that do nothing; else that there are none.
fn of_settings(context: &Context) -> Vec<Finding> {
    let mut found: Vec<Finding> = of_notices(context).collect();
    if found.is_empty() {
        found.push(Finding::new(State::Ok, "settings", "valid, and each has an effect").plain());
    }
    found
}

fn of_notices(context: &Context) -> impl Iterator<Item = Finding> {
    let notices = tfx_settings::notices(&context.source);
    notices.into_iter().map(|n| Finding::new(State::Warning, n.name, n.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_tells_of_itself_stays_in_its_line() {
        let told =
            Finding::new(State::Wrong, "api-service x", "a\u{1b}[2J\nok  all: well\u{202e}").next("b\r");
        let shown = lines(&told);
        assert_eq!(shown.len(), 2);
        assert_eq!(shown[0], "wrong    api-service x: a\u{fffd}[2J\u{fffd}ok  all: well\u{fffd}");
        assert!(!shown.concat().contains(char::is_control), "{shown:?}");
    }
}
