//! The conversions that reports may meet, as far as they were read.

use std::collections::HashMap;
use tfx_domain::{
    id::{ConversionId, NetworkId},
    postback::Conversion,
};

/// A key or a claim, unique within its network.
type Name = (NetworkId, String);

/// Conversions by id, by key and by the sale they hold.
#[derive(Debug, Default)]
pub(super) struct Known {
    conversions: HashMap<ConversionId, Conversion>,
    keys: HashMap<Name, ConversionId>,
    claims: HashMap<Name, ConversionId>,
}

impl Known {
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

    pub(super) fn by_key(&self, network: &NetworkId, key: &str) -> Option<&Conversion> {
        self.keys.get(&(network.clone(), key.to_owned())).and_then(|id| self.conversions.get(id))
    }

    /// Who else has the sale that `c` claims.
    pub(super) fn rival(&self, c: &Conversion) -> Option<&Conversion> {
        let claim = c.sale_claim.clone()?;
        let holder = self.claims.get(&(c.network.clone(), claim)).filter(|id| **id != c.id)?;
        self.conversions.get(holder)
    }
}
