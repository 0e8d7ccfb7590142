//! The status machine of conversions.

use super::{Conversion, Incoming};
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
/// it says (a parked postback is applied late), but for the outcome of a lead: that is known only after it. What a
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
    if incoming.at < existing.updated_at && !is_outcome_of_lead(&existing.status, &incoming.status) {
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
    Applied::Updated(costed(next))
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

/// A step that stands whenever it came in.
fn is_outcome_of_lead(from: &ConversionStatus, to: &ConversionStatus) -> bool {
    *from == ConversionStatus::Lead && matches!(to, ConversionStatus::Sale | ConversionStatus::Rejected)
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
mod tests {
    use super::*;
    use crate::{
        event::ClickDims,
        id::{ConversionId, NetworkId},
        money::{Currency, Money},
        postback::TransactionScope,
    };

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + second).expect("a time")
    }

    fn usd(amount: &str) -> Money {
        Money { amount: amount.parse().expect("an amount"), currency: Currency::USD }
    }

    fn status(word: &str) -> ConversionStatus {
        word.parse().expect("a status")
    }

    fn report(word: &str, second: i64) -> Incoming {
        Incoming {
            new_id: ConversionId::generate(time(second), 1),
            network: NetworkId::generate(time(0), 1),
            key: "tx:T1".to_owned(),
            scope: TransactionScope::Network,
            transaction_id: Some("T1".to_owned()),
            click_id: ClickId::generate(time(0), 7),
            status: status(word),
            raw_status: Some(format!("raw {word}")),
            unmapped: false,
            revenue: usd("5"),
            revenue_given: true,
            allow_upsell: false,
            at: time(second),
            click: ClickDims { country: "US".into(), ..ClickDims::default() },
            cost_terms: crate::entity::Due::default(),
            tell: None,
        }
    }

    fn recorded(incoming: &Incoming) -> Conversion {
        match apply(None, incoming) {
            Applied::New(c) => c,
            other => panic!("not new: {other:?}"),
        }
    }

    #[test]
    fn the_first_report_is_recorded_as_it_says() {
        let incoming = report("sale", 3);
        let c = recorded(&incoming);
        assert_eq!((&c.id, c.version, c.created_at, c.updated_at), (&incoming.new_id, 1, time(3), time(3)));
        assert_eq!(
            (c.key.as_str(), c.status.as_str(), c.raw_status.as_deref()),
            ("tx:T1", "sale", Some("raw sale"))
        );
        assert_eq!((c.revenue, c.click.country.as_str()), (usd("5"), "US"));
        assert_eq!(c.sale_claim, Some(c.click_id.to_string()));
        for word in ["lead", "rejected", "rebill", "install"] {
            assert_eq!(recorded(&report(word, 3)).sale_claim, None, "{word}");
        }
        assert_eq!(recorded(&Incoming { allow_upsell: true, ..report("sale", 3) }).sale_claim, None);
    }

    #[test]
    fn a_conversion_costs_what_its_click_says_as_long_as_it_counts() {
        use crate::entity::Due;
        let eur = Money { currency: "EUR".parse().expect("a code"), ..usd("1.5") };
        let sale = Due { sale: Some(eur), percent: None };
        let share = Due { sale: None, percent: Some("33.3".parse().expect("a share")) };
        let of = |due, word| recorded(&Incoming { cost_terms: due, ..report(word, 1) });
        for (word, by_sale, by_share) in [
            ("lead", None, Some("1.665 USD")),
            ("sale", Some("1.50 EUR"), Some("1.665 USD")),
            ("rebill", None, Some("1.665 USD")),
            ("rejected", None, None),
            ("install", None, Some("1.665 USD")),
        ] {
            let cost = |due| of(due, word).cost.map(|cost| cost.to_string());
            assert_eq!(cost(sale).as_deref(), by_sale, "{word}");
            assert_eq!(cost(share).as_deref(), by_share, "{word}");
            assert_eq!(cost(Due::default()), None, "{word}");
        }
        // What came later costs by the terms of the click, whatever they are now.
        let lead = of(sale, "lead");
        let Applied::Updated(sold) = apply(Some(&lead), &report("sale", 2)) else { panic!("an update") };
        assert_eq!(sold.cost, Some(eur));
        let Applied::Updated(back) = apply(Some(&sold), &report("rejected", 3)) else { panic!("an update") };
        assert_eq!(back.cost, None);
        let more = Incoming { revenue: usd("9"), ..report("sale", 2) };
        let Applied::Updated(more) = apply(Some(&of(share, "sale")), &more) else { panic!("an update") };
        assert_eq!(more.cost.map(|cost| cost.to_string()).as_deref(), Some("2.997 USD"));
    }

    /// Every pair of statuses with the same payout, another one, and none: what happens, as a letter each.
    #[test]
    fn the_whole_table_of_steps() {
        let words = ["lead", "sale", "rejected", "rebill", "install", "deposit"];
        // U update, D duplicate, S stale; the three letters of a pair: same payout, another, none said.
        let table = [
            /* lead     */ ["DUD", "UUU", "UUU", "SSS", "UUU", "UUU"],
            /* sale     */ ["SSS", "DUD", "UUU", "SSS", "SSS", "SSS"],
            /* rejected */ ["SSS", "SSS", "DUD", "SSS", "SSS", "SSS"],
            /* rebill   */ ["SSS", "SSS", "UUU", "DUD", "SSS", "SSS"],
            /* install  */ ["UUU", "UUU", "UUU", "UUU", "DUD", "UUU"],
            /* deposit  */ ["UUU", "UUU", "UUU", "UUU", "UUU", "DUD"],
        ];
        for (from, row) in words.into_iter().zip(table) {
            let before = recorded(&report(from, 0));
            for (to, letters) in words.into_iter().zip(row) {
                for (letter, (amount, given)) in letters.chars().zip([("5", true), ("9", true), ("9", false)])
                {
                    let case = format!("{from} -> {to}, payout {amount}, given {given}");
                    let incoming = Incoming { revenue: usd(amount), revenue_given: given, ..report(to, 60) };
                    match (apply(Some(&before), &incoming), letter) {
                        (Applied::Duplicate, 'D') | (Applied::Stale, 'S') => {}
                        (Applied::Updated(after), 'U') => {
                            let claim = (to == "sale").then(|| before.click_id.to_string());
                            let want = Conversion {
                                version: 2,
                                since_version: if from == to { 1 } else { 2 },
                                status: status(to),
                                raw_status: Some(format!("raw {to}")),
                                revenue: if given { usd(amount) } else { usd("5") },
                                sale_claim: claim,
                                updated_at: time(60),
                                ..before.clone()
                            };
                            assert_eq!(after, want, "{case}");
                        }
                        (other, _) => panic!("{case}: expected {letter}, got {other:?}"),
                    }
                }
            }
        }
    }

    #[test]
    fn a_payout_in_another_currency_is_another_payout() {
        let before = recorded(&report("sale", 0));
        let eur = Money { currency: "EUR".parse().expect("a code"), ..usd("5") };
        let after = apply(Some(&before), &Incoming { revenue: eur, ..report("sale", 1) });
        assert!(
            matches!(after, Applied::Updated(c) if c.revenue == eur && c.sale_claim == before.sale_claim)
        );
    }

    /// Every step forwards, and another payout on the same status, once in time and once from before the present
    /// state: only the outcome of a lead stands then.
    #[test]
    fn what_came_in_before_the_present_state_is_stale() {
        let words = ["lead", "sale", "rejected", "rebill", "install", "deposit"];
        for from in words {
            let before = recorded(&report(from, 10));
            for to in words {
                let incoming = |second| Incoming { revenue: usd("9"), ..report(to, second) };
                let Applied::Updated(in_time) = apply(Some(&before), &incoming(10)) else { continue };
                assert_eq!((in_time.status.as_str(), in_time.revenue), (to, usd("9")));
                let outcome = from == "lead" && ["sale", "rejected"].contains(&to);
                match apply(Some(&before), &incoming(9)) {
                    Applied::Stale => assert!(!outcome, "{from} -> {to}"),
                    // Time does not go back with it.
                    Applied::Updated(c) => assert!(outcome && c.updated_at == time(10), "{from} -> {to}"),
                    other => panic!("{from} -> {to}: {other:?}"),
                }
            }
        }
    }

    /// Whatever the order in which three reports are applied, the one that came in last is the one that stands.
    #[test]
    fn an_older_report_does_not_take_the_place_of_a_newer_one() {
        let registered = Incoming { revenue: usd("1"), ..report("registered", 1) };
        let lead = Incoming { revenue: usd("2"), ..report("lead", 2) };
        let deposit = Incoming { revenue: usd("50"), ..report("deposit", 3) };
        for late in [[&registered, &lead], [&lead, &registered]] {
            let mut stands = recorded(&deposit);
            for incoming in late {
                match apply(Some(&stands), incoming) {
                    Applied::Stale => {}
                    Applied::Updated(c) => stands = c,
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!((stands.status.as_str(), stands.revenue), ("deposit", usd("50")));
        }
    }

    #[test]
    fn what_a_report_does_not_say_stays() {
        let before = recorded(&report("lead", 0));
        let silent = Incoming { raw_status: None, transaction_id: None, ..report("sale", 1) };
        let Applied::Updated(after) = apply(Some(&before), &silent) else { panic!("no update") };
        assert_eq!(
            (after.raw_status.as_deref(), after.transaction_id.as_deref()),
            (Some("raw lead"), Some("T1"))
        );
    }

    #[test]
    fn a_transaction_stays_with_its_first_click() {
        let before = recorded(&report("lead", 0));
        let elsewhere = Incoming { click_id: ClickId::generate(time(5), 9), ..report("sale", 6) };
        let Applied::Updated(after) = apply(Some(&before), &elsewhere) else { panic!("no update") };
        assert_eq!(after.click_id, before.click_id);
        assert_eq!(after.sale_claim, Some(before.click_id.to_string()));
    }

    #[test]
    fn statuses_are_words_in_any_case() {
        assert_eq!(status(" SALE "), ConversionStatus::Sale);
        assert_eq!(status("Installed").as_str(), "installed");
        for bad in ["", "  ", "a\nb", &"x".repeat(65)] {
            assert!(bad.parse::<ConversionStatus>().is_err(), "{bad:?}");
        }
    }
}
