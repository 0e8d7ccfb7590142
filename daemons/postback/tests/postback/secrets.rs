//! Who may speak for a network that is given another secret.

use crate::world::{SECRET, TOKEN, Testbed, answer, new_click};
use base64::Engine as _;
use serde_json::json;
use tfx_domain::event::PostbackResult;

const FORMER: &str = "adnet-former-s3cret";

#[tokio::test]
async fn two_secrets_work_while_a_network_moves_and_one_that_ended_is_refused_by_name_in_the_log_alone() {
    let (testbed, .., offer) = Testbed::usual(&[]).await;
    let network = |slug: &str, until: &str| {
        json!({ "slug": slug, "name": "N", "postback_secret": SECRET,
            "former_secret": { "secret": FORMER, "until": until } })
    };
    testbed.network(network("moving", "2200-01-01T00:00:00Z")).await;
    testbed.network(network("moved", "2026-01-01T00:00:00Z")).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    // Network, secret, status, what the log says.
    let table = [
        ("moving", SECRET, 200, ""),
        ("moving", FORMER, 200, "with the network's former secret, which works until 2200-01-01T00:00:00Z"),
        ("moving", "neither-of-both", 403, "the secret is wrong"),
        ("moved", SECRET, 200, ""),
        ("moved", FORMER, 403, "the secret is its former one, which ended 2026-01-01T00:00:00Z"),
        ("moved", "neither-of-both", 403, "the secret is wrong"),
    ];
    for (network, secret, status, _) in &table {
        let (got, answer) = world.get(&format!("/postback/{network}?secret={secret}&click_id={click}")).await;
        assert_eq!(got, *status, "{network} {secret}: {answer}");
        if got == 403 {
            assert_eq!(answer["detail"], "the secret or the address is not accepted", "nobody is told which");
        }
    }
    let logged = world.logged(table.len()).await;
    for (network, secret, status, reason) in &table {
        let found = logged.iter().any(|line| {
            line.network == *network
                && line.status == *status
                && line.reason.starts_with(reason)
                && (line.result == PostbackResult::Rejected) == (*status == 403)
        });
        assert!(found, "{network} {secret}: {logged:#?}");
    }
    let text = serde_json::to_string(&logged).expect("json");
    assert!(!text.contains(FORMER) && !text.contains(SECRET), "{text}");
    let metrics = world.client.get(world.url("/metrics")).bearer_auth(TOKEN).send().await.expect("asked");
    let metrics = metrics.text().await.expect("text");
    assert!(metrics.contains("tfx_postbacks_former_secret_total 1"), "{metrics}");
}

#[tokio::test]
async fn addresses_of_a_file_count_as_it_is_and_nobody_comes_in_by_one_that_was_never_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("adnet.txt");
    let (testbed, .., offer) = Testbed::usual(&[]).await;
    testbed
        .network(
            json!({ "slug": "listed", "name": "L", "postback_secret": SECRET, "allowed_ips_file": path }),
        )
        .await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    let status = async || world.get(&format!("/postback/listed?secret={SECRET}&click_id={click}")).await.0;
    assert_eq!(status().await, 503, "it is not there");
    let ready =
        world.client.get(world.url("/readyz")).send().await.expect("asked").text().await.expect("text");
    assert!(ready.contains("adnet.txt") && ready.contains("nobody is let in"), "{ready}");
    std::fs::write(&path, "127.0.0.1 # here\n").expect("written");
    world.until("the file counts", async || status().await == 200).await;
    std::fs::write(&path, "broken\n").expect("written");
    world
        .until("it is told", async || {
            let ready = world.client.get(world.url("/readyz")).send().await.expect("asked");
            ready.text().await.expect("text").contains("line 1")
        })
        .await;
    assert_eq!(status().await, 200, "as it was read last");
    // A pipe is waited for until somebody writes into it.
    std::fs::remove_file(&path).expect("gone");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().expect("runs").success());
    world
        .until("it is told", async || {
            let ready = world.client.get(world.url("/readyz")).send().await.expect("asked");
            ready.text().await.expect("text").contains("it is no file")
        })
        .await;
    assert_eq!(status().await, 200, "as it was read last");
    std::fs::remove_file(&path).expect("gone");
    std::fs::write(&path, "192.0.2.0/24\n").expect("written");
    world.until("the change counts", async || status().await == 403).await;
}

/// In a conversion everybody would see it.
#[tokio::test]
async fn a_secret_in_what_a_conversion_keeps_is_refused_and_nowhere_in_the_clear() {
    let (testbed, .., offer) = Testbed::usual(&[]).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    let unknown = new_click();
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("adnet:{SECRET}"));
    for said in [
        format!("click_id={click}&tid={SECRET}"),
        format!("click_id={click}&tid=order-{SECRET}-1"),
        format!("click_id={click}&status={SECRET}"),
        format!("click_id={click}&tid={encoded}"),
        format!("click_id={unknown}&tid={SECRET}"),
    ] {
        let (status, json) = world.get(&format!("/postback/adnet?secret={SECRET}&{said}")).await;
        let json = json.to_string();
        assert!(
            status == 400 && json.contains("holds the network's secret") && !json.contains(SECRET),
            "{json}"
        );
    }
    assert_eq!((world.conversions().await, world.parked().await), (0, (0, 0)));
    let other = format!("/postback/adnet?secret={SECRET}&click_id={click}&tid=T1&note={encoded}");
    assert_eq!(world.get(&other).await.0, 200, "only what is kept");
    let logged = world.logged(6).await;
    for line in logged.iter().filter(|line| line.status == 400) {
        let at = if line.params.iter().any(|(name, _)| name == "status") { "status: " } else { "tid: " };
        assert!(line.reason.starts_with(at), "where it does not belong: {line:?}");
    }
    let text = serde_json::to_string(&logged).expect("json");
    assert!(!text.contains(SECRET) && !text.contains(&encoded), "{text}");
    let retry = world.client.post(world.url("/internal/postbacks/retry")).bearer_auth(TOKEN);
    let retry = answer(retry.json(&json!({ "results": ["rejected"] }))).await;
    assert_eq!(
        (&retry.1["taken"], &retry.1["left"]),
        (&json!({}), &json!(5)),
        "nothing of it is taken later"
    );
    world.stop().await;
}

#[tokio::test]
async fn macros_that_a_network_left_are_noted_in_the_log() {
    let (testbed, .., offer) = Testbed::usual(&[]).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    let said = "payout=%7Bpayout%7D&currency=[CUR]&status=%7Bstatus%7D";
    let path = format!("/postback/adnet?secret={SECRET}&click_id={click}&{said}");
    assert_eq!(world.get(&path).await.1["result"], "recorded");
    let line = world.logged(1).await.remove(0);
    for left in ["payout='{payout}'", "currency='[CUR]'", "'{status}'"] {
        assert!(line.reason.contains(&format!("left its macro {left} as it is")), "{}", line.reason);
    }
    assert_eq!(line.conversion_status.map(|s| s.to_string()).as_deref(), Some("{status}"), "and no sale");
    world.stop().await;
}
