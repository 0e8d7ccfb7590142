//! Reading conversions: by id, and in lists that others add to.

use super::{
    Stores,
    kit::{all, at, campaign, click, conversion, expect, first, network, report, reported},
};
use crate::{conversions::ConversionQuery, error::StoreError};
use std::{collections::BTreeSet, time::Duration};
use tfx_domain::{
    event::{ClickDims, PostbackResult, TestTraffic},
    id::{DestinationId, SourceId, StreamId},
    money::{Amount, Money},
    postback::Incoming,
    report::Conditions,
    routing::DeviceType,
};

/// Every field comes back as it went in, the largest and the least.
pub async fn conversions_are_found_as_they_were_recorded(s: Stores) {
    let odd = "Größe \"日本\" \\ ' ; -- $set {a.b} \u{1F600}\u{0}\n";
    let full = Incoming {
        key: format!("tx:{odd}"),
        transaction_id: Some(odd.to_owned()),
        raw_status: Some(odd.repeat(20)),
        revenue: Money {
            amount: Amount::from_micros(1_000_000_000_000_000),
            currency: "XAU".parse().expect("a currency"),
        },
        click: ClickDims {
            campaign_id: Some(campaign(1)),
            deciding_campaign_id: Some(campaign(2)),
            stream_id: Some(StreamId::generate(at(0), 1)),
            destination_id: Some(DestinationId::generate(at(0), 1)),
            source_id: Some(SourceId::generate(at(0), 1)),
            network_id: Some(network(2)),
            country: "DE".into(),
            region: "BY".into(),
            city: odd.into(),
            isp: odd.into(),
            connection_type: "cellular".into(),
            device_type: DeviceType::Tablet,
            os: "iOS".into(),
            browser: "Safari".into(),
            language: "de-de".into(),
            referrer_host: "example.com".into(),
            keyword: odd.repeat(10).into(),
            subs: (0..20).map(|n| if n % 3 == 0 { "".into() } else { odd.into() }).collect(),
            is_bot: true,
            test: true,
        },
        ..reported(1, "", &"é".repeat(64))
    };
    let least = Incoming {
        key: format!("click:{}:main", click(2)),
        transaction_id: None,
        raw_status: None,
        revenue: Money { amount: Amount::ZERO, currency: "EUR".parse().expect("a currency") },
        click_id: click(2),
        click: ClickDims::default(),
        ..report(2, "")
    };
    let below = Incoming {
        revenue: Money { amount: Amount::from_micros(-1), ..least.revenue },
        click_id: click(3),
        ..report(3, "below")
    };
    let mut recorded = Vec::new();
    for incoming in [&full, &least, &below] {
        let c = expect(&s.one, incoming, PostbackResult::Recorded).await;
        assert_eq!(
            (&c.id, c.version, &c.network, &c.key, &c.transaction_id, c.click_id, &c.status, &c.raw_status),
            (
                &incoming.new_id,
                1,
                &incoming.network,
                &incoming.key,
                &incoming.transaction_id,
                incoming.click_id,
                &incoming.status,
                &incoming.raw_status
            )
        );
        assert_eq!((c.revenue, c.created_at, c.updated_at), (incoming.revenue, incoming.at, incoming.at));
        assert_eq!(c.click, incoming.click);
        for store in [&s.one, &s.two] {
            assert_eq!(store.get(&c.id).await.expect("get"), Some(c.clone()));
        }
        recorded.insert(0, c);
    }
    assert_eq!(all(&s.two).await, recorded);
    assert_eq!(s.two.get(&conversion(77)).await.expect("get"), None);
    let ids = [conversion(1), conversion(99), conversion(2)];
    assert_eq!(s.two.absent(&ids).await.expect("absent"), ids[1..2]);
    assert_eq!(s.two.absent(&[]).await.expect("absent"), []);
}

/// By the time of the first report, also when they were recorded in another order; of one time by id. A later
/// change moves nothing.
pub async fn the_newest_come_first(s: Stores) {
    let times = [5, 3, 9, 5, 1, 5, 7];
    for (n, ms) in (1..).zip(times) {
        let lead = Incoming { at: at(ms), ..reported(n, &format!("T{n}"), "lead") };
        expect(&s.one, &lead, PostbackResult::Recorded).await;
    }
    let sold = Incoming { at: at(50), ..report(60, "T5") };
    expect(&s.one, &sold, PostbackResult::Updated).await;
    for limit in [1, 2, 3, 7] {
        let mut query = first(limit);
        let mut seen = Vec::new();
        loop {
            let page = s.two.list(&query).await.expect("list");
            assert!(page.items.len() <= limit);
            seen.extend(page.items.into_iter().map(|c| c.key));
            let Some(next) = page.next else { break };
            query.page.cursor = Some(next);
        }
        assert_eq!(seen, ["tx:T3", "tx:T7", "tx:T6", "tx:T4", "tx:T1", "tx:T2", "tx:T5"], "pages of {limit}");
    }
}

/// Each filter alone, together with others, and with pages.
pub async fn lists_are_filtered(s: Stores) {
    let statuses = ["lead", "sale", "rejected", "rebill", "trial"];
    for n in 0..60 {
        let mut incoming = Incoming {
            network: network(1 + n as u128 % 2),
            click_id: click(n as u128 % 7),
            allow_upsell: true,
            ..reported(n, &format!("T{n}"), statuses[usize::try_from(n).expect("small") % 5])
        };
        incoming.click.campaign_id =
            [None, Some(campaign(1)), Some(campaign(2))][n.unsigned_abs() as usize % 3].clone();
        incoming.click.test = n % 4 == 0;
        expect(&s.one, &incoming, PostbackResult::Recorded).await;
    }
    let list = async |query: ConversionQuery| -> Vec<i64> {
        let mut query = ConversionQuery { page: first(4).page, ..query };
        let mut seen = Vec::new();
        loop {
            let page = s.two.list(&query).await.expect("list");
            assert!(page.items.len() <= 4);
            seen.extend(page.items.iter().map(|c| c.created_at.duration_since(at(0)).as_millis() as i64));
            let Some(next) = page.next else { return seen };
            query.page.cursor = Some(next);
        }
    };
    let numbers = |keep: &dyn Fn(i64) -> bool| -> Vec<i64> { (0..60).rev().filter(|n| keep(*n)).collect() };
    let query = || first(4);
    assert_eq!(list(query()).await, numbers(&|_| true));
    assert_eq!(
        list(ConversionQuery { campaign: Some(campaign(1)), ..query() }).await,
        numbers(&|n| n % 3 == 1)
    );
    assert_eq!(list(ConversionQuery { campaign: Some(campaign(9)), ..query() }).await, [0; 0]);
    assert_eq!(
        list(ConversionQuery { network: Some(network(2)), ..query() }).await,
        numbers(&|n| n % 2 == 1)
    );
    for (i, status) in (0..).zip(statuses) {
        let status = status.parse().ok();
        assert_eq!(list(ConversionQuery { status, ..query() }).await, numbers(&|n| n % 5 == i));
    }
    assert_eq!(list(ConversionQuery { status: "tria".parse().ok(), ..query() }).await, [0; 0]);
    assert_eq!(list(ConversionQuery { click: Some(click(3)), ..query() }).await, numbers(&|n| n % 7 == 3));
    for (test, has) in [(TestTraffic::Only, true), (TestTraffic::Exclude, false)] {
        assert_eq!(list(ConversionQuery { test, ..query() }).await, numbers(&|n| (n % 4 == 0) == has));
    }
    for (condition, has) in [
        (format!("campaign={},{}", campaign(1), campaign(9)), &(|n: i64| n % 3 == 1) as &dyn Fn(i64) -> bool),
        ("campaign=".to_owned(), &|n| n % 3 == 0),
        (format!("network!={}", network(2)), &|n| n % 2 == 0),
        ("status=TRIAL,rejected".to_owned(), &|n| matches!(n % 5, 2 | 4)),
        ("weekday!=1 Mon,2 Tue,3 Wed,4 Thu,5 Fri,6 Sat,7 Sun".to_owned(), &|_| false),
        ("country=de".to_owned(), &|_| true),
        ("country=FR,".to_owned(), &|_| false),
    ] {
        let filters = vec![condition.parse().expect("a condition")];
        let conditions = Conditions { filters, ..Conditions::default() };
        assert_eq!(list(ConversionQuery { conditions, ..query() }).await, numbers(has), "{condition}");
    }
    let together = ConversionQuery {
        since: Some(at(10)),
        until: Some(at(50)),
        campaign: Some(campaign(2)),
        network: Some(network(1)),
        click: Some(click(1)),
        ..query()
    };
    assert_eq!(
        list(together).await,
        numbers(&|n| (10..50).contains(&n) && n % 3 == 2 && n % 2 == 0 && n % 7 == 1)
    );
    for (since, until) in
        [(Some(0), Some(1)), (Some(59), None), (None, Some(1)), (Some(20), Some(20)), (Some(9), Some(3))]
    {
        let bounds = ConversionQuery { since: since.map(at), until: until.map(at), ..query() };
        let within = |n| since.is_none_or(|s| n >= s) && until.is_none_or(|u| n < u);
        assert_eq!(list(bounds).await, numbers(&within), "{since:?} to {until:?}");
    }
    // A bound between two milliseconds is after the first.
    let between = at(30) + Duration::from_nanos(1);
    assert_eq!(list(ConversionQuery { since: Some(between), ..query() }).await, numbers(&|n| n > 30));
    assert_eq!(list(ConversionQuery { until: Some(between), ..query() }).await, numbers(&|n| n <= 30));
}

/// Pages show everything that was there from the beginning exactly once, newest first, while others record.
pub async fn lists_are_complete_while_they_grow(s: Stores) {
    for n in 0..25 {
        expect(&s.one, &reported(n, &format!("T{n}"), "lead"), PostbackResult::Recorded).await;
    }
    let mut query = first(4);
    let mut seen = Vec::new();
    for n in 100.. {
        let page = s.one.list(&query).await.expect("list");
        seen.extend(page.items);
        let Some(next) = page.next else { break };
        query.page.cursor = Some(next);
        // Newer ones, older ones, and a change to one of those still to come.
        expect(&s.two, &reported(n, &format!("new {n}"), "lead"), PostbackResult::Recorded).await;
        let older = Incoming { at: at(-n), ..reported(n + 1_000, &format!("old {n}"), "lead") };
        if n < 104 {
            expect(&s.two, &older, PostbackResult::Recorded).await;
            let change = Incoming { at: at(500), ..reported(n, "T0", if n % 2 == 0 { "a" } else { "b" }) };
            expect(&s.two, &change, PostbackResult::Updated).await;
        }
    }
    let ids: BTreeSet<_> = seen.iter().map(|c| c.id.clone()).collect();
    assert_eq!(ids.len(), seen.len(), "none twice");
    assert!(seen.windows(2).all(|w| w[0].created_at > w[1].created_at), "newest first");
    let there: Vec<_> = seen.iter().filter(|c| c.key.starts_with("tx:T")).map(|c| c.created_at).collect();
    assert_eq!(there, (0..25).rev().map(at).collect::<Vec<_>>(), "what was there, in order");
}

/// A cursor that cannot be one is an error of its own, not an empty list.
pub async fn a_cursor_of_another_list_is_refused(s: Stores) {
    expect(&s.one, &report(1, "T"), PostbackResult::Recorded).await;
    for cursor in
        ["", "no cursor", "💥", "'; DROP TABLE conversions; --", "17", "{\"$gt\": 0}", &click(1).to_string()]
    {
        let mut query = first(10);
        query.page.cursor = Some(cursor.to_owned());
        let e = s.one.list(&query).await;
        assert!(matches!(e, Err(StoreError::BadCursor)), "{cursor}: {e:?}");
    }
}
