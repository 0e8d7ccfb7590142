//! Archives of the official tool and of ours, into the real MongoDB and out of it again.

use crate::support::Fresh;
use flate2::read::GzDecoder;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    io::{self, Cursor, Read, Write},
    sync::{Arc, Mutex, PoisonError},
};
use tfx_ports::backup::{
    ArchiveSink, Backup, BackupError, Contents, Move, RestoreFailed, Restored, Restoring,
};

const SAMPLE: &[u8] = include_bytes!("../fixtures/mongodump/sample.archive.gz");
pub(crate) const UNIQUE: &[u8] = include_bytes!("../fixtures/mongodump/unique.archive");
const EXPECTED: &str = include_str!("../fixtures/mongodump/sample.expected.json");

/// What mongodump wrote of a database with everything in it.
pub(crate) fn sample() -> Vec<u8> {
    let mut all = Vec::new();
    GzDecoder::new(SAMPLE).read_to_end(&mut all).expect("a gzip file");
    all
}

/// An archive in memory; none until it was ended.
#[derive(Clone, Default)]
pub(crate) struct MemoryFile(Arc<Mutex<(Vec<u8>, bool)>>);

impl MemoryFile {
    fn whole(&self) -> Option<Vec<u8>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.1.then(|| kept.0.clone())
    }
}

impl Write for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ArchiveSink for MemoryFile {
    fn end(self: Box<Self>) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        Ok(())
    }
}

pub(crate) async fn back_up(of: &Fresh) -> Result<(Vec<u8>, Contents), BackupError> {
    let kept = MemoryFile::default();
    let contents = of.open().await.backup().write(Box::new(kept.clone()), &|_| {}).await?;
    Ok((kept.whole().expect("ended"), contents))
}

pub(crate) async fn check(bytes: &[u8]) -> Result<Contents, BackupError> {
    let backup = Fresh::new().open().await.backup();
    backup.check(&mut &*bytes, &|_| {})
}

/// All of an archive, into this database.
pub(crate) async fn moves(bytes: &[u8], into: &Fresh) -> Vec<Move> {
    let all = check(bytes).await.expect("whole").parts;
    let collection = |name: &str| name.split_once('.').expect("a name").1.to_owned();
    all.into_iter()
        .map(|p| Move { to: format!("{}.{}", into.name, collection(&p.name)), from: p.name })
        .collect()
}

pub(crate) async fn restore(
    backup: &Arc<dyn Backup>,
    bytes: &[u8],
    how: &Restoring,
) -> Result<Vec<Restored>, RestoreFailed> {
    backup.restore(Box::new(Cursor::new(bytes.to_vec())), how, &|_| {}).await
}

pub(crate) async fn put(bytes: &[u8], into: &Fresh) -> Vec<Restored> {
    let how = Restoring { moves: moves(bytes, into).await, drop: true, stop_on_error: true };
    restore(&into.open().await.backup(), bytes, &how).await.expect("restored")
}

/// The namespaces as they are listed: name without the database, and metadata without the uuid, which is a new one.
fn listed(bytes: &[u8]) -> BTreeMap<String, String> {
    let mut from = Cursor::new(&bytes[4..]);
    let mut all = BTreeMap::new();
    Document::from_reader(&mut from).expect("a header");
    while let Ok(namespace) = Document::from_reader(&mut from) {
        let text = namespace.get_str("metadata").expect("metadata");
        let metadata = match text.split_once("\"uuid\":\"") {
            Some((before, after)) => format!("{before}{}", &after[34..]),
            None => text.to_owned(),
        };
        all.insert(namespace.get_str("collection").expect("a name").to_owned(), metadata);
    }
    all
}

/// What there is of each part, without the database.
fn counted(contents: &Contents) -> BTreeMap<String, (u64, u64, String)> {
    let name = |name: &str| name.split_once('.').expect("a name").1.to_owned();
    contents.parts.iter().map(|p| (name(&p.name), (p.documents, p.bytes, p.checksum.clone()))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_official_tool_backed_up_stands_as_it_stood() {
    let fresh = Fresh::new();
    put(&sample(), &fresh).await;
    let raw = fresh.raw().await;
    let expected: BTreeMap<String, Value> = serde_json::from_str(EXPECTED).expect("JSON");
    let ours = back_up(&fresh).await.expect("a backup").0;
    let metadata = listed(&ours);
    assert_eq!(metadata.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, want) in expected {
        let found: Value = serde_json::from_str(&metadata[&name]).expect("JSON");
        assert_eq!(found["type"], want["type"], "{name}");
        let options = found.get("options").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        assert_eq!(options, want["options"], "{name}");
        if let Some(indexes) = want.get("indexes") {
            assert_eq!(&found["indexes"], indexes, "{name}");
        }
        let Some(count) = want.get("count") else { continue };
        let mut rows = raw.collection::<RawDocumentBuf>(&name).find(doc! {}).await.expect("a cursor");
        let mut documents: Vec<Vec<u8>> = Vec::new();
        while rows.advance().await.expect("a batch") {
            documents.push(rows.current().as_bytes().to_vec());
        }
        assert_eq!(
            documents.len(),
            count.as_u64().and_then(|n| usize::try_from(n).ok()).expect("a count"),
            "{name}"
        );
        documents.sort();
        let Some(sum) = want.get("sha256_of_sorted_documents") else { continue };
        let found: String = Sha256::digest(documents.concat()).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(sum, &Value::String(found), "{name}");
    }
    let seen = raw.collection::<Document>("a_view").count_documents(doc! {}).await.expect("a count");
    let few = raw.collection::<Document>("indexed").count_documents(doc! {"a": {"$lt": 10_i32}}).await;
    assert_eq!((seen, seen > 0), (few.expect("a count"), true), "the view shows what it shows");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_archive_of_a_database_is_what_the_official_tool_made_of_it() {
    let fresh = Fresh::new();
    put(&sample(), &fresh).await;
    let (ours, contents) = back_up(&fresh).await.expect("a backup");
    let official = check(&sample()).await.expect("whole");
    assert_eq!(listed(&ours), listed(&sample()), "metadata, byte for byte");
    assert_eq!(counted(&contents), counted(&official), "documents, bytes and checksums");
    let read_back = check(&ours).await.expect("whole");
    assert_eq!(read_back.parts, contents.parts);
    assert_eq!(contents.apart, [format!("{}.capped", fresh.name)]);
    assert_eq!((read_back.server, read_back.made_by), (contents.server.clone(), contents.made_by.clone()));

    let other = Fresh::new();
    put(&ours, &other).await;
    let (again, contents) = back_up(&other).await.expect("a backup");
    assert_eq!(listed(&again), listed(&ours));
    assert_eq!(counted(&contents), counted(&official));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packed_archive_whose_bits_change_is_refused() {
    let whole = check(&sample()).await.expect("whole");
    let mut seed = 7_u64;
    for _ in 0..60 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bit = usize::try_from(seed >> 33).expect("31 bits") % (SAMPLE.len() * 8);
        let mut flipped = SAMPLE.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let mut unpacked = Vec::new();
        if GzDecoder::new(&*flipped).read_to_end(&mut unpacked).is_ok() {
            // The time and the system in the head of the file mean nothing.
            assert!(bit / 8 < 10, "byte {}", bit / 8);
            assert_eq!(check(&unpacked).await.expect("whole"), whole);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_makes_an_archive_too() {
    let fresh = Fresh::new();
    let (bytes, contents) = back_up(&fresh).await.expect("a backup");
    assert!(contents.parts.is_empty() && check(&bytes).await.expect("whole").parts.is_empty());
    assert!(put(&bytes, &fresh).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_document_of_a_large_collection_comes_back() {
    let fresh = Fresh::new();
    let all = fresh.raw().await.collection::<Document>("many");
    let text = "x".repeat(300);
    for part in 0..6_i32 {
        let rows =
            (0..2_500_i32).map(|n| doc! {"_id": part * 2_500 + n, "text": &text, "n": Bson::Int64(n.into())});
        all.insert_many(rows).await.expect("inserted");
    }
    let large = "y".repeat(15 << 20);
    all.insert_one(doc! {"_id": -1_i32, "text": large}).await.expect("inserted");
    let (bytes, contents) = back_up(&fresh).await.expect("a backup");
    assert_eq!((contents.documents(), contents.bytes() > 15 << 20), (15_001, true));
    let other = Fresh::new();
    let restored = put(&bytes, &other).await;
    assert_eq!(restored[0].documents, 15_001);
    let again = back_up(&other).await.expect("a backup").1;
    // Batches are written beside each other: the order is another, the documents are the same.
    assert_eq!((again.documents(), again.bytes()), (contents.documents(), contents.bytes()));
}
