//! What is recorded of a click: the lines of the log that speak of it, its conversions, and what waits.

use crate::{app::App, failure::Failure};
use std::collections::HashSet;
use tfx_api::timeline::{Step, StepKind};
use tfx_domain::{
    event::{
        ClickEvent, PostbackDirection, PostbackField, PostbackFilter, PostbackLogEvent, PostbackResult,
        TestTraffic,
    },
    id::ClickId,
    postback::Conversion,
    report::Conditions,
    source_postback::SourcePostback,
};
use tfx_ports::{analytics::PostbackQuery, conversions::ConversionQuery, page::PageRequest, queue::JobKind};

const PAGE: usize = 1_000;
/// The most lines of the postback log, and the most conversions, that are read of a click.
const MOST: usize = 5_000;

/// What was read of something.
pub(super) struct Read<T> {
    pub(super) items: Vec<T>,
    /// Whether that is all.
    pub(super) whole: bool,
    pub(super) left_out: Vec<String>,
}

pub(super) async fn conversions_of(app: &App, click: ClickId) -> Result<Read<Conversion>, Failure> {
    let mut asked = ConversionQuery {
        since: None,
        until: None,
        campaign: None,
        network: None,
        status: None,
        click: Some(click),
        test: TestTraffic::Include,
        conditions: Conditions::default(),
        page: PageRequest::first(PAGE),
    };
    let mut read = Read { items: Vec::new(), whole: true, left_out: Vec::new() };
    loop {
        let page = app.stores.conversions.list(&asked).await?;
        read.items.extend(page.items);
        read.left_out.extend(page.left_out);
        asked.page.cursor = page.next;
        read.whole = asked.page.cursor.is_none();
        if read.whole || read.items.len() >= MOST {
            return Ok(read);
        }
    }
}

/// The lines of the log that name the click, and the conflicts of others over its conversions.
pub(super) async fn log_of(
    app: &App,
    click: &ClickEvent,
    conversions: &[Conversion],
) -> Result<Read<PostbackLogEvent>, Failure> {
    let mut read = lines(app, click, PostbackField::Click, vec![click.click_id.to_string()], None).await?;
    if !conversions.is_empty() {
        let ids = conversions.iter().map(|c| c.id.to_string()).collect();
        let conflict = Some(PostbackResult::Conflict);
        let others = lines(app, click, PostbackField::Conversion, ids, conflict).await?;
        let of_others = others.items.into_iter().filter(|line| line.click_id != Some(click.click_id));
        read.items.extend(of_others);
        read.whole &= others.whole;
    }
    read.items.sort_by_key(|line| line.id);
    Ok(read)
}

async fn lines(
    app: &App,
    click: &ClickEvent,
    field: PostbackField,
    values: Vec<String>,
    result: Option<PostbackResult>,
) -> Result<Read<PostbackLogEvent>, Failure> {
    let mut asked = PostbackQuery {
        since: Some(click.click_id.timestamp()),
        until: None,
        network: None,
        result,
        direction: None,
        test: TestTraffic::Include,
        filters: vec![PostbackFilter { field, values, negate: false }],
        page: PageRequest::first(PAGE),
    };
    let mut read = Read { items: Vec::new(), whole: true, left_out: Vec::new() };
    loop {
        let page = app.stores.analytics.postbacks(&asked).await?;
        read.items.extend(page.items);
        // What cannot be read may be of any click.
        asked.page.cursor = page.next;
        read.whole = asked.page.cursor.is_none();
        if read.whole || read.items.len() >= MOST {
            return Ok(read);
        }
    }
}

/// The conflicts that a click is a part of, in the words of the log, the oldest first.
///
/// # Errors
/// A store does not answer.
pub(crate) async fn conflicts(app: &App, click: &ClickEvent) -> Result<Vec<String>, Failure> {
    let conversions = conversions_of(app, click.click_id).await?;
    let log = log_of(app, click, &conversions.items).await?;
    let is_in = |line: &PostbackLogEvent| line.direction == PostbackDirection::In;
    // What was taken again since stands under an id of the same moment.
    let later: HashSet<_> = log
        .items
        .iter()
        .filter(|line| is_in(line) && line.status == 0 && line.result != PostbackResult::Conflict)
        .map(|line| line.id.timestamp())
        .collect();
    let standing = log
        .items
        .iter()
        .filter(|line| line.result == PostbackResult::Conflict && !later.contains(&line.id.timestamp()));
    let mut told: Vec<String> = Vec::new();
    for line in standing {
        let words = format!("{}: {}", line.network, line.reason);
        if !told.contains(&words) {
            told.push(words);
        }
    }
    Ok(told)
}

/// What is still to be told of a click.
pub(super) async fn waiting_for(
    app: &App,
    click: ClickId,
    conversions: &[Conversion],
) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    for conversion in conversions {
        let Some(source) = &conversion.click.source_id else { continue };
        let keys = SourcePostback::keys_of(source, &conversion.id);
        // A conversion has a few states.
        let found =
            app.stores.queue.waiting(JobKind::SourcePostback, &keys, &PageRequest::first(PAGE)).await?;
        for (n, job) in found.items.into_iter().enumerate() {
            let Ok(tell) = serde_json::from_str::<SourcePostback>(&job.payload) else { continue };
            let at = job.due.unwrap_or(job.came);
            let mut step = Step::new(at, StepKind::Waiting, tell.conversion.status.to_string());
            step.conversion_id = Some(tell.conversion.id);
            step.source_id = Some(tell.source);
            // They are told one after the other: tries are of the first.
            step.attempt = Some(if n == 0 { job.tries } else { 0 });
            step.job = Some(job.key);
            if tell.conversion.click_id == click {
                steps.push(step);
            }
        }
    }
    Ok(steps)
}
