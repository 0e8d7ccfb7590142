//! This machine: the data folder, its disk, who can read what, how old the snapshot and geo databases are.

use super::{Finding, State};
use crate::{context::Context, profile, room};
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use tfx_ops::{clock, files};
use tfx_settings::Settings;

/// Less space than this is wrong: journals and stores refuse what they cannot write. Bytes.
const TOO_LITTLE: u64 = 256 << 20;
/// Less space than this will soon be too little. Bytes.
const LITTLE: u64 = 2 << 30;
/// Addresses change hands: a geo database that is older is told.
const GEO_OLD: Duration = Duration::from_secs(60 * 86_400);
/// Files of the data folder that hold secrets or people's data.
const PRIVATE: [&str; 7] = [
    "admin.token",
    "internal.token",
    "visitor.key",
    "secrets.key",
    "config.db",
    "events.db",
    "snapshot.json",
];

/// What there is to say of this machine.
pub(super) fn look(context: &Context, settings: &Settings) -> Vec<Finding> {
    let data = &settings.data_dir;
    let mut found = of_folder(data);
    found.extend(of_private_files(context, settings));
    found.extend(of_snapshot(&data.join("snapshot.json")));
    found.extend(of_geo(settings));
    found
}

/// The data folder, who can read it, and its disk.
fn of_folder(folder: &Path) -> Vec<Finding> {
    let shown = folder.display();
    if !folder.is_dir() {
        let what = format!("{shown} is not there");
        return vec![
            Finding::new(State::Warning, "data folder", what)
                .told("it is not there")
                .next("a service makes it when it starts"),
        ];
    }
    let folders = match tfx_wiring::exposed(folder) {
        Some(told) => Finding::new(State::Warning, "data folder", told)
            .told("others have rights on it, or on a file in it"),
        None => Finding::new(State::Ok, "data folder", shown.to_string()).told("of this user alone"),
    };
    let disk = match room::at(folder) {
        Ok(room) => of_disk(room.bytes, room.files, room.of_files),
        Err(error) => Finding::new(State::Warning, "disk", format!("it cannot be asked: {error}")),
    };
    vec![folders, disk]
}

/// Bytes and files that there is room for; a file system that does not count files has none in all.
fn of_disk(bytes: u64, files: u64, files_in_all: u64) -> Finding {
    let state = match bytes {
        _ if files_in_all > 0 && files < 1_000 => State::Wrong,
        n if n < TOO_LITTLE => State::Wrong,
        n if n < LITTLE => State::Warning,
        _ => State::Ok,
    };
    let what = match state {
        State::Wrong if bytes >= TOO_LITTLE => format!("there is room for {files} more files"),
        _ => format!("{} MiB free", bytes >> 20),
    };
    let found = Finding::new(state, "disk", what).plain();
    if state == State::Ok {
        return found;
    }
    found.next(
        "tfx prune --before DATE --vacuum makes the embedded store smaller; ANALYTICS_TTL_DAYS keeps it so",
    )
}

/// Files with secrets that others can read, or this user cannot.
fn of_private_files(context: &Context, settings: &Settings) -> Vec<Finding> {
    let mut files: Vec<PathBuf> = PRIVATE.iter().map(|name| settings.data_dir.join(name)).collect();
    files.extend(settings.access.token_file.clone());
    if let Some(folder) = profile::folder(&context.source) {
        files.push(folder.join("config.toml"));
        let kept = fs::read_dir(folder.join("credentials")).into_iter().flatten().flatten();
        files.extend(kept.map(|entry| entry.path()));
    }
    files.push(PathBuf::from(".env"));
    let there: Vec<PathBuf> = files.into_iter().filter(|path| path.exists()).collect();
    let found: Vec<Finding> = there.iter().filter_map(|path| of_private_file(path)).collect();
    if found.is_empty() {
        return vec![
            Finding::new(State::Ok, "files", format!("{} with secrets, of this user alone", there.len()))
                .plain(),
        ];
    }
    found
}

fn of_private_file(path: &Path) -> Option<Finding> {
    let shown = path.display();
    if let Some(mode) = files::open_to_others(path) {
        let what = format!("other users have rights on {shown} (mode {mode:03o})");
        let told = format!("other users have rights on a file with secrets (mode {mode:03o})");
        return Some(
            Finding::new(State::Warning, "files", what).told(told).next(format!("chmod 600 '{shown}'")),
        );
    }
    match fs::File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            let what = format!("{shown} cannot be read by this user");
            Some(
                Finding::new(State::Warning, "files", what)
                    .next("run tfx as the user that the services run as"),
            )
        }
        _ => None,
    }
}

/// With it traffic-service starts while the configuration store is away.
fn of_snapshot(path: &Path) -> Option<Finding> {
    let age = age(path)?;
    let what = format!("{}, {} old: as old as the last change it holds", path.display(), days(age));
    Some(Finding::new(State::Ok, "snapshot", what).told(format!("{} old", days(age))))
}

/// The geo databases that are used, and how old they are.
fn of_geo(settings: &Settings) -> Vec<Finding> {
    let geo = &settings.traffic.geo;
    let named = [&geo.city, &geo.country, &geo.asn, &geo.connection];
    let mut files: Vec<PathBuf> = named.into_iter().flatten().cloned().collect();
    if files.is_empty() {
        let data = &settings.data_dir;
        let all = [data.clone(), data.join("geo")]
            .map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
        let all = all.into_iter().flatten().map(|entry| entry.path());
        files = all.filter(|path| path.extension().is_some_and(|e| e == "mmdb")).collect();
    }
    files.iter().map(|path| of_geo_file(path)).collect()
}

fn of_geo_file(path: &Path) -> Finding {
    let (of, shown) = ("geo database", path.display());
    match age(path) {
        None => Finding::new(State::Wrong, of, format!("{shown} is not there, or cannot be read"))
            .next("GEOIP_* say where it is"),
        Some(old) if old > GEO_OLD => {
            Finding::new(State::Warning, of, format!("{shown} is {} old: addresses change hands", days(old)))
                .told(format!("{} old", days(old)))
                .next("put a newer file in its place; it is taken over without a restart (docs/deploy.md)")
        }
        Some(age) => Finding::new(State::Ok, of, format!("{shown}, {} old", days(age)))
            .told(format!("{} old", days(age))),
    }
}

/// How long ago a file was written; none: it cannot be told.
fn age(path: &Path) -> Option<Duration> {
    let written = fs::metadata(path).and_then(|m| m.modified()).ok()?;
    Some(now().duration_since(written).unwrap_or_default())
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(clock::now().as_millisecond().unsigned_abs())
}

fn days(age: Duration) -> String {
    match age.as_secs() / 86_400 {
        0 => "less than a day".to_owned(),
        1 => "a day".to_owned(),
        n => format!("{n} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_disk_is_judged_by_bytes_and_files() {
        for (bytes, files, of, state) in [
            (10 << 30, 1_000_000, 2_000_000, State::Ok),
            (10 << 30, 0, 0, State::Ok),
            (1 << 30, 1_000_000, 2_000_000, State::Warning),
            (100 << 20, 1_000_000, 2_000_000, State::Wrong),
            (10 << 30, 10, 2_000_000, State::Wrong),
            (0, 0, 2_000_000, State::Wrong),
        ] {
            let found = of_disk(bytes, files, of);
            assert_eq!((found.state, found.next.is_empty()), (state, state == State::Ok), "{found:?}");
        }
    }

    #[test]
    fn files_of_others_and_old_databases_are_told() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("admin.token");
        fs::write(&path, "x").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("widened");
        let found = of_private_file(&path).expect("told");
        assert!(found.what.contains("mode 640") && found.next.starts_with("chmod 600"), "{found:?}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("closed");
        assert!(of_private_file(&path).is_none());
        assert_eq!(of_geo_file(&path).state, State::Ok);
        let old = now() - GEO_OLD - Duration::from_secs(86_400);
        fs::File::options().write(true).open(&path).and_then(|f| f.set_modified(old)).expect("made old");
        let found = of_geo_file(&path);
        assert!(found.state == State::Warning && found.what.contains("61 days old"), "{found:?}");
        assert_eq!(of_geo_file(Path::new("/nowhere.mmdb")).state, State::Wrong);
    }
}
