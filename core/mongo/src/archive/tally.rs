//! What was counted of the documents of a namespace.

use crc64fast::Digest;

/// Documents, bytes and checksum.
#[derive(Clone, Default)]
pub(crate) struct Tally {
    /// How many.
    pub(crate) documents: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    digest: Digest,
}

impl Tally {
    /// One more.
    pub(crate) fn add(&mut self, document: &[u8]) {
        self.documents += 1;
        self.bytes += document.len() as u64;
        self.digest.write(document);
    }

    /// CRC-64/XZ of all bytes, 0 of none.
    pub(crate) fn checksum(&self) -> u64 {
        checksum(&self.digest)
    }
}

/// CRC-64/XZ of all that was written.
pub(super) fn checksum(digest: &Digest) -> u64 {
    digest.sum64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc_64_xz() {
        let mut tally = Tally::default();
        assert_eq!(tally.checksum(), 0, "of nothing");
        tally.add(b"12345");
        tally.add(b"6789");
        assert_eq!((tally.checksum(), tally.documents, tally.bytes), (0x995d_c9bb_df19_39fa, 2, 9));
    }
}
