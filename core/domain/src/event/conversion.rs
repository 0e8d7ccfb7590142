//! A new state of a conversion.

use super::{
    ClickDims,
    fields::{ClickHousePlace, EventField, described},
};
use crate::{
    Timestamp,
    id::{ClickId, ConversionId, NetworkId},
    money::Money,
    postback::{Conversion, ConversionStatus},
};
use serde::{Deserialize, Serialize};

described! {
    /// A new state of a conversion. Reports count the highest `version` of each `conversion_id`.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct ConversionEvent {
        /// [`crate::event::SCHEMA`].
        pub schema: u16 = of(U16).required(),
        /// Which conversion.
        pub conversion_id: ConversionId = of(Id("cnv")).required().column("String"),
        /// 1 when recorded, one more with every change.
        pub version: u64 = of(U63).required().column("UInt64"),
        /// Who reported it.
        pub reporter_id: NetworkId = of(Id("net")).required().column("LowCardinality(String)"),
        /// The network's transaction id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub transaction_id: Option<String> = of(TextOrNull).column("String"),
        /// The click it belongs to.
        pub click_id: ClickId = of(Ulid).required().column("String"),
        /// When the click happened.
        pub click_at: Timestamp = of(Time).required().column("DateTime64(3, 'UTC')"),
        /// When the conversion was first reported.
        pub created_at: Timestamp = of(Time).required().column("DateTime64(3, 'UTC')"),
        /// When it came into this state.
        pub updated_at: Timestamp = of(Time).required().column("DateTime64(3, 'UTC')"),
        /// Its state.
        pub conversion_status: ConversionStatus =
            of(Status).required().kept(ClickHousePlace::Columns(&[("status", "LowCardinality(String)")])),
        /// The network's word for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub raw_status: Option<String> = of(TextOrNull).column("String"),
        /// What it brings.
        pub revenue: Money = of(Money).required().kept(ClickHousePlace::Columns(&[
            ("revenue", "Decimal(18, 6)"),
            ("currency", "LowCardinality(String)"),
        ])),
        /// What it costs in this state, where its click is paid by the sale or by a share.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub cost: Option<Money> = of(Money).kept(ClickHousePlace::Columns(&[
            ("cost", "Decimal(18, 6)"),
            ("cost_currency", "LowCardinality(String)"),
        ])),
        /// Facts of the click.
        #[serde(flatten)]
        pub dims: ClickDims = of(Facts),
    }
}

impl From<&Conversion> for ConversionEvent {
    fn from(c: &Conversion) -> Self {
        Self {
            schema: super::SCHEMA,
            conversion_id: c.id.clone(),
            version: c.version,
            reporter_id: c.network.clone(),
            transaction_id: c.transaction_id.clone(),
            click_id: c.click_id,
            click_at: c.click_id.timestamp(),
            created_at: c.created_at,
            updated_at: c.updated_at,
            conversion_status: c.status.clone(),
            raw_status: c.raw_status.clone(),
            revenue: c.revenue,
            cost: c.cost,
            dims: c.click.clone(),
        }
    }
}
