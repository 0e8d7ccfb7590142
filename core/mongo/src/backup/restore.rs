//! Brings parts of an archive into databases: what is to be dropped first, then collections with their options, documents,
//! indexes, and views in the end.

use super::{
    TOLD_EVERY,
    feed::{Batch, Feed, Step},
    insert::{Inserted, Inserts},
    mark, split, standing, structure,
};
use crate::{
    archive::{Kind, Namespace},
    db::{Db, LOOKED_AT},
};
use std::{
    collections::{BTreeSet, HashMap},
    io::Read,
};
use tfx_ports::{
    StoreError,
    backup::{BackupError, OnProgress, Progress, RestoreFailed, Restored, Restoring, Stage},
};
use tokio::time::sleep;

pub(super) async fn restore(
    db: &Db,
    from: Box<dyn Read + Send>,
    how: &Restoring,
    told: OnProgress<'_>,
) -> Result<Vec<Restored>, RestoreFailed> {
    let untouched = |m: &tfx_ports::backup::Move| Restored {
        from: m.from.clone(),
        to: m.to.clone(),
        stage: Stage::Untouched,
        documents: 0,
        refused: 0,
        indexes: 0,
        problem: None,
        aside: None,
    };
    let wanted = how.moves.iter().map(|m| m.from.clone()).collect();
    let mut run = Run {
        db,
        stop_on_error: how.stop_on_error,
        parts: how.moves.iter().map(untouched).collect(),
        namespaces: Vec::new(),
        places: HashMap::new(),
        inserts: Inserts::default(),
        told,
        progress: Progress::default(),
        last: 0,
    };
    match run.all(Feed::of(from, wanted), how.drop).await {
        Ok(()) => Ok(run.parts),
        Err(error) => Err(RestoreFailed { error, parts: run.parts }),
    }
}

struct Run<'t> {
    db: &'t Db,
    stop_on_error: bool,
    parts: Vec<Restored>,
    /// What the archive lists.
    namespaces: Vec<Namespace>,
    /// From places in the archive to those in `parts`.
    places: HashMap<usize, usize>,
    inserts: Inserts,
    told: OnProgress<'t>,
    progress: Progress,
    last: u64,
}

impl Run<'_> {
    async fn all(&mut self, mut feed: Feed, drop: bool) -> Result<(), BackupError> {
        let Step::Listed(namespaces) = feed.next().await? else { return Err(other_archive()) };
        for (place, namespace) in namespaces.iter().enumerate() {
            let name = namespace.name();
            if let Some(part) = self.parts.iter().position(|p| p.from == name) {
                self.places.insert(place, part);
            }
        }
        if self.places.len() < self.parts.len() {
            return Err(other_archive());
        }
        self.namespaces = namespaces;
        let targets = self.parts.iter().map(|p| split(&p.to).0.to_owned());
        let databases: BTreeSet<String> = targets.collect();
        self.mark(&databases).await?;
        self.prepare(drop).await?;
        loop {
            match feed.next().await? {
                Step::Listed(_) => return Err(other_archive()),
                Step::Documents(place, batch) => self.documents(place, batch).await?,
                Step::End(place) => self.end(place).await?,
                Step::Whole => break,
            }
        }
        self.views().await?;
        (self.told)(self.progress);
        for name in &databases {
            mark::clear(self.db, &self.db.other(name)).await?;
        }
        Ok(())
    }

    /// Tells everybody that it begins. Who runs on a database looks now and then: until he has, nothing is changed.
    async fn mark(&self, databases: &BTreeSet<String>) -> Result<(), BackupError> {
        let mut runs = false;
        for name in databases {
            let places = self.parts.iter().map(|p| split(&p.to)).filter(|(database, _)| database == name);
            let collections: Vec<&str> = places.map(|(_, collection)| collection).collect();
            let database = self.db.other(name);
            mark::set(self.db, &database, &collections).await?;
            runs |= !standing::running(self.db, &database).await?.is_empty();
        }
        if runs {
            sleep(LOOKED_AT * 2).await;
        }
        Ok(())
    }

    async fn done(&mut self, part: usize) -> Result<(), BackupError> {
        let (database, collection) = split(&self.parts[part].to);
        mark::done(self.db, &self.db.other(database), collection).await?;
        self.parts[part].stage = Stage::Done;
        Ok(())
    }

    /// Each wanted part with its place in the archive, in the archive's order.
    fn in_order(&self) -> Vec<(usize, usize)> {
        let mut all: Vec<(usize, usize)> = self.places.iter().map(|(place, part)| (*place, *part)).collect();
        all.sort_unstable();
        all
    }

    async fn prepare(&mut self, drop: bool) -> Result<(), BackupError> {
        let all = self.in_order();
        if drop {
            for (_, part) in &all {
                let (database, collection) = split(&self.parts[*part].to);
                structure::remove(self.db, &self.db.other(database), collection).await?;
                self.parts[*part].stage = Stage::Begun;
            }
        }
        for (place, part) in all {
            if self.namespaces[place].metadata.kind != Kind::View {
                self.make(place, part).await?;
            }
        }
        Ok(())
    }

    async fn make(&mut self, place: usize, part: usize) -> Result<(), BackupError> {
        let (database, collection) = split(&self.parts[part].to);
        let metadata = &self.namespaces[place].metadata;
        let made = structure::make(self.db, &self.db.other(database), collection, metadata).await;
        self.parts[part].stage = Stage::Begun;
        match made {
            Ok(_) => Ok(()),
            Err(e @ StoreError::Broken { .. }) => self.refused(part, e.to_string()),
            Err(e) => Err(e.into()),
        }
    }

    async fn documents(&mut self, place: usize, batch: Batch) -> Result<(), BackupError> {
        let Some(&part) = self.places.get(&place) else { return Ok(()) };
        let (database, collection) = split(&self.parts[part].to);
        let namespace = &self.namespaces[place];
        let renamed = Namespace { collection: collection.to_owned(), ..namespace.clone() };
        let into = self.db.other(database).collection(&renamed.stored_in());
        // A capped collection keeps the order in which they come.
        if namespace.metadata.options.get_bool("capped").unwrap_or(false) {
            self.wait().await?;
        }
        for done in self.inserts.begin(part, into, batch, self.stop_on_error).await {
            self.inserted(done)?;
        }
        Ok(())
    }

    /// Waits for all that is under way.
    async fn wait(&mut self) -> Result<(), BackupError> {
        while let Some(done) = self.inserts.next().await {
            self.inserted(done)?;
        }
        Ok(())
    }

    fn inserted(&mut self, done: Inserted) -> Result<(), BackupError> {
        let part = &mut self.parts[done.part];
        part.documents += done.taken;
        part.refused += done.refused;
        self.progress.documents += done.taken;
        self.progress.bytes += done.bytes;
        if self.progress.bytes - self.last >= TOLD_EVERY {
            self.last = self.progress.bytes;
            (self.told)(self.progress);
        }
        if let Some(e) = done.error {
            return Err(e.into());
        }
        done.problem.map_or(Ok(()), |problem| self.refused(done.part, problem))
    }

    async fn end(&mut self, place: usize) -> Result<(), BackupError> {
        let Some(&part) = self.places.get(&place) else { return Ok(()) };
        self.wait().await?;
        let metadata = &self.namespaces[place].metadata;
        if metadata.kind == Kind::View {
            return Ok(());
        }
        let (database, collection) = split(&self.parts[part].to);
        let (made, refused) = structure::index(&self.db.other(database), collection, metadata).await?;
        self.parts[part].indexes = made;
        for why in refused {
            self.refused(part, why)?;
        }
        self.done(part).await
    }

    async fn views(&mut self) -> Result<(), BackupError> {
        for (place, part) in self.in_order() {
            if self.namespaces[place].metadata.kind == Kind::View {
                self.make(place, part).await?;
                self.done(part).await?;
            }
        }
        Ok(())
    }

    /// The store did not take something.
    fn refused(&mut self, part: usize, why: String) -> Result<(), BackupError> {
        let part = &mut self.parts[part];
        part.problem.get_or_insert_with(|| why.clone());
        if self.stop_on_error { Err(BackupError::Refused { part: part.to.clone(), why }) } else { Ok(()) }
    }
}

/// It was read before, and is another one now.
fn other_archive() -> BackupError {
    let what = "the archive was changed while it was restored".to_owned();
    StoreError::Broken { what, source: None }.into()
}
