//! `tfx reconcile`: what was accepted, held against what is stored, by kind of event. What is asked is in [`mod@look`], what a
//! difference means in [`why`].

mod look;
mod why;

pub(super) use look::{Balance, Patience, look, word};

use crate::{
    context::Context,
    exit::Failure,
    input,
    output::{Column, Format, Listing},
    when::{self, Window},
};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use tfx_api::reconciliation::{ConversionState, Reconciled, ReconciledCounts, ReconciledKind};
use tfx_domain::event::PostbackResult;

/// So long it is asked what holds up what is missing.
const ASKED_WHY: Duration = Duration::from_secs(30);

/// Hold what was accepted against what is stored, by kind of event.
///
/// The services count what they have answered for beside their journals, also of instances that are down; of conversions the
/// configuration store has each. All must be in the reports' store, once, hour by hour, conversions with the status and the
/// money that they have: what is missing, too many or stored otherwise is named. What is still on its way is waited for. It changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Exits 0 if everything balances, 1 if something is missing, too many or\n\
    stored otherwise than it is, 6 if a service is silent.\n\n\
    Examples, after an outage of the brokers, and of yesterday by the hour:\n  \
    tfx reconcile --since 2h --timeout 5m\n  \
    tfx reconcile --since yesterday --until today --step hour")]
pub(crate) struct Reconcile {
    #[command(flatten)]
    window: Window,
    /// Show each hour or each day by itself.
    #[arg(long, value_name = "STEP")]
    step: Option<Step>,
    /// How long what is on its way is waited for: 0s, 30s, 5m.
    #[arg(long, value_name = "LENGTH", default_value = "30s", value_parser = when::span)]
    timeout: u64,
    /// Name so many of what is missing or too many, of each kind.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = input::within::<usize>(0, 1_000))]
    ids: usize,
}

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// An hour.
    Hour,
    /// A day of the zone of this machine.
    Day,
}

impl Reconcile {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let bounds = self.window.bounds()?;
        let patience = Patience { way: Duration::from_secs(self.timeout), why: ASKED_WHY };
        let balance = look(&context.client()?, bounds, patience, self.ids).await?;
        print(context, &balance, self.step)?;
        let events = |n: u64| if n == 1 { "1 event".to_owned() } else { format!("{n} events") };
        let mut wrong = Vec::new();
        if balance.missing() > 0 {
            let are = if balance.missing() == 1 { "was accepted and is" } else { "were accepted and are" };
            wrong.push(format!("{} {are} not stored", events(balance.missing())));
        }
        if balance.surplus() > 0 {
            let are = if balance.surplus() == 1 { "is" } else { "are" };
            wrong.push(format!("{} {are} too many", events(balance.surplus())));
        }
        if balance.differing() > 0 {
            let are = if balance.differing() == 1 {
                "is stored otherwise than it is"
            } else {
                "are stored otherwise than they are"
            };
            wrong.push(format!("{} {are}", events(balance.differing())));
        }
        if !wrong.is_empty() {
            let failure = Failure::failed(wrong.join(", "));
            return Err(match balance.why.first() {
                Some(why) => failure.hint(why.next.clone()),
                None => failure,
            });
        }
        match balance.found.silent.is_empty() {
            true => Ok(()),
            false => Err(Failure::new(crate::exit::Kind::Unreachable, balance.found.silent.join("; "))),
        }
    }
}

fn row(kind: Reconciled, from: Option<&str>, counts: &ReconciledCounts) -> Value {
    json!({
        "from": from, "kind": word(kind), "accepted": counts.accepted, "published": counts.published,
        "stored": counts.stored, "missing": counts.missing, "surplus": counts.surplus, "doubled": counts.doubled,
        "differing": counts.differing,
    })
}

/// The rows of a kind, with when each begins.
fn steps(kind: &ReconciledKind, step: Option<Step>) -> Vec<Value> {
    let mut rows = BTreeMap::<String, ReconciledCounts>::new();
    for hour in &kind.hours {
        let at = when::shown(&hour.hour.to_string());
        let from = match step {
            None => return vec![row(kind.kind, None, &kind.sum)],
            Some(Step::Hour) => at,
            Some(Step::Day) => when::day(&hour.hour.to_string()),
        };
        rows.entry(from).or_default().add(&hour.counts);
    }
    match step {
        None => vec![row(kind.kind, None, &kind.sum)],
        Some(_) => rows.iter().map(|(from, counts)| row(kind.kind, Some(from), counts)).collect(),
    }
}

fn print(context: &Context, balance: &Balance, step: Option<Step>) -> Result<(), Failure> {
    if matches!(context.out.format, Format::Json | Format::Jsonl | Format::Yaml) {
        return context.out.item(&serde_json::to_value(balance).map_err(Failure::failed)?, &[], "");
    }
    let mut columns = vec![
        Column::text("kind", "kind"),
        Column::number("accepted", "accepted"),
        Column::number("published", "published"),
        Column::number("stored", "stored"),
        Column::number("missing", "missing"),
        Column::number("too many", "surplus"),
        Column::number("differ", "differing"),
        Column::number("doubled", "doubled"),
    ];
    if step.is_some() {
        columns.insert(0, Column::text("from", "from"));
    }
    let found = &balance.found;
    let rows = found.kinds.iter().flat_map(|kind| steps(kind, step)).collect();
    context.out.rows(&Listing { columns, rows, name: "kind" })?;
    let [since, until] = [found.since, found.until].map(|at| when::shown(&at.to_string()));
    context.out.note(format!("from {since} until {until}"));
    found.kinds.iter().flat_map(told).for_each(|line| context.out.note(line));
    for why in &balance.why {
        context.out.note(format!("{}: {}", why.found, why.next));
    }
    found.uncompared.iter().chain(&found.notes).for_each(|note| context.out.note(note));
    Ok(())
}

/// What else is to be said of a kind.
fn told(kind: &ReconciledKind) -> Vec<String> {
    let (word, sum) = (word(kind.kind), &kind.sum);
    let mut lines = Vec::new();
    for (of, results, ids) in [
        (PostbackResult::IN.as_slice(), &sum.results, "received"),
        (PostbackResult::IN.as_slice(), &sum.later, "that had waited, or were taken again"),
        (PostbackResult::OUT.as_slice(), &sum.results, "of what sources are told"),
    ] {
        let parts: Vec<(&str, u64)> =
            of.iter().filter_map(|r| Some((r.as_str(), *results.get(r.as_str())?))).collect();
        let all: u64 = parts.iter().map(|(_, n)| n).sum();
        let parts: Vec<String> = parts.iter().map(|(result, n)| format!("{n} {result}")).collect();
        if all > 0 {
            lines.push(format!("{word} {ids}: {all} = {}", parts.join(" + ")));
        }
    }
    for hour in kind.hours.iter().filter(|hour| hour.counts.gap() > 0) {
        let (at, of) = (when::shown(&hour.hour.to_string()), &hour.counts);
        let mut line = format!("{word} of the hour from {at}: {} accepted", of.accepted);
        if let Some(published) = of.published {
            line.push_str(&format!(", {published} published"));
        }
        lines.push(format!("{line}, {} stored", of.stored));
    }
    if let Some(published) = sum.published.filter(|_| sum.missing > 0) {
        let unpublished = sum.accepted.saturating_sub(published).min(sum.missing);
        let lost = sum.missing - unpublished;
        if unpublished > 0 {
            lines.push(format!(
                "{unpublished} {word} were accepted and not published: not delivered yet, or lost before"
            ));
        }
        if lost > 0 {
            lines.push(format!(
                "{lost} {word} were published and are not stored: not read yet, or lost since"
            ));
        }
    }
    let none = Vec::new();
    for (fault, many, ids) in [
        ("missing", sum.missing, &kind.missing_ids),
        ("too many", sum.surplus, &kind.surplus_ids),
        ("in several rows, and counted once", sum.doubled, &kind.doubled_ids),
        // Of conversions both states are told, below.
        (
            "in rows that say different things",
            sum.differing,
            if kind.differing_states.is_empty() { &kind.differing_ids } else { &none },
        ),
    ] {
        if !ids.is_empty() {
            let more = (many as usize).saturating_sub(ids.len());
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            lines.push(format!("{word} {fault}: {}{more}", ids.join(" ")));
        }
    }
    let state = |state: &ConversionState| {
        let cost = state.cost.map(|cost| format!(", cost {cost}")).unwrap_or_default();
        format!("{} of {}{cost} (version {})", state.status, state.revenue, state.version)
    };
    for states in &kind.differing_states {
        let (stored, is) = (state(&states.stored), state(&states.is));
        lines.push(format!("{} is stored as {stored}, and is {is}", states.id));
    }
    let untold = sum.differing.saturating_sub(kind.differing_states.len() as u64);
    if untold > 0 && !kind.differing_states.is_empty() {
        lines.push(format!("{word} in another state: {untold} more"));
    }
    if sum.erased > 0 {
        lines.push(format!(
            "{} {word} were erased since at a person's wish: they are not missing",
            sum.erased
        ));
    }
    lines
}
