//! [`Accounts`]: one document for each, its `_id` is kind and id. A line of the audit log is in the transaction of what it
//! tells of.

use crate::{
    config::Config,
    db::Db,
    error::Failed,
    paging::{after, limit, page, query_limit},
    time::date_from,
};
use async_trait::async_trait;
use mongodb::{
    ClientSession, Collection,
    bson::{DateTime, Document, doc},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tfx_domain::Timestamp;
use tfx_ports::{
    StoreError,
    accounts::{Account, AccountKind, Accounts},
    audit::AuditEntry,
    page::{Page, PageRequest},
};

const READ: &str = "read an account";
const SAVE: &str = "save an account";
const FORGET: &str = "forget old accounts";

/// Accounts on MongoDB, beside the configuration, which has the audit log.
pub(crate) struct AccountTable {
    pub(crate) db: Arc<Db>,
    pub(crate) config: Arc<Config>,
}

/// An account as it is stored.
#[derive(Serialize, Deserialize)]
struct AccountDocument {
    #[serde(rename = "_id")]
    key: String,
    kind: String,
    id: String,
    name: String,
    version: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<DateTime>,
    body: String,
}

impl AccountDocument {
    fn new(account: &Account) -> Self {
        Self {
            key: key(account.kind, &account.id),
            kind: account.kind.as_str().to_owned(),
            id: account.id.clone(),
            name: account.name.clone(),
            version: account.version.cast_signed(),
            until: account.until.map(date_from),
            body: account.body.clone(),
        }
    }

    fn account(self, kind: AccountKind) -> Account {
        let until = self.until.and_then(|at| Timestamp::from_millisecond(at.timestamp_millis()).ok());
        let version = self.version.cast_unsigned();
        Account { kind, id: self.id, name: self.name, version, until, body: self.body }
    }
}

fn key(kind: AccountKind, id: &str) -> String {
    format!("{}:{id}", kind.as_str())
}

fn all(db: &Db) -> Collection<AccountDocument> {
    db.collection("accounts")
}

/// Writes accounts in a transaction.
pub(crate) async fn put(db: &Db, accounts: &[Account], session: &mut ClientSession) -> Result<(), Failed> {
    let all = all(db);
    for account in accounts {
        let stored = AccountDocument::new(account);
        let (kind, own) = (&stored.kind, &stored.key);
        let others = doc! {"kind": kind, "name": &stored.name, "_id": {"$ne": own}};
        let other = db.step(SAVE, all.find_one(others).session(&mut *session)).await?;
        if let Some(other) = other {
            return Err(Failed::Refused(StoreError::SlugTaken { existing: other.id }));
        }
        let now = db.step(SAVE, all.find_one(doc! {"_id": own}).session(&mut *session)).await?;
        let now = now.map(|a| a.version.cast_unsigned());
        match (now, account.version.checked_sub(1)) {
            (None, Some(0)) => {
                db.step(SAVE, all.insert_one(stored).session(&mut *session)).await?;
            }
            (Some(current), before) if Some(current) != before => {
                return Err(Failed::Refused(StoreError::VersionMismatch { current }));
            }
            (None, _) => return Err(Failed::Refused(StoreError::NotFound)),
            (Some(_), _) => {
                let this = doc! {"_id": own};
                db.step(SAVE, all.replace_one(this, &stored).session(&mut *session)).await?;
            }
        }
    }
    Ok(())
}

impl AccountTable {
    async fn one(&self, kind: AccountKind, this: Document) -> Result<Option<Account>, StoreError> {
        let found = self.db.call(READ, all(&self.db).find_one(this)).await?;
        Ok(found.map(|stored| stored.account(kind)))
    }
}

#[async_trait]
impl Accounts for AccountTable {
    async fn get(&self, kind: AccountKind, id: &str) -> Result<Option<Account>, StoreError> {
        self.one(kind, doc! {"_id": key(kind, id)}).await
    }

    async fn find(&self, kind: AccountKind, name: &str) -> Result<Option<Account>, StoreError> {
        self.one(kind, doc! {"kind": kind.as_str(), "name": name}).await
    }

    async fn list(&self, kind: AccountKind, request: &PageRequest) -> Result<Page<Account>, StoreError> {
        let from = after(request, |text| kind.place(text))?.unwrap_or_default();
        let limit = limit(request);
        let accounts = all(&self.db);
        let find = accounts.find(doc! {"kind": kind.as_str(), "id": {"$gt": from}});
        let stored =
            self.db.rows("list accounts", find.sort(doc! {"id": 1}).limit(query_limit(limit + 1))).await?;
        Ok(page(stored, limit, |last| last.id.clone()).map(|stored| stored.account(kind)))
    }

    async fn save(&self, accounts: Vec<Account>, line: Option<AuditEntry>) -> Result<(), StoreError> {
        self.config.note(SAVE, line.as_ref(), &accounts).await
    }

    async fn forget(&self, now: Timestamp) -> Result<u64, StoreError> {
        let over = doc! {"until": {"$lte": DateTime::from_millis(now.as_millisecond())}};
        let gone = self.db.write(FORGET, all(&self.db).delete_many(over)).await;
        gone.map(|done| done.deleted_count).map_err(Failed::into_error)
    }
}
