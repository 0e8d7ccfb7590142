//! Presets: looked at without a service, and networks and sources that are made of one.

use crate::{clicks::recorded, place::Place, transcript::Transcript, web};

#[test]
fn presets_are_looked_at_without_a_service() {
    let place = Place::empty();
    let mut t = Transcript::new(&place);
    t.all(
        "tfx preset list
        tfx preset list --kind source --output name
        tfx preset show affise
        tfx preset show propellerads
        tfx preset search '#s2#'
        tfx preset search evreflow
        tfx preset search xyzzyx
        tfx preset show impcat
        tfx preset show everflow --output json
        tfx preset list --kind netwrok
        tfx preset",
    );
    t.sh("tfx preset list --output json | head -12");
    // Nothing in it is wider than a terminal.
    t.sh("tfx preset list | awk 'length > 80'");
    t.is("presets");
}

#[test]
fn a_network_and_a_source_are_made_of_presets() {
    let place = Place::running();
    let mut t = Transcript::new(&place);
    t.all(
        "tfx network create --preset affise --name AdNet --currency EUR
        tfx network postback-url adnet
        tfx template show adnet/default
        tfx network create --preset cake --output name
        tfx network create --preset cake
        tfx network create --preset cake --if-not-exists --quiet --output name
        tfx network create --preset kaje
        tfx network create --preset propellerads
        tfx network list --output name
        tfx source create --preset trafficstars --account key=h4qb
        tfx source create --preset propellerads --name Push
        tfx source create --preset propellerads --slug other --account aid=1 --account tod=2
        tfx source create --preset propellerads --slug other --account 'aid=1&x=2'
        tfx source create --preset mgid --account event=sale --cost-param price --postback-on lead,sale --quiet
        tfx source create --account key=1
        tfx source test trafficstars
        tfx template update adnet/default --decimal comma --scale 0.01 --macro payout={cents}
        tfx template update adnet/default --decimal dot
        tfx template update adnet/default --scale 0",
    );
    t.is("preset_made");
}

/// The URL that is printed, with what the network puts in the place of its macros, is a sale.
#[test]
fn what_is_pasted_comes_in_as_a_sale() {
    let place = Place::running();
    for line in [
        "network create --preset affise",
        "destination create --name Offer --url 'https://offer.example/?s={click_id}' --network affise",
        "campaign create --name Summer",
        "stream create --campaign summer --name All --destination offer",
        "network create --name Last",
    ] {
        place.ok(&format!("tfx {line}"));
    }
    place.until("tfx explain summer --output json | grep -c offer.example", "1");
    place.until("tfx postback test last txid=1 --send 2>&1 | grep -c 'answers 400'", "1");
    let click = web::click(&place, "/c/summer");
    recorded(&place, 1);
    let url = place.ok("tfx network postback-url affise --quiet");
    let (_, query) = url.trim().split_once('?').expect("a query");
    let own = [
        ("{sub1}", click.as_str()),
        ("{transactionid}", "T1"),
        ("{sum}", "12.40"),
        ("{currency}", "EUR"),
        ("{status}", "1"),
    ];
    let sent = own.into_iter().fold(query.to_owned(), |query, (own, value)| query.replace(own, value));
    place.ok(&format!("tfx postback test affise '{sent}' --send"));
    let recorded = "tfx conversion list --columns status,raw_status,revenue --output csv --quiet | tail -1";
    place.until(recorded, "sale,1,12.4,EUR");
}
