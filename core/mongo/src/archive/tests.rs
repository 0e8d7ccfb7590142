//! The format against archives of the official tool, and against every damage.

use super::*;
use flate2::read::GzDecoder;
use mongodb::bson::doc;
use std::{collections::BTreeMap, io::Read};

const UNIQUE: &[u8] = include_bytes!("../../tests/fixtures/mongodump/unique.archive");
const SAMPLE: &[u8] = include_bytes!("../../tests/fixtures/mongodump/sample.archive.gz");

fn sample() -> Vec<u8> {
    let mut all = Vec::new();
    GzDecoder::new(SAMPLE).read_to_end(&mut all).expect("a gzip file");
    all
}

/// Everything in it.
struct Whole {
    header: Header,
    namespaces: Vec<Namespace>,
    documents: Vec<Vec<Vec<u8>>>,
    checksums: Vec<u64>,
}

fn read(bytes: &[u8]) -> Result<Whole, ReadError> {
    let mut reader = Reader::open(bytes)?;
    let mut documents = vec![Vec::new(); reader.namespaces().len()];
    while let Some(part) = reader.next()? {
        if let ArchiveStep::Document(place, document) = part {
            documents[place].push(document.to_vec());
        }
    }
    assert_eq!(reader.at(), bytes.len() as u64, "all of it was read");
    Ok(Whole {
        header: reader.header().clone(),
        namespaces: reader.namespaces().to_vec(),
        checksums: reader.tallies().iter().map(Tally::checksum).collect(),
        documents,
    })
}

/// The same, made here.
fn write(whole: &Whole) -> Vec<u8> {
    let mut writer = Writer::new(&whole.header.server, whole.namespaces.clone()).expect("a header");
    for (place, documents) in whole.documents.iter().enumerate() {
        writer.begin(place).expect("a block");
        documents.iter().for_each(|d| writer.document(place, d).expect("a document"));
        writer.end(place).expect("an end");
    }
    writer.take()
}

fn refusal(bytes: &[u8]) -> Option<(u64, Damage)> {
    match read(bytes) {
        Ok(_) => None,
        Err(ReadError::Damaged { at, damage }) => Some((at, damage)),
        Err(ReadError::Io(e)) => panic!("{e}"),
    }
}

/// Bytes of the document that begins there.
fn length(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
}

#[test]
fn what_the_official_tool_wrote_is_written_byte_for_byte() {
    let (official, whole) = (UNIQUE, read(UNIQUE).expect("whole"));
    let ours = write(&whole);
    // The header says who made it.
    let (theirs_from, ours_from) = (4 + length(official, 4), 4 + length(&ours, 4));
    assert_eq!(ours[ours_from..], official[theirs_from..]);
    assert_eq!(whole.header.made_by(), "built-without-version-string");
    assert_eq!((whole.header.server.as_str(), whole.documents[0].len()), ("6.0.5", 20));
}

#[test]
fn every_namespace_of_the_official_sample_is_read_and_its_metadata_written_byte_for_byte() {
    let official = sample();
    let whole = read(&official).expect("whole");
    let ours = write(&whole);
    let (mut theirs_at, mut ours_at) = (4 + length(&official, 4), 4 + length(&ours, 4));
    for namespace in &whole.namespaces {
        let (n, m) = (length(&official, theirs_at), length(&ours, ours_at));
        assert_eq!(ours[ours_at..ours_at + m], official[theirs_at..theirs_at + n], "{}", namespace.name());
        (theirs_at, ours_at) = (theirs_at + n, ours_at + m);
    }
    let again = read(&ours).expect("whole");
    assert_eq!(again.namespaces, whole.namespaces);
    assert_eq!(again.documents, whole.documents);
    assert_eq!(again.checksums, whole.checksums);
    let counts: BTreeMap<&str, usize> = whole
        .namespaces
        .iter()
        .zip(&whole.documents)
        .map(|(n, d)| (n.collection.as_str(), d.len()))
        .collect();
    let want = [
        ("a_view", 0),
        ("capped", 100),
        ("empty", 0),
        ("every_type", 4),
        ("german", 3),
        ("indexed", 500),
        ("large", 1),
        ("odd name.with dots", 1),
        ("series", 3),
        ("unique", 20),
        ("validated", 1),
        ("ünïcödé", 1),
    ];
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), want);
}

#[test]
fn an_archive_that_ends_early_is_refused_wherever_it_ends() {
    for whole in [UNIQUE.to_vec(), write(&read(UNIQUE).expect("whole"))] {
        for end in 0..whole.len() {
            let (at, damage) =
                refusal(&whole[..end]).unwrap_or_else(|| panic!("{end} bytes are taken for whole"));
            assert!(at <= end as u64, "{end}: byte {at}: {damage}");
        }
        assert_eq!(refusal(&whole), None);
    }
}

#[test]
fn no_bit_of_an_archive_of_ours_can_change_unseen() {
    let whole = write(&read(UNIQUE).expect("whole"));
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(refusal(&flipped).is_some(), "bit {} of byte {} is taken", bit % 8, bit / 8);
    }
}

/// The format protects nothing before the blocks: a changed digit there is another one. What is not a value is seen.
#[test]
fn no_bit_of_a_block_of_the_official_tool_can_change_unseen() {
    let header_ends = 4 + length(UNIQUE, 4);
    let blocks_begin = header_ends + length(UNIQUE, header_ends) + TERMINATOR.len();
    let mut taken = 0;
    for bit in 0..UNIQUE.len() * 8 {
        let mut flipped = UNIQUE.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if refusal(&flipped).is_none() {
            taken += 1;
            assert!(bit / 8 < blocks_begin, "bit {} of byte {} is taken", bit % 8, bit / 8);
        }
    }
    assert!(taken < blocks_begin * 8 / 2, "{taken} of {} bits before the blocks", blocks_begin * 8);
}

#[test]
fn bytes_of_anybody_are_refused_and_nothing_else() {
    let whole = write(&read(UNIQUE).expect("whole"));
    let mut seed = 1_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).expect("31 bits")
    };
    for _ in 0..2_000 {
        let mut bytes = whole.clone();
        for _ in 0..=random() % 4 {
            let at = random() % bytes.len();
            match random() % 3 {
                0 => bytes[at] = u8::try_from(random() % 256).expect("a byte"),
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, u8::try_from(random() % 256).expect("a byte")),
            }
        }
        assert!(bytes == whole || refusal(&bytes).is_some());
    }
}

/// An archive by hand.
#[derive(Clone)]
struct Crafted(Vec<u8>);

impl Crafted {
    fn new() -> Self {
        Self(MAGIC.to_vec()).add(doc! {
            "concurrent_collections": 4_i32, "version": "0.1", "server_version": "6.0.5", "tool_version": "100.9.4",
        })
    }

    #[expect(clippy::needless_pass_by_value, reason = "each is made where it is added")]
    fn add(mut self, document: mongodb::bson::Document) -> Self {
        self.0.extend(document.to_vec().expect("BSON"));
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn list(self, collection: &str) -> Self {
        let metadata = format!(r#"{{"indexes":[],"collectionName":"{collection}","type":"collection"}}"#);
        self.add(doc! {"db": "d", "collection": collection, "metadata": metadata, "size": 0_i32, "type": "collection"})
    }

    fn with_metadata(self, metadata: &str) -> Self {
        self.add(
            doc! {"db": "d", "collection": "c", "metadata": metadata, "size": 0_i32, "type": "collection"},
        )
    }

    fn stop(self) -> Self {
        self.bytes(&TERMINATOR)
    }

    fn begin(self, collection: &str) -> Self {
        self.add(doc! {"db": "d", "collection": collection, "EOF": false, "CRC": 0_i64})
    }

    fn close(self, collection: &str, checksum: u64) -> Self {
        self.add(doc! {"db": "d", "collection": collection, "EOF": true, "CRC": checksum.cast_signed()})
            .stop()
    }
}

#[test]
fn blocks_of_several_namespaces_may_take_turns() {
    let (one, two) = (doc! {"_id": 1_i32}, doc! {"_id": 2_i32});
    let mut tally = Tally::default();
    [&one, &two].into_iter().for_each(|d| tally.add(&d.to_vec().expect("BSON")));
    let both = tally.checksum();
    let archive = Crafted::new().list("c").list("e").stop();
    let archive = archive.begin("c").add(one.clone()).stop().begin("e").add(one).add(two.clone()).stop();
    let archive = archive.begin("c").add(two).stop().close("c", both).close("e", both);
    let whole = read(&archive.0).expect("whole");
    assert_eq!(whole.documents[0], whole.documents[1]);
}

#[test]
fn each_damage_is_named_with_its_byte() {
    let listed = || Crafted::new().list("c").stop();
    let at_list = Crafted::new().0.len() as u64;
    let at_block = listed().0.len() as u64;
    let d = || doc! {"_id": 1_i32};
    let inside = listed().begin("c").0.len() as u64;
    let said = |what: Crafted| {
        refusal(&what.0).map_or_else(|| "taken".to_owned(), |(at, why)| format!("{at}: {why}"))
    };
    let empty = Crafted(Vec::new());
    let magic = || Crafted(MAGIC.to_vec());
    let cases: Vec<(Crafted, String)> = vec![
        (empty.clone(), "0: it is empty".to_owned()),
        (empty.bytes(b"PK\x03\x04"), "0: it does not begin as an archive of mongodump or tfx does".to_owned()),
        (magic(), "4: it ends in the middle of the header".to_owned()),
        (magic().stop(), "4: the archive has no field \"header\"".to_owned()),
        (
            magic().add(doc! {"concurrent_collections": 4_i32, "version": "0.2", "server_version": "6.0.5", "tool_version": ""}),
            "4: it is of version \"0.2\" of the format, and only 0.1 is known".to_owned(),
        ),
        (
            magic().add(doc! {"concurrent_collections": 4_i32, "version": "0.1", "server_version": "six", "tool_version": ""}),
            "4: server_version is \"six\", which is not three numbers".to_owned(),
        ),
        (
            magic().add(doc! {"concurrent_collections": 4_i32, "version": "0.1", "server_version": "6.0.5", "tool_version": "", "new": 1_i32}),
            "4: the header has the field \"new\", which is not known".to_owned(),
        ),
        (
            magic().add(doc! {"concurrent_collections": "4", "version": "0.1", "server_version": "6.0.5", "tool_version": ""}),
            "4: concurrent_collections of the header is not a whole number from 0".to_owned(),
        ),
        (magic().add(doc! {"version": "0.1"}), "4: the header has no field \"concurrent_collections\"".to_owned()),
        (Crafted::new(), format!("{at_list}: it ends in the middle of the list of namespaces")),
        (
            Crafted::new().add(doc! {"db": "d", "collection": "", "metadata": "", "size": 0_i32}),
            format!("{at_list}: collection of a listed namespace is not a name"),
        ),
        (
            Crafted::new().add(doc! {"db": "d", "collection": "c", "metadata": "", "size": 0_i32, "type": "queue"}),
            format!("{at_list}: the metadata of d.c: the type \"queue\" is not known"),
        ),
        (
            Crafted::new().with_metadata(r#"{"indexes":[],"colour":"blue"}"#),
            format!("{at_list}: the metadata of d.c: \"colour\" is not known"),
        ),
        (
            Crafted::new().with_metadata(r#"{"options":{"colour":"blue"}}"#),
            format!("{at_list}: the metadata of d.c: the option \"colour\" is not known"),
        ),
        (
            Crafted::new().with_metadata(r#"{"indexes":[{"key":{"a":1},"name":"a","uniqe":true}]}"#),
            format!("{at_list}: the metadata of d.c: the index \"a\" has \"uniqe\", which is not known"),
        ),
        (
            Crafted::new().with_metadata(r#"{"indexes":[{"name":"a"}]}"#),
            format!("{at_list}: the metadata of d.c: the index \"a\" has no key"),
        ),
        (
            Crafted::new().with_metadata(r#"{"indexes":null}"#),
            format!("{at_list}: the metadata of d.c: indexes cannot be that"),
        ),
        (
            Crafted::new().with_metadata(r#"{"collectionName":"e"}"#),
            format!("{at_list}: the metadata of d.c: it is that of another collection"),
        ),
        (
            Crafted::new().list("c").list("c"),
            format!("{}: d.c is listed twice", Crafted::new().list("c").0.len()),
        ),
        (listed(), format!("{at_block}: it ends before the end of d.c")),
        (listed().stop(), format!("{at_block}: there is an end where a block should begin")),
        (listed().begin("x"), format!("{at_block}: there is a block of d.x, which is not listed")),
        (listed().begin("c").stop().stop(), format!("{}: there is an end where a block should begin", inside + 4)),
        (listed().begin("c").add(d()), format!("{}: it ends in the middle of a document", inside + 14)),
        (
            listed().begin("c").bytes(&[4, 0, 0, 0]),
            format!("{inside}: a document is said to have 4 bytes, and a document has 5 to 16777216"),
        ),
        (
            listed().begin("c").bytes(&[0, 0, 0, 2]),
            format!("{inside}: a document is said to have 33554432 bytes, and a document has 5 to 16777216"),
        ),
        (listed().begin("c").bytes(&[6, 0, 0, 0, 0, 1]), format!("{inside}: a document does not end in 0")),
        (
            listed().begin("c").add(d()).stop().close("c", 1),
            format!(
                "{}: the documents of d.c are not those that were written: their checksum is {:016x}, not {:016x}",
                inside + 18,
                {
                    let mut tally = Tally::default();
                    tally.add(&d().to_vec().expect("BSON"));
                    tally.checksum()
                },
                1
            ),
        ),
        (
            listed().add(doc! {"db": "d", "collection": "c", "EOF": true, "CRC": 0_i64}).add(d()),
            format!("{}: the end of d.c is not followed by the end of its block", listed().close("c", 0).0.len() - 4),
        ),
        (
            listed().close("c", 0).begin("c"),
            format!("{}: there is a block of d.c after its end", listed().close("c", 0).0.len()),
        ),
        (
            listed().add(doc! {"db": "d", "collection": "c", "EOF": false, "CRC": 7_i64}),
            format!("{at_block}: CRC of the header of a block is not 0 before the end"),
        ),
        (
            listed().add(doc! {"db": "d", "collection": "c", "EOF": 1_i32, "CRC": 0_i64}),
            format!("{at_block}: EOF of the header of a block is not true or false"),
        ),
        (
            listed().add(doc! {"db": "d", "collection": "c", "EOF": true, "CRC": 0_i32}),
            format!("{at_block}: CRC of the header of a block is not a whole number of 64 bits"),
        ),
        (
            listed().add(doc! {"db": "d", "collection": "c", "EOF": true, "CRC": 0_i64, "more": 1_i32}),
            format!("{at_block}: the header of a block has the field \"more\", which is not known"),
        ),
        (
            listed().close("c", 0).bytes(b"trailing"),
            format!(
                "{}: the header of a block is said to have {} bytes, and a document has 5 to 16777216",
                listed().close("c", 0).0.len(),
                i32::from_le_bytes(*b"trai")
            ),
        ),
    ];
    for (archive, want) in cases {
        assert_eq!(said(archive), want);
    }
    assert_eq!(said(listed().close("c", 0)), "taken", "an empty collection may have no block but its end");
}
