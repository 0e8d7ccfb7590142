//! What is read as a set and applied changes nothing, and elsewhere makes the same: of configurations with every field set, and of
//! any that are made of these.

use super::{
    applied,
    generated::{everything, some_of},
    pruned, put, set, told,
};
use crate::server::Server;
use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

/// Reading it and applying it leaves everything as it is, at its versions.
async fn stays(s: &Server) -> Value {
    let before = s.stores.config.load().await.expect("the configuration");
    let (revision, set) = set(s).await;
    let (status, answer) = put(s, json!({ "revision": revision, "prune": true, "set": set })).await;
    assert!(status.is_success(), "{answer:#}\n{set:#}");
    assert_eq!(told(&answer), Vec::<String>::new(), "{answer:#}");
    assert_eq!(s.stores.config.load().await.expect("the configuration"), before, "not even a version");
    set
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_changes_nothing_and_makes_the_same_elsewhere_on_both_stores() {
    for (one, two) in [
        (Server::start().await, Server::start().await),
        (Server::on_mongodb(&[]).await, Server::on_mongodb(&[]).await),
    ] {
        let made = applied(&one, &everything()).await;
        assert!(told(&made).iter().all(|change| change.starts_with("create ")), "{made:#}");
        let read = stays(&one).await;
        let again = applied(&one, &everything()).await;
        assert_eq!(told(&again), Vec::<String>::new(), "{again:#}");
        // What is not shown cannot be made elsewhere, so that it is said there.
        let mut elsewhere = read.clone();
        let with_secrets = everything();
        elsewhere["sources"] = with_secrets["sources"].clone();
        elsewhere["alerts"] = with_secrets["alerts"].clone();
        elsewhere["destinations"] = with_secrets["destinations"].clone();
        applied(&two, &elsewhere).await;
        assert_eq!(stays(&two).await, read);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_set_is_at_its_default_and_no_secret_is_in_it() {
    let s = Server::start().await;
    applied(&s, &everything()).await;
    let text = set(&s).await.1.to_string();
    for secret in ["canary", "whsec_"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    // Whatever is taken out of it is missed.
    let (_, whole) = set(&s).await;
    // An amount keeps its currency, also where it is that of the network.
    let may_go = ["***", "aliases", "payout/currency"];
    for path in leaves(&whole, "") {
        let mut less = whole.clone();
        let (parent, name) = path.rsplit_once('/').expect("a path");
        let value = less.pointer(&path).expect("there").to_string();
        if may_go.iter().any(|s| path.contains(s) || value.contains(s)) {
            continue;
        }
        less.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object").remove(name);
        let (status, answer) = super::foreseen(&s, json!({ "set": less })).await;
        let is_missed = !status.is_success() || answer["changes"] != json!([]) || !answer["left"].is_null();
        assert!(is_missed, "{path} is {value} and need not be said");
    }
}

/// The fields of objects at any depth, inner ones too.
fn leaves(value: &Value, at: &str) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| {
                let path = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                [vec![path.clone()], leaves(value, &path)].concat()
            })
            .collect(),
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(n, item)| leaves(item, &format!("{at}/{n}"))).collect()
        }
        _ => Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_configuration_is_reached_from_any_other_and_then_stays() {
    let s = Server::start().await;
    // A fixed seed: a failure is the same failure again.
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[14; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let choices = proptest::collection::vec(proptest::prelude::any::<u8>(), 300);
    for _ in 0..25 {
        let wanted = some_of(&choices.new_tree(&mut runner).expect("choices").current());
        pruned(&s, &wanted).await;
        let again = pruned(&s, &wanted).await;
        assert_eq!(told(&again), Vec::<String>::new(), "{wanted:#}");
        stays(&s).await;
    }
}
