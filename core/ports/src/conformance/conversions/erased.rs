//! Taking a person off what his clicks brought.

use super::{
    Stores,
    kit::{click, expect, report, reported, unpublished},
};
use tfx_domain::{
    event::{ClickDims, PostbackResult},
    postback::{Conversion, Incoming},
};

/// Of the erased click only whose it is stays; money, state, keys and other clicks are as they were, and more can be
/// reported of it.
pub async fn the_facts_of_a_click_go_and_the_money_stays(s: Stores) {
    let his = expect(&s.one, &report(1, "a"), PostbackResult::Recorded).await;
    let other = Incoming { click_id: click(2), ..report(2, "b") };
    let other = expect(&s.one, &other, PostbackResult::Recorded).await;
    let waiting = unpublished(&s.one, 10).await.len();

    let clicks = [click(1), click(99)];
    for dry_run in [true, false] {
        let found = s.two.erase(&clicks, dry_run).await.expect("erase");
        assert_eq!(found, [(his.id.clone(), true)], "dry run: {dry_run}");
        let stays = s.one.get(&his.id).await.expect("get").expect("there") == his;
        assert_eq!(stays, dry_run);
    }
    assert_eq!(s.two.erase(&clicks, false).await.expect("erase"), [(his.id.clone(), false)], "once");
    let left = s.one.get(&his.id).await.expect("get").expect("there");
    let kept = ClickDims { campaign_id: his.click.campaign_id.clone(), ..ClickDims::default() };
    assert_eq!(left, Conversion { click: kept.clone(), ..his.clone() });
    assert_eq!(s.one.get(&other.id).await.expect("get"), Some(other));
    assert_eq!(unpublished(&s.one, 10).await.len(), waiting, "it is no new state");

    let after = expect(&s.two, &reported(3, "a", "rejected"), PostbackResult::Updated).await;
    assert_eq!((after.id, after.click, after.version), (his.id, kept, 2), "and nothing of him comes back");
}
