//! `tfx source test`: what a source would be told, as it would be sent; `--send` really sends it.

use super::{
    super::entity::{Reference, failed},
    Source,
};
use crate::{
    complete,
    context::Context,
    exit::Failure,
    output::{Column, Format, line, text},
};
use clap::Args;
use serde_json::{Value, json};
use tfx_api::source_postbacks::{SourceTest, SourceTestAnswer};
use tfx_domain::{
    entity::Kind,
    id::{ClickId, ConversionId},
    postback::ConversionStatus,
};

/// Which source, and of what it is told.
#[derive(Debug, Args)]
#[command(after_help = "Exits 1 if it was sent and not answered with 2xx.\n\n\
    Examples:\n  \
    tfx source test push\n  \
    tfx source test push --click 01KYKZ6QK0ABCDEFGHJKMNPQRS --status sale --send")]
pub(crate) struct Test {
    #[command(flatten)]
    source: Reference<Source>,
    /// Of this click [default: one that is made up].
    #[arg(long, value_name = "CLICK_ID")]
    click: Option<ClickId>,
    /// Of this conversion, as it stands.
    #[arg(long, value_name = "CONVERSION_ID", conflicts_with = "click")]
    conversion: Option<ConversionId>,
    /// In this state: lead, sale, rejected, rebill or a word of a network [default: the conversion's, or one that it asks for].
    #[arg(long, add = complete::words(super::postback::STATES, ""))]
    status: Option<ConversionStatus>,
    /// Really send it, once.
    #[arg(long)]
    send: bool,
}

impl Test {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let reference = &self.source.reference;
        let asked = SourceTest {
            click: self.click,
            conversion: self.conversion.clone(),
            status: self.status,
            send: self.send,
        };
        let answer = context.client()?.source_test(reference, &asked).await;
        let answer = answer.map_err(|e| match e.problem() {
            Some(problem) if problem.detail.starts_with("no click ") => crate::commands::click::failed(e),
            _ => failed(Kind::Source, reference, e),
        })?;
        let of = match (&self.conversion, self.click) {
            (Some(conversion), _) => format!("of {conversion}"),
            (None, Some(click)) if answer.click_found != Some(false) => click.to_string(),
            _ => "made up, of 1.00 and with the id 'test'".to_owned(),
        };
        let out = context.out;
        let item = serde_json::to_value(&answer).map_err(Failure::failed)?;
        match out.format {
            Format::Table => {
                out.item(&summary(reference, &of, &answer), &fields(), "source")?;
                out.lines(request(&answer))?;
                if let Some(sent) = &item["sent"].as_object() {
                    out.lines([""])?;
                    out.item(&Value::Object((*sent).clone()), &of_answer(), "status")?;
                }
            }
            Format::Name => out.lines([&answer.url])?,
            _ => out.item(&item, &csv(), "url")?,
        }
        for warning in &answer.warnings {
            out.note(format!("warning: {}", line(warning)));
        }
        match &answer.sent {
            None => {
                out.note("nothing was sent; --send really sends it");
                Ok(())
            }
            Some(sent) if (200..300).contains(&sent.status) => Ok(()),
            Some(sent) if sent.status == 0 => {
                Err(Failure::failed(format!("{reference} was not told: {}", sent.reason)))
            }
            Some(sent) => Err(Failure::failed(format!("{reference} answers {}", sent.status))),
        }
    }
}

fn summary(reference: &str, click: &str, answer: &SourceTestAnswer) -> Value {
    let state = match answer.asked {
        true => answer.status.to_string(),
        false => format!("{}, which it does not ask for", answer.status),
    };
    json!({ "source": reference, "click": click, "state": state })
}

fn fields() -> Vec<Column> {
    ["source", "click", "state"].map(|title| Column::text(title, title)).into()
}

/// The request as it goes over the wire, without what every request has.
fn request(answer: &SourceTestAnswer) -> Vec<String> {
    let mut lines = vec![String::new(), format!("{} {}", answer.method, answer.url)];
    lines.extend(answer.headers.iter().map(|(name, value)| format!("{name}: {value}")));
    if !answer.body.is_empty() {
        lines.extend([String::new(), answer.body.clone()]);
    }
    lines.iter().map(|l| line(l)).collect()
}

fn of_answer() -> Vec<Column> {
    vec![
        Column::made("answer", "status", |row| match row["status"].as_u64() {
            Some(0) => "none".to_owned(),
            _ => text(&row["status"]),
        }),
        Column::text("because", "reason"),
        Column::made("after", "latency_ms", |row| format!("{} ms", text(&row["latency_ms"]))),
        Column::text("it says", "answer"),
    ]
}

fn csv() -> Vec<Column> {
    vec![
        Column::text("told", "status"),
        Column::text("method", "method"),
        Column::text("url", "url"),
        Column::text("body", "body"),
        Column::number("status", "sent.status"),
        Column::text("reason", "sent.reason"),
        Column::number("latency_ms", "sent.latency_ms"),
        Column::text("answer", "sent.answer"),
    ]
}
