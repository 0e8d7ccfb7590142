//! Reports from plain lists, word for word as [`RawRow`], [`ReportQuery`] and [`ReportFilter`] are documented.

use super::plain::{Hit, Plain, hit};
use jiff::{ZonedDateTime, tz::TimeZone};
use smol_str::{SmolStr, ToSmolStr, format_smolstr};
use std::collections::BTreeMap;
use tfx_domain::{
    Timestamp,
    event::{ClickDims, ClickEvent},
    id::NetworkId,
    money::{Currency, Money, Total},
    postback::ConversionStatus,
    report::{Attribution, Dated, Dimension, RawRow, ReportFilter, ReportQuery, key_order},
};

/// What a dimension is read from.
struct Counted<'e> {
    dims: &'e ClickDims,
    /// The click's, and a conversion's reporter.
    network: Option<&'e NetworkId>,
    /// Empty for clicks.
    status: &'e str,
    /// Local time.
    at: ZonedDateTime,
}

/// What a click has of a dimension, in a zone.
pub(super) fn value_of(click: &ClickEvent, dimension: Dimension, zone: &TimeZone) -> SmolStr {
    let at = click.click_id.timestamp().to_zoned_datetime(zone.clone());
    let network = click.dims.network_id.as_ref();
    Counted { dims: &click.dims, network, status: "", at }.value(dimension)
}

impl Plain {
    pub(super) fn report(&self, query: &ReportQuery) -> Vec<RawRow> {
        let zone = TimeZone::get(&query.timezone).expect("a zone");
        let mut rows: BTreeMap<Vec<SmolStr>, RawRow> = BTreeMap::new();
        if query.dimensions.is_empty() {
            rows.insert(Vec::new(), RawRow::default());
        }
        let within = |at: Timestamp| query.since <= at && at < query.until;
        for click in self.clicks.values().filter(|c| within(c.click_id.timestamp())) {
            let at = click.click_id.timestamp().to_zoned_datetime(zone.clone());
            let counted =
                Counted { dims: &click.dims, network: click.dims.network_id.as_ref(), status: "", at };
            if let Some(row) = counted.row(query, &mut rows) {
                count_click(row, click, query);
            }
        }
        for conversion in self.conversions.values() {
            let at = match query.attribution {
                Attribution::Click => conversion.click_at,
                Attribution::Conversion => conversion.created_at,
            };
            if !within(at) {
                continue;
            }
            let status = &conversion.conversion_status;
            let at = at.to_zoned_datetime(zone.clone());
            let network = Some(&conversion.reporter_id);
            let counted = Counted { dims: &conversion.dims, network, status: status.as_str(), at };
            if let Some(row) = counted.row(query, &mut rows) {
                if let Some(cost) = conversion.cost {
                    add(row, cost, (query, conversion.created_at), |r| &mut r.cost, |d| &mut d.cost);
                }
                count_conversion(row, status, conversion.revenue, (query, conversion.created_at));
            }
        }
        let mut rows: Vec<_> = rows.into_iter().map(|(key, row)| RawRow { key, ..row }).collect();
        rows.sort_by(|a, b| key_order(&query.dimensions, &a.key, &b.key));
        rows
    }
}

impl Counted<'_> {
    /// The row it counts in; none if it does not count.
    fn row<'r>(
        &self,
        query: &ReportQuery,
        rows: &'r mut BTreeMap<Vec<SmolStr>, RawRow>,
    ) -> Option<&'r mut RawRow> {
        if !query.filters.iter().all(|f| self.passes(f)) || !query.test.takes(self.dims.test) {
            return None;
        }
        let key = query.dimensions.iter().map(|d| self.value(*d)).collect();
        Some(rows.entry(key).or_default())
    }

    fn value(&self, dimension: Dimension) -> SmolStr {
        fn id<T: ToSmolStr>(id: Option<&T>) -> SmolStr {
            id.map(ToSmolStr::to_smolstr).unwrap_or_default()
        }
        let (dims, at) = (self.dims, &self.at);
        match dimension {
            Dimension::Campaign => id(dims.campaign_id.as_ref()),
            Dimension::DecidingCampaign => id(dims.decided_by()),
            Dimension::Stream => id(dims.stream_id.as_ref()),
            Dimension::Destination => id(dims.destination_id.as_ref()),
            Dimension::Source => id(dims.source_id.as_ref()),
            Dimension::Network => id(self.network),
            Dimension::Country => dims.country.clone(),
            Dimension::Region => dims.region.clone(),
            Dimension::City => dims.city.clone(),
            Dimension::Isp => dims.isp.clone(),
            Dimension::ConnectionType => dims.connection_type.clone(),
            Dimension::DeviceType => dims.device_type.as_str().into(),
            Dimension::Os => dims.os.clone(),
            Dimension::Browser => dims.browser.clone(),
            Dimension::Language => dims.language.clone(),
            Dimension::ReferrerHost => dims.referrer_host.clone(),
            Dimension::Keyword => dims.keyword.clone(),
            Dimension::Sub(n) => dims.subs.get(usize::from(n) - 1).cloned().unwrap_or_default(),
            Dimension::Status => self.status.into(),
            Dimension::Bot => dims.is_bot.to_smolstr(),
            Dimension::Hour => format_smolstr!("{}", at.strftime("%Y-%m-%dT%H:00%:z")),
            Dimension::Day => format_smolstr!("{}", at.strftime("%Y-%m-%d")),
            Dimension::Week => format_smolstr!("{}", at.strftime("%G-W%V")),
            Dimension::Month => format_smolstr!("{}", at.strftime("%Y-%m")),
            Dimension::HourOfDay => format_smolstr!("{}", at.strftime("%H")),
            Dimension::Weekday => format_smolstr!("{}", at.strftime("%u %a")),
        }
    }

    fn passes(&self, filter: &ReportFilter) -> bool {
        let value = self.value(filter.dimension);
        let is = |asked: &String| match filter.dimension {
            id if id.is_id() => value == asked,
            Dimension::DeviceType if asked.is_empty() => value == "unknown",
            _ => value.to_lowercase() == asked.to_lowercase(),
        };
        filter.values.iter().any(is) != filter.negate
    }
}

fn count_click(row: &mut RawRow, click: &ClickEvent, query: &ReportQuery) {
    let at = (query, click.click_id.timestamp());
    row.hits += 1;
    match hit(click) {
        Hit::Click => {
            row.clicks += 1;
            row.unique_campaign += u64::from(click.unique_campaign);
            row.unique_stream += u64::from(click.unique_stream);
            row.unique_destination += u64::from(click.unique_destination);
        }
        Hit::Bot => row.bots += 1,
        Hit::Prefetch => row.prefetches += 1,
        Hit::Trafficback => row.trafficbacks += 1,
    }
    if matches!(hit(click), Hit::Click | Hit::Trafficback) {
        row.costs_refused += u64::from(!click.cost_refused.is_empty());
    }
    match (hit(click), click.cost, click.bot_cost) {
        (Hit::Click | Hit::Trafficback, Some(cost), _) => {
            add(row, cost, at, |r| &mut r.cost, |d| &mut d.cost);
        }
        (Hit::Bot, _, Some(would)) | (Hit::Bot, Some(would), None) => {
            add(row, would, at, |r| &mut r.bot_cost, |d| &mut d.bot_cost);
        }
        _ => {}
    }
}

fn count_conversion(
    row: &mut RawRow,
    status: &ConversionStatus,
    revenue: Money,
    at: (&ReportQuery, Timestamp),
) {
    match status {
        ConversionStatus::Lead | ConversionStatus::Custom(_) => row.leads += 1,
        ConversionStatus::Sale => row.sales += 1,
        ConversionStatus::Rebill => row.rebills += 1,
        ConversionStatus::Rejected => row.rejected += 1,
    }
    match status {
        ConversionStatus::Lead | ConversionStatus::Custom(_) => {
            add(row, revenue, at, |r| &mut r.revenue_hold, |d| &mut d.revenue_hold);
        }
        ConversionStatus::Sale | ConversionStatus::Rebill => {
            add(row, revenue, at, |r| &mut r.revenue_confirmed, |d| &mut d.revenue_confirmed);
        }
        ConversionStatus::Rejected => {}
    }
}

fn add(
    row: &mut RawRow,
    Money { amount, currency }: Money,
    (query, at): (&ReportQuery, Timestamp),
    sum: fn(&mut RawRow) -> &mut BTreeMap<Currency, Total>,
    apart: fn(&mut Dated) -> &mut Total,
) {
    let Some(days) = query.apart.get(&currency) else {
        *sum(row).entry(currency).or_default() += amount;
        return;
    };
    let day = TimeZone::UTC.to_datetime(at).date();
    let since = days.iter().rev().find(|from| **from <= day).copied();
    let place = row.dated.iter().position(|d| (d.currency, d.since) == (currency, since));
    let place = place.unwrap_or_else(|| {
        row.dated.push(Dated::new(currency, since));
        row.dated.len() - 1
    });
    *apart(&mut row.dated[place]) += amount;
    row.dated.sort_by_key(|d| (d.currency, d.since));
}
