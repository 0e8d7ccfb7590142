//! Reports: dimensions, conditions, figures, forms.

use crate::{
    clicks::{campaign, recorded},
    place::Place,
    transcript::Transcript,
    web,
};

#[test]
fn reports() {
    let mut place = Place::running();
    campaign(&place);
    let click = web::click(&place, "/c/summer?sub1=zone-a&keyword=shoes");
    web::click(&place, "/c/summer?sub1=zone-b");
    web::get(&place, "/c/summer", "curl/8");
    place.set("CLICK", &click);
    recorded(&place, 3);
    place.ok("tfx postback test adnet \"clickid=$CLICK&txid=T1&payout=12.5\" --send");
    place.until("tfx report --by none --metrics conversions --output csv | tail -1", "1");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx report
        tfx report --by sub1,keyword --metrics clicks,revenue,profit,roi --sort -clicks
        tfx report --by none --metrics all --output csv
        tfx report --by day --tz Europe/Berlin --since yesterday --metrics hits --output csv | head -1
        tfx report --by sub1 --where bot!=true --where device_type=mobile --metrics clicks --output jsonl
        tfx report --by sub1 --metrics clicks --limit 1
        tfx report --by sub1 --metrics clicks --output name
        tfx report --metrics clicks,revenue --currency EUR --since 2026-01-01
        tfx report --by campaign --metrics clicks,roi --where campaign=summer --output yaml | grep -v ntil: | grep -v since:
        tfx report --where country=US --metrics clicks
        tfx report --by planet
        tfx report --metrics joy
        tfx report --sort joy
        tfx report --where planet=mars
        tfx report --where campaign
        tfx report --where campaign=nowhere
        tfx report --since today --until yesterday
        tfx report --since yesterdayish
        tfx report --tz Mars/Olympus
        tfx report --currency MOON",
    );
    t.is("report");
}
