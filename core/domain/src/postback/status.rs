//! The status machine of conversions.

use super::{Conversion, Incoming, Signatures};
use crate::{Timestamp, id::ClickId, money::Money};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{fmt, str::FromStr};

/// Where a conversion stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ConversionStatus {
    /// Reported, but not confirmed yet: its revenue is on hold.
    Lead,
    /// Confirmed by the network: its revenue counts.
    Sale,
    /// Refused by the network or the advertiser.
    Rejected,
    /// A later payment on the same customer.
    Rebill,
    /// Any other word of a network, lower-cased, at most 64 characters.
    Custom(SmolStr),
}

impl ConversionStatus {
    /// The word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Lead => "lead",
            Self::Sale => "sale",
            Self::Rejected => "rejected",
            Self::Rebill => "rebill",
            Self::Custom(word) => word,
        }
    }
}

impl FromStr for ConversionStatus {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = text.trim().to_lowercase();
        if word.is_empty() || word.chars().count() > 64 || word.chars().any(char::is_control) {
            return Err("must be 1 to 64 characters: lead, sale, rejected, rebill or a word of the network");
        }
        Ok(match word.as_str() {
            "lead" => Self::Lead,
            "sale" => Self::Sale,
            "rejected" => Self::Rejected,
            "rebill" => Self::Rebill,
            _ => Self::Custom(word.into()),
        })
    }
}

impl TryFrom<String> for ConversionStatus {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ConversionStatus> for String {
    fn from(status: ConversionStatus) -> Self {
        status.as_str().to_owned()
    }
}

impl fmt::Display for ConversionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a report does.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// A new conversion.
    New(Conversion),
    /// The conversion in its new state, its version one higher.
    Updated(Conversion),
    /// Known already; nothing changes.
    Duplicate,
    /// A step backwards; nothing changes.
    Stale,
}

/// Applies a report to the conversion recorded under its key, if there is one.
///
/// The same status with another payout, or a step forwards, is an update; the same again is a
/// duplicate; any other step is stale. What came in before the report that made the present state is stale whatever
/// it says (a parked postback is applied late), and so is what its network signed before that one; but for what comes to the same
/// in whatever order they are applied: the outcome of a lead, which is known only after it, and a rejection, which nothing leaves. What a
/// report does not say (payout, the network's word) stays as it was,
/// and so do the click and its facts: a transaction belongs to the click it was first reported for. A displaced
/// conversion takes whatever is reported next, as if it were the first report.
pub fn apply(existing: Option<&Conversion>, incoming: &Incoming) -> Applied {
    let Some(existing) = existing else { return Applied::New(first(incoming)) };
    if existing.displaced {
        let next = Conversion {
            raw_status: incoming.raw_status.clone(),
            revenue: incoming.revenue,
            sale_claim: sale_claim(incoming, existing.click_id),
            displaced: false,
            ..moved(existing, &incoming.status, incoming.at)
        };
        let next = signed(next, incoming);
        return Applied::Updated(costed(next));
    }
    let moves = existing.status != incoming.status;
    if moves && !may_follow(&existing.status, &incoming.status) {
        return Applied::Stale;
    }
    let pays = incoming.revenue_given && existing.revenue != incoming.revenue;
    if !moves && !pays {
        return Applied::Duplicate;
    }
    let is_past = incoming.signed.as_ref().is_some_and(|signed| existing.signatures.is_past(signed));
    let is_late = incoming.at < existing.updated_at || is_past;
    if is_late && !stands_whenever(&existing.status, &incoming.status) {
        return Applied::Stale;
    }
    let mut next = moved(existing, &incoming.status, incoming.at);
    if incoming.raw_status.is_some() {
        next.raw_status.clone_from(&incoming.raw_status);
    }
    if pays {
        next.revenue = incoming.revenue;
    }
    if moves || incoming.unmapped {
        next.sale_claim = sale_claim(incoming, next.click_id);
    }
    Applied::Updated(costed(signed(next, incoming)))
}

/// The conversion with what it costs as it stands. A sale costs what is due for one; a rebill is a later payment of the same
/// customer, whose sale was paid for. A share is due of whatever it brings. What is rejected costs nothing.
fn costed(conversion: Conversion) -> Conversion {
    let Conversion { status, revenue, cost_terms: due, .. } = &conversion;
    let cost = match (status, due.sale, due.percent) {
        (ConversionStatus::Rejected, _, _) => None,
        (_, _, Some(percent)) => Some(Money { amount: revenue.amount.percent(percent), ..*revenue }),
        (ConversionStatus::Sale, sale, None) => sale,
        _ => None,
    };
    Conversion { cost, ..conversion }
}

/// With the signature of what brought it into its state.
fn signed(conversion: Conversion, incoming: &Incoming) -> Conversion {
    let signatures = conversion.signatures.with(incoming.signed.as_ref());
    Conversion { signatures, ..conversion }
}

/// The next version, with the status of a report that came in `at`. Time does not go back with it.
fn moved(existing: &Conversion, status: &ConversionStatus, at: Timestamp) -> Conversion {
    let (version, updated_at) = (existing.version + 1, existing.updated_at.max(at));
    let since_version = if existing.status == *status { existing.since_version } else { version };
    Conversion { version, updated_at, since_version, status: status.clone(), ..existing.clone() }
}

/// What a word that nobody knows had recorded, after a sale that came in `at` took its click: it counts no more.
pub(super) fn displaced(holder: &Conversion, at: Timestamp) -> Conversion {
    let moved = moved(holder, &ConversionStatus::Rejected, at);
    costed(Conversion { sale_claim: None, displaced: true, ..moved })
}

/// The steps forwards. A custom status is a stage of the network's own before the outcome is known, so it may
/// follow a lead and precede anything; nothing leaves `rejected`, and only `rejected` follows money.
fn may_follow(from: &ConversionStatus, to: &ConversionStatus) -> bool {
    use ConversionStatus::{Custom, Lead, Rebill, Rejected, Sale};
    match (from, to) {
        (Lead, Sale | Rejected | Custom(_)) | (Sale | Rebill, Rejected) | (Custom(_), _) => true,
        (Lead, Lead | Rebill) | (Sale | Rebill, _) | (Rejected, _) => false,
    }
}

/// A step forwards that stands whenever it came in. A rejection of before the sale would have had the sale be stale; and a
/// network's statement dates what it takes back by the sale.
fn stands_whenever(from: &ConversionStatus, to: &ConversionStatus) -> bool {
    *from != *to
        && (*to == ConversionStatus::Rejected
            || (from, to) == (&ConversionStatus::Lead, &ConversionStatus::Sale))
}

pub(super) fn first(incoming: &Incoming) -> Conversion {
    costed(Conversion {
        id: incoming.new_id.clone(),
        version: 1,
        network: incoming.network.clone(),
        key: incoming.key.clone(),
        sale_claim: sale_claim(incoming, incoming.click_id),
        displaced: false,
        transaction_id: incoming.transaction_id.clone(),
        click_id: incoming.click_id,
        status: incoming.status.clone(),
        since_version: 1,
        raw_status: incoming.raw_status.clone(),
        revenue: incoming.revenue,
        cost: None,
        cost_terms: incoming.cost_terms,
        signatures: Signatures::default().with(incoming.signed.as_ref()),
        created_at: incoming.at,
        updated_at: incoming.at,
        click: incoming.click.clone(),
    })
}

/// A sale claims its click unless the click may have several; so does a word that nobody knows, which might be one.
/// Whatever else a conversion becomes lets go of it.
fn sale_claim(incoming: &Incoming, click: ClickId) -> Option<String> {
    let claims = incoming.unmapped || incoming.status == ConversionStatus::Sale;
    (claims && !incoming.allow_upsell).then(|| click.to_string())
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
