//! Groups of one key, whatever table and currency they are of, become one row.

use super::{Group, column::Column};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tfx_domain::{
    money::{Amount, Currency},
    report::RawRow,
};
use tfx_ports::StoreError;

/// The rows in the order of their keys. Without dimensions there is one, whatever counts.
pub(super) fn rows(groups: Vec<Group>, columns: &[Column]) -> Result<Vec<RawRow>, StoreError> {
    let mut rows: BTreeMap<Vec<SmolStr>, RawRow> = BTreeMap::new();
    if columns.is_empty() {
        rows.insert(Vec::new(), RawRow::default());
    }
    for group in groups {
        let key: Vec<SmolStr> = columns.iter().zip(&group.key).map(|(c, value)| c.text(value)).collect();
        add(rows.entry(key).or_default(), &group)?;
    }
    Ok(rows.into_iter().map(|(key, row)| RawRow { key, ..row }).collect())
}

fn add(row: &mut RawRow, group: &Group) -> Result<(), StoreError> {
    row.hits += group.clicks + group.bots + group.prefetches + group.trafficbacks;
    row.clicks += group.clicks;
    row.bots += group.bots;
    row.prefetches += group.prefetches;
    row.trafficbacks += group.trafficbacks;
    row.unique_campaign += group.unique_campaign;
    row.unique_stream += group.unique_stream;
    row.unique_destination += group.unique_destination;
    row.leads += group.leads;
    row.sales += group.sales;
    row.rejected += group.rejected;
    row.rebills += group.rebills;
    // The empty currency is that of clicks without a cost.
    if group.currency.is_empty() {
        return Ok(());
    }
    let currency = group.currency.parse().map_err(|e| StoreError::broken("stored currency", e))?;
    let mut sum = |counts: bool, sums: fn(&mut RawRow) -> &mut BTreeMap<Currency, Amount>, micros: i128| {
        if counts {
            *sums(row).entry(currency).or_default() += amount(micros);
        }
    };
    let hits = group.clicks + group.bots + group.prefetches + group.trafficbacks;
    sum(hits > 0, |r| &mut r.cost, group.cost);
    sum(group.leads > 0, |r| &mut r.revenue_hold, group.hold);
    sum(group.sales + group.rebills > 0, |r| &mut r.revenue_confirmed, group.confirmed);
    Ok(())
}

/// The nearest that fits.
fn amount(micros: i128) -> Amount {
    let nearest = if micros < 0 { i64::MIN } else { i64::MAX };
    Amount::from_micros(i64::try_from(micros).unwrap_or(nearest))
}
