//! Reads an archive from its begin to its end, a document at a time: strictly, in the memory of the largest one.

use super::{
    Damage, Header, LARGEST, MAGIC, MOST_NAMESPACES, Namespace, ReadError, SMALLEST, TERMINATOR, Tally,
    header::Seal, namespace::BlockHeader,
};
use std::{
    collections::HashMap,
    io::{ErrorKind, Read},
};

/// A step through the blocks of an archive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ArchiveStep<'b> {
    /// A document of a namespace, by its place in the list.
    Document(usize, &'b [u8]),
    /// The end of a namespace, whose documents are those that were written.
    End(usize),
}

/// An archive that is being read.
pub(crate) struct Reader<R> {
    from: Counted<R>,
    header: Header,
    namespaces: Vec<Namespace>,
    /// Where the documents of a database and collection belong.
    places: HashMap<(String, String), usize>,
    tallies: Vec<Tally>,
    closed: Vec<bool>,
    /// Whose documents come.
    within: Option<usize>,
    document: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// Reads everything before the first block.
    pub(crate) fn open(from: R) -> Result<Self, ReadError> {
        let mut from = Counted { from, at: 0 };
        let mut magic = [0; 4];
        match from.fill(&mut magic, "the first bytes")? {
            0 => return from.damaged(0, Damage::Empty),
            n if n < magic.len() && MAGIC.starts_with(&magic[..n]) => {
                return from.damaged(n as u64, Damage::Truncated("the first bytes"));
            }
            _ if magic != MAGIC => return from.damaged(0, Damage::NoArchive),
            _ => {}
        }
        let mut document = Vec::new();
        let at = from.at;
        if !from.document(&mut document, "the header")? {
            return from.damaged(at, Damage::MissingField { what: "the archive", field: "header" });
        }
        let header = Header::read(&document).or_else(|d| from.damaged(at, d))?;
        let mut seal = Seal::of(&MAGIC, &document).or_else(|d| from.damaged(at, d))?;
        let mut opened = Self {
            from,
            header,
            namespaces: Vec::new(),
            places: HashMap::new(),
            tallies: Vec::new(),
            closed: Vec::new(),
            within: None,
            document: Vec::new(),
        };
        loop {
            let at = opened.from.at;
            if !opened.from.document(&mut document, "the list of namespaces")? {
                seal.add(&TERMINATOR);
                seal.check().or_else(|d| opened.from.damaged(at, d))?;
                return Ok(opened);
            }
            seal.add(&document);
            Namespace::read(&document)
                .and_then(|n| opened.list(n))
                .or_else(|d| opened.from.damaged(at, d))?;
        }
    }

    fn list(&mut self, namespace: Namespace) -> Result<(), Damage> {
        let place = self.namespaces.len();
        if place == MOST_NAMESPACES {
            return Err(Damage::TooMany(MOST_NAMESPACES));
        }
        let key = (namespace.database.clone(), namespace.stored_in());
        if self.places.insert(key, place).is_some() {
            return Err(Damage::ListedTwice(namespace.name()));
        }
        self.namespaces.push(namespace);
        self.tallies.push(Tally::default());
        self.closed.push(false);
        Ok(())
    }

    /// Who made it.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// What is listed in it.
    pub(crate) fn namespaces(&self) -> &[Namespace] {
        &self.namespaces
    }

    /// What was counted of each namespace so far.
    pub(crate) fn tallies(&self) -> &[Tally] {
        &self.tallies
    }

    /// Bytes read so far.
    #[cfg(test)]
    pub(crate) fn at(&self) -> u64 {
        self.from.at
    }

    /// The next document or end; none at the end of a whole archive.
    pub(crate) fn next(&mut self) -> Result<Option<ArchiveStep<'_>>, ReadError> {
        loop {
            let at = self.from.at;
            let Some(place) = self.within else {
                let Some(header) = self.block()? else { return Ok(None) };
                let key = (header.database, header.collection);
                let name = || format!("{}.{}", key.0, key.1);
                let Some(&place) = self.places.get(&key) else {
                    return self.from.damaged(at, Damage::Unlisted(name()));
                };
                if self.closed[place] {
                    return self.from.damaged(at, Damage::AfterEnd(name()));
                }
                if let Some(wanted) = header.end {
                    self.end(place, at, wanted, &name())?;
                    return Ok(Some(ArchiveStep::End(place)));
                }
                self.within = Some(place);
                continue;
            };
            if self.from.document(&mut self.document, "a document")? {
                self.tallies[place].add(&self.document);
                return Ok(Some(ArchiveStep::Document(place, &self.document)));
            }
            self.within = None;
        }
    }

    /// The header of the next block; none at the end.
    fn block(&mut self) -> Result<Option<BlockHeader>, ReadError> {
        const WHAT: &str = "the header of a block";
        let at = self.from.at;
        let mut length = [0; 4];
        match self.from.fill(&mut length, WHAT)? {
            0 => {
                let open = self.namespaces.iter().zip(&self.closed).filter(|(_, closed)| !**closed);
                let open: Vec<String> = open.map(|(n, _)| n.name()).collect();
                return if open.is_empty() {
                    Ok(None)
                } else {
                    self.from.damaged(at, Damage::Unclosed(open))
                };
            }
            4 => {}
            _ => return self.from.damaged(self.from.at, Damage::Truncated(WHAT)),
        }
        if length == TERMINATOR {
            return self.from.damaged(at, Damage::StrayEnd);
        }
        self.from.rest(&mut self.document, length, at, WHAT)?;
        BlockHeader::read(&self.document).map(Some).or_else(|d| self.from.damaged(at, d))
    }

    /// The end of a namespace.
    fn end(&mut self, place: usize, at: u64, wanted: u64, name: &str) -> Result<(), ReadError> {
        let found = self.tallies[place].checksum();
        if found != wanted {
            return self.from.damaged(at, Damage::Checksum { namespace: name.to_owned(), found, wanted });
        }
        let after = self.from.at;
        let mut terminator = [0; 4];
        match self.from.fill(&mut terminator, "the end of a namespace")? {
            4 if terminator == TERMINATOR => {}
            4 => return self.from.damaged(after, Damage::InsideEnd(name.to_owned())),
            _ => return self.from.damaged(self.from.at, Damage::Truncated("the end of a namespace")),
        }
        self.closed[place] = true;
        Ok(())
    }
}

/// Counts what it reads.
struct Counted<R> {
    from: R,
    at: u64,
}

impl<R: Read> Counted<R> {
    fn damaged<T>(&self, at: u64, damage: Damage) -> Result<T, ReadError> {
        Err(ReadError::Damaged { at, damage })
    }

    /// Fills it as far as there is something, and tells how far.
    fn fill(&mut self, into: &mut [u8], what: &'static str) -> Result<usize, ReadError> {
        let mut filled = 0;
        while filled < into.len() {
            match self.from.read(&mut into[filled..]) {
                Ok(0) => break,
                Ok(n) => {
                    filled += n;
                    self.at += n as u64;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                // What is around it ended before its own end.
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => {
                    return self.damaged(self.at, Damage::Truncated(what));
                }
                Err(e) if e.kind() == ErrorKind::InvalidData => {
                    return self.damaged(self.at, Damage::Compression(e.to_string()));
                }
                Err(e) => return Err(ReadError::Io(e)),
            }
        }
        Ok(filled)
    }

    /// Reads a document; false if there was a terminator.
    fn document(&mut self, into: &mut Vec<u8>, what: &'static str) -> Result<bool, ReadError> {
        let at = self.at;
        let mut length = [0; 4];
        if self.fill(&mut length, what)? < length.len() {
            return self.damaged(self.at, Damage::Truncated(what));
        }
        if length == TERMINATOR {
            return Ok(false);
        }
        self.rest(into, length, at, what).map(|()| true)
    }

    /// Reads a document whose length was read.
    fn rest(
        &mut self,
        into: &mut Vec<u8>,
        length: [u8; 4],
        at: u64,
        what: &'static str,
    ) -> Result<(), ReadError> {
        let said = i32::from_le_bytes(length);
        let size = usize::try_from(said).unwrap_or(0);
        if !(SMALLEST..=LARGEST).contains(&size) {
            return self.damaged(at, Damage::Length { what, length: said });
        }
        into.clear();
        into.extend_from_slice(&length);
        // Memory grows with what is there, not with what is said to be.
        let mut left = size - length.len();
        while left > 0 {
            let (from, step) = (into.len(), left.min(1 << 16));
            into.resize(from + step, 0);
            if self.fill(&mut into[from..], what)? < step {
                return self.damaged(self.at, Damage::Truncated(what));
            }
            left -= step;
        }
        if into.last() != Some(&0) {
            return self.damaged(at, Damage::Unended(what));
        }
        Ok(())
    }
}
