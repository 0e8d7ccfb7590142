//! What happened, step by step, each in a sentence.

use std::collections::HashMap;
use tfx_api::{
    Labels,
    explain::StreamTrace,
    timeline::{Step, StepKind},
};
use tfx_domain::{
    Timestamp,
    event::{ClickEvent, Outcome, PostbackDirection, PostbackLogEvent, PostbackResult},
    id::ConversionId,
    money::Money,
    postback::{Conversion, ConversionStatus},
    routing::RequestKind,
    source_postback::mask,
};

/// The request, the streams that passed it over, and where it went.
pub(super) fn of_click(click: &ClickEvent, asked: &[StreamTrace], labels: &Labels) -> Vec<Step> {
    let mut steps = vec![Step::new(click.at, StepKind::Click, request(click))];
    let name = |stream: &StreamTrace| match (stream.campaign.as_str(), stream.slug.as_str()) {
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
        parts.push(format!("to {}", mask::of_clicks(&click.final_url)));
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

fn untaken(click: &ClickEvent, asked: &[StreamTrace]) -> String {
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
    parts.extend(click.sale_cost.map(|cost| format!("a sale costs {cost}")));
    if !click.revenue_share.is_empty() {
        parts.push(format!("{}% of its revenue is its cost", click.revenue_share));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("; ")
}

/// A line of the log.
pub(super) fn of_postback(click: &ClickEvent, line: &PostbackLogEvent) -> Step {
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
pub(super) fn of_attempt(line: &PostbackLogEvent) -> Step {
    let told = line.conversion_status.as_ref().map_or("", ConversionStatus::as_str);
    let attempt = if line.attempt > 1 { format!(", attempt {}", line.attempt) } else { String::new() };
    // What was given up after so many attempts says so before the last answer; here it is said behind it.
    let why = line.reason.split_once("; the last: ").map_or(line.reason.as_str(), |(_, last)| last);
    let answered = format!("answered {}", line.status);
    let (answer, why) = match line.status {
        0 => (why, String::new()),
        _ => match why.trim_start_matches("it ").trim_start_matches(&answered) {
            empty if empty.starts_with("empty: ") => (answered.as_str(), format!("; {empty}")),
            why => (answered.as_str(), why.to_owned()),
        },
    };
    let after = line.latency_ms.map(|ms| format!(", {ms} ms")).unwrap_or_default();
    let next = match line.result {
        PostbackResult::Retry => "; tried again later",
        PostbackResult::Dead => "; given up",
        _ => "",
    };
    // `tfx source test` makes a conversion up.
    let conversion = line.conversion_id.as_ref().filter(|_| !line.test);
    let of = match conversion {
        _ if line.test => ", a test of a conversion that is not there".to_owned(),
        Some(id) => format!(" of {id}"),
        None => String::new(),
    };
    let what = format!("{}: {told}{of}{attempt}: {answer}{after}{next}{why}", line.source);
    let mut step = Step::new(line.at, StepKind::Told, what);
    step.test = line.test;
    step.postback_id = Some(line.id);
    step.result = Some(line.result);
    step.status = Some(line.status);
    step.conversion_id = conversion.cloned();
    step.source_id.clone_from(&line.source_id);
    step.attempt = Some(line.attempt.into());
    step.latency_ms = line.latency_ms;
    step.job = Some(line.job.clone()).filter(|job| !job.is_empty());
    step
}

/// The states that the log tells of, and those of which it does not: of before it told them, or not there yet.
pub(super) fn of_conversions(log: &[PostbackLogEvent], conversions: &[Conversion]) -> Vec<Step> {
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

fn state(at: Timestamp, id: &ConversionId, status: &ConversionStatus, revenue: Money) -> Step {
    let mut step = Step::new(at, StepKind::Conversion, "");
    step.conversion_id = Some(id.clone());
    step.conversion_status = Some(status.clone());
    step.revenue = Some(revenue);
    step
}

/// Says of each state of a conversion what it was before.
pub(super) fn tell_moves(steps: &mut [Step]) {
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

/// Says of what waits who is to be told.
pub(super) fn named(mut step: Step, labels: &Labels) -> Step {
    let source = step.source_id.as_ref().map(ToString::to_string).unwrap_or_default();
    let source = labels.get(&source).unwrap_or(&source);
    let tried = match step.attempt {
        None | Some(0) => String::new(),
        Some(1) => ", tried once".to_owned(),
        Some(2) => ", tried twice".to_owned(),
        Some(n) => format!(", tried {n} times"),
    };
    let of = step.conversion_id.as_ref().map(|id| format!(" of {id}")).unwrap_or_default();
    step.what = format!("{source}: {}{of} is still to be told{tried}", step.what);
    step
}
