//! [`EventSink`] on `events.db`.

mod click_row;
mod fact_columns;
pub(crate) mod facts;
pub(crate) mod packed;
mod store;
pub(crate) mod texts;
pub(crate) mod visits;

pub(crate) use click_row::Text;
pub(crate) use store::result_code;

use crate::db::Database;
use async_trait::async_trait;
use std::sync::Arc;
use texts::Texts;
use tfx_domain::{
    id::ClickId,
    money::{Amount, Currency, Money},
};
use tfx_ports::{
    StoreError,
    sink::{Envelope, EventSink, Refused},
};

/// Events on SQLite.
pub(crate) struct Sink {
    db: Arc<Database<Texts>>,
}

impl Sink {
    pub(crate) const fn new(db: Arc<Database<Texts>>) -> Self {
        Self { db }
    }
}

#[async_trait]
impl EventSink for Sink {
    async fn deliver(&self, batch: &[Envelope]) -> Result<Vec<Refused>, StoreError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let batch = batch.to_vec();
        let store = move |conn: &_, texts: &mut _| store::store(conn, texts, &batch);
        let stored = self.db.write("store events", store).await;
        // Whatever is wrong with an event is told by its place: an error is the store's, and events wait for it.
        stored.map_err(|e| match e {
            StoreError::Broken { what, source } => StoreError::Unavailable { what, source },
            other => other,
        })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.db.ping_writes().await
    }
}

/// An id as the events' tables keep it: bytes in the order of time.
pub(crate) fn id_bytes(id: ClickId) -> [u8; 16] {
    id.to_bits().to_be_bytes()
}

/// The id of those bytes.
pub(crate) fn id_of(bytes: &[u8]) -> Result<ClickId, StoreError> {
    let bytes: [u8; 16] = bytes.try_into().map_err(|e| StoreError::broken("stored id", e))?;
    Ok(ClickId::from_bits(u128::from_be_bytes(bytes)))
}

/// When a click of that id happened, in milliseconds.
pub(crate) fn id_ms(id: ClickId) -> i64 {
    i64::try_from(id.to_bits() >> 80).unwrap_or(i64::MAX)
}

/// A currency as a number.
pub(crate) fn currency_code(currency: Currency) -> i64 {
    currency.as_str().bytes().fold(0, |code, letter| code << 8 | i64::from(letter))
}

/// Money from its two columns.
pub(crate) fn money(micros: i64, code: i64) -> Result<Money, StoreError> {
    let letters: String =
        [16, 8, 0].map(|shift| char::from(u8::try_from(code >> shift & 0xff).unwrap_or(0))).iter().collect();
    let currency = Currency::stored(&letters).map_err(|e| StoreError::broken("stored currency", e))?;
    Ok(Money { amount: Amount::from_micros(micros), currency })
}
