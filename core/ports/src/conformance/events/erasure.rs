//! What every [`EventErasure`] must do: a person goes, the others stay, and so does the money.

use super::{
    EventStore,
    kit::{
        at, click, conversion, deliver, envelope, everything, network, of_click, of_conversion, settle, total,
    },
};
use crate::{
    analytics::{ClickQuery, PostbackQuery},
    clock,
    erasure::{EventErasure, FoundClick, Traces, Whom},
    page::PageRequest,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tfx_domain::{
    event::{ClickDims, ClickEvent, Event, EventCounts, Outcome, PostbackLogEvent, TestTraffic},
    id::{ClickId, VisitorId},
    report::{Conditions, ReportQuery},
};

/// A new, empty store of events that erases.
pub struct ErasingStore {
    /// The store.
    pub events: EventStore,
    /// What erases.
    pub erasure: Arc<dyn EventErasure>,
}

const PERSON: VisitorId = VisitorId(0xc0ff_ee00);
const ADDRESS: &str = "198.51.100.77";

/// A click of somebody, with facts that tell of him.
fn click_of(n: u64, visitor: VisitorId, ip: &str) -> ClickEvent {
    let plain = click(at(n.cast_signed()), u128::from(n));
    let dims = ClickDims {
        country: "DE".into(),
        city: "Ulm".into(),
        keyword: "shoes".into(),
        subs: vec!["one".into()],
        os: "iOS".into(),
        ..plain.dims.clone()
    };
    ClickEvent { visitor_id: visitor, ip: ip.into(), user_agent: "Canary/1".to_owned(), dims, ..plain }
}

fn postback(n: u128, click: Option<ClickId>, said: &str) -> PostbackLogEvent {
    serde_json::from_value(serde_json::json!({
        "schema": 1, "id": ClickId::generate(at(500), n), "at": at(500), "network": "acme",
        "network_id": network(1), "remote_ip": "192.0.2.1", "method": "GET", "params": [["said", said]],
        "result": "recorded", "reason": "because", "status": 200, "click_id": click,
    }))
    .expect("a line")
}

fn line(line: &PostbackLogEvent) -> crate::sink::Envelope {
    envelope(&Event::PostbackLog(Box::new(line.clone())))
}

async fn lines(s: &ErasingStore) -> Vec<PostbackLogEvent> {
    let query = PostbackQuery {
        since: None,
        until: None,
        network: None,
        result: None,
        direction: None,
        test: TestTraffic::Include,
        filters: Vec::new(),
        page: PageRequest::first(100),
    };
    s.events.analytics.postbacks(&query).await.expect("lines").items
}

async fn clicks(s: &ErasingStore, visitor: VisitorId) -> usize {
    let query = ClickQuery {
        since: None,
        until: None,
        campaign: None,
        visitor: Some(visitor),
        unrouted: None,
        test: TestTraffic::Include,
        conditions: Conditions::default(),
        page: PageRequest::first(100),
    };
    s.events.analytics.clicks(&query).await.expect("clicks").items.len()
}

/// What a person did, and another: two clicks, one of them trafficback, a sale and lines of the log each.
async fn filled(s: &ErasingStore) -> Traces {
    let mut his = Traces::default();
    for (n, visitor, ip) in [(1, PERSON, ADDRESS), (11, VisitorId(7), "203.0.113.9")] {
        let routed = click_of(n, visitor, ip);
        let unrouted = ClickEvent { outcome: Outcome::NotFound, ..click_of(n + 1, visitor, ip) };
        let sale = conversion(usize::try_from(n).expect("small"), &routed);
        let named = postback(u128::from(n), Some(routed.click_id), "his");
        let quoting = postback(u128::from(n) + 1, None, &format!("v={visitor}"));
        let batch =
            [of_click(&routed), of_click(&unrouted), of_conversion(&sale), line(&named), line(&quoting)];
        deliver(&s.events, &batch).await;
        if visitor == PERSON {
            his.clicks = vec![routed.click_id, unrouted.click_id];
            his.conversions = vec![sale.conversion_id];
            his.texts = vec![PERSON.to_string()];
        }
    }
    settle(&s.events, 1).await;
    his
}

fn by_country() -> ReportQuery {
    ReportQuery { dimensions: vec!["country".parse().expect("a dimension")], ..everything() }
}

const ALL_OF_HIM: EventCounts =
    EventCounts { clicks: 1, trafficback: 1, conversions: 1, postbacks: 2, other: 0 };

/// A person's clicks are found by himself and by his address, until a time and no later.
pub async fn who_left_what_is_found(s: ErasingStore) {
    let his = filled(&s).await;
    let want: BTreeSet<ClickId> = his.clicks.iter().copied().collect();
    let address = Whom::Address(vec!["0.0.0.0".to_owned(), ADDRESS.to_owned()]);
    for whom in [Whom::Visitor(PERSON), address] {
        let found = s.erasure.find(&whom, clock::now()).await.expect("find");
        assert!(found.iter().all(|f: &FoundClick| f.visitor == PERSON), "{found:?}");
        let found: BTreeSet<ClickId> = found.into_iter().map(|f| f.click).collect();
        assert_eq!(found, want, "{whom:?}");
        let early = s.erasure.find(&whom, at(2)).await.expect("find");
        assert_eq!(early.len(), 1, "only what was before");
    }
    // Part of an address, or one that stands elsewhere in a click, is nobody's.
    for nobody in
        [Whom::Visitor(VisitorId(8)), Whom::Address(vec!["198.51.100.7".to_owned(), "Canary/1".to_owned()])]
    {
        assert_eq!(s.erasure.find(&nobody, clock::now()).await.expect("find"), []);
    }
}

/// All that is his goes, once; the other person's stays as it was, and the sums of money do.
pub async fn a_person_goes_and_the_money_stays(s: ErasingStore) {
    let his = filled(&s).await;
    let before = total(&s.events, &everything()).await;
    let others: Vec<_> = lines(&s).await.into_iter().filter(|l| l.id.to_bits() & 0xffff > 2).collect();
    assert_eq!(others.len(), 2);
    assert_eq!(s.erasure.erase(&his, true).await.expect("count"), ALL_OF_HIM);
    assert_eq!(clicks(&s, PERSON).await, 2, "counting removes nothing");
    assert_eq!(s.erasure.erase(&his, false).await.expect("erase"), ALL_OF_HIM);
    s.erasure.wipe().await.expect("wipe");
    assert_eq!(s.erasure.erase(&his, false).await.expect("again"), EventCounts::default(), "once");
    assert_eq!(s.erasure.find(&Whom::Visitor(PERSON), clock::now()).await.expect("find"), []);
    assert_eq!((clicks(&s, PERSON).await, clicks(&s, VisitorId(7)).await), (0, 2));

    let after = total(&s.events, &everything()).await;
    assert_eq!(
        (after.sales, &after.revenue_confirmed),
        (before.sales, &before.revenue_confirmed),
        "the money stays"
    );
    assert_eq!((after.clicks, after.trafficbacks), (before.clicks - 1, before.trafficbacks - 1));
    let rows = s.events.analytics.report(&by_country()).await.expect("report");
    let german: Vec<_> = rows.iter().filter(|r| r.key == ["DE"]).map(|r| (r.clicks, r.sales)).collect();
    assert_eq!(german, [(1, 1)], "his facts are not in reports: {rows:?}");

    let left = lines(&s).await;
    for line in &left {
        let his = line.id.to_bits() & 0xffff <= 2;
        assert_eq!(line.params.is_empty() && line.reason.is_empty(), his, "{line:?}");
        assert!(!his || (line.network == "acme" && line.status == 200), "{line:?}");
    }
    for other in others {
        assert!(left.contains(&other), "as it was: {other:?}");
    }
}

/// Delivered once more, as out of a journal or a topic, he goes again by what is known of him.
pub async fn who_comes_back_goes_again(s: ErasingStore) {
    let his = filled(&s).await;
    s.erasure.erase(&his, false).await.expect("erase");
    let back = click_of(1, PERSON, ADDRESS);
    deliver(&s.events, &[of_click(&back)]).await;
    settle(&s.events, 2).await;
    assert_eq!(clicks(&s, PERSON).await, 1);
    let again = s.erasure.erase(&his, false).await.expect("erase");
    assert_eq!((again.clicks, again.trafficback, again.postbacks), (1, 0, 0));
    assert_eq!(clicks(&s, PERSON).await, 0);
    // What he does from now on is his again.
    let later = ClickEvent { click_id: ClickId::generate(at(9_000) + Duration::from_secs(1), 77), ..back };
    deliver(&s.events, &[of_click(&later)]).await;
    settle(&s.events, 3).await;
    s.erasure.erase(&his, false).await.expect("erase");
    assert_eq!(clicks(&s, PERSON).await, 1);
}
