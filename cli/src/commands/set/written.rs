//! What an export does to a folder.

use crate::{exit::Failure, set};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    pin::pin,
};
use tfx_api::sets::RENAMED_FROM;
use tfx_domain::{entity::Kind, slug::Slug};

/// What became of the files, each from the folder.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) new: Vec<String>,
    pub(super) changed: Vec<String>,
    pub(super) removed: Vec<String>,
    /// Files of entities that no export wrote, which stay.
    pub(super) left: Vec<String>,
}

/// The path of an entity.
///
/// # Errors
/// Its slug is none.
pub(super) fn path(kind: Kind, item: &Map<String, Value>) -> Result<PathBuf, Failure> {
    let slug = item.get("slug").and_then(Value::as_str).unwrap_or_default();
    let slug: Slug = slug
        .parse()
        .map_err(|e| Failure::failed(format!("a {kind} has a slug that is none: '{slug}' {e}")))?;
    Ok(PathBuf::from(kind.plural()).join(format!("{slug}.yaml")))
}

/// Brings a folder to these entities. A file that says the same in other words stays as it is.
///
/// # Errors
/// Files that no export wrote are in the way, unless `force`; a file cannot be written. Interrupted: some are written, each whole.
pub(super) async fn write(
    dir: &Path,
    entities: &BTreeMap<PathBuf, Map<String, Value>>,
    force: bool,
) -> Result<Done, Failure> {
    let mut done = Done::default();
    let mut to_write = Vec::new();
    let mut in_the_way = Vec::new();
    let vars = set::variables(dir, &super::env);
    let others = of_people(dir, entities, &vars)?;
    for (path, entity) in entities {
        // An entity is in one file alone, where a person keeps it.
        if let Some(other) = others.get(path) {
            if !force && !other.says(entity) {
                in_the_way.push(other.file.display().to_string());
            }
            continue;
        }
        let text = set::text(entity);
        let name = path.display().to_string();
        match fs::read_to_string(dir.join(path)) {
            Ok(there) if there == text => {}
            Ok(there) if set::entities_of(&there, &vars).is_some_and(|all| all == [entity.clone()]) => {}
            Ok(there) => {
                if !there.starts_with(set::HEADER) && !force {
                    in_the_way.push(name.clone());
                }
                done.changed.push(name);
                to_write.push((path, text));
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                done.new.push(name);
                to_write.push((path, text));
            }
            Err(e) => return Err(failed(&dir.join(path), &e)),
        }
    }
    if !in_the_way.is_empty() {
        return Err(Failure::usage(format!(
            "no export wrote these files, which say something else: {}",
            super::some(&in_the_way)
        ))
        .hint("nothing was written; --force writes over them"));
    }
    let mut stale = Vec::new();
    for path in set::files(dir)? {
        if entities.contains_key(&path) {
            continue;
        }
        if set::is_written_here(&dir.join(&path)) {
            done.removed.push(path.display().to_string());
            stale.push(path);
        } else {
            done.left.push(path.display().to_string());
        }
    }
    let mut stop = pin!(crate::commands::backup::stopped());
    let mut folders = BTreeSet::new();
    for (path, text) in to_write {
        tokio::select! {
            biased;
            () = &mut stop => return Err(Failure::interrupted().hint("some files are written, each of them whole")),
            () = std::future::ready(()) => {}
        }
        let path = dir.join(path);
        let folder = path.parent().unwrap_or(dir);
        replace(folder, &path, &text).map_err(|e| failed(&path, &e))?;
        folders.insert(folder.to_owned());
    }
    for path in stale {
        let path = dir.join(path);
        fs::remove_file(&path).map_err(|e| failed(&path, &e))?;
        folders.extend(path.parent().map(Path::to_owned));
    }
    for folder in folders {
        File::open(&folder).and_then(|f| f.sync_all()).map_err(|e| failed(&folder, &e))?;
    }
    Ok(done)
}

/// An entity in a file that no export would name so.
struct Other {
    file: PathBuf,
    entity: Map<String, Value>,
}

impl Other {
    /// Whether it says the same. Former slugs stay as they are where nothing is said of them.
    fn says(&self, entity: &Map<String, Value>) -> bool {
        let mut entity = entity.clone();
        if !self.entity.contains_key("aliases") {
            entity.remove("aliases");
        }
        self.entity == entity
    }
}

/// The entities that people keep in files of their own arrangement, by the path that an export has for each.
fn of_people(
    dir: &Path,
    entities: &BTreeMap<PathBuf, Map<String, Value>>,
    vars: &set::Vars,
) -> Result<BTreeMap<PathBuf, Other>, Failure> {
    let mut found = BTreeMap::new();
    for file in set::files(dir)? {
        if entities.contains_key(&file) || set::is_written_here(&dir.join(&file)) {
            continue;
        }
        let text = fs::read_to_string(dir.join(&file)).unwrap_or_default();
        let Some(folder) = file.components().next() else { continue };
        for mut entity in set::entities_of(&text, vars).unwrap_or_default() {
            // It was renamed; that is no field of it.
            entity.remove(RENAMED_FROM);
            let slug = entity.get("slug").and_then(Value::as_str).unwrap_or_default();
            let path = Path::new(&folder).join(format!("{slug}.yaml"));
            found.insert(path, Other { file: file.clone(), entity });
        }
    }
    Ok(found)
}

/// A file for everybody whom the folder is for, beside and renamed.
fn replace(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".tfx-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

fn failed(path: &Path, e: &io::Error) -> Failure {
    Failure::failed(format!("{} cannot be written: {e}", path.display()))
}
