//! The conversions that reports may meet, as far as they were read.

use std::collections::{BTreeSet, HashMap};
use tfx_domain::{
    id::{ClickId, ConversionId, NetworkId},
    postback::{Conversion, Signed, Standing},
};
use tfx_ports::StoreError;

/// A key or a claim, unique within its network.
type Name = (NetworkId, String);

/// Conversions by id, by key, by the sale they hold and by their click.
#[derive(Debug, Default)]
pub(super) struct BatchState {
    conversions: HashMap<ConversionId, Conversion>,
    keys: HashMap<Name, ConversionId>,
    claims: HashMap<Name, ConversionId>,
    clicks: HashMap<ClickId, BTreeSet<ConversionId>>,
    /// What is stored of those that were read, as it is.
    stored: HashMap<ConversionId, String>,
}

impl BatchState {
    /// Adds a conversion that was read, and its text.
    pub(super) fn put_stored(&mut self, c: Conversion, text: String) {
        self.stored.insert(c.id.clone(), text);
        self.put(c);
    }

    /// Adds a conversion, or its new state.
    pub(super) fn put(&mut self, c: Conversion) {
        let before = self.conversions.get(&c.id).and_then(|b| b.sale_claim.clone());
        if let Some(claim) = before.filter(|b| Some(b) != c.sale_claim.as_ref()) {
            self.claims.remove(&(c.network.clone(), claim));
        }
        if let Some(claim) = &c.sale_claim {
            self.claims.insert((c.network.clone(), claim.clone()), c.id.clone());
        }
        self.keys.insert((c.network.clone(), c.key.clone()), c.id.clone());
        self.clicks.entry(c.click_id).or_default().insert(c.id.clone());
        self.conversions.insert(c.id.clone(), c);
    }

    /// Adds one that is new, and so to be inserted, whatever is stored under its id.
    pub(super) fn put_new(&mut self, c: Conversion) {
        self.stored.remove(&c.id);
        self.put(c);
    }

    /// Takes a conversion out, at the end, and what is stored of it.
    pub(super) fn take(&mut self, id: &ConversionId) -> Option<(Conversion, Option<String>)> {
        Some((self.conversions.remove(id)?, self.stored.remove(id)))
    }
}

impl Standing for BatchState {
    type Error = StoreError;

    fn by_key(&self, network: &NetworkId, key: &str) -> Result<Option<Conversion>, StoreError> {
        let id = self.keys.get(&(network.clone(), key.to_owned()));
        Ok(id.and_then(|id| self.conversions.get(id)).cloned())
    }

    fn by_claim(&self, network: &NetworkId, claim: &str) -> Result<Option<Conversion>, StoreError> {
        let id = self.claims.get(&(network.clone(), claim.to_owned()));
        Ok(id.and_then(|id| self.conversions.get(id)).cloned())
    }

    fn by_signature(&self, click: ClickId, signed: &Signed) -> Result<Option<Conversion>, StoreError> {
        let mut of_click =
            self.clicks.get(&click).into_iter().flatten().filter_map(|id| self.conversions.get(id));
        Ok(of_click.find(|c| c.signatures.has(signed)).cloned())
    }
}
