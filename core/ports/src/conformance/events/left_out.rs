//! An event that cannot be read does not stop the others of its list.

use super::{
    EventStore,
    delivery::{every_click, every_postback, postback},
    kit::{at, click, deliver, envelope, eventually, of_click},
};
use crate::{analytics::ClickQuery, page::PageRequest};
use tfx_domain::{
    event::{ClickEvent, Event, Outcome},
    id::ClickId,
    report::Conditions,
};

/// Lists go on without the events whose bodies `spoil` makes unreadable, page by page, and tell each of them with its id
/// and why; asked for alone it fails by its name. `spoil` is given `clicks`, `trafficback` or `postbacks`, and an id.
pub async fn events_that_cannot_be_read_are_left_out(
    s: EventStore,
    spoil: impl AsyncFn(&'static str, ClickId),
) {
    let all: Vec<ClickEvent> = (0..6)
        .map(|n: i64| {
            let mut click = click(at(n), n.unsigned_abs().into());
            click.dims.country = "DE".into();
            if n % 2 == 1 {
                click.outcome = Outcome::Trafficback;
            }
            click
        })
        .collect();
    let logged: Vec<_> = (0..4).map(postback).collect();
    let batch: Vec<_> = all.iter().map(of_click).collect();
    deliver(&s, &batch).await;
    deliver(
        &s,
        &logged.iter().map(|p| envelope(&Event::PostbackLog(Box::new(p.clone())))).collect::<Vec<_>>(),
    )
    .await;
    let counts = async || {
        let clicks = s.analytics.clicks(&every_click()).await.expect("clicks");
        let postbacks = s.analytics.postbacks(&every_postback()).await.expect("postbacks");
        (clicks.items.len(), postbacks.items.len(), clicks.left_out.len() + postbacks.left_out.len())
    };
    eventually("the events", &(6, 4, 0), counts).await;
    spoil("clicks", all[4].click_id).await;
    spoil("trafficback", all[1].click_id).await;
    spoil("postbacks", logged[3].id).await;
    eventually("the others", &(4, 3, 3), counts).await;

    let where_de = Conditions { filters: vec!["country=de".parse().expect("one")], ..Conditions::default() };
    for conditions in [Conditions::default(), where_de] {
        for limit in [1, 2, 3, 1_000] {
            let page = PageRequest::first(limit);
            let mut query = ClickQuery { page, conditions: conditions.clone(), ..every_click() };
            let (mut seen, mut told) = (Vec::new(), Vec::new());
            loop {
                let page = s.analytics.clicks(&query).await.expect("the others are read");
                seen.extend(page.items.into_iter().map(|c| c.click_id));
                told.extend(page.left_out);
                let Some(next) = page.next else { break };
                query.page.cursor = Some(next);
            }
            assert_eq!(seen, [5, 3, 2, 0].map(|n: usize| all[n].click_id), "pages of {limit}");
            assert_eq!(told.len(), 2, "{told:?}");
            for (why, n) in told.iter().zip([4, 1]) {
                assert!(why.contains(&all[n].click_id.to_string()), "{why}");
            }
        }
    }
    let page = s.analytics.postbacks(&every_postback()).await.expect("the others are read");
    let seen: Vec<_> = page.items.iter().map(|p| p.id).collect();
    assert_eq!(seen, [2, 1, 0].map(|n: usize| logged[n].id));
    assert!(page.left_out[0].contains(&logged[3].id.to_string()), "{:?}", page.left_out);
    for n in [4, 1] {
        let e = s.analytics.click(all[n].click_id).await.expect_err("it cannot be read").to_string();
        assert!(e.contains(&all[n].click_id.to_string()), "{e}");
    }
    assert_eq!(s.analytics.click(all[2].click_id).await.expect("the others").as_ref(), Some(&all[2]));
}
