//! Where a person is new is told by the visits that are written, once for each click.

use super::*;
use serde_json::{Value, json};
use tfx_domain::routing::{Config, Globals, RequestKind, decide};

/// A link whose campaign hands over to another, which remembers people for a shorter time.
fn snapshot() -> Snapshot {
    let of = |prefix: &str, n: u8, more: Value| {
        let at = "2026-01-01T00:00:00Z";
        let mut entity = json!({ "id": format!("{prefix}_{n:0>19}"), "slug": format!("{prefix}{n}"), "name": "x",
            "version": 1, "created_at": at, "updated_at": at });
        let more = more.as_object().cloned().unwrap_or_default();
        entity.as_object_mut().expect("an object").extend(more);
        entity
    };
    let [link, next, offer] =
        ["cmp_0000000000000000001", "cmp_0000000000000000002", "dst_0000000000000000001"];
    let config: Config = serde_json::from_value(json!({
        "revision": 1, "sources": [], "templates": [], "networks": [],
        "campaigns": [of("cmp", 1, json!({ "unique_window_s": 100 })), of("cmp", 2, json!({ "unique_window_s": 10 }))],
        "destinations": [of("dst", 1, json!({ "url": "https://offer.example/" }))],
        "streams": [
            of("str", 1, json!({ "campaign": link, "action": { "type": "campaign", "campaign": next } })),
            of("str", 2, json!({ "campaign": next, "destinations": [{ "destination": offer }],
                "filters": [{ "field": "param:lost", "is_not": ["1"] }] })),
        ],
    }))
    .expect("config");
    let (snapshot, problems) = Snapshot::compile(config, Globals::default());
    assert!(problems.is_empty(), "{problems}");
    snapshot
}

fn visitor(id: u128, lost: bool) -> Visitor {
    Visitor {
        id: VisitorId(id),
        ip: [203, 0, 113, 9].into(),
        user_agent: String::new(),
        device: Arc::default(),
        geo: Arc::default(),
        language: None,
        referrer: String::new(),
        params: if lost { vec![("lost".into(), "1".to_owned())] } else { Vec::new() },
        headers: Vec::new(),
        bot: None,
        kind: RequestKind::Visit,
        hops: 0,
    }
}

/// A memory that is asked for clicks on links, at seconds.
struct World {
    memory: Memory,
    snapshot: Snapshot,
}

impl World {
    fn new() -> Self {
        let file = UsageFile::new(std::env::temp_dir().join("tfx-nothing-is-kept-here.json"));
        Self { memory: Memory::new(1000, file, [1; 16]), snapshot: snapshot() }
    }

    fn decided(&self, slug: &str, visitor: &Visitor, s: i64) -> Decision<'_> {
        decide(&self.snapshot, slug, visitor, at(s), &self.memory, &mut tfx_ports::entropy::seeded(1))
    }

    fn consume(&self, visitor: &Visitor, decision: &Decision<'_>, s: i64) -> [bool; 3] {
        let (u, _) = self.memory.consume(ClickId::generate(at(s), 1), visitor, decision, at(s));
        [u.campaign, u.stream, u.destination]
    }

    fn click(&self, slug: &str, visitor: &Visitor, s: i64) -> [bool; 3] {
        self.consume(visitor, &self.decided(slug, visitor, s), s)
    }
}

fn at(s: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + s).expect("a time")
}

#[test]
fn of_clicks_that_were_decided_at_once_one_is_new() {
    let world = World::new();
    let visitor = visitor(1, false);
    let decisions: Vec<_> = (0..3).map(|_| world.decided("cmp1", &visitor, 0)).collect();
    let new: Vec<_> = decisions.iter().map(|d| world.consume(&visitor, d, 0)).collect();
    assert_eq!(new, [[true; 3], [false; 3], [false; 3]]);
}

#[test]
fn the_link_and_who_decides_each_have_their_window() {
    let world = World::new();
    let person = visitor(1, false);
    let table = [
        ("cmp1", 0, [true, true, true]),
        ("cmp1", 5, [false, false, false]),
        ("cmp1", 20, [false, true, true]),
        ("cmp1", 120, [true, true, true]),
        // He came through it just now.
        ("cmp2", 125, [false, false, false]),
        ("cmp2", 140, [true, true, true]),
        // His last visit there was at 120.
        ("cmp1", 145, [false, false, false]),
    ];
    for (slug, s, want) in table {
        assert_eq!(world.click(slug, &person, s), want, "{slug} at {s}");
    }
    assert_eq!(world.click("cmp1", &visitor(2, false), 145), [true; 3], "somebody else");
}

#[test]
fn whom_no_stream_took_is_new_nowhere_and_was_nowhere() {
    let world = World::new();
    assert_eq!(world.click("cmp1", &visitor(1, true), 0), [false; 3]);
    assert_eq!(world.click("cmp1", &visitor(1, false), 1), [true; 3]);
}

#[test]
fn what_a_look_finds_is_what_the_click_finds() {
    let world = World::new();
    for (slug, s) in [("cmp1", 0), ("cmp1", 5), ("cmp1", 20), ("cmp2", 24), ("cmp2", 60), ("cmp1", 130)] {
        let person = visitor(1, false);
        let decision = world.decided(slug, &person, s);
        let look = decision.unique(&person, at(s), |scope| world.memory.last_seen(person.id, scope));
        assert_eq!(
            world.consume(&person, &decision, s),
            [look.campaign, look.stream, look.destination],
            "{slug} at {s}"
        );
    }
}
