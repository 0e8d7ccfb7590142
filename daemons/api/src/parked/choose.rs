//! Which parked postbacks are meant: by ids, or all of a network.

use super::{
    KIND, PAGE,
    found::{Wanted, waits, was_given_up},
};
use crate::{app::App, failure::Failure, given_up::SEARCHED};
use tfx_api::parked::ParkedPostback;
use tfx_ports::{
    page::PageRequest,
    queue::{DeadJob, WaitingJob},
};

/// Those that are meant.
#[derive(Default)]
pub(super) struct Chosen {
    pub(super) waiting: Vec<WaitingJob>,
    pub(super) dead: Vec<DeadJob>,
}

impl Chosen {
    pub(super) fn len(&self) -> u64 {
        (self.waiting.len() + self.dead.len()) as u64
    }

    /// As they are shown.
    pub(super) fn shown(&self) -> Vec<ParkedPostback> {
        self.waiting.iter().filter_map(waits).chain(self.dead.iter().filter_map(was_given_up)).collect()
    }
}

/// Those that go by these ids: a line of the log, a click, a job.
///
/// # Errors
/// 404 naming every id that nothing goes by; nothing is done then.
pub(super) async fn by_ids(app: &App, ids: &[String]) -> Result<Chosen, Failure> {
    let mut names: Vec<(&str, bool)> = ids.iter().map(|id| (id.as_str(), false)).collect();
    let mut go_by = |key: &str, parked: Option<ParkedPostback>| {
        let is = |name: &str| {
            let of = |p: &ParkedPostback| [p.id, p.click_id].iter().any(|id| id.to_string() == name);
            key == name || parked.as_ref().is_some_and(of)
        };
        let hits = names.iter_mut().filter(|(name, _)| is(name));
        hits.map(|(_, found)| *found = true).count() > 0
    };
    let mut chosen = Chosen::default();
    let mut page = PageRequest::first(PAGE);
    for _ in 0..SEARCHED {
        let found = app.stores.queue.waiting(KIND, "", &page).await?;
        chosen.waiting.extend(found.items.into_iter().filter(|job| go_by(&job.key, waits(job))));
        page.cursor = found.next;
        if page.cursor.is_none() {
            break;
        }
    }
    let mut page = PageRequest::first(PAGE);
    for _ in 0..SEARCHED {
        let found = app.stores.queue.dead_jobs(KIND, &page).await?;
        chosen.dead.extend(found.items.into_iter().filter(|job| go_by(&job.key, was_given_up(job))));
        page.cursor = found.next;
        if page.cursor.is_none() {
            break;
        }
    }
    let missing: Vec<&str> = names.iter().filter(|(_, found)| !found).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        return Ok(chosen);
    }
    let missing = missing.join(", ");
    Err(Failure::not_found(format!(
        "no postback that waits or was given up goes by {missing}; its click may have come"
    )))
}

/// A page of all that wait, or that were given up, and where the next one begins.
pub(super) async fn all(
    app: &App,
    dead: bool,
    wanted: &Wanted,
    cursor: Option<String>,
) -> Result<(Chosen, Option<String>), Failure> {
    let page = PageRequest { cursor, limit: PAGE };
    let is = |parked: Option<ParkedPostback>| parked.is_some_and(|parked| wanted.is(&parked));
    let mut chosen = Chosen::default();
    let next = if dead {
        let found = app.stores.queue.dead_jobs(KIND, &page).await?;
        chosen.dead.extend(found.items.into_iter().filter(|job| is(was_given_up(job))));
        found.next
    } else {
        let found = app.stores.queue.waiting(KIND, "", &page).await?;
        chosen.waiting.extend(found.items.into_iter().filter(|job| is(waits(job))));
        found.next
    };
    Ok((chosen, next))
}
