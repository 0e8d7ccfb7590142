//! Where something stands that api-service names by its path in the set: `campaigns[3].streams[0].weight` is
//! `campaigns/summer.yaml:12:13`.

use super::{
    read::Set,
    secrets::shown_line,
    yaml::{Mark, Node, Shape},
};
use std::{collections::HashMap, fs, path::PathBuf};
use tfx_api::sets::ConfigSet;
use tfx_domain::problem::{Problem, Problems};

/// More are counted, not listed.
pub(crate) const SHOWN_PROBLEMS: usize = 100;

/// Of a longer line the beginning is shown.
const SHOWN_LINE: usize = 120;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: PathBuf,
    pub(crate) at: Mark,
    /// The rest of the path, within the entity.
    pub(crate) within: String,
}

impl Set {
    /// The place of a path in the set; of what is not said, the place of what it would stand in.
    pub(crate) fn place(&self, path: &str) -> Option<Place> {
        let (section, rest) = path.split_once('[')?;
        let (index, rest) = rest.split_once(']')?;
        let kind = ConfigSet::SECTIONS.into_iter().find(|k| k.plural() == section)?;
        let item = self.items.get(&kind)?.get(index.parse::<usize>().ok()?)?;
        let within = rest.trim_start_matches('.').to_owned();
        let at = walk(&item.node, &within);
        Some(Place { file: self.dir.join(&self.files[item.file]), at, within })
    }

    /// Problems that api-service names by paths in the set, with their places; with `lines` also what stands there.
    pub(crate) fn placed(&self, problems: Problems, lines: bool) -> Problems {
        let found = problems.0.into_iter().map(|problem| match self.place(&problem.path) {
            None => problem,
            Some(Place { file, at, within }) => {
                let said = if within.is_empty() { String::new() } else { format!("{within}: ") };
                let message = format!("{said}{}", problem.message);
                Problem { path: format!("{}:{at}", file.display()), message }
            }
        });
        let placed = Problems(found.collect());
        if lines { with_lines(placed) } else { placed }
    }
}

/// Adds to each problem the line at which it is.
pub(super) fn with_lines(problems: Problems) -> Problems {
    let mut texts: HashMap<String, Vec<String>> = HashMap::new();
    let mut problems = problems;
    for problem in problems.0.iter_mut().take(SHOWN_PROBLEMS) {
        let Some((file, line)) = file_and_line(&problem.path) else { continue };
        let lines = texts.entry(file.to_owned()).or_insert_with(|| {
            let text = fs::read_to_string(file).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        });
        if let Some(text) = lines.get(line - 1).filter(|text| !text.trim().is_empty()) {
            let shown: String = shown_line(text).chars().take(SHOWN_LINE).collect();
            problem.message.push_str(&format!("\n      {line:>5} | {shown}"));
        }
    }
    problems
}

fn file_and_line(place: &str) -> Option<(&str, usize)> {
    let (rest, _) = place.rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    Some((file, line.parse().ok().filter(|line| *line > 0)?))
}

/// The place of a path below a value, or of the last on the way that is there.
fn walk(node: &Node, path: &str) -> Mark {
    let path = path.trim_start_matches('.');
    match &node.shape {
        Shape::Map(fields) if !path.is_empty() => {
            // Names may have points in them: the longest that fits.
            let fits =
                |name: &str| path.strip_prefix(name).filter(|r| r.is_empty() || r.starts_with(['.', '[']));
            let named = fields.iter().filter_map(|f| fits(&f.name).map(|rest| (f.name.len(), f, rest)));
            if let Some((_, field, rest)) = named.max_by_key(|(len, ..)| *len) {
                return if rest.is_empty() && matches!(field.value.shape, Shape::Map(_) | Shape::List(_)) {
                    field.at
                } else {
                    walk(&field.value, rest)
                };
            }
            // A secret that is said to be elsewhere.
            let end = path.find(['.', '[']).unwrap_or(path.len());
            node.field(&format!("{}_from", &path[..end])).map_or(node.at, |field| field.value.at)
        }
        Shape::List(items) => {
            let step = path.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let found = step.and_then(|(i, rest)| Some((items.get(i.parse::<usize>().ok()?)?, rest)));
            found.map_or(node.at, |(item, rest)| walk(item, rest))
        }
        _ => node.at,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::yaml::documents, *};

    #[test]
    fn a_path_leads_to_what_is_said_there() {
        let text = "slug: summer\nstreams:\n  - slug: de\n    filters:\n      - { field: country, is: [DE, AT] }\n    weight: many\n\
                    statuses:\n  my.word: [x]\npostback_secret_from: env:X\n";
        let node = documents(text).0.remove(0);
        for (path, want) in [
            ("", "1:1"),
            ("slug", "1:7"),
            ("streams", "2:1"),
            ("streams[0]", "3:5"),
            ("streams[0].weight", "6:13"),
            ("streams[0].filters[0].is[1]", "5:36"),
            ("streams[0].name", "3:5"),
            ("streams[7].name", "3:3"),
            ("statuses.my.word[0]", "8:13"),
            ("postback_secret", "9:23"),
            ("unheard.of", "1:1"),
        ] {
            assert_eq!(walk(&node, path).to_string(), want, "{path}");
        }
    }
}
