//! What differs from run to run, and what stands for it in the snapshots. Placeholders are as wide as what they stand
//! for, so that tables keep their form; ids are numbered, so that the same one is seen to be the same.

use crate::place::Place;
use regex::{Captures, Regex};
use std::{collections::HashMap, sync::LazyLock};

/// What is found, and the word for it; numbered where it is an id.
static IDS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"\b(cmp|str|dst|src|net|tpl|cnv|alr|tok|usr|ses)_[0-9a-z]{19}\b", ""),
        (r"\b01[0-9A-HJKMNP-TV-Z]{24}\b", "CLICK-"),
        (r"\b[0-9a-f]{64}\b", "job-"),
        (r"\b[0-9a-f]{32}\b", "visitor-"),
        (r"\b[a-z2-7]{32}\b", "secret-"),
    ]
    .map(|(pattern, word)| (Regex::new(pattern).expect("a pattern"), word))
    .into()
});

/// What is found, and what is written instead.
static REST: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "YYYY-MM-DDThh:mm:ssZ"),
        (r"\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", "YYYY-MM-DD hh:mm:ss"),
        (r"\(os error \d+\)", "(os error N)"),
        (r"(?m)^(seconds|requests/s|latency in ms)( +)\S.*$", "${1}${2}…"),
        (r#"(?m)^( *"(?:seconds|requests_per_second|max|p\d+|ms|ready_ms)": )[\d.]+"#, "${1}0"),
        (r"(ready in ms +)\d+", "${1}…"),
        (r"ey[0-9A-Za-z_-]{20,}\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+", "JWT"),
        (r"tfx_[0-9a-z]{19}_[0-9a-z_\-]{32}\b", "tfx_…"),
        (r"whsec_[0-9A-Za-z+/=]+", "whsec_…"),
        (r"webhook-timestamp: \d+", "webhook-timestamp: …"),
        (r"\bslowest_answer=\d+ms", "slowest_answer=Nms"),
        (r"\b(after +|answered \d+, )\d+ ms\b", "${1}N ms"),
    ]
    .map(|(pattern, word)| (Regex::new(pattern).expect("a pattern"), word))
    .into()
});

/// The text of a run as it is the same in every run.
pub(crate) fn put(place: &Place, text: &str) -> String {
    let mut text = text.to_owned();
    if place.is_running() {
        for (address, port) in [(place.api(), 8080), (place.traffic(), 8081), (place.postbacks(), 8082)] {
            text = text.replace(&address.to_string(), &format!("127.0.0.1:{port}"));
        }
    }
    if let Some(receiver) = place.setting("RECEIVER") {
        text = text.replace(receiver, "127.0.0.1:9999");
    }
    let dir = place.dir().canonicalize().expect("the folder");
    for path in [dir.as_path(), place.dir()] {
        text = text.replace(&path.display().to_string(), "/place");
    }
    let mut seen = HashMap::new();
    for (pattern, word) in &*IDS {
        text = pattern.replace_all(&text, |found: &Captures<'_>| number(&mut seen, found, word)).into_owned();
    }
    for (pattern, instead) in &*REST {
        text = pattern.replace_all(&text, *instead).into_owned();
    }
    text
}

/// `cmp_1_________________`, `CLICK-2__________________`: by first appearance, as wide as the id.
fn number(seen: &mut HashMap<String, String>, found: &Captures<'_>, word: &str) -> String {
    let id = &found[0];
    if let Some(known) = seen.get(id) {
        return known.clone();
    }
    let prefix = found.get(1).map_or_else(|| word.to_owned(), |kind| format!("{}_", kind.as_str()));
    let n = seen.values().filter(|v| v.starts_with(&prefix)).count() + 1;
    let name = format!("{:_<width$}", format!("{prefix}{n}"), width = id.len());
    seen.insert(id.to_owned(), name.clone());
    name
}
