//! Reports for tests: each of its own transaction and click.

use tfx_domain::{
    Timestamp,
    event::ClickDims,
    id::{ClickId, ConversionId, NetworkId},
    money::{Currency, Money},
    postback::{ConversionStatus, Incoming, TransactionScope},
};

/// The sale number `n`.
pub(crate) fn report(n: u32) -> Incoming {
    let at = Timestamp::from_millisecond(1_790_000_000_000 + i64::from(n)).expect("a time");
    Incoming {
        new_id: ConversionId::generate(at, u128::from(n) << 30),
        network: NetworkId::generate(Timestamp::UNIX_EPOCH, 1),
        scope: TransactionScope::Network,
        key: format!("tx:{n}"),
        transaction_id: Some(n.to_string()),
        click_id: ClickId::generate(at, u128::from(n)),
        status: ConversionStatus::Sale,
        raw_status: None,
        unmapped: false,
        revenue: Money { amount: "1".parse().expect("an amount"), currency: Currency::USD },
        revenue_given: true,
        allow_upsell: false,
        at,
        click: ClickDims::default(),
        cost_terms: tfx_domain::entity::Due::default(),
        tell: None,
        signed: None,
        waited: false,
        replaces: None,
    }
}
