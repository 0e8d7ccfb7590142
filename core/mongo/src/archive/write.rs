//! Makes the bytes of an archive, one namespace after the other. Where they go is the caller's: [`Writer::take`] hands out
//! what there is so far.

use super::{
    Damage, Header, LARGEST, MAGIC, Namespace, SMALLEST, TERMINATOR, Tally, header::Seal,
    namespace::BlockHeader,
};
use mongodb::bson::Document;

/// An archive that is being made.
pub(crate) struct Writer {
    namespaces: Vec<Namespace>,
    tallies: Vec<Tally>,
    out: Vec<u8>,
}

impl Writer {
    /// Begins an archive of these namespaces, whose blocks are to come in the same order.
    pub(crate) fn new(server: &str, namespaces: Vec<Namespace>) -> Result<Self, Damage> {
        let mut out = MAGIC.to_vec();
        put(&mut out, "the header", &Header::ours(server).document())?;
        for namespace in &namespaces {
            put(&mut out, "a listed namespace", &namespace.document())?;
        }
        out.extend_from_slice(&TERMINATOR);
        Seal::put(&mut out);
        let tallies = vec![Tally::default(); namespaces.len()];
        Ok(Self { namespaces, tallies, out })
    }

    /// What is listed in it.
    pub(crate) fn namespaces(&self) -> &[Namespace] {
        &self.namespaces
    }

    /// What was written of each namespace.
    pub(crate) fn tallies(&self) -> &[Tally] {
        &self.tallies
    }

    /// Begins the documents of a namespace.
    pub(crate) fn begin(&mut self, place: usize) -> Result<(), Damage> {
        self.header(place, None)
    }

    /// One of its documents.
    pub(crate) fn document(&mut self, place: usize, document: &[u8]) -> Result<(), Damage> {
        if !(SMALLEST..=LARGEST).contains(&document.len()) {
            let length = i32::try_from(document.len()).unwrap_or(i32::MAX);
            return Err(Damage::Length { what: "a document", length });
        }
        self.tallies[place].add(document);
        self.out.extend_from_slice(document);
        Ok(())
    }

    /// Ends them.
    pub(crate) fn end(&mut self, place: usize) -> Result<(), Damage> {
        self.out.extend_from_slice(&TERMINATOR);
        self.header(place, Some(self.tallies[place].checksum()))?;
        self.out.extend_from_slice(&TERMINATOR);
        Ok(())
    }

    /// Bytes that were made and not taken.
    pub(crate) fn waiting(&self) -> usize {
        self.out.len()
    }

    /// Hands out what was made since.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn header(&mut self, place: usize, end: Option<u64>) -> Result<(), Damage> {
        let namespace = &self.namespaces[place];
        let header =
            BlockHeader { database: namespace.database.clone(), collection: namespace.stored_in(), end };
        put(&mut self.out, "the header of a block", &header.document())
    }
}

fn put(out: &mut Vec<u8>, what: &'static str, document: &Document) -> Result<(), Damage> {
    let bytes = document.to_vec().map_err(|e| Damage::Document { what, why: e.to_string() })?;
    if bytes.len() > LARGEST {
        return Err(Damage::Length { what, length: i32::try_from(bytes.len()).unwrap_or(i32::MAX) });
    }
    out.extend_from_slice(&bytes);
    Ok(())
}
