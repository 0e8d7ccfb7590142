//! Clicks and conversions that a store has no more: what is reported of them again is the same money.

use crate::world::{SECRET, Testbed, World};
use tfx_domain::id::{ClickId, ConversionId};
use tfx_ports::clock;

async fn report(world: &World, click: ClickId, more: &str) -> (String, String) {
    let (status, json) = world.get(&format!("/postback/adnet?secret={SECRET}&click_id={click}{more}")).await;
    assert_eq!(status, 200, "{json}");
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    (text("result"), text("conversion_id"))
}

/// Clicks leave by age sooner than networks reject sales: the conversion knows the click it is of.
#[tokio::test]
async fn a_conversion_changes_when_its_click_has_left() {
    for (id, again) in [("&tid=T1", "&tid=T1"), ("", "")] {
        let (testbed, _, offer) = Testbed::usual(&[("POSTBACK_PARK_RETRY_MS", "600000")]).await;
        let click = testbed.click(&offer).await;
        let world = testbed.start().await;
        let (result, sale) = report(&world, click, id).await;
        assert_eq!(result, "recorded");
        let testbed = world.stop().await;
        while testbed.stores.retention.prune(clock::now()).await.expect("pruned").more {}
        assert_eq!(testbed.stores.analytics.click(click).await.expect("asked"), None);
        let world = testbed.start().await;
        assert_eq!(report(&world, click, again).await, ("duplicate".to_owned(), sale.clone()));
        assert_eq!(
            report(&world, click, &format!("{again}&status=rejected")).await,
            ("updated".to_owned(), sale)
        );
        // Of what was never reported nothing is known.
        assert_eq!(report(&world, click, "&tid=T2").await.0, "parked");
        let stopped = world.stop().await;
        drop(stopped);
    }
}

/// A store of conversions that was put back from a copy lacks what came after it, and reports have it: the network's
/// repetition is that conversion, not one beside it.
#[tokio::test]
async fn what_is_reported_again_has_the_id_it_had() {
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (testbed, network, offer) = Testbed::usual(&[]).await;
        let click = testbed.click(&offer).await;
        let world = testbed.start().await;
        for (said, key) in [("&tid=T", "tx:T".to_owned()), ("&status=lead", format!("click:{click}:main"))] {
            let id = report(&world, click, said).await.1;
            assert_eq!(id, ConversionId::of(&network.id, click, &key).to_string(), "{said}");
            ids.push(id);
        }
        world.stop().await;
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "of another click another");
}
