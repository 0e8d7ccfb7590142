//! Taking again what the postback log has: conflicts and what was given up, conversions of which it says something else by now,
//! and what was refused or ignored and says something by now. After the configuration was changed, or the
//! click has come.
//!
//! A postback is read again from what the log keeps of it, and counts from when it came in. What became of it is a line
//! of its own, whose id is made from the first one's: the same however often it is taken again, and what has one is not
//! taken again. What came from somebody who may not speak for its network is never taken: nobody vouches for it.

use crate::{
    clicks::KnownClick,
    config::Index,
    log::{self, Again, Origin, PostbackOutcome},
    parked::later_event,
    record::{TAKEN_BEFORE, became, incoming},
    take::Postbacks,
};
use std::collections::HashSet;
use tfx_api::postbacks::{PostbackRetry, PostbackRetryAnswer, TakenAgain};
use tfx_domain::{
    Timestamp,
    entity::{Network, Status},
    event::{PostbackDirection, PostbackLogEvent, PostbackResult, TestTraffic},
    id::ClickId,
    postback::{
        AnotherReading, FileRow, Interpreted, Postback, interpret, is_mapped_since, read_otherwise,
        still_stands,
    },
};
use tfx_ports::{StoreError, analytics::PostbackQuery, page::PageRequest};

/// The most lines of each result that one call looks at.
const MOST: usize = 20_000;
/// The most postbacks that one call takes; the next call goes on.
const AT_ONCE: usize = 250;
const PAGE: usize = 1_000;

/// Why nothing is taken again.
pub(crate) enum NotTaken {
    /// The postback log cannot be read.
    Store(StoreError),
    /// It has no lines of these ids.
    Unknown(Vec<ClickId>),
}

impl From<StoreError> for NotTaken {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Takes postbacks again, the first received first.
///
/// # Errors
/// The postback log cannot be read, or has no line of an id.
pub(crate) async fn retry(
    postbacks: &Postbacks,
    asked: &PostbackRetry,
) -> Result<PostbackRetryAnswer, NotTaken> {
    let (mut due, older) = match asked.ids.is_empty() {
        true => lines(postbacks, asked).await?,
        false => (named(postbacks, &asked.ids).await?, None),
    };
    due.sort_by_key(|line| line.id);
    let mut answer = PostbackRetryAnswer::default();
    let mut tried = 0;
    for line in due {
        if asked.after.is_some_and(|after| line.id <= after) {
            continue;
        }
        let end = match is_due(postbacks, &line, !asked.ids.is_empty()).await? {
            // Who names a line is told why nothing is to be done.
            Err(why) if !asked.ids.is_empty() => End::Left(why),
            Err(_) => continue,
            Ok(_) if tried == AT_ONCE => return Ok(answer),
            Ok(was) => {
                tried += 1;
                answer.next = Some(line.id);
                match was_taken(postbacks, &line).await? {
                    true => End::Before,
                    false => again(postbacks, &line, was, asked.dry_run).await,
                }
            }
        };
        let told = tell(&mut answer, &line, end);
        let wanted = told.result.is_none() || asked.dry_run || !asked.ids.is_empty();
        if wanted && answer.lines.len() < PostbackRetry::TOLD {
            answer.lines.push(told);
        }
    }
    (answer.next, answer.older) = (None, older);
    Ok(answer)
}

/// How it ends.
enum End {
    Taken(PostbackResult),
    /// It would be taken, and become this.
    Would(Box<PostbackOutcome>),
    Before,
    Left(String),
}

fn tell(answer: &mut PostbackRetryAnswer, line: &PostbackLogEvent, end: End) -> TakenAgain {
    let mut count = |word: &str| *answer.taken.entry(word.to_owned()).or_default() += 1;
    let mut became = None;
    let (result, why) = match end {
        End::Taken(result) => {
            count(result.as_str());
            (Some(result), String::new())
        }
        End::Would(outcome) => {
            count("would_be_taken");
            became = outcome.became;
            (Some(outcome.result), outcome.reason)
        }
        End::Before => {
            answer.before += 1;
            (None, "it was taken again before: the log has a later line of it".to_owned())
        }
        End::Left(why) => {
            answer.left += 1;
            (None, why)
        }
    };
    let (status, revenue) = became.unzip();
    let (id, at, network) = (line.id, line.at, line.network.to_string());
    TakenAgain { id, at, network, was: line.result, result, status, revenue, why }
}

/// What is taken again of a line: the key of the conversion that it was recorded as, if it was; else why nothing is. Of what was
/// recorded only what says something else by now: a word that was mapped since; money, where it stands as nothing; and of what is
/// `named`, any other status or money.
async fn is_due(
    postbacks: &Postbacks,
    line: &PostbackLogEvent,
    named: bool,
) -> Result<Result<Option<String>, String>, StoreError> {
    match line.result {
        _ if line.direction != PostbackDirection::In => {
            return Ok(Err("it tells a source: tfx postback retry takes it".to_owned()));
        }
        PostbackResult::Recorded | PostbackResult::Updated => {}
        PostbackResult::Parked => {
            return Ok(Err(format!("it waits for its click: tfx postback parked retry {}", line.id)));
        }
        result if PostbackRetry::RESULTS.contains(&result) => return Ok(Ok(None)),
        result => return Ok(Err(format!("it stands as {}: nothing is to be mended", result.as_str()))),
    }
    let stands = || Err("it was recorded as what it says".to_owned());
    let Some(index) = postbacks.config.owned() else { return Ok(stands()) };
    let network = line.network_id.as_ref().and_then(|id| index.network_by_id(id));
    let (Some(network), Some(conversion)) = (network, &line.conversion_id) else { return Ok(stands()) };
    let template = index.asked_template(&network.id, &line.template).map(|t| &t.spec);
    let is_mended = match read_otherwise(&network.spec, template, line) {
        // What a row of our own says no template reads.
        _ if is_row(line) => false,
        Some(AnotherReading::Paid) => true,
        Some(AnotherReading::Other) => named,
        None => false,
    };
    if !is_mended && !is_mapped_since(&network.spec, template, line) {
        return Ok(stands());
    }
    let there = postbacks.conversions.get(conversion).await?;
    Ok(match there.filter(|c| still_stands(c, line)) {
        Some(there) => Ok(Some(there.key)),
        None => Err("its conversion is in another state by now".to_owned()),
    })
}

/// The lines of these ids.
async fn named(postbacks: &Postbacks, ids: &[ClickId]) -> Result<Vec<PostbackLogEvent>, NotTaken> {
    let mut wanted: HashSet<ClickId> = ids.iter().copied().collect();
    let moments: HashSet<Timestamp> = ids.iter().map(|id| id.timestamp()).collect();
    let mut found = Vec::with_capacity(ids.len());
    for at in moments {
        let mut query = PostbackQuery::of_moment(at);
        loop {
            let page = postbacks.clicks.analytics().postbacks(&query).await?;
            found.extend(page.items.into_iter().filter(|line| wanted.remove(&line.id)));
            query.page.cursor = page.next;
            if query.page.cursor.is_none() {
                break;
            }
        }
    }
    if wanted.is_empty() {
        return Ok(found);
    }
    let mut unknown: Vec<ClickId> = wanted.into_iter().collect();
    unknown.sort_unstable();
    Err(NotTaken::Unknown(unknown))
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
            test: TestTraffic::Include,
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
    postbacks.clicks.analytics().postback_is_there(later_event(line.id)).await
}

/// Takes one again.
async fn again(postbacks: &Postbacks, line: &PostbackLogEvent, was: Option<String>, dry_run: bool) -> End {
    let Some(index) = postbacks.config.owned() else {
        return End::Left("the configuration is not loaded yet".to_owned());
    };
    let (network, postback) = match read(&index, line) {
        Ok(read) => read,
        Err(why) => return End::Left(why),
    };
    let click = match postbacks.click(&network.id, &postback).await {
        Ok(click) => click,
        Err(missing) => return End::Left(missing.reason()),
    };
    let origin = Origin {
        id: later_event(line.id),
        at: line.at,
        network: network.spec.slug.to_string(),
        template: line.template.to_string(),
        ip: None,
        method: "".into(),
        params: line.params.clone(),
        note: String::new(),
        row: is_row(line).then_some(FileRow { at: line.at, ours: false, tell: false }),
        signed: None,
        again: Some(Again { was }),
    };
    if dry_run {
        return foreseen(postbacks, &index, &origin, network, &postback, &click).await;
    }
    let outcome = postbacks.record(&index, &origin, network, &postback, &click, 0).await;
    match outcome.status {
        0 => End::Taken(outcome.result),
        // Its line is on its way into the log.
        TAKEN_BEFORE => End::Before,
        _ => End::Left(outcome.reason),
    }
}

/// What would become of one.
async fn foreseen(
    postbacks: &Postbacks,
    index: &Index,
    origin: &Origin,
    network: &Network,
    postback: &Postback,
    click: &KnownClick,
) -> End {
    let incoming = match incoming(index, origin, network, postback, click, 0) {
        Ok(incoming) => incoming,
        Err(outcome) if outcome.status == 503 => return End::Left(outcome.reason),
        Err(conflict) => return End::Would(Box::new(conflict)),
    };
    let template = index.named_template(&network.id, &origin.template).map(|t| &t.spec);
    match postbacks.conversions.foresee(std::slice::from_ref(&incoming)).await.as_deref() {
        Ok([recorded]) => End::Would(Box::new(became(network, template, postback, click, recorded, 0))),
        Ok(_) => End::Left("the conversion store does not say what would become of it".to_owned()),
        Err(e) => End::Left(e.to_string()),
    }
}

fn is_row(line: &PostbackLogEvent) -> bool {
    line.method == log::IMPORT
}

type Read<'i> = (&'i Network, Postback);

/// What it says as the configuration is now.
///
/// # Errors
/// Why it stays as it is: it came from a stranger, its network is gone, paused or not to be read by this program, the log
/// has not all of it, or it is refused or ignored still.
fn read<'i>(index: &'i Index, line: &PostbackLogEvent) -> Result<Read<'i>, String> {
    if line.status == 403 {
        return Err(
            "its secret, address or signature was refused: nobody vouches for what it says".to_owned()
        );
    }
    let Some(id) = &line.network_id else {
        return Err(
            "its network was not known, or had not signed it: nobody vouches for what it says".to_owned()
        );
    };
    let network = index.network_by_id(id).ok_or("its network is gone or not to be read by this version")?;
    let slug = &network.spec.slug;
    if network.spec.status != Status::Active {
        return Err(format!("its network is {}: tfx network resume {slug}", network.spec.status.as_str()));
    }
    if log::is_cut(line) {
        return Err("the log has not kept all that it said".to_owned());
    }
    // A row of a file counts from when the file says, which the line does not.
    if is_row(line) && !matches!(line.result, PostbackResult::Recorded | PostbackResult::Updated) {
        return Err("it is a row of a file: import it again".to_owned());
    }
    if let Some(it) = index.unread_template(&network.id, &line.template) {
        return Err(it.reason());
    }
    let template = index.asked_template(&network.id, &line.template);
    // What was accepted once is explained by the template that it asked for whatever became of that.
    if line.result == PostbackResult::Rejected && !line.template.is_empty() {
        match template {
            None => return Err(format!("the network {slug} has no template '{}'", line.template)),
            Some(t) if t.spec.status != Status::Active => {
                return Err(format!("its template is {}", t.spec.status.as_str()));
            }
            Some(_) => {}
        }
    }
    match interpret(&network.spec, template.map(|t| &t.spec), &line.params, &[]) {
        Ok(Interpreted::Report(postback)) => Ok((network, postback)),
        Ok(Interpreted::Ignored { raw_status }) => Err(format!("the template ignores status {raw_status}")),
        Err(refusal) => Err(refusal.to_string()),
    }
}
