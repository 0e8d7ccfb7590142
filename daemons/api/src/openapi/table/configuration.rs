//! Entities of all kinds, and what is asked of one.

use super::{
    super::{
        common::MOST_REVISIONS,
        operation::{Operation, get, patch, post, put, tagged},
        spec,
    },
    flag, text,
};
use http::StatusCode;
use serde_json::{Value, json};
use tfx_api::{
    Page,
    bulk::{Bulk, BulkAnswer},
    entities::{Link, SecretRotation, Verb},
    rates::{RatesAnswer, RemoveRate, SetRate, SetRates},
    revisions::{RestoreRequest, RevisionDiff, RevisionRow, RevisionShown},
    sets::{SetAnswer, SetAt, SetRequest},
};
use tfx_domain::{
    entity::{Kind, Status},
    routing::CapState,
};

pub(super) const VERSION: (&str, &str, &str) = ("ETag", "The version, in quotes", "\"3\"");

pub(super) fn operations() -> Vec<Operation> {
    let mut all: Vec<Operation> = Kind::ALL.into_iter().rev().flat_map(of).collect();
    all.push(
        get("/campaigns/{ref}/link", "read_campaign_link", "Tell a campaign's tracking link")
            .query("source", "With the tokens of this source; not said: of the campaign's own", text())
            .answers::<Link>("The link")
            .finds("campaign or source"),
    );
    all.push(
        get(
            "/networks/{ref}/postback-url",
            "read_postback_url",
            "Tell the postback URL to give to a network",
        )
        .query("template", "For this template: its slug or id", text())
        .answers::<Link>("The URL, with the network's secret and a placeholder for each of its macros")
        .finds("network or template"),
    );
    all.push(
        written(
            post("/networks/{ref}/rotate-secret", "rotate_secret", "Give a network another secret")
                .query("force", "Also while the one before the present one works, which ends it", flag())
                .takes::<SecretRotation>(json!({ "grace_s": 86_400 }))
                .answers_one(StatusCode::OK, "As it is now, with the new secret this once", |s| {
                    spec::shown(s, Kind::Network)
                })
                .creates()
                .refuses(StatusCode::CONFLICT, "former_secret_works", "two of its secrets work"),
            Kind::Network.noun(),
        )
        .note("The present one works beside it for `grace_s`, then it is refused. With a `signing_key` it is the key with which the network signs."),
    );
    all.push(
        get("/destinations/{ref}/cap-use", "read_cap_use", "Tell what is used of a destination's caps")
            .answers::<Page<CapState>>("Each cap, on one page")
            .finds("destination")
            .asks("traffic-service"),
    );
    let code = || json!({ "$ref": "#/components/schemas/Currency" });
    all.push(
        get("/rates", "list_rates", "List rates of currencies, by pair and day")
            .query("from", "Only from this currency", code())
            .query("to", "Only to this one", code())
            .pages()
            .answers::<Page<SetRate>>("A page"),
    );
    all.push(
        post("/rates", "set_rates", "Set rates of currencies, all or none")
            .takes::<SetRates>(json!({ "rates": [
                { "from": "EUR", "to": "USD", "day": "2026-01-31", "rate": "1.0842" },
            ] }))
            .answers::<RatesAnswer>("What they came to; with `dry_run` what they would"),
    );
    all.push(
        post("/rates/remove", "remove_rate", "Remove a rate: the one before it holds on")
            .takes::<RemoveRate>(json!({ "from": "EUR", "to": "USD", "day": "2026-01-31" }))
            .answers::<RatesAnswer>("It is there no more")
            .finds("rate"),
    );
    all.push(
        post("/bulk", "change_many", "Make many changes of entities, all or none")
            .takes::<Bulk>(json!({ "items": [
                { "action": "create", "kind": "campaign", "spec": { "slug": "summer" } },
                { "action": "pause", "kind": "campaign", "ref": "summer" },
            ] }))
            .answers::<BulkAnswer>("What was done, one for each item")
            .creates()
            .refuses(
                StatusCode::FORBIDDEN,
                "forbidden",
                "the token lacks the `write:` scope of a kind, which is named",
            )
            .refuses(
                StatusCode::UNPROCESSABLE_ENTITY,
                "bulk_refused",
                "nothing was done; `problems` and `items` say which items cannot be",
            )
            .note("Needs the `write:` scope of each kind too."),
    );
    all.extend(as_a_set());
    all.extend(revisions());
    tagged("configuration", all)
}

/// Everything as one document.
fn as_a_set() -> [Operation; 2] {
    let another = "something of it was saved by a newer version of the program, which knows more of it";
    let example = json!({ "revision": 12, "set": {
        "destinations": [{ "slug": "offer", "url": "https://offer.example/?c={click_id}" }],
        "campaigns": [{ "slug": "summer", "streams": [{ "slug": "main", "destinations": [{ "destination": "offer" }] }] }],
    } });
    [
        get("/config/set", "read_config_set", "Show everything that is configured as one document")
            .answers::<SetAt>("All entities that are not archived, by slugs, without secrets and without defaults")
            .refuses(StatusCode::CONFLICT, "written_by_another_version", another),
        put("/config/set", "apply_config_set", "Make the configuration as one document says, all of it or nothing")
            .query("dry_run", "Only tell what that would come to", flag())
            .takes::<SetRequest>(example)
            .answers::<SetAnswer>("What was done, and what is there besides; of a dry run what would be")
            .creates()
            .refuses(
                StatusCode::FORBIDDEN,
                "forbidden",
                "the token lacks the `write:` scope of a kind that changes, or of what it says in place of what is not shown",
            )
            .refuses(
                StatusCode::CONFLICT,
                "revision_moved",
                "the configuration is at another revision than `revision` says; `current` is which",
            )
            .note(
                "Needs the `write:` scope of each kind that changes too, unless it is a dry run. Its body may have 64 MB and \
                 50,000 entities.",
            ),
    ]
}

/// The configuration as it was.
fn revisions() -> Vec<Operation> {
    let number = || json!({ "type": "integer", "minimum": 0, "maximum": MOST_REVISIONS });
    vec![
        get("/revisions", "list_revisions", "List revisions of the configuration, the newest first")
            .pages()
            .answers::<Page<RevisionRow>>("A page"),
        get("/revisions/{n}", "read_revision", "Tell who made a revision, when, and what changed with it")
            .answers::<RevisionShown>("Each entity that changed")
            .finds("revision that is kept"),
        get("/revisions/{n}/set", "read_revision_set", "Tell the configuration as it was at a revision")
            .answers::<SetAt>("All that took part then, as a set")
            .finds("revision that is kept"),
        get("/revisions/{n}/diff", "compare_revisions", "Tell what is different between two revisions")
            .query("to", "The other one; not said: the configuration as it is now", number())
            .answers::<RevisionDiff>("What leads from the one to the other")
            .finds("revision that is kept"),
        post("/revisions/{n}/restore", "restore_revision", "Put the configuration back to what it was at a revision")
            .query("dry_run", "Only say what would be changed", flag())
            .takes::<RestoreRequest>(json!({ "revision": 15 }))
            .answers::<SetAnswer>("What was changed, all of it at once")
            .finds("revision that is kept")
            .refuses(StatusCode::CONFLICT, "revision_moved", "the configuration is at another revision than `revision` says")
            .refuses(
                StatusCode::FORBIDDEN,
                "forbidden",
                "the token lacks the `write:` scope of a kind, which is named",
            )
            .note(
                "Needs the `write:` scope of each kind of which something changes too. What was made since is archived, what was archived \
                 since takes part again; secrets stay as they are now, and a slug that is given up again goes on leading there.",
            ),
    ]
}

fn of(kind: Kind) -> Vec<Operation> {
    let (noun, plural) = (kind.noun(), kind.plural());
    let (all, one) = (format!("/{plural}"), format!("/{plural}/{{ref}}"));
    let mut list = get(&all, format!("list_{plural}"), format!("List {plural}, the oldest first")).query(
        "status",
        "Only those that are one of these, with commas between them; `all`: whatever they are. Not said: active and paused",
        json!({ "type": "string", "pattern": statuses() }),
    );
    if let Some(parent) = kind.parent() {
        list = list
            .query(parent.noun(), &format!("Only those of this {parent}: its id or slug"), text())
            .finds(parent.noun());
    }
    let list = list.pages().answers_one(StatusCode::OK, "A page", move |s| spec::listed(s, kind));
    let id = match kind {
        Kind::Campaign => "/api/v1/campaigns/cmp_01k5e7q000000000000",
        Kind::Stream => "/api/v1/streams/str_01k5e7q000000000000",
        Kind::Destination => "/api/v1/destinations/dst_01k5e7q000000000000",
        Kind::Source => "/api/v1/sources/src_01k5e7q000000000000",
        Kind::Network => "/api/v1/networks/net_01k5e7q000000000000",
        Kind::Template => "/api/v1/templates/tpl_01k5e7q000000000000",
        Kind::Alert => "/api/v1/alerts/alr_01k5e7q000000000000",
    };
    let a = spec::article(kind);
    let create = post(&all, format!("create_{noun}"), format!("Create {a} {noun}"))
        .takes_one(move |s| spec::created(s, kind), spec::example(kind))
        .answers_one(StatusCode::CREATED, "It was created", move |s| spec::shown(s, kind))
        .header("ETag", VERSION.1, "\"1\"")
        .header("Location", "Where it is", id)
        .creates()
        .refuses(StatusCode::CONFLICT, "slug_taken", "another one has the slug; `existing` is its id");
    let read = get(&one, format!("read_{noun}"), format!("Show {a} {noun}"))
        .answers_one(StatusCode::OK, "As it is", move |s| spec::shown(s, kind))
        .header(VERSION.0, VERSION.1, VERSION.2)
        .finds(noun);
    let mut change = patch(&one, format!("change_{noun}"), format!("Change {a} {noun} by a merge patch"));
    change = change.query("force", "Archive it also while others use it", flag()).query(
        "drop_old_slug",
        "With another slug: links with the one before do not lead here any more",
        flag(),
    );
    let change = written(
        change
            .takes_one(move |s| spec::changed(s, kind), changed(kind))
            .answers_one(StatusCode::OK, "As it is now", move |s| spec::shown(s, kind))
            .refuses(StatusCode::CONFLICT, "slug_taken", "another one has the slug; `existing` is its id"),
        noun,
    );
    let mut operations = vec![list, create, read, change];
    for verb in Verb::ALL {
        let word = verb.as_str();
        let what = match verb {
            Verb::Pause => "Pause",
            Verb::Resume => "Resume",
            Verb::Archive => "Archive",
        };
        operations.push(written(
            post(format!("{one}/{word}"), format!("{word}_{noun}"), format!("{what} {a} {noun}"))
                .query("force", "Archive it also while others use it", flag())
                .answers_one(StatusCode::OK, "As it is now", move |s| spec::shown(s, kind)),
            noun,
        ));
    }
    operations
}

/// What every change of an entity has.
fn written(operation: Operation, noun: &str) -> Operation {
    operation
        .header(VERSION.0, VERSION.1, VERSION.2)
        .conditional()
        .finds(noun)
        .refuses(StatusCode::CONFLICT, "in_use", "others use it, so that it is archived by force alone")
        .refuses(
            StatusCode::CONFLICT,
            "written_by_another_version",
            "it was saved by a newer version of the program, which knows more of it",
        )
}

fn changed(kind: Kind) -> Value {
    match kind {
        Kind::Stream => json!({ "weight": 30 }),
        Kind::Destination => json!({ "caps": { "clicks_daily": 1000 } }),
        _ => json!({ "name": "Another name" }),
    }
}

fn statuses() -> String {
    let all = [Status::Active, Status::Paused, Status::Archived].map(Status::as_str).join("|");
    format!("^(all|({all})(,({all}))*)$")
}
