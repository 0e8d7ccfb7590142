//! Which parts of an archive are wanted, and under which names, as mongorestore has it: patterns of `DATABASE.COLLECTION`
//! with `*` for anything. Names that come in are those of the archive, before they are changed.

use serde::Serialize;
use std::collections::BTreeMap;
use tfx_domain::problem::Problems;
use tfx_ports::backup::{ArchivePart, Contents, Move, named};

/// The server's own databases.
const THE_SERVERS: [&str; 3] = ["admin", "config", "local"];
const FORM: &str = "has the form DATABASE.COLLECTION, with * for anything";

/// Which parts are wanted, and how they are to be called.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    include: Vec<String>,
    exclude: Vec<String>,
    renames: Vec<(String, String)>,
}

/// What is wanted of an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Chosen {
    /// What goes where.
    pub moves: Vec<Move>,
    /// What does not, and why.
    pub left_out: Vec<LeftOut>,
}

impl Chosen {
    /// Everything, each part where it was.
    pub(super) fn all(contents: &Contents) -> Self {
        let stays = |part: &ArchivePart| Move { from: part.name.clone(), to: part.name.clone() };
        Self { moves: contents.parts.iter().map(stays).collect(), left_out: Vec::new() }
    }
}

/// A part that is not restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its name in the archive.
    pub name: String,
    /// Why.
    pub why: &'static str,
}

impl Selection {
    /// From what was said: what to take (nothing said: all), what not, and names to change, from and to in pairs.
    ///
    /// # Errors
    /// Every pattern that is none, by its flag.
    pub fn new(
        include: &[String],
        exclude: &[String],
        from: &[String],
        to: &[String],
    ) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let flags =
            [("--ns-include", include), ("--ns-exclude", exclude), ("--ns-from", from), ("--ns-to", to)];
        for (flag, patterns) in flags {
            for pattern in patterns {
                let database = pattern.split_once('.').map_or(pattern.as_str(), |(database, _)| database);
                let good = !database.is_empty()
                    && !pattern.ends_with('.')
                    && (pattern.contains('.') || pattern.contains('*'));
                problems.require(good, flag, &format!("{pattern:?}: it {FORM}"));
            }
        }
        let pairs = from.len() == to.len();
        problems.require(
            pairs,
            "--ns-to",
            "goes with --ns-from: as many of one as of the other, in the same order",
        );
        for (from, to) in from.iter().zip(to) {
            let stars = |pattern: &str| pattern.matches('*').count();
            let message =
                format!("{to:?} must have as many * as {from:?}: each takes what that one stands for");
            problems.require(stars(from) == stars(to), "--ns-to", &message);
        }
        let renames = from.iter().cloned().zip(to.iter().cloned()).collect();
        problems.into_result(Self { include: include.to_vec(), exclude: exclude.to_vec(), renames })
    }

    /// What is wanted of this archive.
    ///
    /// # Errors
    /// Nothing is, or two parts would come to one place.
    pub fn of(&self, contents: &Contents) -> Result<Chosen, Problems> {
        let (mut problems, mut chosen) = (self.unmet(contents), Chosen::default());
        let mut places: BTreeMap<String, String> = BTreeMap::new();
        for part in &contents.parts {
            let name = &part.name;
            let is = |patterns: &[String]| patterns.iter().any(|p| captures(p, name).is_some());
            let to = self.renamed(name);
            let why = if !self.include.is_empty() && !is(&self.include) {
                Some("not named by --ns-include")
            } else if is(&self.exclude) {
                Some("named by --ns-exclude")
            } else {
                the_servers(&to)
            };
            if let Some(why) = why {
                chosen.left_out.push(LeftOut { name: name.clone(), why });
                continue;
            }
            if let Some(other) = places.insert(to.clone(), name.clone()) {
                problems.add("--ns-to", format!("{other} and {name} would both come to {to}"));
            }
            chosen.moves.push(Move { from: name.clone(), to });
        }
        if chosen.moves.is_empty() && !contents.parts.is_empty() && problems.is_empty() {
            problems
                .add("--ns-include", format!("nothing of the archive is left; it holds {}", held(contents)));
        }
        problems.into_result(chosen)
    }

    /// Patterns that name nothing of the archive: what was meant by them is not done, and nothing else is either.
    fn unmet(&self, contents: &Contents) -> Problems {
        let mut problems = Problems::default();
        let renamed: Vec<String> = self.renames.iter().map(|(from, _)| from.clone()).collect();
        for (flag, patterns) in
            [("--ns-include", &self.include), ("--ns-exclude", &self.exclude), ("--ns-from", &renamed)]
        {
            for pattern in patterns {
                if !contents.parts.iter().any(|part| captures(pattern, &part.name).is_some()) {
                    let held = held(contents);
                    problems.add(flag, format!("{pattern:?} names nothing of the archive; it holds {held}"));
                }
            }
        }
        problems
    }

    fn renamed(&self, name: &str) -> String {
        let found = self.renames.iter().find_map(|(from, to)| Some((captures(from, name)?, to)));
        let Some((captured, to)) = found else { return name.to_owned() };
        let mut captured = captured.into_iter();
        to.chars().fold(String::new(), |mut out, c| {
            match c {
                '*' => out.push_str(captured.next().unwrap_or_default()),
                c => out.push(c),
            }
            out
        })
    }
}

/// What an archive holds, for people.
fn held(contents: &Contents) -> String {
    let names: Vec<String> = contents.parts.iter().map(|p| p.name.clone()).collect();
    named(&names, 20)
}

/// Users, settings and logs of the server are not the product's.
fn the_servers(name: &str) -> Option<&'static str> {
    let (database, collection) = name.split_once('.').unwrap_or((name, ""));
    if THE_SERVERS.contains(&database) {
        return Some("the database is one of the server's own");
    }
    let own = collection.starts_with("system.") && collection != "system.js";
    own.then_some("the collection is one of the server's own")
}

/// What each `*` stands for, if the pattern is one of this name; the first ones for as little as they can.
pub(super) fn captures<'n>(pattern: &str, name: &'n str) -> Option<Vec<&'n str>> {
    let Some((before, after)) = pattern.split_once('*') else {
        return (pattern == name).then(Vec::new);
    };
    let rest = name.strip_prefix(before)?;
    let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.into_iter().find_map(|end| {
        let mut all = vec![&rest[..end]];
        all.extend(captures(after, &rest[end..])?);
        Some(all)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(names: &[&str]) -> Contents {
        let part = |name: &&str| ArchivePart {
            name: (*name).to_owned(),
            kind: "collection",
            documents: 0,
            bytes: 0,
            indexes: 0,
            checksum: String::new(),
        };
        let parts = names.iter().map(part).collect();
        Contents {
            made_by: String::new(),
            server: String::new(),
            parts,
            apart: Vec::new(),
            moment: None,
            left_out: Vec::new(),
        }
    }

    fn chosen(flags: [&[&str]; 4], names: &[&str]) -> Result<String, Problems> {
        let all = flags.map(|f| f.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>());
        let chosen = Selection::new(&all[0], &all[1], &all[2], &all[3])?.of(&contents(names))?;
        Ok(chosen.moves.iter().map(|m| format!("{}>{}", m.from, m.to)).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn parts_are_chosen_and_renamed_by_patterns() {
        let names = ["a.one", "a.two.x", "b.one", "admin.system.users", "a.system.profile"];
        for (flags, want) in [
            ([&[][..], &[], &[], &[]], "a.one>a.one a.two.x>a.two.x b.one>b.one"),
            ([&["a.*"], &[], &[], &[]], "a.one>a.one a.two.x>a.two.x"),
            ([&["*.one"], &["b.*"], &[], &[]], "a.one>a.one"),
            ([&[], &["*"], &[], &[]], "--ns-include nothing of the archive is left"),
            ([&["a.*"], &[], &["a.*"], &["c.*_old"]], "a.one>c.one_old a.two.x>c.two.x_old"),
            ([&["*.one"], &[], &["*.one"], &["x.*"]], "a.one>x.a b.one>x.b"),
            ([&["*.one"], &[], &["*.one"], &["x.one"]], "--ns-to \"x.one\" must have as many *"),
            (
                [&["a.*", "b.*"], &[], &["b.one"], &["a.one"]],
                "--ns-to a.one and b.one would both come to a.one",
            ),
            (
                [&["a.on"], &[], &[], &[]],
                "--ns-include \"a.on\" names nothing of the archive; it holds a.one",
            ),
            ([&["a.*", "c.*"], &[], &[], &[]], "--ns-include \"c.*\" names nothing"),
            ([&[], &["a.tow"], &[], &[]], "--ns-exclude \"a.tow\" names nothing"),
            ([&[], &[], &["c.*"], &["d.*"]], "--ns-from \"c.*\" names nothing"),
            ([&["one"], &[], &[], &[]], "--ns-include \"one\": it has the form"),
            ([&[], &[], &["a.*"], &[]], "--ns-to goes with --ns-from"),
        ] {
            let found = chosen(flags, &names);
            let text =
                found.unwrap_or_else(|p| p.0.iter().map(|p| format!("{} {}", p.path, p.message)).collect());
            assert!(text.starts_with(want), "{text}");
        }
    }
}
