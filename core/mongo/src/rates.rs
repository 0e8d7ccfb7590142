//! [`RateStore`]: one document for each rate, its `_id` is pair and day. Lines of the audit log are in the transaction of
//! what they tell of.

use crate::{
    config::Config,
    db::Db,
    error::Failed,
    paging::{after, limit, page, query_limit},
};
use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::{
    ClientSession, Collection,
    bson::{Document, doc},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};
use tfx_domain::{
    Date, Timestamp,
    money::Currency,
    rate::{Rate, RateKey, RateValue},
};
use tfx_ports::{
    StoreError,
    audit::Caller,
    page::Page,
    rates::{RateChange, RatePlan, RateQuery, RateStore, RateTally},
};

const CHANGE: &str = "change rates";
const READ: &str = "read rates";

/// Rates on MongoDB, beside the configuration, which has the audit log.
pub(crate) struct RateTable {
    pub(crate) db: Arc<Db>,
    pub(crate) config: Arc<Config>,
}

/// A rate as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredRate {
    /// [`RateKey`] as text.
    #[serde(rename = "_id")]
    name: String,
    from: String,
    to: String,
    day: String,
    /// A decimal text.
    value: String,
}

impl StoredRate {
    fn new(key: &RateKey, value: RateValue) -> Self {
        Self {
            name: key.to_string(),
            from: key.from.to_string(),
            to: key.to.to_string(),
            day: key.day.to_string(),
            value: value.to_string(),
        }
    }

    fn rate(self) -> Result<Rate, StoreError> {
        let broken = || StoreError::Broken { what: format!("stored rate {}", self.name), source: None };
        let key = RateKey::stored(&self.name).ok_or_else(broken)?;
        Ok(Rate { key, value: self.value.parse().map_err(|_| broken())? })
    }
}

impl RateTable {
    fn all(&self) -> Collection<StoredRate> {
        self.db.collection("rates")
    }

    /// What there is of these keys, in the transaction.
    async fn there(
        &self,
        changes: &[RateChange],
        session: &mut ClientSession,
    ) -> Result<BTreeMap<RateKey, RateValue>, Failed> {
        let all = self.all();
        let find = all.find(names(changes));
        let read = async {
            let mut found = find.session(&mut *session).await?;
            found.stream(session).try_collect::<Vec<StoredRate>>().await
        };
        let found = self.db.step(CHANGE, Box::pin(read)).await?;
        let rates = found.into_iter().map(|stored| stored.rate().map(|rate| (rate.key, rate.value)));
        rates.collect::<Result<_, _>>().map_err(Failed::Refused)
    }

    async fn steps(
        &self,
        changes: &[RateChange],
        by: &Caller,
        at: Timestamp,
        dry_run: bool,
        session: &mut ClientSession,
    ) -> Result<RateTally, Failed> {
        let plan = RatePlan::of(changes, &self.there(changes, session).await?, by, at);
        if dry_run || plan.changes.is_empty() {
            return Ok(plan.tally);
        }
        let all = self.all();
        self.db.step(CHANGE, all.delete_many(names(&plan.changes)).session(&mut *session)).await?;
        let set = plan.changes.iter().filter_map(|c| Some(StoredRate::new(&c.key, c.value?)));
        let set: Vec<StoredRate> = set.collect();
        if !set.is_empty() {
            self.db.step(CHANGE, all.insert_many(set).session(&mut *session)).await?;
        }
        for line in &plan.lines {
            self.config.tell_beside(CHANGE, line, session).await?;
        }
        Ok(plan.tally)
    }
}

/// The documents of these keys.
fn names(changes: &[RateChange]) -> Document {
    let names: Vec<String> = changes.iter().map(|change| change.key.to_string()).collect();
    doc! {"_id": {"$in": names}}
}

#[async_trait]
impl RateStore for RateTable {
    async fn change(
        &self,
        changes: &[RateChange],
        by: &Caller,
        at: Timestamp,
        dry_run: bool,
    ) -> Result<RateTally, StoreError> {
        self.db.ready().await?;
        let mut retry = self.db.retry();
        loop {
            let mut session = self.db.begin(CHANGE).await.map_err(Failed::into_error)?;
            let steps = self.steps(changes, by, at, dry_run, &mut session).await;
            match self.db.end(CHANGE, session, steps).await {
                Ok(tally) => return Ok(tally),
                // Somebody else changes the same: what he made of it is read anew.
                Err(Failed::Conflict(e) | Failed::Taken(e)) => retry.pause(e).await?,
                Err(e @ (Failed::Unknown(_) | Failed::Refused(_))) => return Err(e.into_error()),
            }
        }
    }

    async fn list(&self, query: &RateQuery) -> Result<Page<Rate>, StoreError> {
        let limit = limit(&query.page);
        let mut filter = Document::new();
        if let Some(after) = after(&query.page, RateKey::stored)? {
            filter.insert("_id", doc! {"$gt": after.to_string()});
        }
        for (field, currency) in [("from", query.from), ("to", query.to)] {
            if let Some(currency) = currency {
                filter.insert(field, currency.as_str());
            }
        }
        let all = self.all();
        let find = all.find(filter).sort(doc! {"_id": 1}).limit(query_limit(limit + 1));
        let stored = self.db.rows(READ, find).await?;
        page(stored, limit, |last| last.name.clone()).try_map(StoredRate::rate)
    }

    async fn holding(&self, currency: Currency, day: Date) -> Result<Vec<Rate>, StoreError> {
        let of = doc! {"$or": [{"from": currency.as_str()}, {"to": currency.as_str()}]};
        let day = day.to_string();
        // Of each pair the last one of the day or before it.
        let steps = [
            doc! {"$match": {"$and": [of.clone(), {"day": {"$lte": &day}}]}},
            doc! {"$sort": {"day": 1}},
            doc! {"$group": {"_id": {"from": "$from", "to": "$to"}, "last": {"$last": "$$ROOT"}}},
            doc! {"$replaceRoot": {"newRoot": "$last"}},
        ];
        let all = self.all();
        let last = async { all.aggregate(steps).with_type::<StoredRate>().await?.try_collect().await };
        let mut found: Vec<StoredRate> = self.db.call(READ, Box::pin(last)).await?;
        let later = all.find(doc! {"$and": [of, {"day": {"$gt": &day}}]});
        found.extend(self.db.rows(READ, later).await?);
        found.into_iter().map(StoredRate::rate).collect()
    }
}
