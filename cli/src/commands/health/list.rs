//! `tfx health list`.

use crate::{
    context::Context,
    exit::Failure,
    output::{Column, text},
    pages::{Paging, View},
};
use clap::Args;
use std::cell::RefCell;
use tfx_api::{
    Labels, Page,
    health::{Health, HealthList},
};

/// Which destinations.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those that are down.
    #[arg(long)]
    down: bool,
    #[command(flatten)]
    paging: Paging,
}

/// What is told of a destination.
pub(super) fn columns() -> Vec<Column> {
    vec![
        Column::text("destination", "slug"),
        Column::text("state", "state"),
        Column::time("since", "since"),
        Column::time("probed at", "probed_at"),
        Column::number("status", "status"),
        Column::number("ms", "latency_ms"),
        Column::text("what is wrong", "reason").of_weight(3),
    ]
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let state = self.down.then_some(Health::Down);
        // Each page tells of all: the last one counts.
        let told = RefCell::new(HealthList::default());
        let view = View { columns: columns(), name: |row| text(&row["slug"]) };
        let fetch = async |limit, cursor: Option<String>| {
            let mut list = client.health_page(state, limit, cursor.as_ref()).await?;
            let (items, next) = (std::mem::take(&mut list.items), list.next.take());
            let left_out = if next.is_none() { std::mem::take(&mut list.left_out) } else { Vec::new() };
            told.replace(list);
            Ok(Page { items, next, left_out, labels: Labels::default() })
        };
        self.paging.print(context, view, fetch).await?;
        let found = told.into_inner();
        if found.watched == 0 {
            context.out.note(
                "no active destination has a health check: tfx destination update SLUG --health-check URL",
            );
        } else {
            let (watched, down, unknown) = (found.watched, found.down, found.unknown);
            let undecided = match found.undecided {
                0 => String::new(),
                n => format!(", {n} probed too few times to say"),
            };
            context.out.note(format!("{down} of {watched} down{undecided}, {unknown} not probed yet"));
        }
        for put_off in &found.put_off {
            let (count, reason) = (put_off.destinations, &put_off.reason);
            context.out.note(format!("probes of {count} put off, which changes nothing: {reason}"));
        }
        for why in &found.left_out {
            context.out.note(format!("left out: {why}"));
        }
        Ok(())
    }
}
