//! A plan in a file. It holds no value of the configuration that a plan does not show, and so no secret: the files are read again
//! when it is applied, and must be what they were.

use super::Extent;
use crate::{
    exit::{Failure, Kind},
    set::Set,
};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tfx_api::sets::{SetAnswer, SetChange};
use tfx_ops::files;

/// Of this form.
const FORM: u32 = 1;
/// A plan of so many bytes is none.
const MOST: u64 = 256 * 1024 * 1024;

/// A plan.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    /// Of which form the file is.
    tfx_plan: u32,
    /// The revision that was planned against.
    pub(super) revision: u64,
    /// Where the files are.
    pub(super) folder: PathBuf,
    /// What they held.
    digest: String,
    prune: bool,
    targets: Vec<String>,
    /// What is to be done.
    changes: Vec<SetChange>,
}

impl Kept {
    /// # Errors
    /// The folder has gone.
    pub(super) fn of(dir: &Path, extent: &Extent, set: &Set, answer: &SetAnswer) -> Result<Self, Failure> {
        let folder = fs::canonicalize(dir)
            .map_err(|e| Failure::usage(format!("{} cannot be read: {e}", dir.display())))?;
        let targets = extent.targets.iter().map(|(kind, slug)| format!("{kind}/{slug}")).collect();
        let (revision, digest, prune) = (answer.revision, set.digest.clone(), extent.prune);
        Ok(Self {
            tfx_plan: FORM,
            revision,
            folder,
            digest,
            prune,
            targets,
            changes: without_drift(&answer.changes),
        })
    }

    /// Writes it, for nobody else to read.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        let failed =
            |e: &dyn std::fmt::Display| Failure::usage(format!("{} cannot be written: {e}", path.display()));
        let mut text = serde_json::to_vec_pretty(self).map_err(|e| failed(&e))?;
        text.push(b'\n');
        files::replace(path, &text).map_err(|e| failed(&e))
    }

    /// # Errors
    /// It is no plan of this program.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.display();
        if path.is_dir() {
            return Err(Failure::usage(format!("{name} is a folder, not a plan"))
                .hint(format!("tfx apply -f {name}")));
        }
        let bytes = files::read_plain(path, MOST)
            .map_err(|e| Failure::usage(format!("{name} cannot be read: {e}")))?;
        let kept: Self = serde_json::from_slice(&bytes).map_err(|e| {
            Failure::usage(format!("{name} is no plan: {e}")).hint("tfx plan -f DIR --out FILE writes one")
        })?;
        if kept.tfx_plan == FORM {
            Ok(kept)
        } else {
            Err(Failure::usage(format!("{name} is a plan of another version of tfx")).hint("plan again"))
        }
    }

    /// What was planned for.
    ///
    /// # Errors
    /// It is no plan of this program.
    pub(super) fn extent(&self) -> Result<Extent, Failure> {
        let targets = self.targets.iter().map(|text| super::target(text)).collect::<Result<_, _>>();
        Ok(Extent { targets: targets.map_err(Failure::usage)?, prune: self.prune })
    }

    /// Whether the files are still what they were.
    ///
    /// # Errors
    /// They are not.
    pub(super) fn same_files(&self, set: &Set) -> Result<(), Failure> {
        if self.digest == set.digest {
            Ok(())
        } else {
            Err(moved("the files are not what they were when it was made"))
        }
    }

    /// Whether it would be the same plan now.
    ///
    /// # Errors
    /// It would be another.
    pub(super) fn same_plan(&self, answer: &SetAnswer) -> Result<(), Failure> {
        if self.revision != answer.revision {
            let (then, now) = (self.revision, answer.revision);
            return Err(moved(&format!(
                "the configuration is at revision {now}, and was at {then} when it was made"
            )));
        }
        if self.changes == without_drift(&answer.changes) {
            Ok(())
        } else {
            Err(moved("it would be another plan now"))
        }
    }
}

/// Who changed what before is no part of what is done.
fn without_drift(changes: &[SetChange]) -> Vec<SetChange> {
    changes.iter().map(|change| SetChange { drifted: Vec::new(), ..change.clone() }).collect()
}

fn moved(why: &str) -> Failure {
    Failure::new(Kind::Conflict, format!("this plan cannot be applied: {why}"))
        .hint("nothing was changed; plan again and look at what it says")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_plan_is_for_nobody_else_and_nothing_else_is_one() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.plan");
        let kept = Kept {
            tfx_plan: FORM,
            revision: 7,
            folder: dir.path().to_owned(),
            digest: "d".to_owned(),
            prune: false,
            targets: vec!["campaign/summer".to_owned()],
            changes: Vec::new(),
        };
        kept.write(&path).expect("written");
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        assert_eq!(Kept::read(&path).expect("read"), kept);
        for text in ["", "{}", "[1]", "slug: x\n", "{\"tfx_plan\": 1, \"more\": 2}"] {
            fs::write(&path, text).expect("written");
            assert_eq!(Kept::read(&path).expect_err(text).kind, Kind::Usage);
        }
        assert!(Kept::read(dir.path()).expect_err("a folder").hint.is_some_and(|h| h.contains("apply -f")));
    }

    #[test]
    fn what_moved_is_told() {
        let kept = Kept {
            tfx_plan: FORM,
            revision: 7,
            folder: PathBuf::new(),
            digest: String::new(),
            prune: false,
            targets: Vec::new(),
            changes: Vec::new(),
        };
        let answer = |revision| SetAnswer { revision, ..SetAnswer::default() };
        assert!(kept.same_plan(&answer(7)).is_ok());
        assert_eq!(kept.same_plan(&answer(8)).expect_err("moved").kind, Kind::Conflict);
    }
}
