//! Postbacks: tried, sent, listed; what they make of clicks.

use crate::{
    clicks::{Follows, campaign, recorded},
    place::Place,
    receiver::Receiver,
    transcript::Transcript,
    web,
};
use std::{fs::File, process::Stdio};

#[test]
fn a_postback_is_tried_sent_and_listed() {
    let mut place = Place::running();
    campaign(&place);
    let click = web::click(&place, "/c/summer");
    recorded(&place, 1);
    place.set("CLICK", &click);
    let mut t = Transcript::new(&place);
    t.all(
        "tfx postback test adnet \"clickid=$CLICK&txid=T1&payout=12.50&status=lead\"
        tfx postback test adnet \"clickid=$CLICK&txid=T1&payout=12.50&status=lead\" --send
        tfx postback test adnet \"clickid=$CLICK&txid=T1&payout=12.50&status=lead\" --send --output json
        tfx postback test adnet --template main --param s=$CLICK --param txid=T1 --param payout=12.50 --param status=approved --send
        tfx postback test adnet \"clickid=$CLICK&txid=T1&payout=12.50&status=lead\" --output name
        tfx postback test adnet \"https://pb.example/postback/adnet?clickid=$CLICK&secret=x&payout=1\"
        tfx postback test adnet txid=T1
        tfx postback test adnet txid=T1 --send
        tfx postback test adnet \"clickid=$CLICK&payout=much\" --send
        tfx postback test adnet \"clickid=$CLICK&payout=much\" --send --output json
        tfx postback test nowhere txid=T1
        tfx postback test adnet txid=T1 --template nowhere
        tfx postback test adnet",
    );
    place.until("tfx postback log --network adnet --output name --quiet | wc -l | tr -d ' '", "6");
    t.all(
        "tfx postback log --network adnet
        tfx postback log --network adnet --result rejected --output csv
        tfx conversion list
        tfx conversion show $(tfx conversion list --output name)
        tfx conversion list --status lead
        tfx conversion list --click $CLICK --network adnet --campaign summer --output name",
    );
    t.is("postbacks");
}

#[test]
fn a_network_that_signs_is_asked_for_its_signature() {
    let mut place = Place::running();
    campaign(&place);
    let click = web::click(&place, "/c/summer");
    recorded(&place, 1);
    place.set("CLICK", &click);
    place.file("key", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
    place.file("next", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\n");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx network update adnet --signing-key-file key
        tfx template create --network adnet --name Signed --signature-in header:X-Signature --signed '{paid}' --signature-prefix sha256=
        tfx template create --network adnet --name Signed --signature-in X-Signature --signed '{time}'
        tfx template create --network adnet --name Signed --signature-in header:webhook-signature:v1 --signature-encoding base64 --signature-key base64 --signed '{header:webhook-id}.{time}.{body}' --signed-at header:webhook-timestamp --signed-within 2m
        tfx template show adnet/signed",
    );
    t.sh("tfx postback lint adnet || echo exits $?");
    t.all(
        "tfx postback test adnet --template signed \"clickid=$CLICK&txid=T1&payout=12.50\" --send
        tfx postback test adnet --template main --param s=$CLICK --send
        tfx template update adnet/signed --signed '{query}'
        tfx template update adnet/signed --signature-in header:X-Signature --signed '{time}{query}'
        tfx postback test adnet --template signed \"clickid=$CLICK&txid=T2&payout=3\" --send --output json
        tfx network rotate-secret adnet --signing-key-file next --grace 1h
        tfx network rotate-secret adnet --signing-key-file key
        tfx network show adnet
        tfx template update adnet/signed --unset signature
        tfx network create --preset bitlabs --signing-key-file key
        tfx template show bitlabs/default",
    );
    t.is("signed_postbacks");
}

#[test]
fn what_became_of_a_click_stands_on_one_page_with_the_conflict_it_is_a_part_of() {
    let mut place = Place::running();
    campaign(&place);
    let click = web::click(&place, "/c/summer?sub1=a");
    recorded(&place, 1);
    let other = web::click(&place, "/c/summer?sub1=b");
    recorded(&place, 2);
    place.set("CLICK", &click);
    place.set("OTHER", &other);
    for (n, query) in [
        "clickid=$CLICK&txid=T1&payout=3&status=lead",
        "clickid=$CLICK&txid=T1&payout=12.50&status=approved",
        "clickid=$OTHER&txid=T1&payout=1",
    ]
    .into_iter()
    .enumerate()
    {
        place.ok(&format!("tfx postback test adnet \"{query}\" --send"));
        place.until(
            "tfx postback log --network adnet --output name --quiet | wc -l | tr -d ' '",
            &(n + 1).to_string(),
        );
    }
    let mut t = Transcript::new(&place);
    t.all(
        "tfx click show $CLICK --timeline
        tfx click show $OTHER --timeline --output csv
        tfx click show $CLICK --timeline --output name
        tfx explain --click $OTHER
        tfx click show 01KYKZ6QK0ABCDEFGHJKMNPQRS --timeline",
    );
    t.is("timeline");
}

/// The commands are run as they are printed: what they map is mapped, and nothing is mapped away.
#[test]
fn one_printed_command_maps_all_unknown_words_of_a_template() {
    let mut place = Place::running();
    campaign(&place);
    let click = web::click(&place, "/c/summer");
    recorded(&place, 1);
    place.set("CLICK", &click);
    place.ok("tfx template create --network last --slug default --name Default --map sale=won");
    place.ok("tfx template pause last/default");
    for (network, words) in [
        (
            "adnet",
            &["aproved&tid=1", "refund_partial&tid=2", "not%20approved&tid=3", "a,b&tid=4", "77&payout=-5"][..],
        ),
        ("adnet/main", &["Extra&tid=5"]),
        ("last", &["pendign&tid=6"]),
    ] {
        let (network, template) = network.split_once('/').unwrap_or((network, ""));
        let template = if template.is_empty() { String::new() } else { format!("--template {template}") };
        let click = if template.is_empty() { "clickid" } else { "s" };
        for word in words {
            let line = format!(
                "tfx postback test {network} \"{click}=$CLICK&status={word}\" {template} --send; true"
            );
            place.ok(&line);
        }
    }
    place.until("tfx postback lint --output json | grep -o unmapped_word | wc -l | tr -d ' '", "7");
    let told = place.ok("tfx postback lint --output name; true");
    let commands: Vec<&str> = told.lines().filter(|command| command.contains("tfx template")).collect();
    let want = [
        "tfx template create --network adnet --slug default --name Default --map 'lead=not approved' --map sale=aproved \
         --map rejected=77,refund_partial --map 'STATUS=[\"a,b\"]'",
        "tfx template update adnet/main --map STATUS+=Extra",
        "tfx template update last/default --set status=active --map lead=pendign",
    ];
    assert_eq!(commands.len(), want.len(), "{told}");
    assert!(want.iter().all(|command| commands.contains(command)), "{told}");
    for command in want {
        if command.contains("STATUS") {
            // As it is printed it makes nothing: a person says what these mean.
            place.ok(&format!("! {command} 2>/dev/null"));
        }
        place.ok(&command.replace("STATUS", "sale"));
    }
    assert!(
        place.ok("tfx template show adnet/main --output json").contains("\"approved\""),
        "what was mapped stays"
    );
    place.until("tfx postback lint --output name | grep -c template", "0");
    let shown = place.ok("tfx template show adnet/default --output json");
    for word in ["not approved", "a,b", "aproved", "77", "refund_partial"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    assert!(place.ok("tfx template show last/default --output json").contains("\"won\""));
}

/// What was refused counts from when it came, once its template reads it; what waits for a click that does not come is
/// shown, tried and dropped; and who writes a program for a source hears what it is told.
#[test]
fn what_was_refused_waits_or_is_told_is_looked_at_and_mended() {
    let receiver = Receiver::start();
    let mut place =
        Place::running_with(&[("OUTBOUND_ALLOW_PRIVATE", "true"), ("POSTBACK_PARK_RETRY_MS", "600000")]);
    place.set("RECEIVER", &receiver.address());
    campaign(&place);
    place.ok(
        "tfx source create --name Push --external-id-param cid=TOKEN --postback-url 'https://push.example/pb?id={external_id}&sum={payout}'",
    );
    place.ok("tfx campaign update summer --source push");
    place.until(
        "tfx explain summer --param cid=x --ua 'Mozilla/5.0 (iPhone)' --output json | grep -c offer.example",
        "1",
    );
    let click = web::click(&place, "/c/summer?cid=abc");
    recorded(&place, 1);
    place.set("CLICK", &click);
    place.ok("tfx postback test adnet \"clickid=$CLICK&txid=T1&payout=1,50&status=sale\" --send; true");
    place.ok("tfx postback test adnet \"clickid=01KYKZ6QK0ABCDEFGHJKMNPQRS&txid=T2&payout=2\" --send");
    place.until("tfx postback log --network adnet --output name --quiet | wc -l | tr -d ' '", "2");
    place.set("REFUSED", &place.ok("tfx postback log --network adnet --result rejected --output name"));
    let mut t = Transcript::new(&place);
    t.all(
        "tfx postback replay --result rejected --network adnet
        tfx template create --network adnet --slug default --name Default --decimal comma -o name
        tfx postback replay $REFUSED --dry-run",
    );
    place.until("tfx postback replay $REFUSED --output json --dry-run | grep -c would_be_taken", "1");
    let out = File::create(place.dir().join("heard")).expect("a file");
    let hook = format!("http://{}/hook", receiver.address());
    let args = ["postback", "listen", "--since", "1h", "--output", "jsonl", "--forward-to", &hook];
    let heard = place.command("tfx").args(args).stdout(out).stdin(Stdio::null()).spawn();
    let _heard = Follows(heard.expect("tfx"));
    t.all("tfx postback replay $REFUSED");
    place.until("tfx postback log --network adnet --output name --quiet | wc -l | tr -d ' '", "3");
    t.all(
        "tfx postback replay $REFUSED
        tfx postback replay --result rejected --network adnet --output json
        tfx postback replay 01KYKZ6QK0ABCDEFGHJKMNPQRS
        tfx postback replay
        tfx conversion list
        tfx postback parked list
        tfx postback parked show 01KYKZ6QK0ABCDEFGHJKMNPQRS
        tfx postback parked retry 01KYKZ6QK0ABCDEFGHJKMNPQRS",
    );
    // It is tried, and waits again: what is tried at a moment is not dropped.
    place.until("tfx postback parked list --output json | grep -c '\"tries\": 1'", "1");
    place.until("tfx postback parked list --output json | grep -c under_way", "0");
    t.all(
        "tfx postback parked retry --all --network nowhere
        tfx postback parked drop --all
        tfx postback parked drop --all --network adnet --dry-run
        tfx postback parked drop --all --network last --yes
        tfx postback parked drop 01KYKZ6QK0ABCDEFGHJKMNPQRS --yes
        tfx postback parked drop 01KYKZ6QK0ABCDEFGHJKMNPQRS --yes
        tfx postback parked list
        tfx postback listen --forward-to localhost:3000
        tfx postback listen --source nowhere",
    );
    place.until("wc -l <heard | tr -d ' '", "1");
    let line = place.ok("cat heard");
    assert!(line.contains("\"answer_status\":200") && line.contains("id=abc&sum=1.5"), "{line}");
    assert!(receiver.asked()[0].starts_with("GET /hook?id=abc&sum=1.5 "), "{:?}", receiver.asked());
    t.is("mended");
}
