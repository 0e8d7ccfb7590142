//! [`Keys`]: one document for each name.

use crate::{db::Db, error::Failed};
use async_trait::async_trait;
use mongodb::{
    Collection,
    bson::{Document, doc},
    options::ReturnDocument,
};
use std::sync::Arc;
use tfx_ports::{StoreError, keys::Keys};

const READ: &str = "read a key of the installation";
const AGREE: &str = "agree on a key of the installation";

/// Keys on MongoDB.
pub(crate) struct KeyTable(pub(crate) Arc<Db>);

impl KeyTable {
    fn all(&self) -> Collection<Document> {
        self.0.collection("keys")
    }

    async fn insert_or_read(&self, name: &str, proposed: &str) -> Result<Option<Document>, Failed> {
        let (all, set) = (self.all(), doc! {"$setOnInsert": {"secret": proposed}});
        let agree = all.find_one_and_update(doc! {"_id": name}, set).upsert(true);
        self.0.write(AGREE, agree.return_document(ReturnDocument::After)).await
    }
}

fn secret(document: &Document) -> Result<String, StoreError> {
    let secret = document.get_str("secret");
    secret.map(str::to_owned).map_err(|e| StoreError::broken("stored key of the installation", e))
}

#[async_trait]
impl Keys for KeyTable {
    async fn key(&self, name: &str) -> Result<Option<String>, StoreError> {
        let found = self.0.call(READ, self.all().find_one(doc! {"_id": name})).await?;
        found.as_ref().map(secret).transpose()
    }

    async fn agree(&self, name: &str, proposed: &str) -> Result<String, StoreError> {
        self.0.whole().await?;
        let agreed = match self.insert_or_read(name, proposed).await {
            // Somebody else's came first: it is there now.
            Err(Failed::Taken(_)) => self.insert_or_read(name, proposed).await,
            first => first,
        };
        match agreed.map_err(Failed::into_error)? {
            Some(document) => secret(&document),
            None => Err(StoreError::Broken { what: format!("{AGREE}: it is not there"), source: None }),
        }
    }
}
