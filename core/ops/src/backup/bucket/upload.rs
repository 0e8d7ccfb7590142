//! Puts an object where nothing is, as it comes, in the memory of two parts. Until it is ended there is no object; what was sent
//! goes away when it is given up.

use super::{Bucket, trouble::Trouble};
use crate::backup::packing::Device;
use object_store::{
    PutPayload,
    multipart::{MultipartStore, PartId},
    path::Path,
};
use std::{
    io::{self, Write},
    mem,
    sync::mpsc::Receiver,
};

/// Bytes of a part. All are of one size as long as that can be: some servers want it so.
const PART: usize = 8 << 20;
/// Bytes of those after the first half of what S3 takes.
const LARGE_PART: usize = 64 << 20;
/// S3 takes so many of one object.
const MOST_PARTS: usize = 10_000;

const fn part_size(at: usize) -> usize {
    if at < MOST_PARTS / 2 { PART } else { LARGE_PART }
}

/// An object that is being put.
pub(in crate::backup) struct Upload {
    bucket: Bucket,
    key: Path,
    id: String,
    here: Vec<u8>,
    sent: Vec<PartId>,
    /// One is on the way while the next is filled.
    sending: Option<Receiver<Result<PartId, Trouble>>>,
    ended: bool,
}

impl Upload {
    /// Begins one.
    pub(in crate::backup) fn begin(bucket: &Bucket, key: &str) -> io::Result<Self> {
        let (of, path) = (bucket.clone(), Path::from(key));
        let id = bucket.wait(async move { Ok(of.0.store.create_multipart(&path).await?) })?;
        let (bucket, key) = (bucket.clone(), Path::from(key));
        Ok(Self { bucket, key, id, here: Vec::new(), sent: Vec::new(), sending: None, ended: false })
    }

    /// Waits for the part that is on the way.
    fn arrived(&mut self) -> io::Result<()> {
        let Some(sending) = self.sending.take() else { return Ok(()) };
        let sent = sending.recv().map_err(io::Error::other)?;
        self.sent.push(sent.map_err(|trouble| trouble.told(&self.bucket))?);
        Ok(())
    }

    /// Bytes of the part that is being filled.
    fn size(&self) -> usize {
        part_size(self.sent.len() + usize::from(self.sending.is_some()))
    }

    fn send(&mut self) -> io::Result<()> {
        self.arrived()?;
        let at = self.sent.len();
        if at == MOST_PARTS {
            let most = (PART + LARGE_PART) as u64 * MOST_PARTS as u64 / 2;
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!(
                    "an object of S3 has {MOST_PARTS} parts at most, here {most} bytes: back up into a folder"
                ),
            ));
        }
        let part = PutPayload::from(mem::take(&mut self.here));
        let (bucket, key, id) = (self.bucket.clone(), self.key.clone(), self.id.clone());
        let sending =
            self.bucket.0.lane.begun(async move { Ok(bucket.0.store.put_part(&key, &id, at, part).await?) });
        self.sending = Some(sending?);
        Ok(())
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = self.size();
        if self.here.capacity() < size {
            self.here.reserve_exact(size);
        }
        let n = bytes.len().min(size - self.here.len());
        self.here.extend_from_slice(&bytes[..n]);
        if self.here.len() == size {
            self.send()?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Device for Upload {
    /// Makes it an object, unless something is there by now.
    fn settle(&mut self) -> io::Result<()> {
        if !self.here.is_empty() || self.sent.is_empty() && self.sending.is_none() {
            self.send()?;
        }
        self.arrived()?;
        let (bucket, key, id, parts) =
            (self.bucket.clone(), self.key.clone(), self.id.clone(), mem::take(&mut self.sent));
        self.bucket.wait(async move { bucket.complete(&key, &id, &parts).await })?;
        self.ended = true;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // A part that comes after the end would stay.
        let _ = self.sending.take().map(|sending| sending.recv());
        let (bucket, key, id) = (self.bucket.clone(), self.key.clone(), self.id.clone());
        let _ = self.bucket.wait(async move { Ok(bucket.0.store.abort_multipart(&key, &id).await?) });
    }
}
