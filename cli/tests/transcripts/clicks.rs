//! Clicks: recorded, listed, shown, explained.

use crate::{place::Place, transcript::Transcript, web};

/// A campaign with a stream for two countries, one for everyone from there on, and a visitor's own text in its clicks.
pub(crate) fn campaign(place: &Place) {
    place.ok("tfx network create --name AdNet");
    place.ok("tfx destination create --name Offer --url 'https://offer.example/?s={click_id}' --network adnet --payout 4");
    place.ok("tfx campaign create --name Summer --cost 0.05");
    place.ok("tfx stream create --campaign summer --name US --filter country=US,CA --destination offer");
    place.ok(
        "tfx stream create --campaign summer --name Phones --filter device_type=mobile --destination offer",
    );
    // Routed as soon as traffic-service has the configuration.
    place.until("tfx explain summer --ua 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)' --output json | grep -c offer.example", "1");
}

#[test]
fn clicks_are_listed_shown_and_explained() {
    let place = Place::running();
    campaign(&place);
    let phone = web::click(&place, "/c/summer?sub1=z1&keyword=red%1b%5b31m%0Ashoes&x=%0Astatus%20%20paid");
    web::get(&place, "/c/summer", "curl/8");
    web::get(&place, "/c/nowhere", web::PHONE);
    place.until("tfx click list --output name --quiet | wc -l | tr -d ' '", "3");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx click list
        tfx click list --routed --output name
        tfx click list --unrouted --campaign summer --output csv
        tfx click list --since 1h --limit 1
        tfx click list --until yesterday",
    );
    t.sh(&format!("tfx click show {phone}"));
    t.sh(&format!("tfx click show {phone} --output csv"));
    t.sh(&format!("tfx explain --click {phone}"));
    t.is("clicks");
}

#[test]
fn a_click_is_explained_before_it_happens() {
    let place = Place::running();
    campaign(&place);
    place.ok("tfx campaign create --name Paused && tfx campaign pause paused");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx explain summer --country US
        tfx explain summer --ua ''
        tfx explain summer --country US --unhealthy offer --output csv
        tfx explain summer --country US --at 2026-03-29T02:30 --param sub1=z --hops 4
        tfx explain summer --country US --output name
        tfx explain paused
        tfx explain nowhere --output name
        tfx explain summer --unhealthy nowhere
        tfx explain summer --ip 1.2.3
        tfx explain summer --cap-used offer=many
        tfx explain
        tfx explain summer --click 01KYKZ6QK0ABCDEFGHJKMNPQRS",
    );
    t.is("explain");
}
