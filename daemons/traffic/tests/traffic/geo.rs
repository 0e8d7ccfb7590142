//! Geo databases: read, replaced while running, broken, missing, damaged.

use crate::world::{TOKEN, Testbed, World, database, described};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};
use tempfile::TempDir;
use tfx_domain::event::ClickEvent;
use tfx_service::testing::until;

const GERMAN: &str = "203.0.113.7";
const FRENCH: &str = "198.51.100.7";
const UNKNOWN: &str = "192.0.2.7";

fn countries(first: &str, second: &str) -> Vec<u8> {
    let country = |code: &str| json!({ "country": { "iso_code": code }, "continent": { "code": "EU" } });
    database("Test-Country", &[("203.0.113.0/24", country(first)), ("198.51.100.0/25", country(second))])
}

/// A world whose campaign `geo` sends Germans to `german`, all others to `rest`; its database is the file.
async fn world(bytes: Option<&[u8]>) -> (World, PathBuf, TempDir) {
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("countries.mmdb");
    if let Some(bytes) = bytes {
        fs::write(&file, bytes).expect("write");
    }
    let path = file.to_str().expect("path").to_owned();
    let testbed = Testbed::new(&[("GEOIP_COUNTRY_DB", &path), ("TRUSTED_PROXY_CIDRS", "127.0.0.1/32")]);
    geo_campaign(&testbed).await;
    (testbed.start().await, file, dir)
}

async fn geo_campaign(testbed: &Testbed) {
    let campaign = testbed.campaign("geo", json!({})).await;
    let (german, rest) =
        (testbed.destination("german", json!({})).await, testbed.destination("rest", json!({})).await);
    let germans = json!([{ "field": "country", "is": ["DE"] }]);
    testbed.stream_to(&campaign, &german, json!({ "position": 1, "filters": germans })).await;
    testbed.stream_to(&campaign, &rest, json!({ "position": 2 })).await;
}

async fn from(world: &World, address: &str) -> (String, ClickEvent) {
    let (answer, event) = world.click("/c/geo", &[("x-forwarded-for", address)]).await;
    (answer.to().to_owned(), event)
}

/// What traffic-service tells api-service: known facts, and where it looks for databases.
async fn geo_known(world: &World) -> (Value, String) {
    let bearer = format!("Bearer {TOKEN}");
    let status = world.send("GET", "/internal/geo", &[("authorization", &bearer)]).await.json();
    (status["known"].clone(), status["data_dir"].as_str().expect("a folder").to_owned())
}

async fn state(world: &World) -> (Value, String) {
    let (status, geo) = world.ready("geo").await;
    assert_eq!(status, 200, "{geo}");
    (geo["state"].clone(), geo["detail"].as_str().expect("text").to_owned())
}

#[tokio::test]
async fn a_database_says_where_an_address_is_and_is_read_again_when_it_changes() {
    let (world, file, _dir) = world(Some(&countries("DE", "FR"))).await;
    let table = [
        (GERMAN, "german", "DE"),
        (FRENCH, "rest", "FR"),
        (UNKNOWN, "rest", ""),
        ("2001:db8::7", "rest", ""),
    ];
    for (address, to, country) in table {
        let (went, event) = from(&world, address).await;
        assert_eq!(
            (went.as_str(), event.dims.country.as_str()),
            (to, country),
            "{address} {:?}",
            state(&world).await
        );
        assert_eq!(event.continent, if country.is_empty() { "" } else { "EU" });
    }
    assert_eq!(state(&world).await, (json!("ok"), "GEOIP_COUNTRY_DB Test-Country".to_owned()));

    // A half of the next one, as a copy that never ends leaves it: the one before stays in use.
    let next = countries("AT", "DE");
    fs::write(&file, &next[..next.len() / 2]).expect("write");
    until("the broken one is told", async || state(&world).await.0 == "failed").await;
    let (_, detail) = state(&world).await;
    assert!(
        detail.contains("is no usable database") && detail.ends_with("the one before is used"),
        "{detail}"
    );
    assert_eq!(from(&world, GERMAN).await.0, "german");

    fs::write(&file, &next).expect("write");
    until("the next one is read", async || state(&world).await.0 == "ok").await;
    let (went, event) = from(&world, GERMAN).await;
    assert_eq!((went.as_str(), event.dims.country.as_str()), ("rest", "AT"));
    assert_eq!(from(&world, FRENCH).await.0, "german");

    fs::remove_file(&file).expect("remove");
    until("its loss is told", async || state(&world).await.0 == "failed").await;
    assert_eq!(from(&world, FRENCH).await.0, "german", "the one before is used");
    world.stop().await;
}

#[tokio::test]
async fn without_a_usable_database_nobody_is_anywhere() {
    let garbage = b"not a database at all".as_slice();
    for bytes in [None, Some(garbage), Some(b"".as_slice())] {
        let (world, file, _dir) = world(bytes).await;
        let (went, event) = from(&world, GERMAN).await;
        assert_eq!((went.as_str(), event.dims.country.as_str()), ("rest", ""), "'is' does not pass");
        let (condition, detail) = state(&world).await;
        assert_eq!(condition, "failed", "{detail}");
        assert!(detail.contains("GEOIP_COUNTRY_DB") && detail.ends_with("its facts are unknown"), "{detail}");
        if bytes.is_none() {
            fs::write(&file, countries("DE", "FR")).expect("write");
            until("it is read when it comes", async || state(&world).await.0 == "ok").await;
            assert_eq!(from(&world, GERMAN).await.0, "german");
        }
        world.stop().await;
    }
}

#[tokio::test]
async fn a_database_that_does_not_say_what_it_is_for_is_told_with_its_name() {
    let table = [
        ("a name", json!({ "country": "GERMANY" }), "'GERMANY'"),
        ("names", json!({ "country": { "names": { "en": "Germany" } } }), "'Germany'"),
        ("no such code", json!({ "country_code": "QQ" }), "'QQ'"),
        ("the network's owner", json!({ "registered_country": { "iso_code": "DE" } }), "GEOIP_COUNTRY_DB"),
        ("another kind", json!({ "autonomous_system_number": 3320 }), "it knows: asn"),
        ("no record", json!("DE"), "cannot be decoded"),
    ];
    for (what, record, told) in table {
        let (world, file, _dir) = world(Some(&database("Odd", &[("203.0.113.0/24", record)]))).await;
        let (went, event) = from(&world, GERMAN).await;
        assert_eq!((went.as_str(), event.dims.country.as_str()), ("rest", ""), "{what}");
        let (condition, detail) = state(&world).await;
        assert_eq!(condition, "failed", "{what}: {detail}");
        assert!(detail.contains(told) && detail.contains(file.to_str().expect("path")), "{what}: {detail}");
        world.stop().await;
    }
    // Some of it can be used: that is used, and the rest told.
    let mixed =
        [("203.0.113.0/24", json!({ "country": "DE" })), ("198.51.100.0/25", json!({ "country": "FRANCE" }))];
    let (world, _file, _dir) = world(Some(&database("Mixed", &mixed))).await;
    assert_eq!(from(&world, GERMAN).await.0, "german");
    let (_, event) = from(&world, FRENCH).await;
    assert_eq!((event.dims.country.as_str(), event.continent.as_str()), ("", ""));
    let (condition, detail) = state(&world).await;
    assert!(condition == "failed" && detail.contains("'FRANCE'"), "{detail}");
    world.stop().await;
}

#[tokio::test]
async fn what_is_accepted_at_the_start_is_accepted_when_it_changes() {
    // As the public npm packages are made: flat records, no description.
    let flat = |code: &str| {
        described("country ipvAll", &json!({}), &[("203.0.113.0/24", json!({ "country_code": code }))])
    };
    let (world, file, _dir) = world(Some(&flat("FR"))).await;
    let (went, event) = from(&world, GERMAN).await;
    assert_eq!((went.as_str(), event.dims.country.as_str(), event.continent.as_str()), ("rest", "FR", "EU"));
    fs::write(&file, [flat("DE"), Vec::new()].concat()).expect("write");
    until("this month's is read", async || from(&world, GERMAN).await.0 == "german").await;
    assert_eq!(state(&world).await.0, "ok");
    // What would not be used at the start does not take the place of what is.
    fs::write(&file, flat("QQ")).expect("write");
    until("it is told", async || state(&world).await.0 == "failed").await;
    assert_eq!(from(&world, GERMAN).await.0, "german");
    assert!(state(&world).await.1.ends_with("the one before is used"));
    world.stop().await;
}

#[tokio::test]
async fn a_database_in_the_data_folder_is_found_without_a_setting() {
    for place in ["countries.mmdb", "geo/any-name.mmdb"] {
        let testbed = Testbed::new(&[("TRUSTED_PROXY_CIDRS", "127.0.0.1/32")]);
        geo_campaign(&testbed).await;
        let file = testbed.path().join(place);
        fs::create_dir_all(file.parent().expect("a folder")).expect("folder");
        fs::write(&file, countries("DE", "FR")).expect("write");
        let world = testbed.start().await;
        assert_eq!(from(&world, GERMAN).await.0, "german", "{place}");
        let (condition, detail) = state(&world).await;
        assert!(condition == "ok" && detail.contains(place), "{detail}");
        // It goes and comes while the service runs.
        fs::remove_file(&file).expect("remove");
        until("its loss is told", async || state(&world).await.0 == "degraded").await;
        assert_eq!(from(&world, GERMAN).await.0, "rest");
        fs::write(&file, countries("AT", "DE")).expect("write");
        until("it is found", async || state(&world).await.0 == "ok").await;
        assert_eq!(from(&world, FRENCH).await.0, "german");
        world.stop().await;
    }
    // A setting is the last word.
    let testbed = Testbed::new(&[("GEOIP_ASN_DB", "/nonexistent.mmdb")]);
    fs::write(testbed.path().join("countries.mmdb"), countries("DE", "FR")).expect("write");
    let world = testbed.start().await;
    let (condition, detail) = state(&world).await;
    assert!(condition == "failed" && !detail.contains("countries.mmdb"), "{detail}");
    world.stop().await;
}

#[tokio::test]
async fn filters_that_ask_for_geo_facts_without_a_setting_are_told() {
    let testbed = Testbed::new(&[]);
    testbed.summer().await;
    let world = testbed.start().await;
    let (condition, detail) = state(&world).await;
    assert_eq!(condition, "ok", "{detail}");
    geo_campaign(&world.testbed).await;
    until("it is told", async || state(&world).await.0 == "degraded").await;
    assert!(state(&world).await.1.contains("set GEOIP_COUNTRY_DB or GEOIP_CITY_DB"));
    // What operators are told of: nothing is known.
    let (known, folder) = geo_known(&world).await;
    assert_eq!((known, folder.as_str()), (json!([]), world.testbed.path().to_str().expect("path")));
    fs::write(world.testbed.path().join("c.mmdb"), countries("DE", "FR")).expect("write");
    until("it is found", async || state(&world).await.0 == "ok").await;
    assert_eq!(geo_known(&world).await.0, json!(["country", "continent"]));
    world.stop().await;
}

#[tokio::test]
async fn a_damaged_database_makes_no_click_fail() {
    let whole = countries("DE", "FR");
    // Every other byte of tree, records and description, in turn; and of all but the description.
    for turn in 0..2 {
        let mut damaged = whole.clone();
        damaged.iter_mut().skip(turn).step_by(2).for_each(|b| *b ^= 0x5a);
        for bytes in [&damaged[..], &[&damaged[..whole.len() - 150], &whole[whole.len() - 150..]].concat()] {
            let (world, _file, _dir) = world(Some(bytes)).await;
            for address in [GERMAN, FRENCH, UNKNOWN, "0.0.0.0", "255.255.255.255", "::"] {
                let (went, _) = from(&world, address).await;
                assert!(went == "rest" || went == "german", "{went}");
            }
            assert_eq!(world.metric("tfx_panics_total{service=\"traffic\"}").await, 0.0);
            world.stop().await;
        }
    }
}
