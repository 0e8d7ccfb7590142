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
use tfx_api::report::{Dimension, Metric, ReportAnswer, ReportRequest, ReportRow};
use tfx_api::{
    Client,
    postbacks::{Finding, FindingKind, LintQuery},
};
use tfx_domain::{entity::Kind, postback::advice};

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
                    lines.push(headline(f));
                    if all.get(n + 1).is_none_or(|next| next.because != f.because) {
                        lines.push(format!("  {}", f.because));
                    }
                    let is_said = matches!(
                        f.kind,
                        FindingKind::Refused | FindingKind::SaleAfterRejection | FindingKind::NoPayout
                    );
                    // Of what could not be read nothing is kept.
                    if is_said && !f.example.is_empty() {
                        lines.push(format!("  it said: {}", cut(&f.example)));
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
                    Column::text("entity", "entity"),
                    Column::text("template", "template"),
                    Column::text("kind", "kind"),
                    Column::text("what", "what"),
                    Column::number("different", "different"),
                    Column::number("postbacks", "postbacks"),
                    Column::time("last", "last"),
                    Column::text("because", "because"),
                    Column::text("command", "command"),
                    Column::text("example", "example"),
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

/// What is wrong, how often, and when it was last.
fn headline(f: &Finding) -> String {
    let quoted: Vec<String> = f.few.iter().map(|one| format!("{one:?}")).collect();
    let what = match f.different {
        2.. if f.different > f.few.len() as u64 => {
            format!(" {} and {} more", quoted.join(", "), f.different - f.few.len() as u64)
        }
        2.. => format!(" {}", quoted.join(", ")),
        _ if f.what.is_empty() => String::new(),
        _ => format!(" {:?}", f.what),
    };
    let of_what = match f.kind {
        FindingKind::Refused if f.what.is_empty() => String::new(),
        FindingKind::Refused if f.different > 1 => format!(" for {:?}, from{what}", f.what),
        FindingKind::Refused => format!(" for{what}"),
        _ => what,
    };
    let said = format!("{}: {}{of_what}", of(f), title(f.kind));
    match f.postbacks {
        0 => said,
        n => format!("{said}, {} of {}", times(n), f.last),
    }
}

/// The network and its template, the source, or the entity.
fn of(finding: &Finding) -> String {
    match (&finding.template, finding.network.as_str(), finding.source.as_str()) {
        _ if !finding.entity.is_empty() => finding.entity.clone(),
        (_, "", source) => format!("source {source}"),
        (Some(template), network, _) => format!("{network}/{template}"),
        (None, network, _) => network.to_owned(),
    }
}

/// The longest example that is shown whole.
const LONGEST: usize = 300;

fn cut(example: &str) -> String {
    match example.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &example[..end]),
        None => example.to_owned(),
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
        FindingKind::Refused => "refused",
        FindingKind::SaleAfterRejection => "sales of what is rejected:",
        FindingKind::UnlistedCurrency => "currency",
        FindingKind::FormerSecret => "its former secret still comes:",
        FindingKind::NoClickId => "its URL does not carry the click",
        FindingKind::NoSecret => "has neither a secret nor addresses",
        FindingKind::NoExternalId => "cannot tell which click converted",
        FindingKind::NoSigningKey => "wants signatures, and there is no key for them",
        FindingKind::UnreadableKey => "wants signatures, and their key is not written as it says",
        FindingKind::NoSignature => "does not say how postbacks are signed",
        FindingKind::LeftMacro => "macro that it left as it is",
        FindingKind::NoPayout => "sales of nothing",
    }
}

fn times(n: u64) -> String {
    if n == 1 { "once, last".to_owned() } else { format!("{n} times, last") }
}

/// Lines looked at for a footnote.
const FEW: usize = 1_000;

/// Tells on stderr which words nobody knows: under a report, whose figures they change. Of networks that the report leaves
/// out nothing is told, and nothing if that cannot be told.
pub(crate) async fn footnote(
    context: &Context,
    client: &Client,
    asked: &ReportRequest,
    answer: &ReportAnswer,
) {
    let query =
        LintQuery { network: None, since: Some(answer.since), until: Some(answer.until), most: Some(FEW) };
    let Ok(mut found) = client.postback_lint(&query).await else { return };
    found.findings.retain(|f| f.kind == FindingKind::UnmappedWord);
    if !found.findings.is_empty() && !asked.filters.is_empty() {
        let Some(networks) = networks_of(client, asked, answer).await else { return };
        found.findings.retain(|f| networks.contains(&f.network));
    }
    let unmapped = |f: &&Finding| f.kind == FindingKind::UnmappedWord;
    for all in together(&found.findings) {
        let words: Vec<String> = all.iter().filter(unmapped).map(|f| format!("{:?}", f.what)).collect();
        let Some(f) = all.iter().find(unmapped) else { continue };
        let counts = match words.len() {
            1 => "which nobody knows; it counts as a lead",
            _ => "which nobody knows; they count as leads",
        };
        context.out.note(format!(
            "hint: {} says {}, {counts}:\n  {}",
            f.network,
            words.join(", "),
            f.command
        ));
    }
}

/// The networks whose conversions are in a report.
async fn networks_of(client: &Client, asked: &ReportRequest, answer: &ReportAnswer) -> Option<Vec<String>> {
    let by_network = ReportRequest {
        since: Some(answer.since),
        until: Some(answer.until),
        dimensions: vec![Dimension::Network],
        metrics: vec![Metric::Conversions],
        sort: None,
        limit: None,
        ..asked.clone()
    };
    let found = client.report(&by_network).await.ok()?;
    let counts =
        |row: &&ReportRow| row.figures.get(&Metric::Conversions).is_some_and(|n| n.to_string() != "0");
    let named = |row: &ReportRow| row.key.first().map(|network| network.label().to_owned());
    Some(found.rows.iter().filter(counts).filter_map(named).collect())
}

/// Findings that one command mends.
fn together(findings: &[Finding]) -> impl Iterator<Item = &[Finding]> {
    findings.chunk_by(|a, b| a.command == b.command)
}
