//! `tfx health list`.

use crate::{
    context::Context,
    exit::Failure,
    output::{Column, Listing},
};
use clap::Args;
use tfx_api::health::Health;

/// Which destinations.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those that are down.
    #[arg(long)]
    down: bool,
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
        let found = context.client()?.health(self.down.then_some(Health::Down)).await?;
        let rows = found.items.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>();
        let listing = Listing { columns: columns(), rows: rows.map_err(Failure::failed)?, name: "slug" };
        context.out.rows(&listing)?;
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
