//! `tfx reconcile`: what was accepted, held against what is stored, by kind of event. What is asked is in [`mod@look`], what a
//! difference means in [`why`].

mod look;
mod why;

pub(super) use look::{Balance, Kind, look};

use crate::{
    context::Context,
    exit::Failure,
    input,
    output::{Column, Format, Listing},
    when::{self, Window},
};
use clap::Args;
use serde_json::json;
use std::time::Duration;

/// Hold what was accepted against what is stored, by kind of event.
///
/// Of clicks, postbacks and changes of health the services count what they have answered for since they started; of
/// conversions the configuration store has each. All must be in the reports' store, hour by hour. What is still on its way
/// is waited for. It changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Exits 0 if nothing is missing, 1 if something is, 6 if a service is silent.\n\n\
    Example, after an outage of the brokers:\n  \
    tfx reconcile --since 2h --timeout 5m")]
pub(crate) struct Reconcile {
    #[command(flatten)]
    window: Window,
    /// How long what is on its way is waited for: 0s, 30s, 5m.
    #[arg(long, value_name = "LENGTH", default_value = "30s", value_parser = when::span)]
    timeout: u64,
    /// Name so many of the conversions that are missing.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = input::within::<usize>(0, 1_000))]
    ids: usize,
}

impl Reconcile {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let bounds = self.window.bounds()?;
        let balance = look(&context.client()?, bounds, Duration::from_secs(self.timeout), self.ids).await?;
        print(context, &balance)?;
        let missing = balance.missing();
        if missing > 0 {
            let events =
                if missing == 1 { "1 event was accepted and is" } else { "events were accepted and are" };
            let many = if missing == 1 { String::new() } else { format!("{missing} ") };
            let next = balance.why.first().map(|w| w.next.clone()).unwrap_or_default();
            let failure = Failure::failed(format!("{many}{events} not stored"));
            return Err(if next.is_empty() { failure } else { failure.hint(next) });
        }
        match balance.silent.is_empty() {
            true => Ok(()),
            false => Err(Failure::new(crate::exit::Kind::Unreachable, balance.silent.join("; "))),
        }
    }
}

fn print(context: &Context, balance: &Balance) -> Result<(), Failure> {
    if matches!(context.out.format, Format::Json | Format::Jsonl | Format::Yaml) {
        return context.out.item(&serde_json::to_value(balance).map_err(Failure::failed)?, &[], "");
    }
    let columns = vec![
        Column::text("kind", "kind"),
        Column::time("since", "since"),
        Column::time("until", "until"),
        Column::number("accepted", "accepted"),
        Column::number("published", "published"),
        Column::number("stored", "stored"),
        Column::number("missing", "missing"),
    ];
    let rows = balance.kinds.iter().map(|kind| json!(kind)).collect();
    context.out.rows(&Listing { columns, rows, name: "kind" })?;
    for kind in &balance.kinds {
        for hour in &kind.hours {
            let at = when::shown(&hour.hour.to_string());
            context.out.note(format!(
                "{} of the hour from {at}: {} accepted, {} stored",
                kind.kind, hour.accepted, hour.stored
            ));
        }
        if !kind.ids.is_empty() {
            context.out.note(format!("missing {}: {}", kind.kind, kind.ids.join(" ")));
        }
        if kind.accepted.is_some_and(|accepted| kind.stored > accepted) {
            context.out.note(format!(
                "{}: more is stored than was accepted by the services that were asked: others run beside them, or a \
                 click was under way",
                kind.kind
            ));
        }
    }
    for why in &balance.why {
        context.out.note(format!("{}: {}", why.found, why.next));
    }
    balance.notes.iter().for_each(|note| context.out.note(note));
    Ok(())
}
