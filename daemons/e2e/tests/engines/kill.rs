//! kill -9 of each service under load, again and again: what was answered is in the reports, once.

use crate::{
    ledger::reconcile,
    load::Load,
    testbed::{Testbed, long},
};
use tfx_e2e::Service;

#[tokio::test(flavor = "multi_thread")]
async fn kill_nine_on_real_engines_loses_nothing_and_counts_nothing_twice() {
    let rounds = if long() { 25 } else { 4 };
    for policy in ["fail_open", "fail_closed"] {
        let mut testbed = Testbed::new(&[("EVENT_WRITE_FAILURE_POLICY", policy)]).await;
        let mut load = Load::start(&testbed, 100, true);
        for round in 0..rounds {
            // Not random: moments that wander, in the middle of whatever goes on.
            load.more(30 + round * 37 % 50).await;
            for service in [Service::Traffic, Service::Postback] {
                testbed.kill(service);
                testbed.start(service);
                let postbacks = load.ledger().postbacks.len();
                load.more(5).await;
                load.until(|l| l.postbacks.len() > postbacks).await;
            }
            testbed.kill(Service::Api);
            testbed.start(Service::Api);
        }
        load.more(50).await;
        testbed.until_ready(Service::Api, |status, _| status == 200).await;
        let ledger = load.end().await;
        let stored = reconcile(&testbed, &ledger, false).await;
        println!(
            "kill -9, {policy}: {} kills; {} clicks broke off; answered {} redirects and {} sales, {stored}; 0 missing, 0 double",
            rounds * 3,
            ledger.broken,
            ledger.clicks.len(),
            ledger.sales().len(),
        );
    }
}
