//! How the verdict of a check is written: for monitoring plugins, as metrics for a file that node_exporter reads, as JSON.

use super::found::Found;
use clap::ValueEnum;
use serde_json::json;

/// How the verdict is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Style {
    /// One line with performance data, as monitoring plugins write.
    #[default]
    Nagios,
    /// Metrics, for a file that node_exporter reads.
    Prometheus,
    /// One object.
    Json,
}

impl Style {
    /// `subject` is the check's name, in lower case, with underscores.
    pub(super) fn lines(self, subject: &str, found: &Found) -> Vec<String> {
        match self {
            Self::Nagios => nagios(subject, found),
            Self::Prometheus => prometheus(subject, found),
            Self::Json => {
                let figures: serde_json::Map<_, _> =
                    found.figures.iter().map(|f| (f.name.to_owned(), json!(f.value))).collect();
                let (verdict, code) = (found.verdict.word(), found.verdict.code());
                vec![
                    json!({ "verdict": verdict, "code": code, "what": found.what, "figures": figures })
                        .to_string(),
                ]
            }
        }
    }
}

fn nagios(subject: &str, found: &Found) -> Vec<String> {
    let data: Vec<String> =
        found.figures.iter().map(|f| format!("{}={}{}{}", f.name, f.value, f.unit, f.limits)).collect();
    // A bar begins the performance data: none in the text.
    let what = found.what.replace('|', "/");
    let data = if data.is_empty() { String::new() } else { format!(" | {}", data.join(" ")) };
    let subject = subject.to_ascii_uppercase().replace('_', " ");
    vec![format!("{subject} {} - {what}{data}", found.verdict.word())]
}

fn prometheus(subject: &str, found: &Found) -> Vec<String> {
    let (word, code) = (found.verdict.word(), found.verdict.code());
    let reason = found.what.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
    let mut lines = vec![
        format!("# HELP tfx_check_{subject}_verdict 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN"),
        format!("# TYPE tfx_check_{subject}_verdict gauge"),
        format!("tfx_check_{subject}_verdict {code}"),
        format!("# HELP tfx_check_{subject}_info Why, in words"),
        format!("# TYPE tfx_check_{subject}_info gauge"),
        format!("tfx_check_{subject}_info{{verdict=\"{word}\",reason=\"{reason}\"}} 1"),
    ];
    for f in &found.figures {
        let unit = match f.unit {
            "s" => "_seconds",
            "B" => "_bytes",
            "%" => "_percent",
            _ => "",
        };
        let name = format!("tfx_check_{subject}_{}{unit}", f.name);
        lines.push(format!("# HELP {name} {}", f.help));
        lines.push(format!("# TYPE {name} gauge"));
        lines.push(format!("{name} {}", f.value));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Verdict;

    #[test]
    fn what_a_metric_says_in_words_is_quoted() {
        let found = Found::new(Verdict::Critical, "no \"answer\" of C:\\x");
        let reason = r#"tfx_check_destinations_info{verdict="CRITICAL",reason="no \"answer\" of C:\\x"} 1"#;
        let lines = Style::Prometheus.lines("destinations", &found);
        assert!(lines.contains(&reason.to_owned()), "{lines:?}");
    }
}
