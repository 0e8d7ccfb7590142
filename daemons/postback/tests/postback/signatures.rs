//! Postbacks that a network signs: what it signed is taken once, and nothing else is.

use crate::world::{SECRET, TOKEN, Testbed, World, answer};
use serde_json::{Value, json};
use tfx_domain::{
    Timestamp,
    entity::{DestinationSpec, Entity, NetworkSpec, TemplateSpec},
    event::PostbackResult,
    id::ClickId,
    postback::{Request, sign},
};
use tfx_ports::clock;

const KEY: &str = "adnet-signing-key";
const FORMER: &str = "adnet-former-signing-key";

/// A network that signs the body and the time of it, with a former key that works or has ended.
struct SigningNetwork {
    network: Entity<NetworkSpec>,
    template: Entity<TemplateSpec>,
}

async fn signing(testbed: &Testbed, slug: &str, former_until: &str, signature: Value) -> SigningNetwork {
    let network = testbed
        .network(json!({ "slug": slug, "name": "N", "postback_secret": SECRET, "signing_key": KEY,
            "former_signing_key": { "secret": FORMER, "until": former_until } }))
        .await;
    let spec = json!({ "slug": "default", "name": "D", "signature": signature });
    let template = testbed.template(&network, spec).await;
    SigningNetwork { network, template }
}

fn of_body() -> Value {
    json!({ "in": "header:X-Sig:v1", "signed": "{time}.{body}", "time": { "in": "header:X-Sig:t", "within_s": 60 } })
}

impl SigningNetwork {
    /// The header of a body that was signed then, with a key.
    fn header(&self, key: &str, body: &str, at: Timestamp) -> String {
        let mut network = self.network.spec.clone();
        network.signing_key = Some(tfx_domain::entity::Secret(key.to_owned()));
        let format = self.template.spec.signature.as_ref().expect("it signs");
        let time = format!("t={}", at.as_second());
        let header = |_: &str| vec![time.clone()];
        let request = Request {
            url: "",
            query: "",
            body: Some(body.as_bytes()),
            params: &[],
            of_query: 0,
            header: &header,
        };
        format!("{time},v1={}", sign(format, &network, &request).expect("signed"))
    }

    async fn post(&self, world: &World, query: &str, body: &str, header: &str) -> (u16, Value) {
        let url = world.url(&format!("/postback/{}?secret={SECRET}{query}", self.network.spec.slug));
        let mut request =
            world.client.post(url).header("content-type", "application/json").body(body.to_owned());
        if !header.is_empty() {
            request = request.header("X-Sig", header);
        }
        answer(request).await
    }
}

fn earlier(seconds: i64) -> Timestamp {
    Timestamp::from_second(clock::now().as_second() - seconds).expect("a time")
}

fn paid(click: ClickId, tid: &str, payout: &str) -> String {
    json!({ "click_id": click, "tid": tid, "payout": payout }).to_string()
}

async fn world() -> (Testbed, Entity<DestinationSpec>) {
    let (testbed, _, offer) = Testbed::usual(&[("CLICK_LOOKUP_FAILURE_POLICY", "park")]).await;
    (testbed, offer)
}

#[tokio::test]
async fn what_is_forged_late_or_of_an_ended_key_is_refused_by_name_in_the_log_alone() {
    let (testbed, offer) = world().await;
    let moving = signing(&testbed, "moving", "2200-01-01T00:00:00Z", of_body()).await;
    let moved = signing(&testbed, "moved", "2026-01-01T00:00:00Z", of_body()).await;
    // One whose key is missing, and one whose template does not say how it signs.
    let without_key =
        testbed.network(json!({ "slug": "keyless", "name": "K", "postback_secret": SECRET })).await;
    let spec = json!({ "slug": "default", "name": "D", "signature": of_body() });
    let template = testbed.template(&without_key, spec).await;
    let keyless = SigningNetwork { network: without_key, template };
    testbed.template(&moving.network, json!({ "slug": "unsigned", "name": "U" })).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    let body = paid(click, "1", "5");
    let now = clock::now();
    let good = moving.header(KEY, &body, now);
    let table = [
        (&moving, "", body.as_str(), good.clone(), 200, ""),
        (&moving, "", &body, moving.header(FORMER, &body, now), 200, "signed with the network's former key"),
        (&moving, "", &body, String::new(), 403, "the signature is missing (header:X-Sig:v1)"),
        (&moving, "", &body, "v1=00".to_owned(), 403, "the signature is wrong"),
        (
            &moving,
            "",
            &body,
            moving.header("another-key-altogether", &body, now),
            403,
            "the signature is wrong",
        ),
        (&moving, "", &body.replace('5', "9"), good.clone(), 403, "the signature is wrong"),
        (&moving, "", &body, good.replace("t=", "t=1"), 403, "the signature is wrong"),
        (&moving, "", &body, moving.header(KEY, &body, earlier(90)), 403, "it was signed "),
        (&moving, "", &body, moving.header(KEY, &body, earlier(-90)), 403, "it was signed "),
        (
            &moved,
            "",
            &body,
            moved.header(FORMER, &body, now),
            403,
            "the signature is of the network's former key, which ended 2026",
        ),
        (
            &moved,
            "&payout=999",
            &body,
            // Not of the same moment: with one key that would be the other network's signature, and count once.
            moved.header(KEY, &body, earlier(1)),
            200,
            "not read, since it is not signed: payout",
        ),
        (
            &keyless,
            "",
            &body,
            moving.header(KEY, &body, now),
            503,
            "its template wants a signature, and the network has no",
        ),
    ];
    for (network, query, body, header, status, reason) in &table {
        let (got, answer) = network.post(&world, query, body, header).await;
        assert_eq!(got, *status, "{header} {reason} {answer}");
        if got == 403 {
            assert_eq!(answer["detail"], "the signature is not accepted", "nobody is told why");
        }
    }
    // The template that says nothing of signatures is no way around them.
    let around = format!("/postback/moving/unsigned?secret={SECRET}&click_id={click}&tid=9&payout=9");
    assert_eq!(world.get(&around).await.0, 503);
    // Nor is one that there is not, or is paused: what is not signed is not kept so that it could be taken later.
    let nowhere = format!("/postback/moving/nowhere?secret={SECRET}&click_id={click}&tid=9&payout=9");
    assert_eq!(world.get(&nowhere).await.0, 404);
    // Neither is a wrong secret with a right signature.
    let url = world.url("/postback/moving?secret=not-the-secret");
    let request = world.client.post(url).header("X-Sig", &good).body(body.clone());
    assert_eq!(answer(request).await.0, 403);
    let logged = world.logged(table.len() + 3).await;
    let vouched = logged.iter().filter(|line| line.status == 404 && line.network_id.is_some()).count();
    assert_eq!(vouched, 0, "{logged:#?}");
    for (network, _, _, _, status, reason) in &table {
        let found = logged.iter().any(|line| {
            line.network == network.network.spec.slug.as_str()
                && line.status == *status
                && line.reason.contains(reason)
        });
        assert!(found, "{reason}: {logged:#?}");
    }
    let rejected = logged.iter().filter(|line| line.result == PostbackResult::Rejected).count();
    assert_eq!(rejected, table.iter().filter(|row| row.4 != 200).count() + 3);
    assert_eq!(world.conversions().await, 2, "one of each network, of USD 5");
    let text = serde_json::to_string(&logged).expect("json");
    assert!(!text.contains(KEY) && !text.contains(FORMER) && !text.contains(SECRET), "{text}");
    assert!(
        !text.contains("\"999\""),
        "what is not signed is not kept, or it would be read when it is taken again"
    );
    let metrics = world.client.get(world.url("/metrics")).bearer_auth(TOKEN).send().await.expect("asked");
    let metrics = metrics.text().await.expect("text");
    for (why, n) in [("missing", 1), ("wrong", 4), ("late", 2), ("ended", 1), ("no_key", 2)] {
        let line = format!("tfx_postbacks_unsigned_total{{why=\"{why}\"}} {n}");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
}

/// An old payout that somebody sends again, an honest resend, and both of a postback that waited for its click.
#[tokio::test]
async fn what_was_taken_once_changes_nothing_again_and_is_answered_as_before() {
    let (testbed, offer) = world().await;
    let adnet = signing(&testbed, "signs", "2026-01-01T00:00:00Z", of_body()).await;
    let click = testbed.click(&offer).await;
    let late = crate::world::new_click();
    let world = testbed.start().await;
    let now = clock::now();
    let send = async |click: ClickId, payout: &str, seconds: i64| {
        let body = paid(click, &format!("T-{click}"), payout);
        let header =
            adnet.header(KEY, &body, Timestamp::from_second(now.as_second() + seconds).expect("a time"));
        adnet.post(&world, "", &body, &header).await
    };
    let steps = [
        ("10", 0, "recorded"),
        ("20", 1, "updated"),
        ("10", 0, "duplicate"),
        ("20", 1, "duplicate"),
        ("15", -3, "stale"),
        ("30", 2, "updated"),
    ];
    for (payout, seconds, result) in steps {
        let (status, answer) = send(click, payout, seconds).await;
        assert_eq!((status, &answer["result"]), (200, &json!(result)), "{payout} {seconds}");
    }
    assert_eq!(send(late, "10", 0).await.1["result"], "parked");
    assert_eq!(send(late, "20", 1).await.1["result"], "parked");
    assert_eq!(send(late, "10", 0).await.1["result"], "parked");
    world.testbed.deliver_click(late, &offer).await;
    world.until("all are taken", async || world.parked().await == (0, 0)).await;
    let (status, answer) = send(late, "10", 0).await;
    assert_eq!((status, &answer["result"]), (200, &json!("duplicate")));
    let lines = world.logged(12).await;
    assert!(lines.iter().any(|l| l.reason == "it was taken before: its signature is the same"), "{lines:#?}");
    let paid: Vec<String> = world.revenues().await;
    assert_eq!(paid, ["20", "30"]);
}
