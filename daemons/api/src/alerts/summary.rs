//! How rules stand, each over all of its groups, for lists.

use super::KIND;
use std::collections::BTreeMap;
use tfx_api::alerts::AlertSummary;
use tfx_domain::{alert::Phase, entity::Status};
use tfx_ports::{StoreError, alerts::StoredAlert, config::Record, queue::Share};
use tfx_wiring::Stores;

/// What is known of all rules.
pub(crate) struct Summaries {
    states: BTreeMap<String, Vec<StoredAlert>>,
    shares: BTreeMap<String, Share>,
}

impl Summaries {
    /// Reads it.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn read(stores: &Stores) -> Result<Self, StoreError> {
        let mut states: BTreeMap<String, Vec<StoredAlert>> = BTreeMap::new();
        for stored in stores.alerts.states(None).await? {
            states.entry(stored.state.alert.to_string()).or_default().push(stored);
        }
        let shares = stores.queue.shares(KIND).await?;
        Ok(Self { states, shares: shares.into_iter().map(|share| (share.of.clone(), share)).collect() })
    }

    /// How a rule stands.
    pub(crate) fn of(&self, rule: &Record) -> AlertSummary {
        let states = self.states.get(&rule.id).map(Vec::as_slice).unwrap_or_default();
        let count = |phase| states.iter().filter(|s| s.state.phase == phase).count() as u64;
        let (firing, pending) = (count(Phase::Firing), count(Phase::Pending));
        let blind = |s: &&StoredAlert| s.state.no_data.is_some() && s.state.phase != Phase::Firing;
        let no_data = states.iter().filter(blind).count() as u64;
        let groups = states.len() as u64;
        let share = self.shares.get(&rule.id);
        AlertSummary {
            text: text(rule.status, (firing, pending, no_data, groups)),
            firing,
            pending,
            no_data,
            groups,
            since: states.iter().filter(|s| s.state.phase == Phase::Firing).map(|s| s.state.since).min(),
            evaluated_at: states.iter().map(|s| s.state.evaluated_at).max(),
            sent_at: states.iter().filter_map(|s| s.sent_at).max(),
            waiting: share.map_or(0, |s| s.waiting),
            undelivered: share.map_or(0, |s| s.dead),
        }
    }
}

/// What nobody has looked at is not fine.
fn text(status: Status, (firing, pending, no_data, groups): (u64, u64, u64, u64)) -> String {
    let of = |n: u64, word: &str| match groups {
        1 => word.to_owned(),
        _ => format!("{n} of {groups} {word}"),
    };
    let parts: Vec<String> = [(firing, "firing"), (pending, "pending"), (no_data, "no data")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| of(n, word))
        .collect();
    match (status, groups) {
        (Status::Paused | Status::Archived, _) => "not looked at".to_owned(),
        (Status::Active, 0) => "no groups seen".to_owned(),
        (Status::Active, _) if parts.is_empty() => "ok".to_owned(),
        (Status::Active, _) => parts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_fine() {
        let table = [
            (Status::Active, (0, 0, 0, 0), "no groups seen"),
            (Status::Active, (0, 0, 0, 3), "ok"),
            (Status::Active, (1, 0, 0, 1), "firing"),
            (Status::Active, (0, 0, 1, 1), "no data"),
            (Status::Active, (2, 1, 3, 9), "2 of 9 firing, 1 of 9 pending, 3 of 9 no data"),
            (Status::Paused, (0, 0, 0, 0), "not looked at"),
        ];
        for (status, counts, want) in table {
            assert_eq!(text(status, counts), want);
        }
    }
}
