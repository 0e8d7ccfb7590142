//! `GET /clicks/{click_id}/timeline`: the click, the decision, what networks sent about it and what came of that, in the
//! order of time. Read from what is recorded: the click, the postback log, and the conversions as they stand.

use crate::{
    app::App,
    events::{click_ids, stored_click},
    explain::asked_streams,
    failure::Failure,
    input::{Path, Query},
    labels,
    reply::json,
};
use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use tfx_api::{
    Labelled, Labels,
    explain::Asked,
    timeline::{Step, StepKind, Timeline},
};
use tfx_domain::{
    event::{
        ClickEvent, Outcome, PostbackDirection, PostbackField, PostbackFilter, PostbackLogEvent,
        PostbackResult, TestTraffic,
    },
    id::{ClickId, ConversionId},
    money::Money,
    postback::{Conversion, ConversionStatus},
    report::Conditions,
    routing::RequestKind,
    tell::Tell,
};
use tfx_ports::{analytics::PostbackQuery, conversions::ConversionQuery, page::PageRequest, queue::JobKind};

const PAGE: usize = 1_000;
/// The most lines of the postback log, and the most conversions, that are read of a click.
const MOST: usize = 5_000;

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/clicks/{id}/timeline", get(timeline))
}

async fn timeline(State(app): State<Arc<App>>, Path(id): Path, query: Query) -> Result<Response, Failure> {
    query.finish()?;
    let click = stored_click(&app, &id).await?;
    let conversions = conversions_of(&app, click.click_id).await?;
    let log = log_of(&app, &click, &conversions.items).await?;
    let waiting = waiting_for(&app, click.click_id, &conversions.items).await?;
    let config = app.stores.config.as_ref();
    let mut ids = click_ids(&click);
    ids.extend(waiting.iter().filter_map(|step| step.source_id.as_ref().map(ToString::to_string)));
    ids.extend(log.items.iter().filter_map(|line| line.source_id.as_ref().map(ToString::to_string)));
    let labels = labels::of(config, ids).await?;
    let asked = asked_streams(config, &click, &labels).await?;
    let mut steps = of_click(&click, &asked, &labels);
    steps.extend(log.items.iter().map(|line| match line.direction {
        PostbackDirection::In => of_postback(&click, line),
        PostbackDirection::Out => of_attempt(line),
    }));
    steps.extend(waiting.into_iter().map(|step| named(step, &labels)));
    steps.extend(of_conversions(&log.items, &conversions.items));
    // What happened at one time stands as it was caused.
    steps.sort_by_key(|s| (s.at, s.kind));
    tell_moves(&mut steps);
    let item = Timeline {
        click_id: click.click_id,
        steps,
        complete: log.whole && conversions.whole,
        left_out: log.left_out.into_iter().chain(conversions.left_out).collect(),
    };
    Ok(json(StatusCode::OK, &Labelled { item, labels }))
}

/// What was read of something.
struct Read<T> {
    items: Vec<T>,
    /// Whether that is all.
    whole: bool,
    left_out: Vec<String>,
}

async fn conversions_of(app: &App, click: ClickId) -> Result<Read<Conversion>, Failure> {
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
async fn log_of(
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
    // What was taken again since stands under an id of the same moment.
    let later: HashSet<_> = log
        .items
        .iter()
        .filter(|line| line.status == 0 && line.result != PostbackResult::Conflict)
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

/// The request, the streams that passed it over, and where it went.
fn of_click(click: &ClickEvent, asked: &[Asked], labels: &Labels) -> Vec<Step> {
    let mut steps = vec![Step::new(click.at, StepKind::Click, request(click))];
    let name = |stream: &Asked| match (stream.campaign.as_str(), stream.slug.as_str()) {
        (_, "") => stream.stream_id.clone(),
        (campaign, slug) => format!("{campaign}/{slug}"),
    };
    for stream in asked.iter().filter(|stream| !stream.taken) {
        let why = if stream.detail.is_empty() { &stream.reason } else { &stream.detail };
        let mut step =
            Step::new(click.at, StepKind::PassedOver, format!("{}: {}", name(stream), words_of(why)));
        step.stream_id = stream.stream_id.parse().ok();
        steps.push(step);
    }
    let taken = asked.iter().find(|stream| stream.taken);
    let mut parts = Vec::new();
    match taken {
        Some(stream) if stream.detail.is_empty() => parts.push(format!("{} takes everybody", name(stream))),
        Some(stream) => parts.push(format!("{}: {}", name(stream), stream.detail)),
        None => parts.push(untaken(click, asked)),
    }
    if click.bound {
        parts.push("a binding decided".to_owned());
    }
    if click.health_ignored {
        parts.push("health ignored: all that might take it was down".to_owned());
    }
    if let Some(destination) = &click.dims.destination_id {
        let slug = labels.get(destination.as_str()).map_or(destination.as_str(), String::as_str);
        parts.push(format!("to {slug} by {}", click.status));
    } else if click.final_url.is_empty() {
        parts.push(format!("answered {}", click.status));
    } else {
        parts.push(format!("to {}", click.final_url));
    }
    let mut decision = Step::new(click.at, StepKind::Decision, parts.join("; "));
    decision.stream_id.clone_from(&click.dims.stream_id);
    decision.destination_id.clone_from(&click.dims.destination_id);
    decision.status = Some(click.status);
    steps.push(decision);
    steps
}

/// A mark of the log for what it has no sentence for.
fn words_of(reason: &str) -> String {
    if reason == "handed_over" { "it hands over to another campaign".to_owned() } else { reason.to_owned() }
}

fn untaken(click: &ClickEvent, asked: &[Asked]) -> String {
    let why = match click.outcome {
        Outcome::Loop => "it came back from trafficback too often",
        _ if click.dims.campaign_id.is_none() => "no campaign has this slug",
        _ if asked.is_empty() => "the campaign was paused or archived, or had no stream",
        _ => "no stream took it",
    };
    why.to_owned()
}

/// Who asked.
fn request(click: &ClickEvent) -> String {
    let dims = &click.dims;
    let who = match click.request {
        _ if dims.is_bot => format!("a bot ({})", click.bot_reason),
        RequestKind::Visit => "a visit".to_owned(),
        RequestKind::Prefetch => "fetched ahead".to_owned(),
        RequestKind::Head => "a HEAD request".to_owned(),
    };
    let slug =
        if click.campaign_slug.is_empty() { String::new() } else { format!(" of {}", click.campaign_slug) };
    let mut parts = vec![format!("{who}{slug}")];
    let joined =
        |texts: &[&str]| texts.iter().filter(|t| !t.is_empty()).copied().collect::<Vec<_>>().join(" ");
    parts.push(joined(&[&dims.country, &dims.region, &dims.city]));
    let device = if dims.device_type.as_str() == "unknown" { "" } else { dims.device_type.as_str() };
    parts.push(joined(&[device, &dims.os, &dims.browser]));
    parts.extend(click.cost.map(|cost| format!("cost {cost}")));
    parts.retain(|part| !part.is_empty());
    parts.join("; ")
}

/// A line of the log.
fn of_postback(click: &ClickEvent, line: &PostbackLogEvent) -> Step {
    let result = line.result.as_str();
    let mut what = match line.status {
        0 => format!("{}: {result}, taken again later", line.network),
        answer => format!("{}: {result}, answered {answer}", line.network),
    };
    if let Some(other) = line.click_id.filter(|id| *id != click.click_id) {
        what += &format!(", about click {other}");
    }
    if !line.reason.is_empty() {
        what += &format!("; {}", line.reason);
    }
    let mut step = Step::new(line.at, StepKind::Postback, what);
    step.postback_id = Some(line.id);
    step.network = Some(line.network.to_string());
    step.result = Some(line.result);
    step.status = Some(line.status);
    step.conversion_id.clone_from(&line.conversion_id);
    step
}

/// An attempt to tell the source.
fn of_attempt(line: &PostbackLogEvent) -> Step {
    let told = line.conversion_status.as_ref().map_or("", ConversionStatus::as_str);
    let attempt = if line.attempt > 1 { format!(", attempt {}", line.attempt) } else { String::new() };
    // What was given up after so many attempts says so before the last answer; here it is said behind it.
    let why = line.reason.split_once("; the last: ").map_or(line.reason.as_str(), |(_, last)| last);
    let answered = format!("answered {}", line.status);
    let (answer, why) = match line.status {
        0 => (why, ""),
        _ => (answered.as_str(), why.trim_start_matches("it ").trim_start_matches(&answered)),
    };
    let after = line.latency_ms.map(|ms| format!(", {ms} ms")).unwrap_or_default();
    let next = match line.result {
        PostbackResult::Retry => "; tried again later",
        PostbackResult::Dead => "; given up",
        _ => "",
    };
    let what = format!("{}: {told}{attempt}: {answer}{after}{next}{why}", line.source);
    let mut step = Step::new(line.at, StepKind::Told, what);
    step.postback_id = Some(line.id);
    step.result = Some(line.result);
    step.status = Some(line.status);
    step.conversion_id.clone_from(&line.conversion_id);
    step.source_id.clone_from(&line.source_id);
    step.attempt = Some(line.attempt.into());
    step.latency_ms = line.latency_ms;
    step.job = Some(line.job.clone()).filter(|job| !job.is_empty());
    step
}

/// What is still to be told of a click, as far as that is found among so many.
async fn waiting_for(app: &App, click: ClickId, conversions: &[Conversion]) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    let mut page = PageRequest::first(PAGE);
    let mut looked_at = 0;
    while !conversions.is_empty() && looked_at < MOST {
        let found = app.stores.queue.waiting(JobKind::Tell, &page).await?;
        looked_at += found.items.len();
        for job in
            found.items.into_iter().filter(|j| conversions.iter().any(|c| j.key.contains(c.id.as_str())))
        {
            let Ok(tell) = serde_json::from_str::<Tell>(&job.payload) else { continue };
            let at = job.due.unwrap_or(job.came);
            let mut step = Step::new(at, StepKind::Waiting, tell.conversion.status.to_string());
            step.conversion_id = Some(tell.conversion.id);
            step.source_id = Some(tell.source);
            step.attempt = Some(job.tries);
            step.job = Some(job.key);
            if tell.conversion.click_id == click {
                steps.push(step);
            }
        }
        page.cursor = found.next;
        if page.cursor.is_none() {
            break;
        }
    }
    Ok(steps)
}

/// Says of what waits who is to be told.
fn named(mut step: Step, labels: &Labels) -> Step {
    let source = step.source_id.as_ref().map(ToString::to_string).unwrap_or_default();
    let source = labels.get(&source).unwrap_or(&source);
    let tried = match step.attempt {
        None | Some(0) => String::new(),
        Some(1) => ", tried once".to_owned(),
        Some(2) => ", tried twice".to_owned(),
        Some(n) => format!(", tried {n} times"),
    };
    step.what = format!("{source}: {} is still to be told{tried}", step.what);
    step
}

/// The states that the log tells of, and those of which it does not: of before it told them, or not there yet.
fn of_conversions(log: &[PostbackLogEvent], conversions: &[Conversion]) -> Vec<Step> {
    let mut told: HashMap<ConversionId, (ConversionStatus, Money)> = HashMap::new();
    let mut steps = Vec::new();
    for line in log.iter().filter(|line| line.direction == PostbackDirection::In) {
        let (Some(id), Some(status), Some(revenue)) =
            (&line.conversion_id, &line.conversion_status, line.revenue)
        else {
            continue;
        };
        told.insert(id.clone(), (status.clone(), revenue));
        steps.push(state(line.at, id, status, revenue));
    }
    for now in conversions {
        if told.get(&now.id).is_some_and(|(status, revenue)| *status == now.status && *revenue == now.revenue)
        {
            continue;
        }
        steps.push(state(now.updated_at, &now.id, &now.status, now.revenue));
    }
    steps
}

fn state(at: tfx_domain::Timestamp, id: &ConversionId, status: &ConversionStatus, revenue: Money) -> Step {
    let mut step = Step::new(at, StepKind::Conversion, "");
    step.conversion_id = Some(id.clone());
    step.conversion_status = Some(status.clone());
    step.revenue = Some(revenue);
    step
}

/// Says of each state of a conversion what it was before.
fn tell_moves(steps: &mut [Step]) {
    let mut before: HashMap<ConversionId, (ConversionStatus, Money)> = HashMap::new();
    for step in steps.iter_mut().filter(|s| s.kind == StepKind::Conversion) {
        let (Some(id), Some(status), Some(revenue)) =
            (&step.conversion_id, &step.conversion_status, step.revenue)
        else {
            continue;
        };
        let was = before.insert(id.clone(), (status.clone(), revenue));
        step.what = match &was {
            None => format!("{id}: {status}, {revenue}"),
            Some((old, _)) if old == status => format!("{id}: {status}, now {revenue}"),
            Some((old, _)) => format!("{id}: {old} → {status}, {revenue}"),
        };
        step.from = was.map(|(old, _)| old);
    }
}
