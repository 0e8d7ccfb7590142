//! How the verdict of a check is written: for monitoring plugins, as metrics for a file that node_exporter reads, as JSON.

use super::found::{Found, Unit};
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
    let data: Vec<String> = found
        .figures
        .iter()
        .map(|f| format!("{}={}{}{}", f.name, f.value, f.unit.of_plugins(), f.limits))
        .collect();
    // A bar begins the performance data: none in the text.
    let what = found.what.replace('|', "/");
    let data = if data.is_empty() { String::new() } else { format!(" | {}", data.join(" ")) };
    let subject = subject.to_ascii_uppercase().replace('_', " ");
    vec![format!("{subject} {} - {what}{data}", found.verdict.word())]
}

fn prometheus(subject: &str, found: &Found) -> Vec<String> {
    let (word, code) = (found.verdict.word(), found.verdict.code());
    let mut lines = vec![
        // No label: words with figures in them would be a new series each time.
        format!("# {word}: {}", found.what),
        format!("# HELP tfx_check_{subject}_verdict 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN"),
        format!("# TYPE tfx_check_{subject}_verdict gauge"),
        format!("tfx_check_{subject}_verdict {code}"),
    ];
    for f in &found.figures {
        let name = format!("tfx_check_{subject}_{}{}", f.name, f.unit.of_metrics());
        let kind = if f.unit == Unit::Total { "counter" } else { "gauge" };
        let value = match f.unit {
            Unit::Milliseconds => format!("{}.{:03}", f.value / 1_000, f.value % 1_000),
            _ => f.value.to_string(),
        };
        lines.push(format!("# HELP {name} {}", f.help));
        lines.push(format!("# TYPE {name} {kind}"));
        lines.push(format!("{name} {value}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{super::found::Figure, *};
    use crate::exit::Verdict;

    #[test]
    fn metrics_are_of_base_units_which_their_names_end_in() {
        let figure =
            |name, value, unit| Figure { name, value, unit, help: "What it is", limits: String::new() };
        let figures = vec![
            figure("down", 1, Unit::Count),
            figure("dropped", 2, Unit::Total),
            figure("age", 90, Unit::Seconds),
            figure("slowest_answer", 1_007, Unit::Milliseconds),
            figure("free", 4_096, Unit::Bytes),
        ];
        let found = Found { figures, ..Found::new(Verdict::Ok, "well") };
        let data = "down=1 dropped=2c age=90s slowest_answer=1007ms free=4096B";
        assert_eq!(Style::Nagios.lines("x", &found), [format!("X OK - well | {data}")]);
        let lines = Style::Prometheus.lines("x", &found);
        for (name, kind, value) in [
            ("tfx_check_x_verdict", "gauge", "0"),
            ("tfx_check_x_down", "gauge", "1"),
            ("tfx_check_x_dropped_total", "counter", "2"),
            ("tfx_check_x_age_seconds", "gauge", "90"),
            ("tfx_check_x_slowest_answer_seconds", "gauge", "1.007"),
            ("tfx_check_x_free_bytes", "gauge", "4096"),
        ] {
            let at = lines.iter().position(|line| *line == format!("{name} {value}"));
            let at = at.unwrap_or_else(|| panic!("{name}: {lines:?}"));
            assert_eq!(lines[at - 1], format!("# TYPE {name} {kind}"));
            assert!(lines[at - 2].starts_with(&format!("# HELP {name} ")), "{lines:?}");
        }
    }

    #[test]
    fn what_a_check_says_in_words_is_no_series() {
        let lines = |free| {
            let what = format!("{free} GiB free (13%)\ntfx_check_disk_verdict 0");
            Style::Prometheus.lines("disk", &Found::new(Verdict::Warning, &what))
        };
        let series = |lines: &[String]| -> Vec<String> {
            lines.iter().filter(|line| !line.starts_with('#')).cloned().collect()
        };
        assert_eq!(series(&lines(32)), ["tfx_check_disk_verdict 1"]);
        assert_eq!(series(&lines(32)), series(&lines(31)));
        assert!(lines(32)[0].starts_with("# WARNING: 32 GiB free"), "{:?}", lines(32));
    }
}
