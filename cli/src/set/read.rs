//! Reads a folder of configuration into a set, with everything wrong in all of its files at once.

use super::{
    folder,
    places::{SHOWN_PROBLEMS, with_lines},
    secrets,
    vars::{self, Vars},
    yaml::{Fault, Mark, Node, Shape, documents, plain},
};
use crate::{exit::Failure, input};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};
use tfx_api::sets::ConfigSet;
use tfx_domain::{entity::Kind, problem::Problems};

/// What is taken of the environment: variables and secrets, by name.
pub(crate) type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

/// An entity as a file says it.
#[derive(Debug)]
pub(super) struct Item {
    /// The place of its file among those of the set.
    pub(super) file: usize,
    pub(super) node: Node,
    /// With variables and secrets.
    value: Value,
}

/// A configuration in files.
#[derive(Debug)]
pub(crate) struct Set {
    pub(super) dir: PathBuf,
    pub(super) files: Vec<PathBuf>,
    pub(super) items: BTreeMap<Kind, Vec<Item>>,
    /// What is to be told about the files.
    pub(crate) warnings: Vec<String>,
    /// Files that hold no configuration, from the folder.
    pub(crate) others: Vec<PathBuf>,
    /// What the files hold, in few letters.
    pub(crate) digest: String,
}

impl Set {
    /// How many entities there are, those within others too.
    pub(crate) fn len(&self) -> usize {
        let within = |kind: Kind, item: &Item| {
            let section = ConfigSet::inside(kind).map_or("", Kind::plural);
            1 + item.value[section].as_array().map_or(0, Vec::len)
        };
        self.items.iter().flat_map(|(kind, items)| items.iter().map(|item| within(*kind, item))).sum()
    }

    /// The set as api-service takes it.
    pub(crate) fn document(&self) -> Value {
        let values = |items: &Vec<Item>| items.iter().map(|item| item.value.clone()).collect();
        let sections =
            self.items.iter().map(|(kind, items)| (kind.plural().to_owned(), Value::Array(values(items))));
        Value::Object(sections.collect())
    }

    /// Takes away all but these.
    ///
    /// # Errors
    /// One that no file holds.
    pub(crate) fn keep(&mut self, targets: &[(Kind, String)]) -> Result<(), Failure> {
        for (kind, slug) in targets {
            let found = self
                .items
                .get(kind)
                .is_some_and(|items| items.iter().any(|item| item.value["slug"] == **slug));
            if !found {
                return Err(Failure::usage(format!(
                    "--target {kind}/{slug}: no file in {} holds it",
                    self.dir.display()
                )));
            }
        }
        for (kind, items) in &mut self.items {
            items.retain(|item| targets.iter().any(|(k, slug)| k == kind && item.value["slug"] == **slug));
        }
        Ok(())
    }
}

/// Reads a folder. With `lines` problems come with the lines at which they are.
///
/// # Errors
/// It cannot be read; everything wrong in its files, each with its place.
pub(crate) fn read(dir: &Path, env: Env<'_>, lines: bool) -> Result<Set, Failure> {
    let found = folder::list(dir)?;
    let mut reading = Reading {
        dir,
        env,
        vars: Vars::default(),
        texts: folder::Texts::default(),
        digest: Sha256::new(),
        problems: Problems::default(),
        warnings: Vec::new(),
    };
    if found.declares {
        let (documents, faults) = reading.documents(Path::new(vars::FILE))?;
        let mut faults = faults;
        reading.vars = Vars::declared(&documents, env, &mut faults);
        reading.faults(Path::new(vars::FILE), faults);
    }
    let mut items: BTreeMap<Kind, Vec<Item>> =
        ConfigSet::SECTIONS.into_iter().map(|kind| (kind, Vec::new())).collect();
    for (file, (path, kind)) in found.files.iter().enumerate() {
        let entities = reading.file(file, path)?;
        items.entry(*kind).or_default().extend(entities);
    }
    let files: Vec<PathBuf> = found.files.into_iter().map(|(path, _)| path).collect();
    for (kind, items) in &items {
        reading.twice(*kind, items, &files);
    }
    let Reading { digest, problems, warnings, .. } = reading;
    if !problems.is_empty() {
        return Err(refused(dir, problems, lines));
    }
    let digest = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Set { dir: dir.to_owned(), files, items, warnings, others: found.others, digest })
}

/// The failure of a folder in which something is wrong.
fn refused(dir: &Path, mut problems: Problems, lines: bool) -> Failure {
    let count = problems.0.len();
    let rest = count.saturating_sub(SHOWN_PROBLEMS);
    problems.0.truncate(SHOWN_PROBLEMS);
    let problems = if lines { with_lines(problems) } else { problems };
    let what = if count == 1 { "something is".to_owned() } else { format!("{count} things are") };
    let failure =
        Failure::usage(format!("{what} wrong in {}; nothing was sent", dir.display())).with(problems);
    if rest > 0 { failure.hint(format!("{rest} more are not shown")) } else { failure }
}

/// The variables of a folder; what is wrong with them is [`read`]'s to tell.
pub(crate) fn variables(dir: &Path, env: Env<'_>) -> Vars {
    let text = std::fs::read_to_string(dir.join(vars::FILE)).unwrap_or_default();
    Vars::declared(&documents(&text).0, env, &mut Vec::new())
}

/// The entities of a file, as far as they can be compared with what an export would write: without what says where secrets are.
/// None if something is wrong with it.
pub(crate) fn entities_of(text: &str, vars: &Vars) -> Option<Vec<Map<String, Value>>> {
    let (found, faults) = documents(text);
    let mut making = Making { env: &|_| None, vars, dir: Path::new(""), faults: Vec::new(), take: false };
    let values: Vec<Value> = found.iter().map(|node| making.value(node, "")).collect();
    let is_whole = faults.is_empty() && making.faults.is_empty();
    let entities = values.into_iter().map(|value| match value {
        Value::Object(fields) => Some(fields),
        _ => None,
    });
    entities.collect::<Option<Vec<_>>>().filter(|_| is_whole)
}

struct Reading<'e> {
    dir: &'e Path,
    env: Env<'e>,
    vars: Vars,
    texts: folder::Texts,
    digest: Sha256,
    problems: Problems,
    warnings: Vec<String>,
}

impl Reading<'_> {
    fn faults(&mut self, path: &Path, faults: Vec<Fault>) {
        for Fault { at, message } in faults {
            self.problems.add(format!("{}:{at}", self.dir.join(path).display()), message);
        }
    }

    fn documents(&mut self, path: &Path) -> Result<(Vec<Node>, Vec<Fault>), Failure> {
        let text = match self.texts.read(&self.dir.join(path))? {
            Ok(text) => text,
            Err((at, message)) => return Ok((Vec::new(), vec![Fault { at, message }])),
        };
        self.digest.update(path.as_os_str().as_encoded_bytes());
        self.digest.update([0]);
        self.digest.update((text.len() as u64).to_le_bytes());
        self.digest.update(&text);
        Ok(documents(&text))
    }

    /// The entities of a file.
    fn file(&mut self, file: usize, path: &Path) -> Result<Vec<Item>, Failure> {
        let (found, mut faults) = self.documents(path)?;
        if found.is_empty() && faults.is_empty() {
            let message = "holds nothing: write an entity, or take the file away".to_owned();
            faults.push(Fault { at: Mark::BEGIN, message });
        }
        let of = self.dir.join(path);
        let dir = of.parent().unwrap_or(self.dir);
        let mut items = Vec::new();
        for node in found {
            if !matches!(node.shape, Shape::Map(_)) {
                let message = "must hold one entity: field: value".to_owned();
                faults.push(Fault { at: node.at, message });
                continue;
            }
            for field in secrets::written(&node) {
                let name = &field.name;
                self.warnings.push(format!(
                    "{}:{}: {name} holds a secret, which whoever reads the file knows; {}",
                    of.display(),
                    field.at,
                    instead(name)
                ));
            }
            let mut making = Making { env: self.env, vars: &self.vars, dir, faults: Vec::new(), take: true };
            let value = making.value(&node, "");
            faults.extend(making.faults);
            items.push(Item { file, node, value });
        }
        faults.sort_by_key(|fault| fault.at);
        self.faults(path, faults);
        Ok(items)
    }

    /// Entities of a kind that are in two places.
    fn twice(&mut self, kind: Kind, items: &[Item], files: &[PathBuf]) {
        let mut known: HashMap<&str, (usize, Mark)> = HashMap::new();
        for item in items {
            let Some(field) = item.node.field("slug") else { continue };
            let Some(slug) = item.value["slug"].as_str() else { continue };
            let here = (item.file, field.value.at);
            if let Some((file, at)) = known.get(slug) {
                let first = self.dir.join(&files[*file]);
                let place = format!("{}:{}", self.dir.join(&files[item.file]).display(), here.1);
                self.problems.add(place, format!("the {kind} {slug} is also in {}:{at}", first.display()));
            } else {
                known.insert(slug, here);
            }
        }
    }
}

/// What is written in place of a secret.
fn instead(name: &str) -> String {
    match name {
        "channels" => "write - from: env:NAME in the list".to_owned(),
        "health_check" => "write url_from: env:NAME in it".to_owned(),
        "postback_urls" => "write STATE_from: env:NAME in it".to_owned(),
        "postback_body" => "write \"${NAME}\" for it, a variable".to_owned(),
        name => format!("write {name}_from: env:NAME"),
    }
}

/// Makes what is sent of what is written.
struct Making<'m> {
    env: Env<'m>,
    vars: &'m Vars,
    /// From where paths of secrets are meant.
    dir: &'m Path,
    faults: Vec<Fault>,
    /// Secrets and variables are taken in; else what says where they are is left out.
    take: bool,
}

impl Making<'_> {
    /// A value that stands at a field of this name.
    fn value(&mut self, node: &Node, name: &str) -> Value {
        match &node.shape {
            Shape::Text(text) => self.text(text, node.at).map_or(Value::Null, Value::String),
            Shape::Plain(text) if input::is_decimal(name) && plain(text).is_number() => {
                Value::String(text.clone())
            }
            Shape::Plain(text) => match plain(text) {
                Value::String(text) => self.plain(&text, name, node.at),
                other => other,
            },
            Shape::List(items) => Value::Array(
                items
                    .iter()
                    .filter_map(|item| match secrets::item_from(item, name) {
                        Some(from) => self.secret(from),
                        // A number in a list is no amount of money.
                        None if matches!(item.shape, Shape::Plain(_)) => Some(self.value(item, "")),
                        None => Some(self.value(item, name)),
                    })
                    .collect(),
            ),
            Shape::Map(fields) => {
                let mut out = Map::new();
                for field in fields {
                    // What stands in a body is the source's own.
                    let meant = secrets::meant(&field.name, name).filter(|_| name != "postback_body");
                    match meant {
                        None => {
                            let value = self.value(&field.value, &field.name);
                            out.insert(field.name.clone(), value);
                        }
                        Some(meant) if fields.iter().any(|f| f.name == meant) => {
                            let message = format!("{meant} is said twice: here, and by itself");
                            self.faults.push(Fault { at: field.at, message });
                        }
                        Some(meant) => {
                            if let Some(secret) = self.secret(&field.value) {
                                out.insert(meant.to_owned(), secret);
                            }
                        }
                    }
                }
                Value::Object(out)
            }
        }
    }

    fn secret(&mut self, from: &Node) -> Option<Value> {
        if !self.take {
            return None;
        }
        match secrets::taken(from, self.dir, self.env) {
            Ok(secret) => Some(Value::String(secret)),
            Err(message) => {
                self.faults.push(Fault { at: from.at, message });
                None
            }
        }
    }

    /// A text in quotes stays one; none: something is wrong with it.
    fn text(&mut self, text: &str, at: Mark) -> Option<String> {
        match self.vars.filled(text) {
            Ok(filled) => Some(filled.unwrap_or_else(|| text.to_owned())),
            Err(message) => {
                self.faults.push(Fault { at, message });
                None
            }
        }
    }

    /// One without quotes is what its variables make of it: a number, true or false.
    fn plain(&mut self, text: &str, name: &str, at: Mark) -> Value {
        match self.text(text, at) {
            None => Value::Null,
            Some(filled) if filled == text => Value::String(filled),
            Some(filled) => match plain(&filled) {
                value @ Value::Bool(_) => value,
                value @ Value::Number(_) if !input::is_decimal(name) => value,
                _ => Value::String(filled),
            },
        }
    }
}
