//! Whose address counts, and how much of it is kept.

use crate::world::Testbed;
use std::{fs, path::Path};

const PROXY: (&str, &str) = ("TRUSTED_PROXY_CIDRS", "127.0.0.0/8");

#[tokio::test]
async fn a_forwarded_address_is_believed_from_a_trusted_proxy_only() {
    let forged: [&[(&str, &str)]; 4] = [
        &[("x-forwarded-for", "203.0.113.7")],
        &[("x-real-ip", "203.0.113.7")],
        &[("forwarded", "for=203.0.113.7")],
        &[("x-forwarded-for", "203.0.113.7"), ("x-forwarded-for", "203.0.113.7")],
    ];
    let testbed = Testbed::new(&[("TRUSTED_PROXY_CIDRS", "10.0.0.0/8")]);
    testbed.summer().await;
    let world = testbed.start().await;
    for headers in forged {
        assert_eq!(world.click("/c/summer", headers).await.1.ip, "127.0.0.1", "{headers:?}");
    }
    let mut testbed = world.stop().await;
    testbed.set(PROXY.0, PROXY.1);
    let world = testbed.start().await;
    let table: [(&[(&str, &str)], &str); 5] = [
        (&[("x-forwarded-for", "203.0.113.7")], "203.0.113.7"),
        (&[("x-forwarded-for", "198.51.100.1, 203.0.113.7")], "203.0.113.7"),
        (&[("x-forwarded-for", "203.0.113.7, 127.0.0.9")], "203.0.113.7"),
        (&[("x-forwarded-for", "2001:db8::7")], "2001:db8::7"),
        (&[("forwarded", "for=203.0.113.7;proto=https")], "203.0.113.7"),
    ];
    for (headers, want) in table {
        assert_eq!(world.click("/c/summer", headers).await.1.ip, want, "{headers:?}");
    }
    world.stop().await;
}

#[tokio::test]
async fn of_an_address_no_more_is_kept_than_the_setting_says() {
    let whole = ["203.0.113.77", "2001:db8:1:2:3:4:5:77"];
    let table = [("full", whole), ("truncated", ["203.0.113.0", "2001:db8:1::"]), ("hashed", ["", ""])];
    for (setting, want) in table {
        let testbed = Testbed::new(&[PROXY, ("IP_STORAGE", setting)]);
        let campaign = testbed.campaign("summer", serde_json::json!({})).await;
        let url = serde_json::json!({ "url": "https://offer.example/{_ip}?ip={ip}" });
        let offer = testbed.destination("offer", url).await;
        testbed.stream_to(&campaign, &offer, serde_json::json!({})).await;
        let world = testbed.start().await;
        let mut kept = Vec::new();
        for (address, want) in whole.into_iter().zip(want) {
            let (_, event) = world.click("/c/summer", &[("x-forwarded-for", address)]).await;
            if setting == "hashed" {
                assert!(
                    event.ip.len() == 32 && event.ip.bytes().all(|b| b.is_ascii_hexdigit()),
                    "{}",
                    event.ip
                );
            } else {
                assert_eq!(event.ip, want);
            }
            assert_eq!(event.final_url.contains(address), setting == "full", "{}", event.final_url);
            assert!(event.final_url.starts_with(&format!("https://offer.example/{}", event.ip)));
            kept.push(event.ip);
        }
        // The same address is kept as the same text.
        let (_, again) = world.click("/c/summer", &[("x-forwarded-for", whole[0])]).await;
        assert_eq!(again.ip, kept[0]);
        let testbed = world.stop().await;
        for address in whole {
            let found = holding(testbed.path(), address.as_bytes());
            assert_eq!(found.is_empty(), setting != "full", "{setting}: {address} is in {found:?}");
        }
    }
}

/// The files below a folder that hold these bytes.
fn holding(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            found.extend(holding(&path, bytes));
        } else if fs::read(&path).expect("a file").windows(bytes.len()).any(|w| w == bytes) {
            found.push(path.display().to_string());
        }
    }
    found
}
