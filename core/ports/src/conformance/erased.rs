//! What every [`ErasedList`] must do.

use super::Pair;
use crate::erasure::{ErasedEntry, ErasedList};
use tfx_domain::{Timestamp, id::ClickId};

fn at(s: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + s).expect("in range")
}

fn entry(id: &str, until: Option<Timestamp>) -> ErasedEntry {
    let clicks = (0..3).map(|n| ClickId::generate(at(0), n)).collect();
    ErasedEntry { id: id.to_owned(), at: at(0), until, complete: false, clicks }
}

/// What is kept is found by others, in its last form; what is over goes, and what has no end never does.
pub async fn what_was_erased_is_kept_as_long_as_it_may_come_back(s: Pair<dyn ErasedList>) {
    assert_eq!(s.one.entries().await.expect("entries"), []);
    let (short, long, ever) = (entry("a", Some(at(10))), entry("b", Some(at(20))), entry("c", None));
    for entry in [&short, &long, &ever] {
        s.one.keep(entry).await.expect("keep");
    }
    let done = ErasedEntry { complete: true, clicks: Vec::new(), ..long.clone() };
    s.two.keep(&done).await.expect("keep");
    assert_eq!(s.two.entries().await.expect("entries"), [short, done.clone(), ever.clone()]);
    assert_eq!(s.one.forget(at(9)).await.expect("forget"), 0);
    assert_eq!(s.one.forget(at(10)).await.expect("forget"), 1);
    assert_eq!(s.two.entries().await.expect("entries"), [done, ever.clone()]);
    assert_eq!(s.two.forget(at(99_999)).await.expect("forget"), 1);
    s.one.wipe().await.expect("wipe");
    assert_eq!(s.one.entries().await.expect("entries"), [ever]);
}
