//! Sets in a bucket: objects whose names begin alike. Nothing in a bucket can be renamed, so the manifest makes a set: it is put last
//! and deleted first.
//!
//! ```text
//! PREFIX/20261129T141200Z/.making             whose it is while it is made
//! PREFIX/20261129T141200Z/embedded.tar.zst …  its files; each is there whole or not at all
//! PREFIX/20261129T141200Z/manifest.json       put last
//! PREFIX/20261129T141200Z/.pruned             it is being deleted, or was to be
//! ```

use super::{Adopted, Draft, Files, Held, Record, Shelf};
use crate::backup::{
    Archive, Bucket, PlaceError,
    bucket::Listed,
    place::ObjectTarget,
    set::{MANIFEST, SetError, SetKind, manifest::SetPart, manifest::sum},
    take::Begun,
};
use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    path::PathBuf,
    sync::Arc,
};
use tfx_ports::clock;

/// Whose a set is that is being made: whoever put this. No file of a set begins with a dot.
const MAKING: &str = ".making";
/// It is being deleted.
const PRUNED: &str = ".pruned";
/// An upload that is older has been left, and so has a set that is being made and got nothing new; in seconds.
const LEFT: i64 = 86_400;

/// The sets below a prefix.
pub(super) struct BucketShelf {
    bucket: Bucket,
    prefix: String,
}

impl BucketShelf {
    pub(super) fn new(bucket: Bucket, prefix: &str) -> Self {
        Self { bucket, prefix: prefix.to_owned() }
    }

    fn below(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }

    fn objects(&self, name: &str) -> Objects {
        let (bucket, prefix) = (self.bucket.clone(), self.below(name));
        Objects { bucket, prefix, held: BTreeMap::new(), changed: i64::MIN }
    }

    /// What there is by the names of sets.
    fn all(&self) -> Result<BTreeMap<String, Objects>, SetError> {
        let listed = self.bucket.list(&self.prefix).map_err(SetError::io(&self.path()))?;
        let mut all: BTreeMap<String, Objects> = BTreeMap::new();
        for Listed { key, bytes, changed } in listed {
            let Some((name, file)) = self.inside(&key) else { continue };
            if SetKind::of_name(name).is_some() {
                let set = all.entry(name.to_owned()).or_insert_with(|| self.objects(name));
                set.add(file, bytes, changed);
            }
        }
        Ok(all)
    }

    /// The name of the set and of the file in it that a key would be of.
    fn inside<'k>(&self, key: &'k str) -> Option<(&'k str, &'k str)> {
        let rest = match self.prefix.as_str() {
            "" => key,
            prefix => key.strip_prefix(prefix)?.strip_prefix('/')?,
        };
        rest.split_once('/')
    }

    /// Deletes everything of a set, its mark last.
    fn delete(&self, name: &str) -> Result<(), SetError> {
        let (prefix, mark) = (self.below(name), self.below(&format!("{name}/{PRUNED}")));
        let delete = || {
            let mut keys: Vec<String> =
                self.bucket.list(&prefix)?.into_iter().map(|found| found.key).collect();
            keys.retain(|key| *key != mark);
            self.bucket.delete(keys)?;
            self.bucket.delete(vec![mark.clone()])
        };
        delete().map_err(SetError::io(&self.objects(name).path()))
    }
}

impl Shelf for BucketShelf {
    fn path(&self) -> PathBuf {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("s3://{}{slash}{}", self.bucket.name(), self.prefix).into()
    }

    fn entries(&self) -> Result<Vec<(String, Arc<dyn Files>)>, SetError> {
        Ok(self.all()?.into_iter().map(|(name, set)| (name, Arc::new(set) as Arc<dyn Files>)).collect())
    }

    fn entry(&self, name: &str) -> io::Result<Arc<dyn Files>> {
        let mut set = self.objects(name);
        for Listed { key, bytes, changed } in self.bucket.list(&set.prefix.clone())? {
            if let Some((_, file)) = self.inside(&key) {
                set.add(file, bytes, changed);
            }
        }
        if set.held.is_empty() {
            return Err(io::Error::new(ErrorKind::NotFound, "there is nothing under that name"));
        }
        Ok(Arc::new(set))
    }

    fn begin(&self, name: &str, _resumable: bool) -> Result<Box<dyn Draft>, SetError> {
        let set = self.objects(name);
        let path = set.path();
        let claim = self.below(&format!("{name}/{MAKING}"));
        let taken = |e: io::Error| match e.kind() {
            ErrorKind::AlreadyExists => PlaceError::Taken(path.clone()).into(),
            _ => SetError::io(&path)(e),
        };
        self.bucket.claim(&claim).map_err(taken)?;
        let mut draft = Making { set: Arc::new(set), claim: claim.clone(), kept: false };
        let there = self.bucket.list(&self.below(name)).map_err(SetError::io(&path))?;
        if there.iter().any(|found| found.key != claim) {
            // One of the same second that was made already: nothing of it is touched.
            draft.kept = true;
            let _ = self.bucket.delete(vec![claim]);
            return Err(PlaceError::Taken(path).into());
        }
        Ok(Box::new(draft))
    }

    /// Nobody can tell there whether a run has ended.
    fn resume(&self, _: SetKind) -> Result<Option<(Box<dyn Draft>, Vec<Record>)>, SetError> {
        Ok(None)
    }

    fn can_resume(&self, _: SetKind) -> Result<bool, SetError> {
        Ok(false)
    }

    fn prune(&self, name: &str) -> Result<(), SetError> {
        let of = |file: &str| self.below(&format!("{name}/{file}"));
        let begun = self.bucket.mark(&of(PRUNED)).and_then(|()| self.bucket.delete(vec![of(MANIFEST)]));
        begun.map_err(SetError::io(&self.objects(name).path()))?;
        self.delete(name)
    }

    /// Of uploads only those of sets: others' are others'.
    fn finish(&self, dry_run: bool) -> Result<Vec<String>, SetError> {
        let (now, mut done) = (clock::now(), Vec::new());
        for upload in self.bucket.unended(&self.prefix).map_err(SetError::io(&self.path()))? {
            let of_set = self.inside(&upload.key).is_some_and(|(name, _)| SetKind::of_name(name).is_some());
            if !of_set || now.as_second() - upload.initiated.as_second() < LEFT {
                continue;
            }
            let what =
                format!("{}: an upload that was begun {} and never ended", upload.key, upload.initiated);
            if dry_run {
                done.push(format!("{what} would go"));
                continue;
            }
            self.bucket.end(&upload).map_err(SetError::io(&self.path()))?;
            done.push(format!("{what} is gone"));
        }
        Ok(done)
    }

    fn clear(&self, name: &str) -> Result<(), SetError> {
        self.delete(name)
    }
}

/// The objects of a set.
#[derive(Debug)]
struct Objects {
    bucket: Bucket,
    prefix: String,
    /// As they were listed.
    held: BTreeMap<String, u64>,
    /// When the newest of them came, in seconds since 1970.
    changed: i64,
}

impl Objects {
    fn add(&mut self, file: &str, bytes: u64, changed: i64) {
        self.held.insert(file.to_owned(), bytes);
        self.changed = self.changed.max(changed);
    }

    fn key(&self, file: &str) -> String {
        format!("{}/{file}", self.prefix)
    }
}

impl Files for Objects {
    fn path(&self) -> PathBuf {
        format!("s3://{}/{}", self.bucket.name(), self.prefix).into()
    }

    fn held(&self) -> io::Result<Held> {
        if self.held.contains_key(PRUNED) {
            return Ok(Held::Left { why: "it was being deleted".to_owned(), goes: true });
        }
        if !self.held.contains_key(MANIFEST) && self.held.contains_key(MAKING) {
            let why = "being made, or left of a run that was killed".to_owned();
            // Nobody can tell there whether a run has ended: after a day without anything new it has.
            return Ok(Held::Left { why, goes: clock::now().as_second() - self.changed >= LEFT });
        }
        let files = self.held.iter().filter(|(file, _)| *file != MAKING);
        Ok(Held::Files(files.map(|(file, bytes)| (file.clone(), Some(*bytes))).collect()))
    }

    fn archive(&self, file: &str) -> io::Result<Archive> {
        Archive::of_bucket(&self.bucket, &self.key(file))
    }

    fn begin(&self, file: &str) -> Result<Begun, PlaceError> {
        ObjectTarget::begin(&self.bucket, &self.key(file))
    }

    fn put(&self, file: &str, text: &[u8]) -> io::Result<()> {
        self.bucket.create(&self.key(file), text.to_vec())
    }

    fn remove(&self, file: &str) {
        let _ = self.bucket.delete(vec![self.key(file)]);
    }

    /// By a copy that the server makes.
    fn adopt(&self, file: &str, from_set: &str, part: &SetPart) -> Adopted {
        let above = self.prefix.rsplit_once('/').map_or(String::new(), |(above, _)| format!("{above}/"));
        let from = format!("{above}{from_set}/{}", part.file);
        let Ok(archive) = Archive::of_bucket(&self.bucket, &from) else { return Adopted::Impossible };
        match sum(&mut *archive.raw(), &mut |_| {}) {
            Ok(found) if found == (part.sha256.clone(), part.bytes) => {}
            Ok(_) => return Adopted::Damaged,
            Err(_) => return Adopted::Impossible,
        }
        if self.bucket.copy(&from, &self.key(file)).is_ok() { Adopted::Done } else { Adopted::Impossible }
    }
}

/// A set that is being made.
struct Making {
    set: Arc<Objects>,
    claim: String,
    kept: bool,
}

impl Draft for Making {
    fn files(&self) -> Arc<dyn Files> {
        Arc::clone(&self.set) as Arc<dyn Files>
    }

    fn record(&mut self, _: &Record) -> Result<(), SetError> {
        Ok(())
    }

    fn keep(mut self: Box<Self>, _: &str, manifest: &[u8]) -> Result<PathBuf, SetError> {
        let path = self.set.path();
        self.set.put(MANIFEST, manifest).map_err(SetError::io(&path))?;
        self.kept = true;
        // With its manifest it is a set, with this or without.
        let _ = self.set.bucket.delete(vec![self.claim.clone()]);
        Ok(path)
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let (bucket, prefix) = (&self.set.bucket, &self.set.prefix);
        for upload in bucket.unended(prefix).unwrap_or_default() {
            let _ = bucket.end(&upload);
        }
        let mut keys: Vec<String> =
            bucket.list(prefix).unwrap_or_default().into_iter().map(|found| found.key).collect();
        keys.retain(|key| *key != self.claim);
        // As long as anything is left, so is whose it was.
        let _ = bucket.delete(keys).and_then(|()| bucket.delete(vec![self.claim.clone()]));
    }
}
