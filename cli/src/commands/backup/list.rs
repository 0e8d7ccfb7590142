//! `tfx backup list` and `tfx backup verify`: which sets there are, and whether they are as they were written.

use super::{Where, all::failure, bucket, stopped};
use crate::{
    context::Context,
    exit::Failure,
    output::{Column, Listing},
    progress::Meter,
};
use clap::{Args, ValueHint};
use serde_json::{Value, json};
use tfx_domain::problem::Problems;
use tfx_ops::{
    backup::set::{self, FoundSet, SetState, Sets},
    clock,
};
use tokio::task::spawn_blocking;

/// List sets of backups, the oldest first.
///
/// Looked at are manifests and sizes, which is quick; tfx backup verify reads everything.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  tfx backup list /backups")]
pub(crate) struct List {
    /// The folder of sets, or s3://BUCKET/PREFIX.
    #[arg(value_name = "DIR|s3://…", value_hint = ValueHint::AnyPath)]
    dir: Where,
}

impl List {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let sets = listed(&self.dir.sets(context)?).await?;
        context.out.rows(&listing(&sets, |_| None))?;
        tell(context, &sets);
        Ok(())
    }
}

/// Sets as rows; `more` is what there is to say of one besides.
pub(super) fn listing(sets: &[FoundSet], more: impl Fn(usize) -> Option<Value>) -> Listing {
    let row = |(at, set): (usize, &FoundSet)| {
        let mut row = match &set.state {
            SetState::Whole(manifest) => json!({
                "set": set.name, "path": set.path, "state": "whole", "moment": manifest.moment,
                "bytes": manifest.bytes(), "parts": manifest.parts, "missing": manifest.missing,
            }),
            SetState::Half(why) => json!({ "set": set.name, "path": set.path, "state": "half", "why": why }),
            SetState::Left { why, .. } => {
                json!({ "set": set.name, "path": set.path, "state": "unfinished", "why": why })
            }
        };
        if !set.strays.is_empty() {
            row["strays"] = json!(set.strays);
        }
        if let Some(more) = more(at) {
            row["what"] = more;
        }
        row
    };
    let columns = vec![
        Column::text("set", "set"),
        Column::text("state", "state"),
        Column::time("moment", "moment"),
        Column::made("stores", "parts", stores),
        Column::number("bytes", "bytes"),
    ];
    Listing { columns, rows: sets.iter().enumerate().map(row).collect(), name: "path" }
}

/// The stores that a set has something of, each once.
pub(super) fn stores(set: &Value) -> String {
    let parts = set["parts"].as_array().into_iter().flatten();
    let mut stores: Vec<&str> = parts.filter_map(|part| part["store"].as_str()).collect();
    stores.dedup();
    stores.join(", ")
}

/// Says what there is to know of some: which are not whole, and why, what lies in them, whose moment is to come.
pub(super) fn tell(context: &Context, sets: &[FoundSet]) {
    let now = clock::now();
    for set in sets {
        match &set.state {
            SetState::Half(why) => context.out.note(format!("{} is no whole backup: {why}", set.name)),
            SetState::Left { why, goes } => {
                let goes = if *goes { "; tfx backup prune deletes it" } else { "" };
                context.out.note(format!("{} is no backup: {why}{goes}", set.name));
            }
            SetState::Whole(_) => {}
        }
        for stray in &set.strays {
            context.out.note(format!("{}: {stray} is in it and not in its manifest", set.name));
        }
        if set.is_of_the_future(now) {
            context.out.note(format!(
                "warning: {} is of the future: was a clock wrong? It counts as no newest one, and prune leaves it",
                set.name
            ));
        }
    }
}

/// Read sets to their end and compare them with their manifests.
///
/// Exits 1 if one is not as it was written. What is being made, or was left by a run that was killed, is told and is none.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tfx backup verify /backups\n  tfx backup verify /backups/20261129T031000Z"
)]
pub(crate) struct Verify {
    /// The folder of sets, s3://BUCKET/PREFIX, or one set.
    #[arg(value_name = "DIR|SET|s3://…", value_hint = ValueHint::AnyPath)]
    dir: Where,
}

impl Verify {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (left, sets): (Vec<FoundSet>, Vec<FoundSet>) = sets(context, &self.dir)
            .await?
            .into_iter()
            .partition(|set| matches!(set.state, SetState::Left { .. }));
        tell(context, &left);
        if sets.is_empty() {
            return Err(Failure::new(crate::exit::Kind::NotFound, format!("{} has no backups", self.dir)));
        }
        let meter = Meter::new(context.out.quiet);
        let teller = Meter::teller(meter.as_ref());
        let read = sets.clone();
        let verifying = spawn_blocking(move || {
            read.iter().map(|set| set::verify(set, &teller).map_err(failure)).collect::<Vec<_>>()
        });
        let verified = tokio::select! {
            verified = verifying => verified.map_err(Failure::failed),
            () = stopped() => Err(Failure::interrupted()),
        };
        Meter::end(meter.as_ref());
        let mut problems = Problems::default();
        for (set, found) in sets.iter().zip(verified?) {
            match found {
                Ok(found) => found.into_iter().for_each(|why| problems.add(&set.name, why)),
                Err(failure) => problems.add(&set.name, failure.message),
            }
        }
        if !problems.is_empty() {
            return Err(Failure::failed("not every set is as it was written").with(problems));
        }
        context.out.rows(&listing(&sets, |_| None))?;
        tell(context, &sets);
        context.out.note("every byte is as it was written");
        for set in &sets {
            let parts = set.whole().map(|manifest| manifest.parts.as_slice()).unwrap_or_default();
            if let Some(disk) = parts.iter().find_map(|part| part.store.split_once('@')) {
                context.out.note(format!(
                    "{}: the rows of {} are on its disk {}, which nothing here reads",
                    set.name, disk.0, disk.1
                ));
            }
        }
        Ok(())
    }
}

/// Every set of the place, read where it may block.
pub(super) async fn listed(sets: &Sets) -> Result<Vec<FoundSet>, Failure> {
    let sets = sets.clone();
    let listing = spawn_blocking(move || set::list(&sets).map_err(failure));
    tokio::select! {
        listed = listing => listed.map_err(Failure::failed)?,
        () = stopped() => Err(Failure::interrupted()),
    }
}

/// The sets of a place, or the one that is named.
async fn sets(context: &Context, dir: &Where) -> Result<Vec<FoundSet>, Failure> {
    let (dir, above) = match dir {
        Where::Path(dir) => {
            // `.` at the end, and the like.
            let named = |e: std::io::Error| Failure::failed(format!("{}: {e}", dir.display()));
            let dir = dir.canonicalize().map_err(named)?;
            let above = dir.parent().zip(dir.file_name());
            let above = above.map(|(above, name)| (Sets::folder(above), name.to_string_lossy().into_owned()));
            (Sets::folder(&dir), above)
        }
        Where::Bucket(url) => {
            let bucket = bucket(context, url)?;
            let above =
                url.above().map(|(above, name)| (Sets::bucket(bucket.clone(), &above.key), name.to_owned()));
            (Sets::bucket(bucket, &url.key), above)
        }
    };
    let found = listed(&dir).await?;
    match above {
        Some((above, name)) if found.is_empty() => {
            let mut of = listed(&above).await?;
            of.retain(|set| set.name == name);
            Ok(of)
        }
        _ => Ok(found),
    }
}
