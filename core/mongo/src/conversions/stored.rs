//! A conversion as it is stored: its JSON, and beside it what it is found by.

use super::plan::State;
use crate::time::date;
use mongodb::bson::{DateTime, Document, deserialize_from_document, doc};
use serde::{Deserialize, Serialize};
use tfx_domain::{id::CampaignId, postback::Conversion};
use tfx_ports::{StoreError, left_out::LeftOut};

/// A document of `conversions`.
#[derive(Serialize, Deserialize)]
pub(super) struct ConversionDocument {
    #[serde(rename = "_id")]
    pub(super) id: String,
    /// The bits of a `u64`.
    version: i64,
    network: String,
    key: String,
    /// Absent unless it holds the one sale of a click.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sale_claim: Option<String>,
    click: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    campaign: Option<String>,
    /// True for one of a test click, else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    test: Option<bool>,
    status: String,
    pub(super) created: DateTime,
    /// Orders what waits to be published; absent once it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unpublished: Option<i64>,
    /// The whole conversion as JSON.
    pub(super) body: String,
}

impl ConversionDocument {
    /// A new state, to be published.
    pub(super) fn unpublished(State { number, conversion: c }: &State) -> Result<Self, StoreError> {
        Ok(Self {
            id: c.id.as_str().to_owned(),
            version: c.version.cast_signed(),
            network: c.network.as_str().to_owned(),
            key: c.key.clone(),
            sale_claim: c.sale_claim.clone(),
            click: c.click_id.to_string(),
            campaign: c.click.campaign_id.as_ref().map(CampaignId::as_str).map(str::to_owned),
            test: c.click.test.then_some(true),
            status: c.status.as_str().to_owned(),
            created: date(c.created_at),
            unpublished: *number,
            body: body(c)?,
        })
    }

    /// What a document holds; noted if it cannot be read.
    pub(super) fn read(document: Document, left_out: &LeftOut) -> Result<Conversion, StoreError> {
        let id = document.get_str("_id").unwrap_or("without an id").to_owned();
        let stored = deserialize_from_document::<Self>(document)
            .map_err(|e| StoreError::broken(format!("stored conversion {id}"), e));
        left_out.noted(&id, stored.and_then(|s| s.conversion()))
    }

    pub(super) fn conversion(&self) -> Result<Conversion, StoreError> {
        serde_json::from_str(&self.body)
            .map_err(|e| StoreError::broken(format!("stored conversion {}", self.id), e))
    }
}

/// What a change of state changes, and marks as to be published; else the signatures alone.
pub(super) fn changed_fields(State { number, conversion: c }: &State) -> Result<Document, StoreError> {
    let Some(number) = number else { return Ok(doc! {"$set": {"body": body(c)?}}) };
    let mut set = doc! {
        "version": c.version.cast_signed(),
        "status": c.status.as_str(),
        "unpublished": number,
        "body": body(c)?,
    };
    Ok(match &c.sale_claim {
        Some(claim) => {
            set.insert("sale_claim", claim);
            doc! {"$set": set}
        }
        None => doc! {"$set": set, "$unset": {"sale_claim": ""}},
    })
}

pub(super) fn body(c: &Conversion) -> Result<String, StoreError> {
    serde_json::to_string(c).map_err(|e| StoreError::broken("write a conversion as JSON", e))
}
