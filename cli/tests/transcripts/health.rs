//! The health of destinations: told, probed, and a verdict for monitors.

use crate::{place::Place, transcript::Transcript, web};

#[test]
fn destinations_are_watched() {
    let place = Place::running();
    let mut t = Transcript::new(&place);
    t.all(
        "tfx health list
        tfx check destinations
        tfx destination create --name Offer --url 'https://offer.example/?c={click_id}'
        tfx health check offer
        tfx health check nobody
        tfx health history
        tfx check destinations --format json
        tfx check destinations --format prometheus
        tfx --api-url http://127.0.0.1:1 check destinations --timeout 5
        tfx --api-url nonsense check destinations
        tfx check destinations --crit 0
        tfx check destinations --warn 3 --crit 2
        tfx check nothing
        tfx check destinations --bogus 2> /dev/null
        tfx check destinations --warn many --crit few 2> /dev/null",
    );
    t.is("health");
}

#[test]
fn how_health_is_probed_is_said_by_flags_and_told_once_where_it_cannot_be() {
    // Nobody is there who probes.
    let place = Place::running_with(&[("TRAFFIC_SERVICE_URL", "http://127.0.0.1:9")]);
    let create = "tfx destination create --url 'https://offer.example/?s={click_id}' --name";
    for name in ["One", "Two", "Three"] {
        place.ok(&format!("{create} {name} --health-check http://127.0.0.1:9/canary"));
    }
    let mut t = Transcript::new(&place);
    t.all(
        "tfx destination update one --health-method get --health-statuses 200,204 --health-down-after 5 --health-up-after 1
        tfx destination show one --output json | sed -n '/health_check/,/}/p'
        tfx destination update one --health-check
        tfx destination show one --output json | sed -n '/health_check/,/}/p'
        tfx destination update one --health-method POST --health-statuses 99 --health-down-after 0
        tfx health check --all",
    );
    t.is("health_flags");
}

#[test]
fn a_probe_that_fails_is_no_success_though_it_counts_for_nothing() {
    let place = Place::running();
    // Probes to addresses of this machine are refused.
    let create = "tfx destination create --url 'https://offer.example/?s={click_id}' --health-check http://127.0.0.1:9/";
    place.ok(&format!("{create} --name Down --set health_check.failures=1"));
    place.ok(&format!("{create} --name Paused && tfx destination pause paused"));
    place.until("tfx health check paused -o json | grep -c '\"state\": \"unknown\"'", "1");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx health check paused --output csv | cut -d, -f1,2
        tfx health check paused > /dev/null
        tfx health check paused down > /dev/null
        tfx health check paused --output json 2> /dev/null | grep failure
        tfx health check --all > /dev/null",
    );
    t.is("health_check");
}

#[test]
fn a_campaign_may_ignore_health_and_says_so() {
    let mut place = Place::running();
    // Probes to addresses of this machine are refused, so it is down.
    place.ok("tfx destination create --name Offer --url 'https://offer.example/?s={click_id}' --health-check http://127.0.0.1:9/ --set health_check.failures=1");
    place.ok("tfx campaign create --name Heeds");
    place.ok("tfx campaign create --name Summer --all-down ignore-health");
    // It hands over to one that has nothing: that one decides, and has nothing that is down.
    place.ok("tfx campaign create --name Empty");
    place.ok("tfx campaign create --name Front");
    for campaign in ["heeds", "summer", "front"] {
        place.ok(&format!("tfx stream create --campaign {campaign} --name Main --destination offer"));
    }
    place.ok("tfx stream create --campaign front --name Over --action campaign:empty");
    place.until("tfx explain summer --output json | grep -c '^  \"health_ignored\": true'", "1");
    place.until("tfx explain heeds --output json | grep -c '\"outcome\": \"not_found\"'", "1");
    place.until("tfx explain front --output json | grep -c '\"outcome\": \"not_found\"'", "1");
    let click = web::click(&place, "/c/summer");
    place.set("CLICK", &click);
    place.until("tfx click list --output name --quiet | wc -l | tr -d ' '", "1");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx campaign show summer
        tfx campaign show summer --output json | grep all_down
        tfx explain summer --country US
        tfx explain heeds --country US
        tfx explain front --country US
        tfx explain --click $CLICK
        tfx click show $CLICK --output json | grep health_ignored
        tfx campaign update summer --all-down=sometimes
        tfx campaign update summer --set all_down=sometimes
        tfx campaign update summer --all-down trafficback
        tfx campaign show summer --output json | grep -c all_down
        tfx campaign update summer --all-down ignore_health --output name",
    );
    t.is("all_down");
}
