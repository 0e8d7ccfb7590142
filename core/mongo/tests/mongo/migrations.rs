//! The indexes: applied once, recorded, found out when they are not there, replaced when they differ.

use crate::support::Fresh;
use mongodb::{
    IndexModel,
    bson::{Document, doc},
    options::{Collation, IndexOptions},
};
use std::{sync::Mutex, time::Duration};
use tfx_mongo::Mongo;
use tfx_ports::{
    StoreError,
    migrate::{Remedy, Step, StepState},
};

/// Brings it up; the steps that were applied, and how all stand.
async fn up(mongo: &Mongo) -> Result<(Vec<String>, Vec<Step>), StoreError> {
    let told = Mutex::new(Vec::new());
    let steps =
        mongo.migrations().up(&|s: &Step| told.lock().expect("unpoisoned").push(s.id.clone())).await?;
    Ok((told.into_inner().expect("unpoisoned"), steps))
}

async fn status(mongo: &Mongo) -> Vec<Step> {
    mongo.migrations().status().await.expect("status")
}

fn all_are(steps: &[Step], state: StepState) -> bool {
    steps.iter().all(|s| s.state == state)
}

fn index(keys: Document, name: &str, unique: bool) -> IndexModel {
    let options = IndexOptions::builder().name(name.to_owned()).unique(unique).build();
    IndexModel::builder().keys(keys).options(options).build()
}

async fn names(fresh: &Fresh, collection: &str) -> Vec<String> {
    let mut names =
        fresh.raw().await.collection::<Document>(collection).list_index_names().await.expect("names");
    names.sort_unstable();
    names
}

#[tokio::test]
async fn steps_are_applied_once_and_recorded() {
    let fresh = Fresh::new();
    let mongo = fresh.open().await;
    assert_eq!(mongo.migrations().target(), "mongo");
    assert!(all_are(&status(&mongo).await, StepState::Pending));
    assert!(
        fresh.raw().await.list_collection_names().await.expect("names").is_empty(),
        "looking changes nothing"
    );

    let (told, steps) = up(&mongo).await.expect("up");
    assert!(all_are(&steps, StepState::Applied));
    assert_eq!(told, steps.iter().map(|s| s.id.clone()).collect::<Vec<_>>());
    assert_eq!(steps, status(&mongo).await);
    assert!(steps.iter().all(|s| s.applied_at.is_some()));

    let (told, again) = up(&mongo).await.expect("again");
    assert!(told.is_empty());
    assert_eq!(again, steps);
    assert_eq!(names(&fresh, "streams").await, ["_id_", "in_order", "of_campaign", "slug"]);
}

#[tokio::test]
async fn two_at_once_do_no_harm() {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    let (one, two) = tokio::join!(up(&one), up(&two));
    assert!(all_are(&one.expect("one").1, StepState::Applied));
    assert!(all_are(&two.expect("two").1, StepState::Applied));
}

#[tokio::test]
async fn a_lost_index_is_found_out_and_made_again() {
    let fresh = Fresh::new();
    let mongo = fresh.open().await;
    up(&mongo).await.expect("up");
    let conversions = fresh.raw().await.collection::<Document>("conversions");
    conversions.drop_index("once").await.expect("drop");
    let steps = status(&mongo).await;
    let differs: Vec<_> = steps.iter().filter(|s| s.state == StepState::Differs).collect();
    let [step] = differs.as_slice() else { panic!("{steps:?}") };
    assert!(step.id == "008_conversions" && step.is_due() && step.applied_at.is_some(), "{step:?}");
    let [once] = step.differs.as_slice() else { panic!("{step:?}") };
    assert_eq!((once.what.as_str(), once.remedy), ("index conversions.once is missing", Remedy::Up));
    assert!(once.todo.contains("twice"), "{once:?}");
    assert_eq!(up(&mongo).await.expect("up").0, ["008_conversions"]);
    assert!(names(&fresh, "conversions").await.contains(&"once".to_owned()));
}

/// Each means something else under the same name and keys: documents that are not seen, or that go away.
#[tokio::test]
async fn an_index_that_was_changed_is_told_of_and_made_anew() {
    let fresh = Fresh::new();
    let mongo = fresh.open().await;
    up(&mongo).await.expect("up");
    let database = fresh.raw().await;
    let parked = database.collection::<Document>("parked");
    let due = |options| IndexModel::builder().keys(doc! {"next_try": 1}).options(options).build();
    let named = || IndexOptions::builder().name("due".to_owned());
    let german = Collation::builder().locale("de").build();
    let cases = [
        (named().hidden(true).build(), "next_try 1, hidden"),
        (named().sparse(true).build(), "next_try 1, sparse"),
        (named().collation(german).build(), "next_try 1, with a collation"),
        (named().expire_after(Duration::from_secs(1 << 30)).build(), "next_try 1, with an expiry"),
    ];
    for (options, says) in cases {
        parked.drop_index("due").await.expect("drop");
        parked.create_index(due(options)).await.expect("another");
        let steps = status(&mongo).await;
        let differs: Vec<_> = steps.iter().flat_map(|s| &s.differs).map(|d| d.what.as_str()).collect();
        assert_eq!(differs, [format!("index parked.due is ({says}) instead of (next_try 1)")]);
        let (told, steps) = up(&mongo).await.expect("up");
        assert_eq!(told, ["009_parked"], "{says}");
        assert!(all_are(&steps, StepState::Applied), "{says}");
        assert_eq!(steps, status(&mongo).await, "{says}");
    }
}

/// Of an older release, or made by hand: other keys under the name, or other options on the keys.
#[tokio::test]
async fn an_index_that_differs_is_replaced_and_others_are_left_alone() {
    let fresh = Fresh::new();
    let database = fresh.raw().await;
    let campaigns = database.collection::<Document>("campaigns");
    campaigns.create_index(index(doc! {"slug": 1}, "slug", false)).await.expect("another slug");
    campaigns.create_index(index(doc! {"seq": 1}, "by_hand", true)).await.expect("other options");
    campaigns.create_index(index(doc! {"note": 1}, "of_somebody", false)).await.expect("somebody's");
    let mongo = fresh.open().await;
    assert!(all_are(&up(&mongo).await.expect("up").1, StepState::Applied));
    assert_eq!(names(&fresh, "campaigns").await, ["_id_", "aliases", "in_order", "of_somebody", "slug"]);
}

#[tokio::test]
async fn a_step_of_another_build_is_changed_and_applied_anew() {
    let fresh = Fresh::new();
    let mongo = fresh.open().await;
    up(&mongo).await.expect("up");
    let migrations = fresh.raw().await.collection::<Document>("migrations");
    let other = doc! {"$set": {"text": "another list"}};
    migrations.update_one(doc! {"_id": "009_parked"}, other).await.expect("as another build");
    let changed = |steps: &[Step]| steps.iter().filter(|s| s.state == StepState::Changed).count();
    assert_eq!(changed(&status(&mongo).await), 1);
    assert_eq!(up(&mongo).await.expect("up").0, ["009_parked"]);
    assert_eq!(changed(&status(&mongo).await), 0);
}

#[tokio::test]
async fn documents_that_share_a_unique_key_stop_the_step_by_name() {
    let fresh = Fresh::new();
    let networks = fresh.raw().await.collection::<Document>("networks");
    let same = || doc! {"parent": "", "slug": "acme"};
    networks.insert_many([same(), same()]).await.expect("two");
    let mongo = fresh.open().await;
    let e = up(&mongo).await.expect_err("cannot be unique");
    let text = e.to_string();
    assert!(!e.is_retryable() && text.contains("002_networks") && text.contains("acme"), "{text}");
    let steps = status(&mongo).await;
    assert_eq!((steps[0].state, steps[1].state), (StepState::Applied, StepState::Pending));

    networks.delete_one(doc! {}).await.expect("one of them");
    assert!(all_are(&up(&mongo).await.expect("up").1, StepState::Applied));
}
