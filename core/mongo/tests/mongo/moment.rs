//! A backup is of one moment, whatever is written meanwhile.

use crate::{archives::back_up, support::Fresh};
use mongodb::{
    Client, Database,
    bson::{Document, doc},
};
use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// Of each collection of an archive its documents.
fn documents(bytes: &[u8]) -> BTreeMap<String, Vec<Document>> {
    let mut from = Cursor::new(bytes);
    let mut all: BTreeMap<String, Vec<Document>> = BTreeMap::new();
    // What stands before the blocks.
    from.set_position(4);
    while next(&mut from).is_some() {}
    while let Some(header) = next(&mut from) {
        let of = all.entry(header.get_str("collection").expect("a name").to_owned()).or_default();
        while let Some(document) = next(&mut from) {
            of.push(document);
        }
    }
    all
}

/// A document; none at a terminator or the end.
fn next(from: &mut Cursor<&[u8]>) -> Option<Document> {
    let at = from.position();
    let mut length = [0; 4];
    from.read_exact(&mut length).ok()?;
    if length == [0xff; 4] {
        return None;
    }
    from.set_position(at);
    Some(Document::from_reader(from).expect("a document"))
}

/// Moves an amount from an account of one collection to one of the other, in one transaction, and writes a line in both.
async fn transfer(client: &Client, database: &Database, n: u64) -> mongodb::error::Result<()> {
    let mut session = client.start_session().await?;
    session.start_transaction().await?;
    let (amount, id) = (i64::try_from(n % 97).expect("small"), i64::try_from(n).expect("a number"));
    for (collection, sign) in [("left", -1), ("right", 1)] {
        let all = database.collection::<Document>(collection);
        let account = doc! {"_id": format!("account {}", n % 50)};
        let add = doc! {"$inc": {"amount": sign * amount}};
        all.update_one(account, add).upsert(true).session(&mut session).await?;
        all.insert_one(doc! {"_id": id, "amount": sign * amount}).session(&mut session).await?;
    }
    session.commit_transaction().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_of_one_moment() {
    let fresh = Fresh::new();
    let client = Client::with_uri_str(&fresh.uri).await.expect("a client");
    let database = client.database(&fresh.name);
    for collection in ["left", "right", "between"] {
        database.create_collection(collection).await.expect("a collection");
    }
    // Something to read between the two.
    let filler = (0..3_000_i32).map(|n| doc! {"_id": n, "text": "x".repeat(1_000)});
    database.collection::<Document>("between").insert_many(filler).await.expect("inserted");
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..4_u64)
        .map(|writer| {
            let (client, database) = (client.clone(), database.clone());
            let (stop, written) = (Arc::clone(&stop), Arc::clone(&written));
            tokio::spawn(async move {
                let mut n = writer;
                while !stop.load(Ordering::Relaxed) {
                    // Two that want the same account: one of them gives way.
                    if transfer(&client, &database, n).await.is_ok() {
                        written.fetch_add(1, Ordering::Relaxed);
                    }
                    n += 4;
                }
            })
        })
        .collect();
    let mut seen = 0;
    for round in 0..6 {
        let before = written.load(Ordering::Relaxed);
        while written.load(Ordering::Relaxed) < before + 20 {
            tokio::task::yield_now().await;
        }
        let all = documents(&back_up(&fresh).await.expect("a backup").0);
        let of = |name: &str| {
            let rows = &all[name];
            (rows.len(), rows.iter().map(|d| d.get_i64("amount").expect("an amount")).sum::<i64>())
        };
        let (left, right) = (of("left"), of("right"));
        assert_eq!((left.0, left.1 + right.1), (right.0, 0), "round {round}: {left:?} {right:?}");
        assert!(left.0 > seen, "more was written meanwhile");
        seen = left.0;
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("a writer");
    }
}
