//! The conversions that reports may meet, as far as they were read.

use std::collections::HashMap;
use tfx_domain::{
    id::{ConversionId, NetworkId},
    postback::{Conversion, Standing},
};
use tfx_ports::StoreError;

/// A key or a claim, unique within its network.
type Name = (NetworkId, String);

/// Conversions by id, by key and by the sale they hold.
#[derive(Debug, Default)]
pub(super) struct BatchState {
    conversions: HashMap<ConversionId, Conversion>,
    keys: HashMap<Name, ConversionId>,
    claims: HashMap<Name, ConversionId>,
}

impl BatchState {
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
        self.conversions.insert(c.id.clone(), c);
    }

    /// Takes a conversion out, at the end.
    pub(super) fn take(&mut self, id: &ConversionId) -> Option<Conversion> {
        self.conversions.remove(id)
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
}
