//! The life of an entity of each kind, from create to archive.

use crate::{place::Place, receiver::Receiver, transcript::Transcript};

#[test]
fn campaign() {
    let place = Place::running();
    place.ok("tfx source create --name Social");
    place.ok("tfx destination create --name Offer --url 'https://offer.example/?s={click_id}'");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx campaign create --name 'Summer Sale' --source social --cost '0.02 EUR' --trafficback https://tb.example/
        tfx stream create --campaign summer-sale --name Main --destination offer --quiet --output name
        tfx campaign list
        tfx campaign show summer-sale
        tfx campaign link summer-sale
        tfx campaign update summer-sale --cost 0.03 --unique-window 7d --rotation weight --unset trafficback_url
        tfx campaign pause summer-sale
        tfx campaign resume summer-sale --quiet --output name
        tfx campaign clone summer-sale --slug autumn
        tfx stream list
        tfx campaign archive autumn --dry-run --output name
        tfx campaign archive autumn
        tfx campaign archive autumn --yes
        tfx campaign list
        tfx campaign list --status archived
        tfx campaign resume autumn --output name
        tfx audit campaign/autumn",
    );
    t.is("campaign");
}

#[test]
fn stream() {
    let place = Place::running();
    for slug in ["offer", "other"] {
        place.ok(&format!(
            "tfx destination create --slug {slug} --url 'https://{slug}.example/?s={{click_id}}'"
        ));
    }
    place.ok("tfx campaign create --name Summer && tfx campaign create --name Winter");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx stream create --campaign summer --name US --filter country=US,CA --filter 'bot!=true' --destination offer=70 --destination other=30 --bind destination
        tfx stream create --campaign summer --name New --kind forced --filter 'os_version>=14.2' --match any --destination offer --action redirect:301
        tfx stream create --campaign summer --name Rest --kind default --action status:404
        tfx stream list --campaign summer
        tfx stream show summer/us
        tfx stream update summer/us --weight 20 --position 5 --destination other
        tfx stream pause summer/us --output name
        tfx stream resume summer/us --output name
        tfx stream clone summer/us --weight 7
        tfx stream clone summer/us --campaign winter
        tfx stream archive summer/us-copy --yes --output name
        tfx stream list",
    );
    t.is("stream");
}

#[test]
fn destination() {
    let place = Place::running();
    place.ok("tfx network create --name AdNet");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx destination create --name Offer --url 'https://offer.example/?s={click_id}' --network adnet --payout '25 EUR' --cap clicks_daily=100 --schedule 'mon-fri 09:00-18:00' --timezone Europe/Berlin --anti-repeat 24h --health-check --allow-upsell
        tfx destination create --name Blind --url https://blind.example/
        tfx destination list
        tfx destination show blind
        tfx destination update offer --payout 20 --cap conversions_total=5 --unset schedule
        tfx destination clone offer --name 'Offer B' --cap clicks_daily=5
        tfx destination archive blind --yes --output name
        tfx destination list --status all",
    );
    t.is("destination");
}

#[test]
fn source() {
    let place = Place::running();
    let mut t = Transcript::new(&place);
    t.all(
        "tfx source create --name Social --sub sub1=zone --cost-param c --currency EUR --postback-url 'https://social.example/pb?id={external_id}'
        tfx source list
        tfx source show social
        tfx source update social --keyword-param k
        tfx source clone social --output name
        tfx source archive social --yes --output name
        tfx source list",
    );
    t.is("source");
}

#[test]
fn alert() {
    let place = Place::running();
    let mut t = Transcript::new(&place);
    t.all(
        "tfx alert create --when 'cr < 0.5 * avg(7d)' --by campaign --min-clicks 200 --for 10m --to slack:https://hooks.slack.example/services/T0/B0/Canary1Canary2Canary3
        tfx alert create --when 'cr < * 2' --to mail:anna@example.com
        tfx alert create --when 'clicks > 1'
        tfx alert create --name Stop --when 'roi < -50 and clicks > 300' --by stream --window 6h --do pause-stream --dry-run --return-after 2h --quiet-hours 23:00-07:00 --timezone Europe/Berlin
        tfx alert list
        tfx alert show stop
        tfx alert test stop
        tfx alert arm stop --output name
        tfx alert arm cr-0-5-avg-7d
        tfx alert update stop --window 1h
        tfx alert clone stop --output name
        tfx alert log
        tfx alert archive stop --yes --output name
        tfx alert list",
    );
    t.is("alert");
}

#[test]
fn a_notice_that_was_given_up_is_sent_again_where_the_channel_was_mended() {
    let mut place = Place::running_with(&[
        ("OUTBOUND_ALLOW_PRIVATE", "true"),
        ("ALERT_INTERVAL_MS", "100"),
        ("ALERT_RETRY_BACKOFF_MS", "10"),
    ]);
    let receiver = Receiver::start();
    place.set("RECEIVER", &receiver.address());
    place.ok("tfx alert create --name None --when 'clicks < 1' --to webhook:http://$RECEIVER/hook/404");
    place.until("tfx alert log none --columns happened --output csv --quiet | grep -c undelivered", "1");
    let log = place.ok("tfx alert log none --output csv --quiet");
    let notice = log.split("(notice ").nth(1).and_then(|rest| rest.get(..26)).expect("its notice").to_owned();
    place.set("NOTICE", &notice);
    let mut t = Transcript::new(&place);
    t.all(
        "tfx alert list
        tfx alert log none --columns happened,text --output csv
        tfx alert retry
        tfx alert retry ''
        tfx alert retry nothing $NOTICE
        tfx alert retry $NOTICE --dead
        tfx alert retry $NOTICE --alert none
        tfx alert retry --dead --alert nowhere",
    );
    t.sh("tfx token create reader --scope read --output name --quiet > token");
    t.sh("TFX_TOKEN_FILE=token tfx alert retry --dead");
    t.sh("tfx alert update none --to webhook:http://$RECEIVER/hook --output name");
    t.sh("tfx alert retry $NOTICE");
    place.until("tfx alert log none --columns happened --output csv --quiet | grep -c sent", "1");
    t.all(
        "tfx alert log none --columns happened,text --output csv --limit 1 --quiet
        tfx alert retry $NOTICE
        tfx alert retry --dead
        tfx alert retry --dead --alert none --output json
        tfx alert retry --dead --output name --quiet
        API_SERVICE_URL=http://127.0.0.1:1 tfx alert retry --dead",
    );
    t.sh("tfx audit --output csv --limit 9 --quiet | cut -d, -f2-4 | grep retry");
    t.is("alert_retry");
    let asked = receiver.asked();
    let of = |request: &String| {
        request.to_ascii_lowercase().contains(&format!("webhook-id: {}", notice.to_lowercase()))
    };
    assert!(asked.len() == 2 && asked.iter().all(of), "{asked:?}");
}

#[test]
fn network_and_template() {
    let place = Place::running();
    place.file("secret", "0123456789abcdef0123456789abcdef\n");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx network create --name AdNet --currency EUR --allow-ip 192.0.2.0/24 --allow-ip 198.51.100.7
        tfx network create --name Own --secret-file secret
        tfx template create --network adnet --name Main --click-id-param s1 --payout-param sum --map sale=approved,paid --map rejected=trash --ignore ping --default-status lead
        tfx template list
        tfx template show adnet/main
        tfx template update adnet/main --default-payout 5
        tfx network postback-url adnet
        tfx network postback-url adnet --template main --quiet
        tfx network rotate-secret adnet --grace 2d
        tfx network rotate-secret adnet
        tfx network rotate-secret adnet --grace 200d --force
        tfx network rotate-secret adnet --grace soon
        tfx network rotate-secret adnet --force --grace 0s
        tfx network rotate-secret nowhere
        tfx network list
        tfx network show adnet
        tfx network clone adnet
        tfx template list --network adnet-copy
        tfx template archive adnet/main --yes --output name
        tfx network archive own --yes --output name",
    );
    t.is("network");
}
