//! `tfx up --demo`: a campaign to click on, made once.

use super::Stack;
use crate::exit::{Failure, Kind as FailureKind};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tfx_api::{
    ApiError, Client,
    explain::{ExplainAnswer, ExplainRequest},
};
use tfx_domain::entity::Kind;
use tokio::time::sleep;

/// Changes reach traffic-service within this.
const WITHIN: Duration = Duration::from_secs(2);

/// What to click on.
#[derive(Debug)]
pub(super) struct Demo {
    pub(super) link: String,
    /// With `{click_id}` where the click id goes.
    pub(super) postback: String,
}

/// Makes network, destination, campaign and stream named `demo`, or finds them.
pub(super) async fn make(stack: &Stack) -> Result<Demo, Failure> {
    let api = stack.client()?;
    ensure(&api, Kind::Network, json!({ "slug": "demo", "name": "Demo network" })).await?;
    let offer = json!({
        "slug": "demo", "name": "Demo offer", "network": "demo",
        "url": "https://example.com/offer?click_id={click_id}&country={country}&device={device_type}",
        "payout": { "amount": "2.50", "currency": "USD" },
    });
    ensure(&api, Kind::Destination, offer).await?;
    let campaign = json!({ "slug": "demo", "name": "Demo campaign", "cost": { "per_click": "0.05" } });
    ensure(&api, Kind::Campaign, campaign).await?;
    let stream = json!({ "campaign": "demo", "slug": "everyone", "name": "Everyone",
        "destinations": [{ "destination": "demo" }] });
    let made = ensure(&api, Kind::Stream, stream).await?;
    served(&api, made).await;
    let link = api.campaign_link("demo", None).await.map_err(failed)?.url;
    let postback = api.postback_url("demo", None).await.map_err(failed)?.url;
    // The network's own placeholders are for the network; for a try by hand, one sale.
    let secret = postback.split(['?', '&']).find(|p| p.starts_with("secret=")).unwrap_or_default().to_owned();
    let base = postback.split('?').next().unwrap_or_default();
    Ok(Demo {
        link,
        postback: format!("{base}?{secret}&clickid={{click_id}}&txid=T1&payout=2.50&status=sale"),
    })
}

/// The command with which a link is tried. Without the name of a browser, the click would count as a bot's.
pub(crate) fn first_click(link: &str) -> String {
    // What stands behind it are tokens that only a source fills in.
    let link = link.split('?').next().unwrap_or(link);
    format!("curl -si -A 'Mozilla/5.0 (iPhone)' '{link}' | grep -i location    a click, as from a phone")
}

/// Waits until traffic-service has heard of the campaign, and of the stream where that was made now: so that the link works
/// when it is shown.
async fn served(api: &Client, made: bool) {
    let request = ExplainRequest { slug: "demo".to_owned(), ..ExplainRequest::default() };
    let limit = Instant::now() + WITHIN;
    while !api.explain(&request).await.is_ok_and(|a| knows(&a, made)) && Instant::now() < limit {
        sleep(Duration::from_millis(5)).await;
    }
}

/// A stream that was there before may be paused, its destination too.
fn knows(answer: &ExplainAnswer, made: bool) -> bool {
    answer.campaign.is_some() && (!made || answer.destination.is_some())
}

/// Whether it was made now.
async fn ensure(api: &Client, kind: Kind, spec: Value) -> Result<bool, Failure> {
    match api.create(kind, &spec).await {
        Err(ApiError::Problem(p)) if p.code == "slug_taken" => Ok(false),
        other => other.map(|_| true).map_err(failed),
    }
}

/// The services are in this process: one that answers is not unreachable, whatever it lacks.
fn failed(error: ApiError) -> Failure {
    let answered = matches!(error, ApiError::Problem(_));
    let failure = Failure::from(error);
    if answered && failure.kind == FailureKind::Unreachable {
        return Failure { kind: FailureKind::Failed, ..failure };
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;
    use tfx_api::page::EntityRef;

    #[test]
    fn a_campaign_is_served_when_the_stream_made_for_it_is() {
        let entity = || Some(EntityRef { id: "x".to_owned(), slug: "demo".to_owned() });
        let nothing = ExplainAnswer::default();
        let campaign = ExplainAnswer { campaign: entity(), ..ExplainAnswer::default() };
        let all = ExplainAnswer { campaign: entity(), destination: entity(), ..ExplainAnswer::default() };
        for (answer, made_now, there_before) in
            [(nothing, false, false), (campaign, false, true), (all, true, true)]
        {
            assert_eq!(knows(&answer, true), made_now, "{answer:?}");
            assert_eq!(knows(&answer, false), there_before, "{answer:?}");
        }
    }
}
