//! Parked postbacks as they are shown, and pages of them.

use super::{KIND, PAGE};
use crate::{app::App, failure::Failure};
use tfx_api::parked::{ParkedList, ParkedPostback};
use tfx_domain::{
    id::{ClickId, NetworkId},
    postback::Parked,
};
use tfx_ports::{
    StoreError,
    page::PageRequest,
    queue::{DeadJob, WaitingJob},
};

/// The most jobs that are looked at for the oldest; the others are told to be there.
const LOOKED_AT: usize = 20_000;

/// Which are wanted.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) network: Option<NetworkId>,
    pub(super) click: Option<ClickId>,
}

impl Wanted {
    pub(super) fn is(&self, parked: &ParkedPostback) -> bool {
        self.network.as_ref().is_none_or(|id| *id == parked.network_id)
            && self.click.is_none_or(|click| click == parked.click_id)
    }
}

/// None for one that cannot be read: another version has put it in.
fn of_payload(job: &str, payload: &str) -> Option<ParkedPostback> {
    let parked: Parked = serde_json::from_str(payload).ok()?;
    Some(ParkedPostback {
        id: parked.id,
        job: job.to_owned(),
        network_id: parked.network,
        network: String::new(),
        template: parked.template,
        click_id: parked.click_id,
        params: parked.params,
        came: parked.received_at,
        due: None,
        under_way: false,
        tries: None,
        why: String::new(),
        died: None,
    })
}

/// One that waits.
pub(super) fn waits(job: &WaitingJob) -> Option<ParkedPostback> {
    let parked = of_payload(&job.key, &job.payload)?;
    Some(ParkedPostback { due: job.due, under_way: job.held, tries: Some(job.tries), ..parked })
}

/// One that was given up.
pub(super) fn was_given_up(job: &DeadJob) -> Option<ParkedPostback> {
    let parked = of_payload(&job.key, &job.payload)?;
    Some(ParkedPostback { why: job.why.clone(), died: Some(job.died), ..parked })
}

fn take(list: &mut ParkedList, key: &str, parked: Option<ParkedPostback>, wanted: &Wanted) {
    match parked {
        Some(parked) if wanted.is(&parked) => list.items.push(parked),
        Some(_) => {}
        None => list.unread.push(key.to_owned()),
    }
}

/// Those that wait, the oldest first. A page goes on behind the last of the one before, whatever has come or gone meanwhile.
pub(super) async fn waiting_page(
    app: &App,
    asked: &PageRequest,
    wanted: &Wanted,
) -> Result<ParkedList, Failure> {
    let place = |p: &ParkedPostback| (p.came.as_millisecond(), p.id);
    let behind = asked.cursor.as_deref().map(read_place).transpose()?;
    let (mut list, mut looked_at, mut page) = (ParkedList::default(), 0, PageRequest::first(PAGE));
    loop {
        let found = app.stores.queue.waiting(KIND, "", &page).await?;
        looked_at += found.items.len();
        for job in &found.items {
            take(&mut list, &job.key, waits(job), wanted);
        }
        page.cursor = found.next;
        if page.cursor.is_none() || looked_at >= LOOKED_AT {
            break;
        }
    }
    list.items.sort_unstable_by_key(place);
    list.items.retain(|p| behind.is_none_or(|behind| place(p) > behind));
    if list.items.len() > asked.limit {
        list.items.truncate(asked.limit);
        list.next = list.items.last().map(|p| format!("{}.{}", p.came.as_millisecond(), p.id));
    }
    list.complete = page.cursor.is_none();
    Ok(list)
}

fn read_place(cursor: &str) -> Result<(i64, ClickId), StoreError> {
    let read = || {
        let (came, id) = cursor.split_once('.')?;
        Some((came.parse().ok()?, id.parse().ok()?))
    };
    read().ok_or(StoreError::BadCursor)
}

/// Those that were given up, the first that was first.
pub(super) async fn given_up_page(
    app: &App,
    asked: &PageRequest,
    wanted: &Wanted,
) -> Result<ParkedList, Failure> {
    let (mut list, mut page) = (ParkedList { complete: true, ..ParkedList::default() }, asked.clone());
    loop {
        // A page is never read further than there is room for, so that the next one begins where it ends.
        page.limit = asked.limit - list.items.len();
        let found = app.stores.queue.dead_jobs(KIND, &page).await?;
        for job in &found.items {
            take(&mut list, &job.key, was_given_up(job), wanted);
        }
        page.cursor = found.next;
        if page.cursor.is_none() || list.items.len() >= asked.limit {
            list.next = page.cursor;
            return Ok(list);
        }
    }
}
