//! Recording reports: read, decide, write; again when somebody was faster.

use super::{conversions, gather::Work, known::BatchState, plan::Plan, stored::ConversionDocument};
use crate::{db::Db, error::Failed, sequence};
use async_trait::async_trait;
use mongodb::bson::{Document, doc};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tfx_domain::{
    id::NetworkId,
    postback::{Conversion, Incoming},
};
use tfx_ports::{StoreError, conversions::Recorded};

pub(super) const WHAT: &str = "record conversions";

/// What to read, by network.
#[derive(Default)]
struct Names<'a> {
    keys: BTreeMap<&'a NetworkId, BTreeSet<Cow<'a, str>>>,
    claims: BTreeMap<&'a NetworkId, BTreeSet<String>>,
    /// Of what is signed: all that their clicks have.
    clicks: BTreeSet<String>,
}

/// Applies reports to what is stored.
pub(super) struct Recording(pub(super) Arc<Db>);

#[async_trait]
impl Work for Recording {
    type Item = Incoming;
    type Answer = Recorded;

    async fn run(&self, reports: &[Incoming]) -> Result<Vec<Recorded>, StoreError> {
        self.0.ready().await?;
        let mut retry = self.0.retry();
        let mut unsure = None;
        loop {
            let e = match self.attempt(reports, &mut unsure).await {
                Ok(answers) => return Ok(answers),
                Err(Failed::Refused(e)) if unsure.is_none() || !e.is_retryable() => return Err(e),
                Err(e) => e,
            };
            let e = if unsure.is_some() { Failed::Unknown(e.cause()) } else { e };
            retry.pause(e.into_error()).await?;
        }
    }
}

/// What recording them would answer now.
pub(super) async fn foresee(db: &Arc<Db>, reports: &[Incoming]) -> Result<Vec<Recorded>, StoreError> {
    let known = Recording(Arc::clone(db)).known(reports).await?;
    // What is not written needs no number.
    Ok(Plan::new(known, reports, || 0)?.answers)
}

impl Recording {
    /// Reads, decides and writes. `unsure` keeps a plan whose outcome is not known: it may still come to be written
    /// while the next one is made, which then finds its own keys taken.
    async fn attempt(
        &self,
        reports: &[Incoming],
        unsure: &mut Option<Plan>,
    ) -> Result<Vec<Recorded>, Failed> {
        if let Some(plan) = unsure
            && self.was_written(plan).await?
        {
            return Ok(std::mem::take(&mut plan.answers));
        }
        let plan = Plan::new(self.known(reports).await?, reports, sequence::next)?;
        match self.write(&plan).await {
            Ok(()) => Ok(plan.answers),
            Err(Failed::Unknown(e)) => {
                *unsure = Some(plan);
                Err(Failed::Unknown(e))
            }
            Err(Failed::Taken(e)) => {
                self.check_ids(&plan).await?;
                Err(Failed::Taken(e))
            }
            Err(e) => Err(e),
        }
    }

    /// What the reports may meet: who has their keys, who has the sales that they may claim, and who their signatures.
    async fn known(&self, reports: &[Incoming]) -> Result<BatchState, StoreError> {
        let mut known = BatchState::default();
        let mut names = Names::default();
        for report in reports {
            let keys = names.keys.entry(&report.network).or_default();
            keys.insert(Cow::Borrowed(&report.key));
            keys.extend(report.click_key().map(Cow::Owned));
            keys.extend(report.replaces.as_deref().map(Cow::Borrowed));
            names.claims.entry(&report.network).or_default().insert(report.click_id.to_string());
            names.clicks.extend(report.signed.as_ref().map(|_| report.click_id.to_string()));
        }
        for stored in self.read(&names).await? {
            known.put_stored(stored.conversion()?, stored.body);
        }
        Ok(known)
    }

    async fn read(&self, names: &Names<'_>) -> Result<Vec<ConversionDocument>, StoreError> {
        let keys = names.keys.iter().map(|(network, keys)| {
            let keys: Vec<&str> = keys.iter().map(|k| &**k).collect();
            doc! {"network": network.as_str(), "key": {"$in": keys}}
        });
        let claims = names.claims.iter().map(|(network, claims)| {
            let claims: Vec<&str> = claims.iter().map(String::as_str).collect();
            doc! {"network": network.as_str(), "sale_claim": {"$in": claims}}
        });
        let clicks: Vec<&str> = names.clicks.iter().map(String::as_str).collect();
        let clicks = (!clicks.is_empty()).then(|| doc! {"click": {"$in": clicks}});
        let any: Vec<Document> = keys.chain(claims).chain(clicks).collect();
        self.0.rows(WHAT, conversions(&self.0).find(doc! {"$or": any})).await
    }

    /// Whether a plan whose outcome was not known is what is stored now.
    async fn was_written(&self, plan: &Plan) -> Result<bool, StoreError> {
        let Some(witness) = plan.witness() else { return Ok(true) };
        let now = self.0.call(WHAT, conversions(&self.0).find_one(doc! {"_id": witness.id.as_str()})).await?;
        let now = now.map(|stored| stored.conversion()).transpose()?;
        Ok(now.is_some_and(|now| now == *witness))
    }

    /// A unique key is taken. By another writer's conversion: it is met when decided anew. By one of another key
    /// with the same id: that will never work.
    async fn check_ids(&self, plan: &Plan) -> Result<(), StoreError> {
        let ids: Vec<&str> = plan.inserts.iter().map(|s| s.conversion.id.as_str()).collect();
        for stored in self.0.rows(WHAT, conversions(&self.0).find(doc! {"_id": {"$in": ids}})).await? {
            let there = stored.conversion()?;
            let name = |c: &Conversion| (c.id.clone(), c.network.clone(), c.key.clone());
            if !plan.inserts.iter().any(|s| name(&s.conversion) == name(&there)) {
                let what = format!("{WHAT}: the id {} is taken", there.id);
                return Err(StoreError::Broken { what, source: None });
            }
        }
        Ok(())
    }
}
