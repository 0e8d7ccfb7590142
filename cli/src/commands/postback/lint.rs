//! `tfx postback lint`: what networks sent of late that their configuration does not fit, and what sources could not be
//! told, with the commands that mend it.

use super::super::entity::failed;
use crate::{
    complete,
    context::Context,
    exit::Failure,
    output::{Column, Format, Listing},
    when::Window,
};
use clap::Args;
use tfx_api::{
    Client,
    postbacks::{Finding, FindingKind, LintQuery},
};
use tfx_domain::{Timestamp, entity::Kind, postback::advice};

/// Of which network, and how far back.
#[derive(Debug, Args)]
#[command(after_help = "Exits 1 when there is something to mend. What was mended is not told again.")]
pub(crate) struct Lint {
    /// Only this network [default: all].
    #[arg(value_name = "NETWORK", add = complete::of(Kind::Network))]
    network: Option<String>,
    #[command(flatten)]
    window: Window,
}

impl Lint {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (since, until) = self.window.bounds()?;
        let asked = LintQuery { network: self.network.clone(), since, until, ..LintQuery::default() };
        let named = self.network.unwrap_or_default();
        let found =
            context.client()?.postback_lint(&asked).await.map_err(|e| failed(Kind::Network, &named, e))?;
        let out = context.out;
        let item = serde_json::to_value(&found).map_err(Failure::failed)?;
        match out.format {
            Format::Json | Format::Yaml => out.item(&item, &[], "")?,
            // A command is to be copied: it stands whole, on a line of its own, once for all that it mends.
            Format::Table => out.lines(together(&found.findings).flat_map(|all| {
                let mut lines = Vec::new();
                for (n, f) in all.iter().enumerate() {
                    let what = if f.what.is_empty() { String::new() } else { format!(" {:?}", f.what) };
                    let times = times(f.postbacks);
                    lines.push(format!("{}: {}{what}, {times} of {}", of(f), title(f.kind), f.last));
                    if all.get(n + 1).is_none_or(|next| next.because != f.because) {
                        lines.push(format!("  {}", f.because));
                    }
                }
                let command = all.first().map(|f| f.command.as_str());
                lines.extend(command.and_then(advice::to_fill_in).map(|say| format!("  {say}")));
                lines.extend(command.map(|command| format!("  {command}")));
                lines
            }))?,
            Format::Name => {
                out.lines(together(&found.findings).flat_map(|all| Some(all.first()?.command.clone())))?;
            }
            _ => {
                let columns = vec![
                    Column::text("network", "network"),
                    Column::text("source", "source"),
                    Column::text("kind", "kind"),
                    Column::text("what", "what"),
                    Column::number("postbacks", "postbacks"),
                    Column::time("last", "last"),
                    Column::text("because", "because"),
                    Column::text("command", "command"),
                ];
                let rows = item["findings"].as_array().cloned().unwrap_or_default();
                out.rows(&Listing { columns, rows, name: "command" })?;
            }
        }
        if !found.complete {
            out.note(format!(
                "the newest {} postbacks were read; --since and NETWORK narrow it",
                found.postbacks
            ));
        }
        match found.findings.len() {
            0 => {
                out.note(format!("{} postbacks, nothing to mend", found.postbacks));
                Ok(())
            }
            n => Err(Failure::failed(format!("{n} to mend"))),
        }
    }
}

/// The network, or the source.
fn of(finding: &Finding) -> String {
    match finding.network.as_str() {
        "" => format!("source {}", finding.source),
        network => network.to_owned(),
    }
}

const fn title(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::UnmappedWord => "unknown status",
        FindingKind::KnownTransaction => "transaction id of another click",
        FindingKind::ForeignClick => "clicks of another network",
        FindingKind::Retry => "can be taken again",
        FindingKind::MappedSince => "conversions under a word that is mapped now",
        FindingKind::GivenUp => "was not told",
        FindingKind::Empty => "was not told of clicks without its id",
    }
}

fn times(n: u64) -> String {
    if n == 1 { "once, last".to_owned() } else { format!("{n} times, last") }
}

/// Lines looked at for a footnote.
const FEW: usize = 1_000;

/// Tells on stderr which words nobody knows: under a report, whose figures they change. Nothing if that cannot be told.
pub(crate) async fn footnote(
    context: &Context,
    client: &Client,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) {
    let asked = LintQuery { network: None, since, until, most: Some(FEW) };
    let Ok(found) = client.postback_lint(&asked).await else { return };
    let unmapped = |f: &&Finding| f.kind == FindingKind::UnmappedWord;
    for all in together(&found.findings) {
        let words: Vec<String> = all.iter().filter(unmapped).map(|f| format!("{:?}", f.what)).collect();
        let Some(f) = all.iter().find(unmapped) else { continue };
        let counts = match words.len() {
            1 => "which nobody knows; it counts as a lead",
            _ => "which nobody knows; they count as leads",
        };
        context.out.note(format!("hint: {} says {}, {counts}: {}", f.network, words.join(", "), f.command));
    }
}

/// Findings that one command mends.
fn together(findings: &[Finding]) -> impl Iterator<Item = &[Finding]> {
    findings.chunk_by(|a, b| a.command == b.command)
}
