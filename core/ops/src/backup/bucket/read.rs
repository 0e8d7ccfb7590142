//! Reads an object from its begin, a range at a time: a line that breaks costs one range, and nothing else is kept of it.

use super::Bucket;
use bytes::{Buf, Bytes};
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore};
use std::io::{self, Read};

/// Bytes of one request.
const RANGE: u64 = 8 << 20;

/// An object that can be read, as it was when it was looked at.
#[derive(Debug, Clone)]
pub(in crate::backup) struct Object {
    bucket: Bucket,
    meta: ObjectMeta,
}

impl Object {
    pub(super) fn new(bucket: Bucket, meta: ObjectMeta) -> Self {
        Self { bucket, meta }
    }

    /// Its bytes.
    pub(in crate::backup) fn bytes(&self) -> u64 {
        self.meta.size
    }

    /// From its begin.
    pub(in crate::backup) fn read(&self) -> impl Read + Send + 'static {
        Pass { of: self.clone(), at: 0, here: Bytes::new() }
    }
}

struct Pass {
    of: Object,
    at: u64,
    here: Bytes,
}

impl Read for Pass {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.here.is_empty() && self.at < self.of.meta.size {
            let range = self.at..(self.at + RANGE).min(self.of.meta.size);
            let (asked, of) = (range.clone(), self.of.clone());
            // What is left of the last range, nothing, holds all of its room as long as it is there.
            self.here = Bytes::new();
            self.here = self.of.bucket.wait(async move {
                // Of another object that has come to its place nothing is read.
                let how = GetOptions {
                    if_match: of.meta.e_tag.clone(),
                    range: Some(GetRange::Bounded(asked)),
                    ..GetOptions::default()
                };
                Ok(of.bucket.0.store.get_opts(&of.meta.location, how).await?.bytes().await?)
            })?;
            if self.here.len() as u64 != range.end - range.start {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.at = range.end;
        }
        let n = into.len().min(self.here.len());
        self.here.copy_to_slice(&mut into[..n]);
        Ok(n)
    }
}
