//! `tfx alert test`: what a look finds now, and what would be told; `--send` really tries the channels.

use super::{
    super::entity::{Reference, failed},
    Alert,
};
use crate::{
    context::Context,
    exit::Failure,
    output::{Column, Format, Listing, line},
};
use clap::Args;
use serde_json::{Value, json};
use tfx_api::alerts::{AlertTest, AlertTestAnswer};
use tfx_domain::{alert::notice::group_text, entity::Kind};

/// Which rule.
#[derive(Debug, Args)]
#[command(after_help = "Exits 1 if something was sent and a channel did not take it.\n\n\
    Examples:\n  \
    tfx alert test cr-drop\n  \
    tfx alert test cr-drop --send")]
pub(crate) struct Test {
    #[command(flatten)]
    alert: Reference<Alert>,
    /// Really send a notice that says that it is a test, once, to each channel.
    #[arg(long)]
    send: bool,
}

impl Test {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let reference = &self.alert.reference;
        let answer = context.client()?.alert_test(reference, AlertTest { send: self.send }).await;
        let answer = answer.map_err(|e| failed(Kind::Alert, reference, e))?;
        let out = context.out;
        match out.format {
            Format::Table => table(context, &answer)?,
            Format::Json | Format::Yaml => {
                out.item(&serde_json::to_value(&answer).map_err(Failure::failed)?, &[], "")?;
            }
            _ => out.rows(&groups(&answer))?,
        }
        for warning in &answer.warnings {
            out.note(format!("warning: {}", line(warning)));
        }
        if !self.send {
            out.note("nothing was sent; --send really tries the channels");
            return Ok(());
        }
        let bad: Vec<String> = answer
            .channels
            .iter()
            .filter(|c| c.sent == Some(false))
            .map(|c| format!("{}: {}", c.channel, c.reason))
            .collect();
        if bad.is_empty() { Ok(()) } else { Err(Failure::failed(format!("not told: {}", bad.join("; ")))) }
    }
}

fn table(context: &Context, answer: &AlertTestAnswer) -> Result<(), Failure> {
    let out = context.out;
    out.lines([format!("when {}", line(&answer.when)), String::new()])?;
    if answer.groups.is_empty() {
        out.note("there is no group to look at: nothing counts in it, or no destination is probed");
    } else {
        out.rows(&groups(answer))?;
        out.lines([""])?;
        out.lines(["It would tell:"])?;
        out.lines(answer.notice.lines().map(|l| format!("  {}", line(l))))?;
    }
    if answer.channels.is_empty() {
        return Ok(());
    }
    out.lines([""])?;
    let rows = answer.channels.iter().map(|c| {
        let result = match c.sent {
            None => "not sent",
            Some(true) => "took it",
            Some(false) => "did not take it",
        };
        json!({ "channel": c.channel, "result": result, "reason": c.reason })
    });
    let columns = ["channel", "result", "reason"].map(|title| Column::text(title, title)).into();
    out.rows(&Listing { columns, rows: rows.collect(), name: "channel" })
}

fn groups(answer: &AlertTestAnswer) -> Listing {
    let row = |group: &tfx_api::alerts::AlertTestGroup| -> Value {
        let name = group_text(&group.group);
        let holds = match group.holds {
            Some(true) => "holds",
            Some(false) => "does not hold",
            None => "no data",
        };
        let name = if name.is_empty() { "all" } else { &name };
        json!({ "group": name, "condition": holds, "values": group.values, "action": group.action })
    };
    let mut titles = vec!["group", "condition", "values"];
    if answer.groups.iter().any(|g| !g.action.is_empty()) {
        titles.push("action");
    }
    let columns = titles.into_iter().map(|title| Column::text(title, title)).collect();
    Listing { columns, rows: answer.groups.iter().map(row).collect(), name: "group" }
}
