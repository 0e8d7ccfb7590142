//! `tfx erase`.

use crate::{
    clicks::{campaign, recorded},
    place::Place,
    transcript::Transcript,
    web,
};

#[test]
fn a_person_is_erased_with_a_receipt() {
    let mut place = Place::running();
    campaign(&place);
    let first = web::click(&place, "/c/summer");
    recorded(&place, 1);
    let second = web::click(&place, "/c/summer");
    recorded(&place, 2);
    place.set("CLICK", &first);
    place.set("OTHER", &second);
    place.ok("tfx postback test adnet \"clickid=$CLICK&txid=T1&payout=12.50&status=lead\" --send");
    place.until("tfx report --by none --metrics conversions --output csv --quiet | tail -1", "1");
    place.set(
        "VISITOR",
        &place.ok("tfx click show $CLICK --output json | grep -o '[0-9a-f]\\{32\\}' | head -1"),
    );
    let mut t = Transcript::new(&place);
    t.all(
        "tfx erase --click $CLICK --dry-run
        tfx erase --click $CLICK
        tfx erase --click $CLICK --yes --receipt receipt.json
        stat -c %a receipt.json
        tfx erase --click $CLICK --yes --receipt receipt.json
        tfx erase --click $CLICK --yes
        tfx click show $CLICK
        tfx erase --visitor $VISITOR --yes --output csv
        tfx erase --ip 192.0.2.7 --dry-run --output csv --quiet
        tfx erase --ip ::ffff:192.0.2.7 --dry-run --output csv --quiet
        tfx erase --again --yes",
    );
    t.sh("sed 's/\"id\": \".*\"/\"id\": \"REQUEST\"/' receipt.json");
    t.sh("tfx audit --output csv --limit 2 | cut -d, -f2-5");
    t.sh("tfx report --by none --metrics clicks,conversions,revenue --output csv --quiet");
    t.is("erase");
}

#[test]
fn who_cannot_be_meant_is_not_erased() {
    let mut place = Place::running();
    place.set("VISITOR", "c0ffee00c0ffee00c0ffee00c0ffee00");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx erase
        tfx erase --yes
        tfx erase --visitor $VISITOR --ip 192.0.2.7 --yes
        tfx erase --visitor $VISITOR --click 01KBB6X7T4ZZZZZZZZZZZZZZZZ --again --yes
        tfx erase --visitor '' --yes
        tfx erase --visitor somebody --yes
        tfx erase --visitor C0FFEE00C0FFEE00C0FFEE00C0FFEE0 --yes
        tfx erase --click '' --yes
        tfx erase --click x --yes
        tfx erase --ip '' --yes
        tfx erase --ip 192.0.2.300 --yes
        tfx erase --ip 192.0.2.0/24 --yes
        tfx erase --ip localhost --yes
        tfx erase $VISITOR --yes
        tfx erase --click 01KBB6X7T4ZZZZZZZZZZZZZZZZ --yes
        tfx erase --click 01KBB6X7T4ZZZZZZZZZZZZZZZZ --dry-run --output json
        tfx erase --visitor $VISITOR
        tfx erase --visitor $VISITOR --output json
        tfx erase --visitor $VISITOR --dry-run
        tfx erase --visitor $VISITOR --yes --receipt nowhere/receipt.json
        tfx erase --visitor $VISITOR --yes --receipt .
        tfx erase --visitor $VISITOR --yes --receipt ''",
    );
    t.sh("tfx token create reader --scope read --output name --quiet > token");
    t.all(
        "TFX_TOKEN_FILE=token tfx erase --visitor $VISITOR --yes --receipt mine.json
        ls mine.json
        TFX_TOKEN=nonsense tfx erase --visitor $VISITOR --yes
        API_SERVICE_URL=http://127.0.0.1:1 tfx erase --visitor $VISITOR --yes --receipt mine.json
        ls mine.json",
    );
    t.is("erase_refused");
}

#[test]
fn whoever_has_the_same_short_address_is_erased_only_when_that_is_said() {
    let place = Place::running_with(&[("IP_STORAGE", "truncated")]);
    campaign(&place);
    for address in ["203.0.113.9", "203.0.113.200", "198.51.100.1"] {
        web::get_from(&place, "/c/summer", web::PHONE, address);
    }
    recorded(&place, 3);
    let counted = place.sh("tfx erase --ip 203.0.113.9 --dry-run");
    let told = "203.0.113.9 is stored as all of 203.0.113.0/24 is, and 2 clicks are of that range";
    assert!(counted.code == Some(0) && counted.stderr.contains(told), "{}", counted.stderr);
    assert!(counted.stderr.contains("needs --whole-range"), "{}", counted.stderr);
    let refused = place.sh("tfx erase --ip 203.0.113.9 --yes --receipt no.json");
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    for part in ["IP_STORAGE=truncated", "the same first 24 bits", "2 clicks", "--whole-range"] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    recorded(&place, 3);
    let alone = place.sh("tfx erase --visitor c0ffee00c0ffee00c0ffee00c0ffee00 --whole-range --yes");
    assert_eq!(alone.code, Some(2), "{}", alone.stderr);
    let done = place.ok("tfx erase --ip 203.0.113.9 --whole-range --yes -o json");
    let receipt: serde_json::Value = serde_json::from_str(&done).expect("JSON");
    assert_eq!(receipt["range"], serde_json::json!({ "bits": 24, "clicks": 2 }));
    assert!(!done.contains("203.0.113"), "the receipt names nobody: {done}");
    recorded(&place, 1);
}
