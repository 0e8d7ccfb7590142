//! What every [`Keys`] must do.

use super::Pair;
use crate::keys::Keys;
use std::{collections::BTreeSet, sync::Arc};
use tokio::task::JoinSet;

type Stores = Pair<dyn Keys>;

/// A secret that is there already, such as a file's, is taken over; after that no other takes its place.
pub async fn the_first_key_stands(s: Stores) {
    assert_eq!(s.one.key("visitors").await.expect("read"), None);
    let first = "first $key. é\t'; DROP TABLE keys";
    assert_eq!(s.one.agree("visitors", first).await.expect("agree"), first);
    for store in [&s.one, &s.two] {
        assert_eq!(store.agree("visitors", "another").await.expect("agree"), first);
        assert_eq!(store.key("visitors").await.expect("read").as_deref(), Some(first));
    }
    assert_eq!(s.two.key("$others.").await.expect("read"), None, "each name has its own");
    assert_eq!(s.two.agree("$others.", "another").await.expect("agree"), "another");
    assert_eq!(s.one.key("visitors").await.expect("read").as_deref(), Some(first));
}

/// Whoever opens it at once with others gets the same key.
pub async fn of_many_proposals_one_stands(s: Stores) {
    for round in 0..5 {
        let name = format!("raced{round}");
        let mut racing = JoinSet::new();
        for n in 0..20 {
            let (store, name) = (Arc::clone(if n % 2 == 0 { &s.one } else { &s.two }), name.clone());
            racing.spawn(async move { store.agree(&name, &format!("proposal {n}")).await.expect("agree") });
        }
        let got: BTreeSet<String> = racing.join_all().await.into_iter().collect();
        assert_eq!(got.len(), 1, "{got:?}");
        assert_eq!(s.two.key(&name).await.expect("read"), got.into_iter().next());
    }
}
