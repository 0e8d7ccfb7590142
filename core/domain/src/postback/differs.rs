//! Whether a report that changed nothing says otherwise than what stands.

use super::{Conversion, ConversionStatus, Postback};
use crate::money::Money;

/// Whether what a report says is not in what stands, so that it is missed: money of another transaction, another payout, an
/// outcome that did not come to be.
///
/// `stands` is what was in the way of a report that was a duplicate, stale or a conflict. An earlier stage of what stands, a lead
/// of what is a sale by now, says nothing otherwise. Without a transaction id on one side it is the same where status and
/// money are.
pub fn differs(report: &Postback, stands: &Conversion) -> bool {
    use ConversionStatus::{Custom, Lead, Rejected};
    let (reported, known) = (report.transaction_id.as_ref(), stands.transaction_id.as_ref());
    if reported.is_some() && known.is_some() && (reported, report.click_id) != (known, stands.click_id) {
        return true;
    }
    let said = report.payout.filter(|_| report.payout_given);
    let pays = said.is_some_and(|amount| Money { amount, currency: report.currency } != stands.revenue);
    if report.status == stands.status {
        return pays && report.status != Rejected;
    }
    let is_earlier_stage = matches!(report.status, Lead | Custom(_)) && !report.unmapped;
    !is_earlier_stage || reported != known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Timestamp,
        entity::Due,
        event::ClickDims,
        id::{ClickId, ConversionId, NetworkId},
        money::Currency,
    };

    #[test]
    fn money_that_is_not_in_what_stands_is_missed_and_a_stage_passed_is_not() {
        let now = Timestamp::UNIX_EPOCH;
        let click = ClickId::generate(now, 1);
        let usd =
            |amount: &str| Money { amount: amount.parse().expect("an amount"), currency: Currency::USD };
        // What is reported, what stands: transaction, status, payout.
        let table = [
            (("T1", "sale", "5"), ("T1", "sale", "5"), false),
            (("T1", "sale", ""), ("T1", "sale", "5"), false),
            (("T1", "sale", "6"), ("T1", "sale", "5"), true),
            (("T1", "lead", "6"), ("T1", "sale", "5"), false),
            (("T1", "install", "6"), ("T1", "sale", "5"), false),
            (("T1", "?storno", "6"), ("T1", "sale", "5"), true),
            (("T1", "lead", "5"), ("T1", "rejected", "5"), false),
            (("T1", "sale", "5"), ("T1", "rejected", "5"), true),
            (("T1", "rebill", "5"), ("T1", "sale", "5"), true),
            (("T1", "rejected", "6"), ("T1", "rejected", "5"), false),
            // The click's one sale is another's; or a sale that could not take its click.
            (("T2", "sale", "5"), ("T1", "sale", "5"), true),
            (("T2", "sale", "5"), ("T2", "lead", "5"), true),
            // One of the two has no transaction id.
            (("T1", "sale", "5"), ("", "sale", "5"), false),
            (("", "sale", "5"), ("T1", "sale", "5"), false),
            (("", "sale", "6"), ("T1", "sale", "5"), true),
            (("", "lead", "5"), ("T1", "sale", "5"), true),
        ];
        for (said, stood, want) in table {
            let id = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let report = Postback {
                click_id: click,
                transaction_id: id(said.0),
                status: said.1.trim_start_matches('?').parse().expect("a status"),
                raw_status: None,
                unmapped: said.1.starts_with('?'),
                payout: id(said.2).map(|amount| usd(&amount).amount),
                payout_given: !said.2.is_empty(),
                currency: Currency::USD,
            };
            let stands = Conversion {
                id: ConversionId::generate(now, 1),
                version: 1,
                network: NetworkId::generate(now, 1),
                key: String::new(),
                sale_claim: None,
                displaced: false,
                transaction_id: id(stood.0),
                click_id: click,
                status: stood.1.parse().expect("a status"),
                since_version: 1,
                raw_status: None,
                revenue: usd(stood.2),
                cost: None,
                cost_terms: Due::default(),
                signatures: crate::postback::Signatures::default(),
                created_at: now,
                updated_at: now,
                click: ClickDims::default(),
            };
            assert_eq!(differs(&report, &stands), want, "{said:?} {stood:?}");
            let elsewhere = Conversion { click_id: ClickId::generate(now, 2), ..stands };
            let other_click = report.transaction_id.is_some() && elsewhere.transaction_id.is_some();
            assert_eq!(differs(&report, &elsewhere), want || other_click, "{said:?} {stood:?}");
        }
    }
}
