//! `${NAME}` in values: what differs between installations and is no secret. Only names that `traffoflex.yaml` declares, so that no
//! text takes something of an environment by accident.

use super::yaml::{Fault, Mark, Node, Shape};
use std::collections::BTreeMap;

/// The file that declares them.
pub(crate) const FILE: &str = "traffoflex.yaml";

/// Variables by name; none: it is not set.
#[derive(Debug, Default)]
pub(crate) struct Vars(BTreeMap<String, Option<String>>);

impl Vars {
    /// What the file declares, with their values.
    pub(crate) fn declared(
        documents: &[Node],
        env: &dyn Fn(&str) -> Option<String>,
        faults: &mut Vec<Fault>,
    ) -> Self {
        let mut vars = Self::default();
        let mut fault = |at: Mark, message: String| faults.push(Fault { at, message });
        for document in documents {
            let Shape::Map(fields) = &document.shape else {
                fault(document.at, "must hold: variables: [NAME, …]".to_owned());
                continue;
            };
            for field in fields {
                let (name, value) = (&field.name, &field.value);
                match &value.shape {
                    Shape::List(names) if name == "variables" => {
                        for item in names {
                            match &item.shape {
                                Shape::Plain(name) | Shape::Text(name) if is_name(name) => {
                                    let value = env(name);
                                    vars.0.insert(name.clone(), value);
                                }
                                _ => fault(item.at, "must be a name of letters, digits and _".to_owned()),
                            }
                        }
                    }
                    _ if name == "variables" => {
                        fault(value.at, "variables must be a list of names".to_owned());
                    }
                    _ => fault(field.at, format!("{name} is not known here; there is: variables")),
                }
            }
        }
        vars
    }

    /// A text with the values of its variables; none if it has none. `$${` is a `${`.
    ///
    /// # Errors
    /// A variable that is not declared or not set, or a `${` that begins none.
    pub(crate) fn filled(&self, text: &str) -> Result<Option<String>, String> {
        if !text.contains("${") {
            return Ok(None);
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if let Some(before) = rest[..at].strip_suffix('$') {
                out.push_str(before);
                out.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            out.push_str(&rest[..at]);
            let inside = &rest[at + 2..];
            let (name, after) =
                inside.split_once('}').filter(|(name, _)| is_name(name)).ok_or_else(|| {
                    "has a ${ that begins no variable: ${NAME}; where it is meant as it stands, write $${"
                        .to_owned()
                })?;
            match self.0.get(name) {
                Some(Some(value)) => out.push_str(value),
                Some(None) => return Err(format!("the variable {name} is not set in the environment")),
                None => {
                    return Err(format!(
                        "the variable {name} is not declared: {FILE} has variables: [{name}]; where no variable is meant, \
                         write $${{{name}}}"
                    ));
                }
            }
            rest = after;
        }
        out.push_str(rest);
        Ok(Some(out))
    }
}

/// A text in which `${` stands for itself.
pub(crate) fn escaped(text: &str) -> String {
    text.replace("${", "$${")
}

fn is_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{super::yaml::documents, *};

    fn vars(text: &str) -> (Vars, Vec<String>) {
        let env = |name: &str| (name == "HOST").then(|| "a.example".to_owned());
        let mut faults = Vec::new();
        let vars = Vars::declared(&documents(text).0, &env, &mut faults);
        (vars, faults.into_iter().map(|f| format!("{}: {}", f.at, f.message)).collect())
    }

    #[test]
    fn only_what_is_declared_and_set_is_filled_in() {
        let (vars, faults) = vars("variables: [HOST, GONE]\n");
        assert_eq!(faults, Vec::<String>::new());
        let filled = |text: &str| vars.filled(text);
        assert_eq!(
            filled("https://${HOST}/?c={click_id}"),
            Ok(Some("https://a.example/?c={click_id}".to_owned()))
        );
        assert_eq!(filled("plain {payout} $5"), Ok(None));
        assert_eq!(filled("$${HOST} ${HOST}"), Ok(Some("${HOST} a.example".to_owned())));
        for (text, part) in [
            ("${GONE}", "not set"),
            ("${PATH}", "not declared"),
            ("${}", "begins no variable"),
            ("${HOST", "begins no variable"),
            ("${a b}", "begins no variable"),
        ] {
            let why = filled(text).expect_err(text);
            assert!(why.contains(part), "{text}: {why}");
        }
    }

    #[test]
    fn what_is_escaped_comes_back() {
        let vars = Vars::default();
        for text in ["${a}", "$${a}", "$$${", "a$", "${", "x ${HOST} y", "$$", ""] {
            let read = vars.filled(&escaped(text)).expect(text);
            assert_eq!(read.as_deref().unwrap_or(text), text);
        }
    }

    #[test]
    fn the_file_says_nothing_else() {
        for (text, want) in [
            ("variables: HOST\n", "1:12: variables must be a list of names"),
            ("variables: [a b]\n", "1:13: must be a name of letters"),
            ("variable: [A]\n", "1:1: variable is not known here"),
            ("- A\n", "1:1: must hold"),
        ] {
            let (_, faults) = vars(text);
            assert!(faults[0].starts_with(want), "{text}: {faults:?}");
        }
    }
}
