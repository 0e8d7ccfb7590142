//! What programs of before stored is read as it is, brought up to date by the migrations, and goes on. Parked postbacks of
//! before are in `conformance`.

use crate::support::Fresh;
use mongodb::bson::{DateTime, Document, doc};
use tfx_domain::{
    entity::Kind, event::TestTraffic, id::ConversionId, money::Currency, postback::ConversionStatus,
    report::Conditions,
};
use tfx_ports::{conversions::ConversionQuery, migrate::StepState, page::PageRequest};

const BODY: &str = r#"{"id":"cnv_1kgcdq9fg9bsd57tb3t","version":2,"network":"net_0000000000000000000","key":"73986d357f2a7e27",
    "sale_claim":"01KGCAA780HVX59GYE4G0YC7J8","transaction_id":"73986d357f2a7e27","click_id":"01KGCAA780HVX59GYE4G0YC7J8",
    "status":"sale","raw_status":"approved","revenue":{"amount":"12.5","currency":"USD"},"created_at":"2026-02-01T10:59:34Z",
    "updated_at":"2026-02-01T11:59:34Z","click":{"campaign_id":"cmp_000000000000000000d","country":"BR","device_type":"tablet",
    "is_bot":false}}"#;
const CAMPAIGN: &str = r#"{"slug":"summer","name":"Summer"}"#;

#[tokio::test]
async fn documents_of_before_are_read_brought_up_to_date_and_go_on() {
    let fresh = Fresh::new();
    let raw = fresh.raw().await;
    let insert = async |collection: &str, document: Document| {
        raw.collection::<Document>(collection).insert_one(document).await.expect("stored");
    };
    insert("revision", doc! {"_id": "config", "value": 7_i64}).await;
    insert(
        "campaigns",
        doc! {
            "_id": "cmp_000000000000000000d", "seq": 7_i64, "parent": "", "slug": "summer", "status": "active",
            "version": 1_i64, "created_at": "2026-02-01T09:00:00Z", "updated_at": "2026-02-01T09:00:00Z", "spec": CAMPAIGN,
        },
    )
    .await;
    insert(
        "audit",
        doc! {
            "_id": 7_i64, "at": "2026-02-01T09:00:00Z", "actor": "ann", "action": "create", "kind": "campaign",
            "entity": "cmp_000000000000000000d", "version": 1_i64, "changes": "{}",
        },
    )
    .await;
    insert(
        "conversions",
        doc! {
            "_id": "cnv_1kgcdq9fg9bsd57tb3t", "version": 2_i64, "network": "net_0000000000000000000",
            "key": "73986d357f2a7e27", "sale_claim": "01KGCAA780HVX59GYE4G0YC7J8", "click": "01KGCAA780HVX59GYE4G0YC7J8",
            "campaign": "cmp_000000000000000000d", "status": "sale",
            "created": DateTime::from_millis(1_769_943_574_000), "unpublished": 1_769_943_574_000_000_i64, "body": BODY,
        },
    )
    .await;

    let mongo = fresh.open().await;
    let steps = mongo.migrations().up(&|_| {}).await.expect("up");
    assert!(steps.iter().all(|s| s.state == StepState::Applied), "{steps:?}");

    let config = mongo.config();
    let (revision, all) = config.load().await.expect("the configuration");
    assert_eq!((revision, all.len(), all[0].slug.as_str()), (7, 1, "summer"));
    let mut summer = config.find(Kind::Campaign, "", "summer").await.expect("found").expect("it is there");
    let first = PageRequest::first(10);
    let entry = config.audit(None, &first).await.expect("the audit log").items.remove(0);
    assert_eq!(
        (entry.caller.name.as_str(), entry.caller.from.as_str(), entry.caller.token.as_str()),
        ("ann", "", "")
    );
    summer.version += 1;
    assert_eq!(config.update(summer.clone(), entry).await.expect("it can be changed"), 8);
    // What stood there is the first revision that is kept.
    assert_eq!(config.at_revision(7).await.expect("kept"), all);
    assert_eq!(config.at_revision(8).await.expect("kept"), [summer]);
    let kept = config.revisions(&first).await.expect("revisions").items;
    let told: Vec<_> = kept.iter().map(|r| (r.revision, r.by.as_str(), r.sums.len())).collect();
    assert_eq!(told, [(8, "ann", 1), (7, "", 0)]);
    assert_eq!(config.revision(7).await.expect("kept").1, []);
    let none = config.at_revision(6).await.expect_err("it was before").to_string();
    assert_eq!(none, "revision 6 is not kept: those from 7 to 8 are");

    let (conversions, id) =
        (mongo.conversions(), "cnv_1kgcdq9fg9bsd57tb3t".parse::<ConversionId>().expect("an id"));
    let sale = conversions.get(&id).await.expect("read").expect("it is there");
    assert_eq!(
        (&sale.status, sale.revenue.currency, sale.displaced),
        (&ConversionStatus::Sale, Currency::USD, false)
    );
    assert!(!sale.click.test);
    let query = ConversionQuery {
        since: None,
        until: None,
        campaign: None,
        network: None,
        status: None,
        click: None,
        test: TestTraffic::Exclude,
        conditions: Conditions::default(),
        page: first.clone(),
    };
    let listed = conversions.list(&query).await.expect("a list").items;
    assert_eq!(listed, std::slice::from_ref(&sale));
    assert_eq!(conversions.unpublished(&first).await.expect("unpublished").items, [sale]);
    conversions.mark_published(&[(id, 2)]).await.expect("marked");
    assert_eq!(conversions.unpublished(&first).await.expect("unpublished").items, []);
}
