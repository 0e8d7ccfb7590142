//! Traffic sources that ask to be told of conversions: those that cannot be, and what was given up.

use super::{Finding, State};
use crate::{context::Context, exit::Failure, output::text, when};
use serde_json::Value;
use tfx_api::{
    entities::EntityQuery,
    tells::{TellQuery, TellQueue},
};
use tfx_domain::entity::{Kind, Status};

/// What is wrong with telling sources.
pub(super) async fn look(context: &Context) -> Vec<Finding> {
    let found = async {
        let client = context.client()?;
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
        let asked = TellQuery { limit: Some(1), ..TellQuery::default() };
        Ok::<_, Failure>((sources, client.tell_queue(&asked).await?))
    };
    match found.await {
        Ok((sources, queue)) => judge(&sources, &queue),
        // That nobody answers is told elsewhere.
        Err(failure) => vec![
            Finding::new(State::Warning, "sources", format!("not looked at: {}", failure.message))
                .next(failure.hint.unwrap_or_default()),
        ],
    }
}

fn judge(sources: &[Value], queue: &TellQueue) -> Vec<Finding> {
    let asking: Vec<&Value> = sources.iter().filter(|s| !urls(s).is_empty()).collect();
    let mut found: Vec<Finding> = asking.iter().filter_map(|source| cannot(source)).collect();
    for share in &queue.sources {
        let slug = if share.source.is_empty() { share.source_id.as_str() } else { &share.source };
        if share.dead > 0 {
            let what = format!("{} postbacks to it were given up", share.dead);
            found.push(Finding::new(State::Warning, format!("source {slug}"), what).next(format!(
                "tfx postback queue --dead --source {slug} tells why; then tfx postback retry --dead --source {slug}"
            )));
        }
        for target in &share.open {
            let until = target.open_until.map(|at| when::shown(&at.to_string())).unwrap_or_default();
            let what = format!("{} is not asked until {until}: {}", target.host, target.reason);
            found.push(
                Finding::new(State::Warning, format!("source {slug}"), what)
                    .next(format!("tfx source test {slug} --send asks it now")),
            );
        }
    }
    if found.is_empty() {
        let what =
            format!("{} ask to be told of conversions; {} postbacks wait", asking.len(), queue.waiting);
        found.push(Finding::new(State::Ok, "sources", what));
    }
    found
}

/// Where a source is told.
fn urls(source: &Value) -> Vec<String> {
    let own = source["postback_urls"].as_object().into_iter().flatten().map(|(_, url)| text(url));
    own.chain(source["postback_url"].as_str().map(str::to_owned)).collect()
}

/// Why a source that asks cannot be told.
fn cannot(source: &Value) -> Option<Finding> {
    let slug = text(&source["slug"]);
    let of = format!("source {slug}");
    if let Some(why) = source["unreadable"].as_str() {
        let what = format!("it cannot be read, so it is told nothing: {why}");
        return Some(Finding::new(State::Warning, of, what).next(format!("tfx source show {slug}")));
    }
    if source["status"] == "paused" {
        let what = "it asks to be told of conversions, and is told nothing while it is paused";
        return Some(Finding::new(State::Warning, of, what).next(format!("tfx source resume {slug}")));
    }
    let names_click = |text: &String| ["{external_id}", "{_external_id}"].iter().any(|m| text.contains(m));
    let body = source["postback_body"].to_string();
    let in_links = source["params"]["external_id"].as_str().is_some_and(|param| param.contains('='));
    if !in_links && urls(source).iter().chain([&body]).any(names_click) {
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
    use tfx_api::tells::{Target, TellShare};

    #[test]
    fn sources_that_cannot_be_told_are_named_with_what_mends_it() {
        let url = "https://push.example/?id={external_id}";
        let sources = [
            json!({ "slug": "silent", "status": "paused" }),
            json!({ "slug": "paused", "status": "paused", "postback_url": url }),
            json!({ "slug": "blind", "status": "active", "postback_urls": { "lead": url } }),
            json!({ "slug": "name", "status": "active", "postback_url": url, "params": { "external_id": "cid" } }),
            json!({ "slug": "well", "status": "active", "postback_url": url, "params": { "external_id": "cid={id}" } }),
            json!({ "slug": "plain", "status": "active", "postback_url": "https://push.example/" }),
        ];
        let target = Target {
            host: "push.example:443".to_owned(),
            under_way: 0,
            failures: 9,
            open_until: Some(tfx_domain::Timestamp::UNIX_EPOCH),
            reason: "no answer in time".to_owned(),
        };
        let share = TellShare {
            source_id: "src_0000000000000000001".parse().expect("an id"),
            source: "well".to_owned(),
            waiting: 2,
            dead: 3,
            oldest: None,
            next: None,
            open: vec![target],
        };
        let queue = TellQueue { sources: vec![share], ..TellQueue::default() };
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
            ]
        );
        assert!(found.iter().all(|f| f.state == State::Warning), "{found:?}");
        let well = judge(&sources[4..], &TellQueue::default());
        assert_eq!((well.len(), well[0].state), (1, State::Ok));
    }
}
