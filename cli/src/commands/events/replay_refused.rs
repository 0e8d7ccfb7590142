//! `tfx events replay-refused`.

use crate::{
    context::Context,
    exit::{Failure, Kind},
    output::{Column, Format, Listing},
};
use clap::Args;
use serde_json::json;
use tfx_api::service::RefusedEvents;

/// Give the events that a sink refused to the journals again, after what was wrong is mended.
///
/// They stand in refused.jsonl in the journal's folder of each service, with the reason. An event that is known already
/// counts once all the same; one that is still refused will stand there anew. The file is kept under another name.
#[derive(Debug, Args)]
pub(crate) struct ReplayRefused {
    /// Only say how many there are.
    #[arg(long)]
    dry_run: bool,
}

impl ReplayRefused {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let answer = context.client()?.replay_refused(self.dry_run).await?;
        let services = [("traffic", &answer.traffic), ("postback", &answer.postback)];
        if matches!(context.out.format, Format::Json | Format::Jsonl | Format::Yaml) {
            let item = serde_json::to_value(&answer).map_err(Failure::failed)?;
            context.out.item(&item, &[], "")?;
        } else {
            let row = |(name, of): &(&str, &RefusedEvents)| {
                json!({ "service": name, "events": of.events, "unreadable": of.unreadable,
                    "kept_as": of.kept_as.as_deref().unwrap_or_default() })
            };
            let columns = vec![
                Column::text("service", "service"),
                Column::number("events", "events"),
                Column::number("unreadable", "unreadable"),
                Column::text("kept as", "kept_as"),
            ];
            let rows = services.iter().filter(|(_, of)| of.error.is_none()).map(row).collect();
            context.out.rows(&Listing { columns, rows, name: "service" })?;
        }
        let failed: Vec<String> = services.iter().filter_map(|(_, of)| of.error.clone()).collect();
        if !failed.is_empty() {
            return Err(Failure::new(Kind::Unreachable, failed.join("; ")));
        }
        if !self.dry_run && services.iter().any(|(_, of)| of.events > 0) {
            context.out.note("next: tfx events stats shows whether they are delivered (outbox_depth_events, refused_total)");
        }
        Ok(())
    }
}
