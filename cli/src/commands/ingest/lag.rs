//! `tfx ingest lag`.

use crate::{
    context::Context,
    exit::Failure,
    output::{Column, Format, Listing},
};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How much is shown.
#[derive(Debug, Args)]
pub(crate) struct Lag {
    /// Each partition, not only each topic.
    #[arg(long)]
    partitions: bool,
}

impl Lag {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let lag = context.client()?.ingestion_lag().await?;
        if matches!(context.out.format, Format::Json | Format::Jsonl | Format::Yaml) {
            return context.out.item(&serde_json::to_value(&lag).map_err(Failure::failed)?, &[], "groups");
        }
        let mut columns = vec![Column::text("topic", "topic")];
        let rows: Vec<Value> = if self.partitions {
            columns.push(Column::number("partition", "partition"));
            columns.push(Column::number("end", "end"));
            columns.push(Column::number("taken", "taken"));
            lag.partitions.iter().map(|p| json!(p)).collect()
        } else {
            let mut topics: BTreeMap<&str, u64> = BTreeMap::new();
            for p in &lag.partitions {
                *topics.entry(&p.topic).or_default() += p.messages;
            }
            topics.iter().map(|(topic, messages)| json!({ "topic": topic, "messages": messages })).collect()
        };
        columns.push(Column::number("waiting", "messages"));
        context.out.rows(&Listing { columns, rows, name: "topic" })?;
        context.out.note(format!("{} messages wait for the consumer groups {}.*", lag.messages, lag.groups));
        Ok(())
    }
}
