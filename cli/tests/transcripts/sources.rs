//! Traffic sources: how they are told of conversions, and what a person sees of it.

use crate::{
    clicks::{campaign, recorded},
    place::Place,
    receiver::Receiver,
    transcript::Transcript,
    web,
};

/// Waits until so many attempts are in the log.
fn attempts(place: &Place, n: usize) {
    place.until("tfx postback log --direction out --output name --quiet | wc -l | tr -d ' '", &n.to_string());
}

#[test]
fn a_source_is_told_of_conversions_and_a_person_sees_all_of_it() {
    let receiver = Receiver::start();
    let mut place = Place::running_with(&[("OUTBOUND_ALLOW_PRIVATE", "true")]);
    place.set("RECEIVER", &receiver.address());
    campaign(&place);
    let mut t = Transcript::new(&place);
    t.all(
        "tfx source create --name Push --external-id-param 'cid={clickid}' --postback-url \"http://$RECEIVER/told?id={external_id}&sum={payout}&st={status}\" --postback-on lead,sale,rejected --postback-url-for \"rejected=http://$RECEIVER/410\" --postback-payout 80% --sign
        tfx source create --name Odd --postback-url 'ftp://x/' --postback-on lead,lead --postback-delay 90d --postback-method get --postback-field 'a={nope}'
        tfx source create --name Odd --postback-payout 120% --postback-method put
        tfx source update push --postback-payout 1.50 -o name
        tfx source show push
        tfx source signing-key push
        tfx source signing-key nowhere
        tfx source test push
        tfx source test push --status rejected --send
        tfx source test push --status nonsense --click 01KYKZ6QK0ABCDEFGHJKMNPQRS
        tfx source update push --postback-payout 80% -o name
        tfx campaign update summer --source push -o name",
    );
    t.is("sources");
    place.until(
        "tfx explain summer --param cid=x --ua 'Mozilla/5.0 (iPhone)' --output json | grep -c offer.example",
        "1",
    );
    // traffic-service knows the source when a click says its name for it.
    let click = web::click(&place, "/c/summer?cid=abc");
    recorded(&place, 1);
    place.set("CLICK", &click);
    for (n, status) in ["lead", "approved", "rejected"].into_iter().enumerate() {
        place.ok(&format!(
            "tfx postback test adnet \"clickid=$CLICK&txid=T1&payout=10&status={status}\" --send"
        ));
        attempts(&place, n + 1);
    }
    let mut t = Transcript::new(&place);
    t.all(
        "tfx postback log --direction out --columns source,conversion_status,result,status,attempt,reason,job
        tfx postback log --source push --status 2xx --columns conversion_status,conversion_id,answer --output csv
        tfx postback log --direction all --where click=$CLICK --columns direction,network,source,result
        tfx postback log --direction out --status sale
        tfx postback queue
        tfx postback queue --dead
        tfx postback queue --source nowhere
        tfx postback retry nonsense cnv_0000000000000000001
        tfx postback retry --dead --source push",
    );
    attempts(&place, 4);
    t.all(
        "tfx postback retry --dead --network adnet
        tfx postback retry --source push
        tfx click show $CLICK --timeline",
    );
    let told: Vec<String> = receiver.asked();
    let lines: Vec<&str> = told.iter().filter_map(|request| request.lines().next()).collect();
    assert_eq!(lines[1..3].iter().filter(|l| l.contains("id=abc&sum=8")).count(), 2, "{told:#?}");
    let ids: Vec<&str> =
        told.iter().flat_map(|r| r.lines()).filter_map(|l| l.strip_prefix("webhook-id: ")).collect();
    assert!(ids.len() == told.len() && ids[3] == ids[4], "{told:#?}");
    t.is("told");
}
