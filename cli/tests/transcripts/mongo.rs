//! A database of one's own on the MongoDB of `make engines`, dropped at the end.

use crate::place::Place;
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
};

/// What the official tool wrote of a database with everything in it; it is called `sample` there.
pub(crate) const SAMPLE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../core/mongo/tests/fixtures/mongodump/sample.archive.gz");

/// The opcode of messages.
const OP_MSG: u32 = 2013;

/// A database of one's own.
pub(crate) struct Database {
    pub(crate) uri: String,
    pub(crate) name: String,
}

impl Database {
    /// Its name is nobody else's; it is made by who writes into it.
    pub(crate) fn new() -> Self {
        let own = tempfile::Builder::new().prefix("tfx_cli_").rand_bytes(10).tempdir().expect("a name");
        let name = own.path().file_name().and_then(|n| n.to_str()).expect("a name").to_lowercase();
        let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/engines/env"));
        let file = std::env::var_os("TFX_ENGINES").map_or_else(default, PathBuf::from);
        let text = fs::read_to_string(&file).unwrap_or_else(|e| {
            panic!(
                "{}: {e}: run `make engines` first: it brings up the real engines that this test needs",
                file.display()
            )
        });
        let uri = text.lines().find_map(|line| line.strip_prefix("MONGO_URI=")).expect("the URI of MongoDB");
        Self { uri: uri.to_owned(), name }
    }

    /// Lines that are typed there work with it.
    pub(crate) fn at(&self, place: &mut Place) {
        place.set("MONGO_URI", &self.uri);
        place.set("MONGO_DATABASE", &self.name);
    }

    /// Puts the official sample into it.
    pub(crate) fn fill(&self, place: &Place) {
        let name = &self.name;
        place.ok(&format!(
            "tfx restore mongo {SAMPLE} --drop --yes --quiet --ns-from 'sample.*' --ns-to '{name}.*'"
        ));
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let host =
            self.uri.split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next()).expect("a host");
        let mut server = TcpStream::connect(host).expect("MongoDB");
        // {dropDatabase: 1, $db: NAME}
        let mut fields = b"\x10dropDatabase\0\x01\0\0\0\x02$db\0".to_vec();
        fields.extend((u32::try_from(self.name.len()).expect("short") + 1).to_le_bytes());
        fields.extend(self.name.as_bytes());
        fields.extend([0, 0]);
        let document = u32::try_from(fields.len() + 4).expect("short");
        let whole = 16 + 4 + 1 + document;
        let mut message: Vec<u8> = [whole, 1, 0, OP_MSG, 0].into_iter().flat_map(u32::to_le_bytes).collect();
        message.push(0);
        message.extend(document.to_le_bytes());
        message.extend(fields);
        server.write_all(&message).expect("asked");
        let mut length = [0; 4];
        server.read_exact(&mut length).expect("an answer");
    }
}
