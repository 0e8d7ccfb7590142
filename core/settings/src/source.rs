//! Where values come from: the environment over a `.env` file; and the reader that collects problems.

use crate::{Secret, shown, vars::Var};
use std::{
    collections::{HashMap, HashSet},
    fmt::Display,
    path::Path,
    str::FromStr,
    time::Duration,
};
use tfx_domain::problem::Problems;

/// Values by name.
#[derive(Debug, Clone, Default)]
pub struct SettingsSource {
    values: HashMap<String, String>,
    /// Names that stand in the file `.env`.
    in_file: HashSet<String>,
}

/// A `.env` file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct SourceError {
    /// The path of the file.
    pub path: String,
    /// Why it cannot be read.
    pub reason: String,
}

impl SettingsSource {
    /// The process environment over the file `.env` in the current folder, if there is one.
    ///
    /// # Errors
    /// A `.env` file that is there but cannot be read or parsed.
    pub fn process() -> Result<Self, SourceError> {
        let mut source = Self::default();
        let path = Path::new(".env");
        let failed = |e: dotenvy::Error| SourceError { path: ".env".to_owned(), reason: e.to_string() };
        if path.is_file() {
            for item in dotenvy::from_path_iter(path).map_err(failed)? {
                let (name, value) = item.map_err(failed)?;
                source.set_in_file(&name, value);
            }
        }
        source.values.extend(
            std::env::vars_os().filter_map(|(n, v)| Some((n.into_string().ok()?, v.into_string().ok()?))),
        );
        Ok(source)
    }

    /// Exactly these values, for tests and for services started in-process.
    pub fn of<N: Into<String>, V: Into<String>>(values: impl IntoIterator<Item = (N, V)>) -> Self {
        let values = values.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        Self { values, in_file: HashSet::new() }
    }

    /// Sets a value over whatever is there: a flag over the environment.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// Sets a value that stands in the file `.env`.
    pub(crate) fn set_in_file(&mut self, name: &str, value: impl Into<String>) {
        self.set(name, value);
        self.in_file.insert(name.to_owned());
    }

    /// Every name that is set, and whether it stands in the file `.env`.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, bool)> {
        self.values.keys().map(|name| (name.as_str(), self.in_file.contains(name)))
    }

    /// The raw value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
}

/// Parses values by their [`Var`], collecting problems.
pub(crate) struct Reader<'s> {
    source: &'s SettingsSource,
    problems: Problems,
}

impl<'s> Reader<'s> {
    pub(crate) fn new(source: &'s SettingsSource) -> Self {
        Self { source, problems: Problems::default() }
    }

    pub(crate) fn finish<T>(self, value: T) -> Result<T, Problems> {
        self.problems.into_result(value)
    }

    pub(crate) fn problem(&mut self, var: &Var, message: impl Into<String>) {
        self.problems.add(var.name, message);
    }

    /// The value, else the default; empty counts as not set.
    pub(crate) fn text(&self, var: &Var) -> Option<String> {
        let value = self.source.get(var.name).map(str::trim).filter(|v| !v.is_empty());
        value.or(Some(var.default).filter(|d| !d.is_empty())).map(str::to_owned)
    }

    pub(crate) fn secret(&self, var: &Var) -> Option<Secret> {
        self.text(var).map(Secret::from)
    }

    /// A value that must be there or have a default.
    pub(crate) fn parse<T: FromStr + Default>(&mut self, var: &Var) -> T {
        self.optional(var).unwrap_or_default()
    }

    pub(crate) fn optional<T: FromStr>(&mut self, var: &Var) -> Option<T> {
        let text = self.text(var)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.bad(var, &text);
        }
        parsed
    }

    pub(crate) fn number<T: FromStr + PartialOrd + Display + Copy>(
        &mut self,
        var: &Var,
        low: T,
        high: T,
    ) -> T {
        match self.optional::<T>(var) {
            Some(n) if n >= low && n <= high => n,
            Some(n) => {
                // What else the unit says is the range.
                let unit = var.unit.split_once(',').map_or(var.unit, |(unit, _)| unit);
                self.problem(var, format!("is {n}; allowed is {low} to {high} {unit}"));
                low
            }
            None => low,
        }
    }

    pub(crate) fn millis(&mut self, var: &Var, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.number(var, low, high))
    }

    pub(crate) fn list<T: FromStr>(&mut self, var: &Var) -> Vec<T> {
        let text = self.text(var).unwrap_or_default();
        let mut out = Vec::new();
        for item in text.split(',').map(str::trim).filter(|i| !i.is_empty()) {
            match item.parse() {
                Ok(v) => out.push(v),
                Err(_) => self.bad(var, item),
            }
        }
        out
    }

    /// `host:port`, several.
    pub(crate) fn addresses(&mut self, var: &Var) -> Vec<String> {
        let all: Vec<String> = self.list(var);
        let port = |port: &str| port.parse().is_ok_and(|port: u16| port > 0);
        let host = |host: &str| !host.is_empty() && !host.contains(['/', ' ', '@']);
        let text = self.text(var).unwrap_or_default();
        for wrong in all.iter().filter(|a| !a.rsplit_once(':').is_some_and(|(h, p)| host(h) && port(p))) {
            // A comma may stand in a password, too.
            self.bad(var, if text.contains('@') { &text } else { wrong });
        }
        all
    }

    fn bad(&mut self, var: &Var, value: &str) {
        let shown = if var.secret { "***".into() } else { shown(value) };
        self.problem(var, format!("is '{shown}'; allowed is {}", var.unit));
    }
}
