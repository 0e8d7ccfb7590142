//! The health of destinations: told, probed, and a verdict for monitors.

use crate::{place::Place, transcript::Transcript};

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
        tfx --api-url http://127.0.0.1:1 check destinations --timeout 5",
    );
    t.is("health");
}
