//! Traffic sources that ask to be told of conversions: those that cannot be, and what was given up.

use super::{Finding, State, api::Api};
use crate::{exit::Failure, output::text, when};
use serde_json::Value;
use tfx_api::{
    entities::{EntityQuery, SHOWN_ONLY},
    source_postbacks::{SourcePostbackQuery, SourcePostbackQueue},
};
use tfx_domain::entity::{Kind, SourceSpec, Status};

/// What is wrong with telling sources.
pub(super) async fn look(api: &Api<'_>) -> Vec<Finding> {
    let found = api.ask(async |client| {
        let status = vec![Status::Active, Status::Paused];
        let mut query = EntityQuery { status, ..EntityQuery::default() };
        let mut sources = Vec::new();
        loop {
            let page = client.list(Kind::Source, &query).await?;
            sources.extend(page.items);
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => break,
            }
        }
        let asked = SourcePostbackQuery { limit: Some(1), ..SourcePostbackQuery::default() };
        Ok::<_, Failure>((sources, client.tell_queue(&asked).await?))
    });
    match found.await {
        Ok((sources, queue)) => judge(&sources, &queue),
        // That nobody answers is told elsewhere.
        Err(failure) => vec![
            Finding::new(State::Warning, "sources", format!("not looked at: {}", failure.message))
                .next(failure.hint.unwrap_or_default()),
        ],
    }
}

fn judge(sources: &[Value], queue: &SourcePostbackQueue) -> Vec<Finding> {
    let mut found: Vec<Finding> = sources.iter().filter_map(unreadable).collect();
    let asking: Vec<SourceSpec> =
        sources.iter().filter_map(spec).filter(|s| !s.tells_of().is_empty()).collect();
    found.extend(asking.iter().filter_map(cannot));
    for share in &queue.sources {
        let slug = if share.source.is_empty() { share.source_id.as_str() } else { &share.source };
        if share.dead > 0 {
            let what = match share.dead {
                1 => "a postback to it was given up".to_owned(),
                many => format!("{many} postbacks to it were given up"),
            };
            found.push(Finding::new(State::Warning, format!("source {slug}"), what).next(format!(
                "tfx postback queue --dead --source {slug} tells why; then tfx postback retry --dead --source {slug}"
            )));
        }
        for target in &share.open {
            let what = match (&target.unsent, target.open_until) {
                (Some(why), None) => {
                    format!("the machine of postback-service cannot send to {}: {why}", target.host)
                }
                (_, until) => {
                    let until = until.map(|at| when::shown(&at.to_string())).unwrap_or_default();
                    format!("{} is not asked until {until}: {}", target.host, target.reason)
                }
            };
            found.push(
                Finding::new(State::Warning, format!("source {slug}"), what)
                    .next(format!("tfx source test {slug} --send asks it now")),
            );
        }
    }
    if found.is_empty() {
        let what =
            format!("{} ask to be told of conversions; {} postbacks wait", asking.len(), queue.waiting);
        found.push(Finding::new(State::Ok, "sources", what).plain());
    }
    found
}

/// One that this program's services cannot read.
fn unreadable(source: &Value) -> Option<Finding> {
    let (why, slug) = (source["unreadable"].as_str()?, text(&source["slug"]));
    let what = format!("it cannot be read, so it is told nothing: {why}");
    let of = format!("source {slug}");
    Some(Finding::new(State::Warning, of, what).next(format!("tfx source show {slug}")))
}

/// What a source says, as far as this program can read it.
fn spec(source: &Value) -> Option<SourceSpec> {
    let mut fields = source.as_object()?.clone();
    fields.retain(|name, _| !SHOWN_ONLY.contains(&name.as_str()));
    serde_json::from_value(Value::Object(fields)).ok()
}

/// Why a source that asks cannot be told.
fn cannot(source: &SourceSpec) -> Option<Finding> {
    let (of, slug) = (format!("source {}", source.slug), &source.slug);
    if source.status != Status::Active {
        let what = "it asks to be told of conversions, and is told nothing while it is paused";
        return Some(Finding::new(State::Warning, of, what).next(format!("tfx source resume {slug}")));
    }
    if source.tells_external_id() && !source.links_carry_external_id() {
        let what = "it is to be told its {external_id}, which its links do not carry";
        return Some(Finding::new(State::Warning, of, what).next(format!(
            "tfx source update {slug} --external-id-param 'NAME=TOKEN', TOKEN being what it puts its click id in the place of"
        )));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tfx_api::source_postbacks::{SourcePostbackShare, Target};

    #[test]
    fn sources_that_cannot_be_told_are_named_with_what_mends_it() {
        let url = "https://push.example/?id={external_id}";
        let sources = [
            json!({ "name": "N", "slug": "silent", "status": "paused" }),
            json!({ "name": "N", "slug": "paused", "status": "paused", "postback_url": url }),
            json!({ "name": "N", "slug": "blind", "status": "active", "postback_urls": { "lead": url } }),
            json!({ "name": "N", "slug": "name", "status": "active", "postback_url": url, "params": { "external_id": "cid" } }),
            json!({ "name": "N", "slug": "well", "status": "active", "postback_url": url, "params": { "external_id": "cid={id}" } }),
            json!({ "name": "N", "slug": "plain", "status": "active", "postback_url": "https://push.example/" }),
        ];
        let target = Target {
            source_id: None,
            host: "push.example:443".to_owned(),
            under_way: 0,
            failures: 9,
            open_until: Some(tfx_domain::Timestamp::UNIX_EPOCH),
            reason: "no answer in time".to_owned(),
            unsent: None,
        };
        let ours = Target {
            host: "push.example:80".to_owned(),
            open_until: None,
            unsent: Some("no name servers".to_owned()),
            ..target.clone()
        };
        let share = SourcePostbackShare {
            source_id: "src_0000000000000000001".parse().expect("an id"),
            source: "well".to_owned(),
            waiting: 2,
            dead: 3,
            oldest: None,
            next: None,
            open: vec![target, ours],
        };
        let queue = SourcePostbackQueue { sources: vec![share], ..SourcePostbackQueue::default() };
        let found = judge(&sources, &queue);
        let told: Vec<_> = found.iter().map(|f| (f.of.as_str(), f.next.split(' ').nth(2))).collect();
        assert_eq!(
            told,
            [
                ("source paused", Some("resume")),
                ("source blind", Some("update")),
                ("source name", Some("update")),
                ("source well", Some("queue")),
                ("source well", Some("test")),
                ("source well", Some("test")),
            ]
        );
        assert!(found.iter().all(|f| f.state == State::Warning), "{found:?}");
        let well = judge(&sources[4..], &SourcePostbackQueue::default());
        assert_eq!((well.len(), well[0].state), (1, State::Ok));
    }
}
