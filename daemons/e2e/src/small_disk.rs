//! A disk that can be full: a small one of its own where this process may mount one (Linux, root), else a limit on the
//! size of files that the process under test writes.

use std::{
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
    process::Command,
};
use tempfile::TempDir;

/// Room for the stores of a short run.
const SIZE: &str = "size=24m";

/// A folder on a disk that can be filled and emptied.
#[derive(Debug)]
pub struct SmallDisk {
    dir: TempDir,
    mounted: bool,
}

impl SmallDisk {
    /// An empty one.
    ///
    /// # Panics
    /// There is no folder for it.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("dir");
        let mounted =
            quietly(Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(dir.path()));
        Self { dir, mounted }
    }

    /// A folder on it.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Lets a command live through a limit on the size of files.
    pub fn used_by(&self, command: Command) -> Command {
        if self.mounted {
            return command;
        }
        let mut patient = Command::new("sh");
        patient
            .args(["-c", r#"trap '' XFSZ; exec "$0" "$@""#])
            .arg(command.get_program())
            .args(command.get_args());
        patient.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(folder) = command.get_current_dir() {
            patient.current_dir(folder);
        }
        patient
    }

    /// From now on nothing more can be written by this process.
    ///
    /// # Panics
    /// The disk cannot be filled.
    pub fn fill(&self, pid: u32) {
        if !self.mounted {
            return limit(pid, "0:unlimited");
        }
        let mut ballast = File::create(self.ballast()).expect("create the ballast");
        for size in [1 << 16, 1] {
            while ballast.write_all(&vec![b'x'; size]).is_ok() {}
        }
    }

    /// There is room again.
    ///
    /// # Panics
    /// The ballast cannot be taken off.
    pub fn free(&self, pid: u32) {
        if !self.mounted {
            return limit(pid, "unlimited");
        }
        fs::remove_file(self.ballast()).expect("remove the ballast");
    }

    fn ballast(&self) -> PathBuf {
        self.dir.path().join("ballast")
    }
}

impl Default for SmallDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.mounted {
            quietly(Command::new("umount").arg("--lazy").arg(self.dir.path()));
        }
    }
}

fn limit(pid: u32, sizes: &str) {
    let set = quietly(Command::new("prlimit").args(["--pid", &pid.to_string(), &format!("--fsize={sizes}")]));
    assert!(set, "prlimit (util-linux) is needed to limit the size of files");
}

fn quietly(command: &mut Command) -> bool {
    command.output().is_ok_and(|o| o.status.success())
}
