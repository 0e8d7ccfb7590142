//! What is asked of alerts beside the rules: how one stands in its groups, what happened, and a look now.

use super::{
    again,
    follow_up::{acted_text, ids, notice, parts, target_text, text_of},
    look::observe,
    send::Outcome,
};
use crate::{
    app::App,
    entities::refs,
    failure::Failure,
    input::{Body, Path, Query, read},
    labels,
    reply::{json, paged},
};
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::StatusCode;
use std::sync::Arc;
use tfx_api::{
    Labels,
    alerts::{AlertLogRow, AlertStateRow, AlertTest, AlertTestAnswer, AlertTestChannel, AlertTestGroup},
};
use tfx_domain::{
    alert::{
        Told, Verdict,
        state::{Acted, AlertState, Known, Phase},
    },
    entity::{Alert, AlertSpec, Kind},
};
use tfx_ports::{
    StoreError,
    alerts::{AlertLogQuery, StoredAlert},
    clock,
    page::Page,
};
use tokio::time::timeout;

/// Most groups that an answer tells.
const MAX_GROUPS: usize = 1_000;
/// The longest look of a try.
const LONGEST_LOOK: std::time::Duration = std::time::Duration::from_secs(20);

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/alerts/{ref}/states", get(states))
        .route("/alerts/{ref}/test", post(test))
        .route("/alert-log", get(log))
        .route("/alert-notices/retry", post(again::again))
}

pub(super) async fn rule(app: &App, reference: &str) -> Result<Alert, Failure> {
    let record = refs::named(app.stores.config.as_ref(), Kind::Alert, reference).await?;
    Ok(record.typed::<AlertSpec>()?)
}

async fn states(
    State(app): State<Arc<App>>,
    Path(reference): Path,
    query: Query,
) -> Result<Response, Failure> {
    query.finish()?;
    let rule = rule(&app, &reference).await?;
    let mut stored = app.stores.alerts.states(Some(&rule.id)).await?;
    let mut all = ids(stored.iter().map(|s| &s.state.group));
    all.extend(stored.iter().filter_map(|s| Some(rule.spec.target(&s.state.group)?.id)));
    let labels = labels::of(app.stores.config.as_ref(), all).await?;
    // What is not as it should be first.
    let place = |s: &StoredAlert| match (s.state.phase, s.state.no_data.is_some()) {
        (Phase::Firing, _) => 0,
        (Phase::Pending, _) => 1,
        (Phase::Ok, true) => 2,
        (Phase::Ok, false) => 3,
    };
    stored.sort_by_key(place);
    let items = stored.into_iter().take(MAX_GROUPS).map(|s| row(&rule.spec, s, &labels)).collect();
    Ok(paged(Page { items, ..Page::default() }, Labels::new()))
}

fn row(rule: &AlertSpec, stored: StoredAlert, labels: &Labels) -> AlertStateRow {
    let StoredAlert { state, sent_at } = stored;
    let target = rule.target(&state.group).map(|target| target_text(&target, labels));
    let action = state.acted.as_ref().zip(target).map(|(acted, target)| acted_text(acted, &target, rule));
    AlertStateRow {
        group: parts(&state.group, labels),
        phase: state.phase,
        since: state.since,
        no_data: state.no_data.map(|n| n.why).unwrap_or_default(),
        values: state.values,
        evaluated_at: state.evaluated_at,
        sent_at,
        action: action.unwrap_or_default(),
    }
}

async fn log(State(app): State<Arc<App>>, mut query: Query) -> Result<Response, Failure> {
    let named = query.text("alert");
    let (since, until) = query.window();
    let page = query.page();
    query.finish()?;
    let alert = match named {
        Some(text) => Some(rule(&app, &text).await?.id),
        None => None,
    };
    let found = app.stores.alerts.log(&AlertLogQuery { alert, since, until, page }).await?;
    let mut all = ids(found.items.iter().map(|line| &line.group));
    all.extend(found.items.iter().map(|line| line.alert.to_string()));
    let labels = labels::of(app.stores.config.as_ref(), all).await?;
    let row = |line: tfx_domain::alert::AlertEvent| AlertLogRow {
        id: line.id.to_string(),
        at: line.at,
        alert: labels.get(line.alert.as_str()).cloned().unwrap_or_default(),
        alert_id: line.alert.to_string(),
        group: text_of(&line.group, &labels),
        happened: line.happened,
        text: line.text,
    };
    Ok(json(StatusCode::OK, &found.map(row)))
}

async fn test(
    State(app): State<Arc<App>>,
    Path(reference): Path,
    query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    query.finish()?;
    let AlertTest { send } = read(input)?;
    let rule = rule(&app, &reference).await?;
    let now = clock::now();
    let late = || StoreError::Unavailable {
        what: format!("the look took longer than {} s", LONGEST_LOOK.as_secs()),
        source: None,
    };
    let observed = timeout(LONGEST_LOOK, observe(&app, &rule.spec, &[], now)).await.map_err(|_| late())?;
    let observed = observed.map_err(|e| match e {
        super::facts::NotLooked::Store(e) => Failure::from(e),
        e => Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "too_many_groups", e.to_string()),
    })?;
    let mut all = ids(observed.keys());
    all.extend(observed.keys().filter_map(|group| Some(rule.spec.target(group)?.id)));
    let labels = labels::of(app.stores.config.as_ref(), all).await?;
    let shown = observed.iter().max_by_key(|(_, o)| o.verdict == Verdict::Holds);
    let state = |group: &[String], values: String| AlertState {
        alert: rule.id.clone(),
        group: group.to_vec(),
        version: 0,
        phase: Phase::Ok,
        since: now,
        fired: None,
        clearing: None,
        no_data: None,
        values,
        evaluated_at: now,
        told: Known::Fine,
        untold: None,
        acted: None,
    };
    let (group, values) = shown.map(|(group, o)| (group.clone(), o.values.clone())).unwrap_or_default();
    let told = if send { Told::Test } else { Told::Firing };
    let notice = notice(&rule, &state(&group, values), parts(&group, &labels), told, (now, now));
    let mut channels = Vec::new();
    for (place, channel) in rule.spec.channels().iter().enumerate() {
        let mut row = AlertTestChannel { channel: channel.shown(), sent: None, reason: String::new() };
        if send {
            (row.sent, row.reason) = match app.alerts.sender.send(channel, &notice, place).await {
                Outcome::Sent => (Some(true), String::new()),
                Outcome::Again(why, _) | Outcome::Ours(why) | Outcome::Refused(why) => (Some(false), why),
            };
        }
        channels.push(row);
    }
    let would =
        Acted { at: now, dry: !rule.spec.armed, held: None, returned: false, untold: false, paused: None };
    let groups = observed.iter().take(MAX_GROUPS).map(|(group, observation)| {
        let (holds, values) = match &observation.verdict {
            Verdict::Holds => (Some(true), observation.values.clone()),
            Verdict::Not => (Some(false), observation.values.clone()),
            Verdict::NoData(why) | Verdict::Over(why) => (None, why.clone()),
        };
        let target = rule.spec.target(group).filter(|_| holds == Some(true));
        let action = target.map(|target| acted_text(&would, &target_text(&target, &labels), &rule.spec));
        AlertTestGroup { group: parts(group, &labels), holds, values, action: action.unwrap_or_default() }
    });
    let record = app.stores.config.get(Kind::Alert, rule.id.as_str()).await?;
    let answer = AlertTestAnswer {
        when: rule.spec.when.clone(),
        at: now,
        groups: groups.collect(),
        notice: notice.text(),
        channels,
        warnings: record.map(|record| app.alerts.warnings(&record)).unwrap_or_default(),
    };
    Ok(json(StatusCode::OK, &answer))
}
