//! What the check makes for itself, and puts away.

use super::{CURRENCY, Run, pause};
use serde_json::{Value, json};
use std::time::Instant;
use tfx_api::{
    entities::Verb,
    explain::{ExplainRequest, Outcome},
};
use tfx_domain::entity::Kind;

impl Run<'_> {
    pub(super) async fn create(&mut self) -> Result<String, String> {
        let (network, offer, campaign) = (self.slug("network"), self.slug("offer"), self.slug("campaign"));
        let made = self
            .make(Kind::Network, json!({ "slug": network, "name": "Smoke", "currency": CURRENCY }))
            .await?;
        let secret = made.get("postback_secret").and_then(Value::as_str);
        secret.ok_or("the new network came without its secret")?.clone_into(&mut self.secret);
        let url = "https://offer.example/smoke?click={click_id}&sub={sub1}";
        let spec = json!({ "slug": offer, "name": "Smoke", "url": url, "network": network,
            "payout": { "amount": "1.5", "currency": CURRENCY } });
        self.make(Kind::Destination, spec).await?;
        let spec = json!({ "slug": campaign, "name": "Smoke", "test": true,
            "cost": { "per_click": "0.01", "currency": CURRENCY },
            "trafficback_url": "https://offer.example/nobody" });
        self.make(Kind::Campaign, spec).await?;
        let spec = json!({ "campaign": campaign, "slug": "main", "name": "Main",
            "filters": [{ "field": "param:smoke", "is": ["yes"] }], "destinations": [{ "destination": offer }] });
        self.make(Kind::Stream, spec).await?;
        Ok(campaign)
    }

    pub(super) async fn until_explained(&self, wanted: Outcome) -> Result<String, String> {
        let request = ExplainRequest {
            slug: self.slug("campaign"),
            params: vec![("smoke".to_owned(), "yes".to_owned())],
            ..ExplainRequest::default()
        };
        let begun = Instant::now();
        let limit = begun + self.options.patience;
        loop {
            let seen = match self.target.api.explain(&request).await {
                Ok(answer) if answer.outcome == wanted => {
                    return Ok(format!("{} ms after it was saved", begun.elapsed().as_millis()));
                }
                Ok(answer) => format!("it is still explained as {:?}", answer.outcome),
                Err(e) => e.to_string(),
            };
            pause(limit, seen).await?;
        }
    }

    pub(super) async fn clean_up(&mut self) -> Result<String, String> {
        let mut failed = Vec::new();
        let count = self.made.len();
        for (kind, id) in self.made.drain(..).rev() {
            if let Err(e) = self.target.api.lifecycle(kind, &id, Verb::Archive, true, None).await {
                failed.push(format!("{kind} {id}: {e}"));
            }
        }
        if failed.is_empty() { Ok(format!("{count} entities")) } else { Err(failed.join("; ")) }
    }

    async fn make(&mut self, kind: Kind, spec: Value) -> Result<Value, String> {
        let made = self.target.api.create(kind, &spec).await.map_err(|e| format!("{kind}: {e}"))?;
        let id =
            made.get("id").and_then(Value::as_str).ok_or_else(|| format!("{kind}: the answer has no id"))?;
        self.made.push((kind, id.to_owned()));
        Ok(made)
    }
}
