//! Taking again what stands in the postback log as a conflict or unmatched, and conversions that stand under a word that
//! was mapped since: after the configuration was changed, or the click has come.
//!
//! A postback is read again from what the log keeps of it, and counts from when it came in. What became of it is a line
//! of its own, whose id is made from the first one's: the same however often it is taken again, and what has one is not
//! taken again.

use crate::{
    log::{self, FileRow, Origin},
    parked::later_event,
    take::Postbacks,
};
use std::collections::BTreeMap;
use tfx_api::postbacks::{PostbackRetry, PostbackRetryAnswer};
use tfx_domain::{
    Timestamp,
    entity::Status,
    event::{PostbackDirection, PostbackLogEvent, PostbackResult},
    postback::{Interpreted, interpret, is_mapped_since, still_stands},
};
use tfx_ports::{StoreError, analytics::PostbackQuery, page::PageRequest};

/// The most lines of each result that one call looks at.
const MOST: usize = 20_000;
/// The most postbacks that one call takes; the next call goes on.
const AT_ONCE: usize = 250;
const PAGE: usize = 1_000;

/// Takes postbacks again, the first received first.
///
/// # Errors
/// The postback log cannot be read.
pub(crate) async fn retry(
    postbacks: &Postbacks,
    asked: &PostbackRetry,
) -> Result<PostbackRetryAnswer, StoreError> {
    let (mut due, older) = lines(postbacks, asked).await?;
    due.sort_by_key(|line| line.id);
    let mut answer = PostbackRetryAnswer { taken: BTreeMap::new(), left: 0, next: None, older: None };
    let mut tried = 0;
    for line in due {
        if asked.after.is_some_and(|after| line.id <= after) || !is_due(postbacks, &line).await? {
            continue;
        }
        if tried == AT_ONCE {
            return Ok(answer);
        }
        tried += 1;
        answer.next = Some(line.id);
        if was_taken(postbacks, &line).await? {
            continue;
        }
        match again(postbacks, &line).await {
            Some(result) => *answer.taken.entry(result.as_str().to_owned()).or_default() += 1,
            None => answer.left += 1,
        }
    }
    (answer.next, answer.older) = (None, older);
    Ok(answer)
}

/// Whether there is anything to take again: of what was recorded, only what stands under a word that was mapped since.
async fn is_due(postbacks: &Postbacks, line: &PostbackLogEvent) -> Result<bool, StoreError> {
    if !matches!(line.result, PostbackResult::Recorded | PostbackResult::Updated) {
        return Ok(true);
    }
    let Some(index) = postbacks.config.owned() else { return Ok(false) };
    let network = line.network_id.as_ref().and_then(|id| index.network_by_id(id));
    let (Some(network), Some(conversion)) = (network, &line.conversion_id) else { return Ok(false) };
    let template = index.asked_template(&network.id, &line.template).map(|t| &t.spec);
    if !is_mapped_since(&network.spec, template, line) {
        return Ok(false);
    }
    let there = postbacks.conversions.get(conversion).await?;
    Ok(there.is_some_and(|c| still_stands(&c, line)))
}

/// The newest lines, and before when others were not looked at.
async fn lines(
    postbacks: &Postbacks,
    asked: &PostbackRetry,
) -> Result<(Vec<PostbackLogEvent>, Option<Timestamp>), StoreError> {
    let (mut found, mut older) = (Vec::new(), None);
    for result in asked.results.iter().filter(|r| PostbackRetry::RESULTS.contains(r)) {
        let mut query = PostbackQuery {
            since: asked.since,
            until: asked.until,
            network: asked.network.clone(),
            result: Some(*result),
            direction: Some(PostbackDirection::In),
            test: tfx_domain::event::TestTraffic::Include,
            filters: Vec::new(),
            page: PageRequest::first(PAGE),
        };
        let before = found.len();
        loop {
            let page = postbacks.clicks.analytics().postbacks(&query).await?;
            found.extend(page.items);
            query.page.cursor = page.next;
            if query.page.cursor.is_none() {
                break;
            }
            if found.len() - before >= MOST {
                older = older.max(found.last().map(|line| line.id.timestamp()));
                break;
            }
        }
    }
    Ok((found, older))
}

/// Whether the log says already what became of it later: a line of the same moment.
async fn was_taken(postbacks: &Postbacks, line: &PostbackLogEvent) -> Result<bool, StoreError> {
    let at = line.id.timestamp();
    let query = PostbackQuery {
        since: Some(at),
        until: Timestamp::from_millisecond(at.as_millisecond() + 1).ok(),
        network: None,
        result: None,
        direction: None,
        test: tfx_domain::event::TestTraffic::Include,
        filters: Vec::new(),
        page: PageRequest::first(PAGE),
    };
    let later = later_event(line.id);
    Ok(postbacks.clicks.analytics().postbacks(&query).await?.items.iter().any(|e| e.id == later))
}

/// Takes one again; none when it stays as it is: its network is gone, paused or not to be read by this program, it cannot be read any more, its click
/// is not there, it stands in a file, or it could not be made durable.
async fn again(postbacks: &Postbacks, line: &PostbackLogEvent) -> Option<PostbackResult> {
    let index = postbacks.config.owned()?;
    let network = index.network_by_id(line.network_id.as_ref()?)?;
    let unread = index.unread_template(&network.id, &line.template);
    if network.spec.status != Status::Active || log::is_cut(line) || unread.is_some() {
        return None;
    }
    // A row of a file counts from when the file says, which the line does not: it is imported again.
    let is_row = line.method == log::IMPORT;
    if is_row && matches!(line.result, PostbackResult::Conflict | PostbackResult::Unmatched) {
        return None;
    }
    let template = index.asked_template(&network.id, &line.template).map(|t| &t.spec);
    let Ok(Interpreted::Report(postback)) = interpret(&network.spec, template, &line.params, &[]) else {
        return None;
    };
    let click = postbacks.click(&network.id, &postback).await.ok()?;
    let origin = Origin {
        id: later_event(line.id),
        at: line.at,
        network: network.spec.slug.to_string(),
        template: line.template.to_string(),
        ip: None,
        method: "".into(),
        params: line.params.clone(),
        note: String::new(),
        row: is_row.then_some(FileRow { at: line.at, ours: false, tell: false }),
    };
    let outcome = postbacks.record(&index, &origin, network, &postback, &click, 0).await;
    (outcome.status == 0).then_some(outcome.result)
}
