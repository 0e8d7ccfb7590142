//! What a person asks of a campaign: its streams and shares, one weight of a split, links that go on working after a new
//! name, links with a source's tokens, and why a click goes to this destination.

use crate::{place::Place, transcript::Transcript, web};

#[test]
fn a_split_is_shown_changed_and_explained() {
    let place = Place::running();
    for slug in ["offer", "other"] {
        place.ok(&format!(
            "tfx destination create --slug {slug} --url 'https://{slug}.example/?s={{click_id}}' --cap clicks_daily=60"
        ));
    }
    place.ok("tfx campaign create --name Summer --rotation weight && tfx campaign create --name Bare");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx stream create --campaign summer --name Main --weight 30 --destination offer=70 --destination other=30 --quiet --output name
        tfx stream create --campaign summer --name US --weight 10 --filter country=US,CA --destination offer --quiet --output name
        tfx stream update summer/main --set 'destinations[offer].weight=60' --output name
        tfx stream update summer/us --set 'filters[country].is=[\"US\"]' --output name
        tfx stream update summer/main --set 'destinations[nope].weight=60'
        tfx campaign show summer
        tfx campaign show bare
        tfx campaign list
        tfx campaign show summer --output yaml | tfx campaign create -f - --slug autumn --name Autumn --output name",
    );
    t.is("split");
    place.until("tfx explain summer --country US --output json | grep -c '\"outcome\": \"routed\"'", "1");
    let click = web::click(&place, "/c/summer");
    assert!(!click.is_empty());
    place.until("tfx destination show offer --output json | grep -c '\"limit\": 60'", "1");
    place.until("tfx explain summer --country US --output json | grep -c '\"cap\": \"clicks_daily\"' | sed 's/[2-9]/1/'", "1");
    let explained = place.ok("tfx explain summer --country US");
    for said in ["of 60", "SHARE", "WEIGHT"] {
        assert!(explained.contains(said), "{said} in {explained}");
    }
    let nope = place.sh("tfx explain nope");
    assert_eq!((nope.code, nope.stdout.as_str()), (Some(3), ""), "{}", nope.stderr);
    assert!(nope.stderr.contains("no campaign has the slug or id 'nope'"), "{}", nope.stderr);
}

#[test]
fn links_with_a_former_slug_go_on_until_they_are_dropped() {
    let place = Place::running();
    place.ok("tfx destination create --slug offer --url 'https://offer.example/?s={click_id}'");
    place.ok("tfx network create --name AdNet");
    place.ok("tfx campaign create --name Summer && tfx stream create --campaign summer --name Main --destination offer");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx campaign update summer --slug autumn
        tfx campaign create --slug summer
        tfx network update adnet --slug adnet-2
        tfx campaign show summer --output name
        tfx stream update autumn/main --slug other --drop-old-link",
    );
    t.is("slugs");
    place.until("tfx explain autumn --output json | grep -c '\"outcome\": \"routed\"'", "1");
    for slug in ["autumn", "summer"] {
        let answer = web::get(&place, &format!("/c/{slug}"), web::PHONE);
        assert!(answer.starts_with("HTTP/1.1 302"), "{slug}: {answer}");
    }
    place.until("tfx click list --output json | grep -c '\"campaign_slug\": \"summer\"'", "1");
    place.ok("tfx campaign update autumn --slug winter --set 'aliases=[]'");
    place.until("tfx explain winter --output json | grep -c '\"outcome\": \"routed\"'", "1");
    let answer = web::get(&place, "/c/summer", web::PHONE);
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[test]
fn a_link_is_ready_to_paste() {
    let place = Place::running();
    let mut t = Transcript::new(&place);
    t.all(
        "tfx source create --name Propeller --param 'zoneid={zoneid}' --cost-param 'cost={bid}' --external-id-param 'click={SUBID}' --currency EUR
        tfx source create --name Names --cost-param bid --output name
        tfx source create --name Bad --param zoneid= --cost-param 'cost={a b}'
        tfx campaign create --name Summer --source propeller --cost 0.02
        tfx campaign create --name Plain --output name
        tfx campaign link summer
        tfx campaign link summer --source names
        tfx campaign link plain
        tfx campaign link plain --source propeller
        tfx campaign link plain --source nope
        tfx source update propeller --set 'params.others[zoneid]=zone={zone}' --output name
        tfx campaign link summer",
    );
    t.is("links");
}
