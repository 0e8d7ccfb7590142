//! What reconciling holds against the log: how many postbacks were accepted.

use crate::world::{SECRET, Testbed};

/// What is answered 503 comes again: where not even its line could be kept, nothing counts as accepted that is not in the log.
#[tokio::test]
async fn what_is_answered_503_counts_as_nothing_accepted() {
    let settings = [("EVENT_JOURNAL_MAX_BYTES", "1048576")];
    let (testbed, _, offer) = Testbed::usual(&settings).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    world.testbed.faults.sink_away.on();
    let long = "x".repeat(900);
    let more: Vec<String> = (0..8).map(|n| format!("p{n}={long}")).collect();
    let path = format!("/postback/adnet?secret={SECRET}&subid={click}&{}", more.join("&"));
    let mut taken = 0;
    loop {
        match world.get(&format!("{path}&tid=T{taken}")).await.0 {
            200 => taken += 1,
            status => break assert_eq!(status, 503),
        }
        assert!(taken < 1_000, "the journal is never full");
    }
    // Where the state cannot be stored either, its line is what is dropped.
    world.testbed.faults.record_fails.on();
    for n in 0..3 {
        assert_eq!(world.get(&format!("{path}&tid=F{n}")).await.0, 503);
    }
    world.testbed.faults.record_fails.off();
    world.testbed.faults.sink_away.off();
    // What was answered is told before long.
    tfx_service::testing::until("it is told", async || world.accepted().await.0 >= taken).await;
    assert_eq!(world.accepted().await, (taken, taken), "each with what became of it");
    world.logged(usize::try_from(taken).expect("few")).await;
}
