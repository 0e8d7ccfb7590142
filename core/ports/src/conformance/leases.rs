//! What every [`Leases`] must do.

use super::Pair;
use crate::leases::{Lease, Leases};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

type Stores = Pair<dyn Leases>;

/// Longer than a test takes.
const LONG: Duration = Duration::from_secs(600);
/// Expires while a test waits.
const SHORT: Duration = Duration::from_millis(50);

async fn take(store: &Arc<dyn Leases>, name: &str, time: Duration) -> Option<Lease> {
    store.take(name, time).await.expect("take")
}

/// As soon as it is free.
async fn taken(store: &Arc<dyn Leases>, name: &str, time: Duration) -> Lease {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(lease) = take(store, name, time).await {
            return lease;
        }
        assert!(Instant::now() < end, "it is never free");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// One has it until he gives it back; each name is a lease of its own.
pub async fn one_holds_a_lease(s: Stores) {
    let first = take(&s.one, "$sweep.", LONG).await.expect("free");
    assert_eq!(take(&s.two, "$sweep.", LONG).await, None);
    assert_eq!(take(&s.one, "$sweep.", LONG).await, None, "nor twice by one");
    assert!(take(&s.two, "other", LONG).await.is_some());
    assert!(s.one.renew(&first, LONG).await.expect("renew"));
    assert!(s.two.release(&first).await.expect("release"), "whichever handle");
    assert!(
        !s.one.release(&first).await.expect("release") && !s.one.renew(&first, LONG).await.expect("renew")
    );
    let second = take(&s.two, "$sweep.", LONG).await.expect("free");
    assert!(second.fence > first.fence, "{} after {}", second.fence, first.fence);
    assert!(!s.one.release(&first).await.expect("release"), "of another");
    assert_eq!(take(&s.one, "$sweep.", LONG).await, None);
}

/// Who is late has lost it, also while nobody else has it; who renews it keeps it.
pub async fn a_lease_is_lost_by_expiry(s: Stores) {
    let late = take(&s.one, "a", SHORT).await.expect("free");
    let holder = taken(&s.two, "a", Duration::from_secs(2)).await;
    assert!(holder.fence > late.fence);
    assert!(!s.one.renew(&late, LONG).await.expect("renew") && !s.one.release(&late).await.expect("release"));
    let beside = take(&s.one, "b", Duration::from_secs(2)).await.expect("free");
    assert!(s.two.renew(&holder, LONG).await.expect("renew"));
    taken(&s.two, "b", SHORT).await;
    assert!(!s.one.renew(&beside, LONG).await.expect("renew"));
    assert_eq!(take(&s.one, "a", LONG).await, None, "it was renewed");
    let alone = take(&s.one, "c", SHORT).await.expect("free");
    let end = Instant::now() + Duration::from_secs(30);
    while s.one.renew(&alone, SHORT).await.expect("renew") {
        assert!(Instant::now() < end, "it never expires");
        tokio::time::sleep(SHORT * 2).await;
    }
}

/// Of many who want it at once one gets it, and each who gets it has a higher number.
pub async fn of_many_one_gets_the_lease(s: Stores) {
    let mut before = 0;
    for _ in 0..5 {
        let mut racing = JoinSet::new();
        for n in 0..20 {
            let store = Arc::clone(if n % 2 == 0 { &s.one } else { &s.two });
            racing.spawn(async move { take(&store, "raced", LONG).await });
        }
        let got: Vec<Lease> = racing.join_all().await.into_iter().flatten().collect();
        assert_eq!(got.len(), 1, "{got:?}");
        assert!(got[0].fence > before);
        before = got[0].fence;
        assert!(s.one.release(&got[0]).await.expect("release"));
    }
}

/// A lease is held for as long as it was to be, from when the store's clock was set back: who died holds up nobody for longer,
/// who lives keeps his. `set_back` has the times of all leases lie so much later.
pub async fn a_lease_ends_in_its_time_though_the_clock_is_set_back(
    s: Stores,
    set_back: impl AsyncFn(Duration),
) {
    let time = Duration::from_millis(300);
    let dead = take(&s.one, "dead", time).await.expect("free");
    let alive = take(&s.one, "alive", LONG).await.expect("free");
    set_back(Duration::from_secs(900)).await;
    let (began, next) = (Instant::now(), taken(&s.two, "dead", LONG).await);
    assert!(began.elapsed() >= time - SHORT, "it was held that long");
    assert!(next.fence > dead.fence && !s.one.renew(&dead, LONG).await.expect("renew"));
    assert_eq!(take(&s.two, "alive", LONG).await, None);
    assert!(s.one.renew(&alive, LONG).await.expect("renew"));
}
