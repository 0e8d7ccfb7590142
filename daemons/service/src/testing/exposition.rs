//! A strict reader of Prometheus' text format (0.0.4), stricter than its scrapers: what `promtool check metrics` warns of
//! is an error here, too; and where promtool is installed, it is asked as well.

use std::{
    collections::{HashMap, HashSet},
    io::{ErrorKind, Write as _},
    process::{Command, Stdio},
};

/// Checks a whole exposition; how many samples it has.
///
/// # Errors
/// The line that is wrong, and why.
pub fn check(text: &str) -> Result<usize, String> {
    if !text.ends_with('\n') {
        return Err("the last line does not end".to_owned());
    }
    let mut read = Reader::default();
    for line in text.lines() {
        read.line(line).map_err(|why| format!("{why}: {line}"))?;
    }
    read.end_of_family()?;
    promtool(text)?;
    Ok(read.seen.len())
}

/// What `promtool check metrics` says, errors and what it warns of; nothing where it is not installed.
fn promtool(text: &str) -> Result<(), String> {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(format!("promtool: {e}")),
    };
    // What it does not read to the end it says something about.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(text.as_bytes()));
    let said = child.wait_with_output().map_err(|e| format!("promtool: {e}"))?;
    let words =
        [said.stdout, said.stderr].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()).concat();
    if said.status.success() && words.is_empty() { Ok(()) } else { Err(format!("promtool: {words}")) }
}

#[derive(Default)]
struct Reader<'t> {
    /// Names of families, each once.
    families: HashSet<&'t str>,
    /// Series, each once.
    seen: HashSet<String>,
    help: Option<&'t str>,
    family: Option<Family<'t>>,
}

struct Family<'t> {
    name: &'t str,
    kind: &'t str,
    samples: usize,
    /// Of a histogram, by labels without `le`: the last bound and its count, the sum's presence, the count.
    parts: HashMap<String, Parts>,
}

#[derive(Default)]
struct Parts {
    last: Option<(f64, f64)>,
    sum: bool,
    count: Option<f64>,
}

type Labels<'t> = Vec<(&'t str, &'t str)>;

impl<'t> Reader<'t> {
    fn line(&mut self, line: &'t str) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            self.end_of_family()?;
            let (name, help) = rest.split_once(' ').ok_or("HELP without a text")?;
            check_name(name, true)?;
            escapes(help, "\\n")?;
            if help.trim().is_empty() || self.help.replace(name).is_some() || !self.families.insert(name) {
                return Err("HELP is empty or repeated".to_owned());
            }
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("TYPE without a type")?;
            if self.help.take() != Some(name) {
                return Err("TYPE does not follow the HELP of its family".to_owned());
            }
            let suffixed = ["_total", "_sum", "_count", "_bucket"].iter().find(|s| name.ends_with(**s));
            match (kind, suffixed) {
                ("counter", Some(&"_total")) | ("gauge" | "histogram", None) => {}
                _ => return Err("the name does not fit the type".to_owned()),
            }
            self.family = Some(Family { name, kind, samples: 0, parts: HashMap::new() });
            return Ok(());
        }
        if line.starts_with('#') || line.is_empty() {
            return Err("neither HELP, TYPE nor a sample".to_owned());
        }
        self.sample(line)
    }

    fn sample(&mut self, line: &'t str) -> Result<(), String> {
        let family = self.family.as_mut().ok_or("a sample outside of a family")?;
        let (series, value) = line.rsplit_once(' ').ok_or("no value")?;
        let value: f64 = match value {
            "+Inf" => f64::INFINITY,
            v if v.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) => {
                v.parse().map_err(|_| "the value is no number")?
            }
            _ => return Err("the value is no number".to_owned()),
        };
        let (name, labels) = match series.split_once('{') {
            Some((name, rest)) => (name, labels(rest.strip_suffix('}').ok_or("no end of labels")?)?),
            None => (series, Labels::new()),
        };
        check_name(name, true)?;
        if !self.seen.insert(series.to_owned()) {
            return Err("the series is repeated".to_owned());
        }
        family.samples += 1;
        match family.kind {
            "counter" | "gauge" if name != family.name => Err("a sample of another family".to_owned()),
            "counter" if value < 0.0 => Err("a counter below 0".to_owned()),
            "counter" | "gauge" => Ok(()),
            _ => family.part(name, &labels, value),
        }
    }

    fn end_of_family(&mut self) -> Result<(), String> {
        let Some(family) = self.family.take() else { return Ok(()) };
        if family.samples == 0 {
            return Err(format!("{} has no sample", family.name));
        }
        let whole = |p: &Parts| {
            p.sum
                && p.count.is_some()
                && p.last.map(|l| l.1) == p.count
                && p.last.is_some_and(|l| l.0.is_infinite())
        };
        match family.parts.iter().find(|(_, p)| !whole(p)) {
            Some((labels, _)) => Err(format!("{}{{{labels}}} is no whole histogram", family.name)),
            None => Ok(()),
        }
    }
}

impl Family<'_> {
    fn part(&mut self, name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), String> {
        let suffix = name.strip_prefix(self.name).ok_or("a sample of another family")?;
        let of: Vec<String> =
            labels.iter().filter(|(n, _)| *n != "le").map(|(n, v)| format!("{n}={v}")).collect();
        let parts = self.parts.entry(of.join(",")).or_default();
        match (suffix, labels.iter().find(|(n, _)| *n == "le")) {
            ("_bucket", Some((_, bound))) => {
                let bound = if *bound == "+Inf" {
                    f64::INFINITY
                } else {
                    bound.parse().map_err(|_| "le is no number")?
                };
                if parts.last.is_some_and(|(b, n)| b >= bound || n > value) {
                    return Err("buckets do not rise".to_owned());
                }
                parts.last = Some((bound, value));
            }
            ("_sum", None) => parts.sum = true,
            ("_count", None) => parts.count = Some(value),
            _ => return Err("no part of a histogram".to_owned()),
        }
        Ok(())
    }
}

/// `a="x",b="y"`.
fn labels(text: &str) -> Result<Labels<'_>, String> {
    let mut out: Labels<'_> = Vec::new();
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once("=\"").ok_or("a label without a value")?;
        check_name(name, false)?;
        let mut escaped = false;
        let end = after.find(|c: char| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let (value, after) = after.split_at(end.ok_or("a label's value does not end")?);
        escapes(value, "\\n\"")?;
        if out.iter().any(|(n, _)| *n == name) {
            return Err("a label is repeated".to_owned());
        }
        out.push((name, value));
        match &after[1..] {
            "" => return Ok(out),
            more => rest = more.strip_prefix(',').ok_or("no comma between labels")?,
        }
    }
}

fn check_name(name: &str, colons: bool) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
    let begins = name.starts_with(|c: char| !c.is_ascii_digit());
    if begins && !name.starts_with("__") && name.chars().all(good) {
        Ok(())
    } else {
        Err(format!("'{name}' is no name"))
    }
}

fn escapes(text: &str, allowed: &str) -> Result<(), String> {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\\' && !chars.next().is_some_and(|e| allowed.contains(e)) {
            return Err("an escape that is none".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Command, check, promtool};

    #[test]
    fn what_is_wrong_is_found() {
        let head = "# HELP a_total A\n# TYPE a_total counter\n";
        let good = format!(
            "{head}a_total{{x=\"q\\\"\\\\\\n\",y=\"\"}} 1\na_total 2\n# HELP b B\n# TYPE b gauge\nb 1.5\n"
        );
        assert_eq!(check(&good), Ok(3));
        for bad in [
            String::new(),
            head.to_owned(),
            format!("{head}a_total 1"),
            format!("{head}a_total 1\n\n"),
            format!("{head}a_total 1\na_total 2\n"),
            format!("{head}a_total{{x=\"\\q\"}} 1\n"),
            format!("{head}a_total{{x=\"1\" y=\"2\"}} 1\n"),
            format!("{head}a_total{{x=\"1\",x=\"2\"}} 1\n"),
            format!("{head}a_total one\n"),
            format!("{head}a_total NaN\n"),
            format!("{head}b 1\n"),
            format!("{head}a_total 1\n{head}a_total{{x=\"1\"}} 1\n"),
            "# TYPE a_total counter\na_total 1\n".to_owned(),
            "# HELP a A\n# TYPE a counter\na 1\n".to_owned(),
            "# HELP a_total A\n# TYPE a_total gauge\na_total 1\n".to_owned(),
            "a_total 1\n".to_owned(),
        ] {
            assert!(check(&bad).is_err(), "{bad}");
        }
        let abbreviated = "# HELP a_ms A\n# TYPE a_ms gauge\na_ms 1\n";
        if Command::new("promtool").arg("--version").output().is_ok() {
            assert!(promtool(abbreviated).is_err_and(|e| e.contains("a_ms")), "what it only warns of counts");
        }
        let histogram =
            |buckets: &str| format!("# HELP h H\n# TYPE h histogram\n{buckets}h_sum 1\nh_count 2\n");
        assert_eq!(check(&histogram("h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n")), Ok(4));
        for bad in [
            "",
            "h_bucket{le=\"1\"} 1\n",
            "h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\n",
            "h_bucket{le=\"+Inf\"} 3\n",
        ] {
            assert!(check(&histogram(bad)).is_err(), "{bad}");
        }
    }
}
