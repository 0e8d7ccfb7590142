//! What is asked to hold what was accepted against what is stored, until it balances or the time is over.

use super::why::{Cause, Obstacles};
use crate::{exit::Failure, pipeline};
use serde::Serialize;
use std::time::Duration;
use tfx_api::{
    Client,
    reconciliation::{Reconciled, ReconciledKind, Reconciliation, ReconciliationQuery},
};
use tfx_domain::Timestamp;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Pause between looks at what is on its way.
const EVERY: Duration = Duration::from_millis(500);

/// What was accepted and what is stored.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Balance {
    #[serde(flatten)]
    pub(crate) found: Reconciliation,
    /// Why something is missing or too many; nothing if nothing is.
    pub(crate) why: Vec<Cause>,
}

impl Balance {
    pub(crate) fn missing(&self) -> u64 {
        self.found.kinds.iter().map(|k| k.sum.missing).sum()
    }

    pub(crate) fn surplus(&self) -> u64 {
        self.found.kinds.iter().map(|k| k.sum.surplus).sum()
    }

    pub(crate) fn differing(&self) -> u64 {
        self.found.kinds.iter().map(|k| k.sum.differing).sum()
    }

    /// By how many events it does not balance.
    pub(crate) fn gap(&self) -> u64 {
        self.found.kinds.iter().map(|k| k.sum.gap()).sum()
    }
}

/// How long it may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// What is on its way is waited for so long.
    pub(crate) way: Duration,
    /// And then it is asked so long what holds it up.
    pub(crate) why: Duration,
}

/// What a kind is called.
pub(crate) const fn word(kind: Reconciled) -> &'static str {
    match kind {
        Reconciled::Clicks => "clicks",
        Reconciled::Conversions => "conversions",
        Reconciled::Postbacks => "postbacks",
        Reconciled::HealthChanges => "health changes",
    }
}

/// Looks again and again, until everything balances that was accepted before now, or the time is over: the last answer holds
/// then, and no look is begun that would not end in time. `ids`: so many of each fault are named.
///
/// # Errors
/// api-service does not answer, or refuses.
pub(crate) async fn look(
    client: &Client,
    (since, until): (Option<Timestamp>, Option<Timestamp>),
    patience: Patience,
    ids: usize,
) -> Result<Balance, Failure> {
    let begun = Instant::now();
    let over = begun + patience.way;
    let backwards = |since: Timestamp, until: Timestamp| {
        Failure::usage(format!("--since {since} is not before --until {until}"))
    };
    if let Some((since, until)) = since.zip(until).filter(|(since, until)| since >= until) {
        return Err(backwards(since, until));
    }
    let mut query = ReconciliationQuery { since, until, ids: Some(ids), as_of: None };
    let first = client.reconciliation(&query).await?;
    let mut longest = begun.elapsed();
    let asked = first.at;
    // The time that is looked at stays the same.
    let until = until.map_or(asked, |until| until.min(asked));
    if let Some(since) = since.filter(|since| *since >= until) {
        return Err(backwards(since, until));
    }
    (query.since, query.until) = (query.since.or(Some(first.since)), Some(until));
    query.as_of = Some(asked);
    let mut balance = Balance { found: first, why: Vec::new() };
    loop {
        // Nobody is waited for who has been silent for long.
        let told = balance.found.counted_until.is_none_or(|counted| counted >= asked);
        let begins = Instant::now() + EVERY;
        if balance.gap() == 0 && told || begins + longest > over {
            break;
        }
        sleep(EVERY).await;
        let Ok(found) = timeout_at(over, client.reconciliation(&query)).await else { break };
        balance.found = found?;
        longest = longest.max(begins.elapsed());
    }
    if balance.missing() + balance.differing() > 0 {
        balance.why = match timeout(patience.why, obstacles(client, &balance.found)).await {
            Ok(all) => all?.explains(balance.found.since, balance.missing() > 0),
            Err(_) => vec![Cause {
                found: "what holds them up could not be asked in time".to_owned(),
                next: "tfx doctor --wrong, tfx ingest lag".to_owned(),
            }],
        };
    }
    balance.why.extend(balance.found.kinds.iter().filter_map(too_many));
    balance.why.extend(balance.found.kinds.iter().filter_map(otherwise));
    Ok(balance)
}

/// What stands on the way.
async fn obstacles(client: &Client, found: &Reconciliation) -> Result<Obstacles, Failure> {
    let lag = pipeline::lag(client).await?.map_or(0, |lag| lag.messages);
    let errors = pipeline::errors(client, found.since).await?.unwrap_or(0);
    Ok(Obstacles { instances: found.instances.clone(), lag, errors })
}

/// Why more is stored than was accepted.
fn too_many(kind: &ReconciledKind) -> Option<Cause> {
    let (many, word) = (kind.sum.surplus, word(kind.kind));
    let next = match kind.kind {
        Reconciled::Conversions => {
            "was the configuration store restored from an older backup? tfx audit tells; what networks report again gets the same \
             ids"
        }
        _ => {
            "rows that were written by hand or restored from elsewhere are such, and what instances accepted whose journal's \
             folder was lost"
        }
    };
    (many > 0).then(|| Cause {
        found: format!("{many} {word} are stored that nobody accepted, or counted twice"),
        next: next.to_owned(),
    })
}

/// Why something is stored otherwise than it is.
fn otherwise(kind: &ReconciledKind) -> Option<Cause> {
    let (many, word) = (kind.sum.differing, word(kind.kind));
    let newer = kind.differing_states.iter().any(|states| states.stored.version > states.is.version);
    let (found, next) = match kind.kind {
        Reconciled::Conversions if newer => (
            "are stored in another state, some in a later one than they are in",
            "was the configuration store restored from an older backup? What networks report again brings them there",
        ),
        Reconciled::Conversions => (
            "are stored in another state than they are in",
            "a change was lost on its way, or the reports' store was restored or altered: tfx conversion publish --since TIME puts \
             it right",
        ),
        _ => (
            "are there in rows that say different things, and reports count one of them by chance",
            "what wrote the other one? Delete it from the table",
        ),
    };
    (many > 0).then(|| Cause { found: format!("{many} {word} {found}"), next: next.to_owned() })
}
