//! In which order postbacks of one network about one click are taken: a new one has its place behind those that wait, and
//! none comes between the look at those and its own place. What is done with those that wait: `parked`.

use crate::{
    clicks::Missing,
    log::{Origin, PostbackOutcome, SECRET},
    parked,
    take::Postbacks,
};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tfx_domain::{
    Timestamp,
    entity::Network,
    event::PostbackResult,
    postback::{Parked, Postback},
};
use tfx_ports::{StoreError, queue::Group};
use tfx_settings::LookupFailure;
use tokio::sync::MutexGuard;

/// Groups that are remembered. Of one that is forgotten two of the same millisecond may change places.
const REMEMBERED: usize = 10_000;
/// Groups that have a hash in common wait for each other.
const STRIPES: usize = 64;

/// The turns of all groups.
pub(crate) struct Turns {
    last: Mutex<HashMap<String, i64>>,
    stripes: Vec<tokio::sync::Mutex<()>>,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self {
            last: Mutex::default(),
            stripes: (0..STRIPES).map(|_| tokio::sync::Mutex::default()).collect(),
        }
    }

    /// The place of one that came in at that time: behind all before it, in milliseconds as the queue keeps it.
    pub(crate) fn came(&self, group: &str, at: Timestamp) -> Timestamp {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= REMEMBERED && !last.contains_key(group) {
            last.clear();
        }
        let now = at.as_millisecond();
        let place = last.get(group).map_or(now, |before| now.max(before.saturating_add(1)));
        last.insert(group.to_owned(), place);
        Timestamp::from_millisecond(place).unwrap_or(at)
    }

    /// Until this is dropped, no other of the group looks at those that wait or is put behind them.
    pub(crate) async fn take(&self, group: &str) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        group.hash(&mut hasher);
        self.stripes[hasher.finish() as usize % STRIPES].lock().await
    }
}

/// A place among the postbacks of a network about a click.
pub(crate) struct Place {
    pub(crate) group: String,
    came: Timestamp,
}

impl Postbacks {
    /// Its place among the postbacks of its click: taken before anything is waited for.
    pub(crate) fn place(&self, network: &Network, postback: &Postback, at: Timestamp) -> Place {
        let group = Parked::group(&network.id, postback.click_id);
        Place { came: self.turns.came(&group, at), group }
    }

    /// Reports of a click are taken in the order in which they came: one is parked behind those that wait, also for a click
    /// that did not come in time and is there now. None if there are none.
    pub(crate) async fn behind(
        &self,
        origin: &Origin,
        network: &Network,
        postback: &Postback,
        place: &Place,
    ) -> Option<PostbackOutcome> {
        let _turn = self.turns.take(&place.group).await;
        match self.earlier(&place.group).await {
            Ok(0) => None,
            Ok(_) => {
                let why = "earlier postbacks of its click wait; they are taken first".to_owned();
                Some(self.park(origin, network, postback, why, Duration::ZERO, place).await)
            }
            Err(e) => Some(self.not_durable(origin, network, postback, e.to_string()).await),
        }
    }

    /// How many wait for a click that is there. Those that were given up, since it did not come, wait again.
    async fn earlier(&self, group: &str) -> Result<u64, StoreError> {
        let Group { waiting, dead } = self.queue.group(parked::KIND, group).await?;
        Ok(waiting + self.revive(dead).await?)
    }

    /// As [`Self::earlier`], for one that was parked itself: how many came alive.
    pub(crate) async fn revive_given_up(&self, group: &str) -> Result<u64, StoreError> {
        let dead = self.queue.group(parked::KIND, group).await?.dead;
        self.revive(dead).await
    }

    async fn revive(&self, dead: Vec<(String, String)>) -> Result<u64, StoreError> {
        let come = dead.into_iter().filter(|(_, why)| why == parked::NOT_COME).map(|(key, _)| key);
        match come.collect::<Vec<_>>() {
            keys if keys.is_empty() => Ok(0),
            keys => self.queue.revive(parked::KIND, &keys, Duration::ZERO).await,
        }
    }

    pub(crate) async fn not_found(
        &self,
        origin: &Origin,
        network: &Network,
        postback: &Postback,
        missing: Missing,
        place: &Place,
    ) -> PostbackOutcome {
        let why = missing.reason();
        if self.settings.lookup_failure == LookupFailure::Reject {
            // 404 says that there is no such click: only who has looked may say that.
            if let Missing::NotAnswered(_) = missing {
                return self.not_durable(origin, network, postback, why).await;
            }
            let outcome =
                PostbackOutcome { click: Some(postback.click_id), ..PostbackOutcome::rejected(404, why) };
            return self.refuse(origin, outcome, Some(network)).await;
        }
        let pause = parked::first_pause(&self.settings);
        let _turn = self.turns.take(&place.group).await;
        self.park(origin, network, postback, why, pause, place).await
    }

    /// Keeps a postback until its click is there and those before it are taken. Who calls has its group's turn.
    pub(crate) async fn park(
        &self,
        origin: &Origin,
        network: &Network,
        postback: &Postback,
        why: String,
        pause: Duration,
        place: &Place,
    ) -> PostbackOutcome {
        match self.queue.group(parked::KIND, &place.group).await {
            Ok(group) if group.waiting < parked::MOST_OF_A_CLICK => {}
            Ok(group) => {
                let why = format!("{} postbacks of its click wait already; send it again", group.waiting);
                let mut outcome = PostbackOutcome::rejected(503, why);
                outcome.click = Some(postback.click_id);
                return self.refuse(origin, outcome, Some(network)).await;
            }
            Err(e) => return self.not_durable(origin, network, postback, e.to_string()).await,
        }
        let is_secret = |name: &str, value: &str| {
            name.eq_ignore_ascii_case(SECRET) || network.spec.secrets().any(|secret| secret == value)
        };
        let parked = Parked {
            id: origin.id,
            network: network.id.clone(),
            template: origin.template.clone(),
            click_id: postback.click_id,
            params: origin.params.iter().filter(|(n, v)| !is_secret(n, v)).cloned().collect(),
            received_at: origin.at,
            row: origin.row,
            signed: origin.signed.clone(),
        };
        let kept = match parked::job(&parked, place.came) {
            Ok(job) => self.queue.enqueue(&job, pause).await.map_err(|e| e.to_string()),
            Err(e) => Err(e.to_string()),
        };
        if let Err(e) = kept {
            return self.not_durable(origin, network, postback, e).await;
        }
        let outcome = PostbackOutcome {
            click: Some(postback.click_id),
            reason: why,
            ..PostbackOutcome::accepted(200, PostbackResult::Parked)
        };
        self.conclude(origin, outcome, Some(network), None).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_place_behind_those_before_it() {
        let turns = Turns::new();
        let at = |ms: i64| Timestamp::from_millisecond(1_790_000_000_000 + ms).expect("time");
        // Of one moment, after it, and when the clock was set back.
        for (came, place) in [(5, 5), (5, 6), (5, 7), (9, 9), (1, 10), (10, 11)] {
            assert_eq!(turns.came("g", at(came)), at(place));
        }
        assert_eq!(turns.came("h", at(5)), at(5), "of another group");
        for n in 0..2 * REMEMBERED {
            turns.came(&n.to_string(), at(0));
        }
        assert!(turns.last.lock().expect("whole").len() <= REMEMBERED);
    }
}
