//! The steps as a JUnit file, for CI.

use super::{Step, StepOutcome};
use std::fmt::Write as _;

/// The text of a JUnit XML file.
pub fn junit(steps: &[Step]) -> String {
    let failures = steps.iter().filter(|s| s.failed()).count();
    let skipped = steps.iter().filter(|s| matches!(s.outcome, StepOutcome::Skipped { .. })).count();
    let seconds = |millis: u64| format!("{}.{:03}", millis / 1000, millis % 1000);
    let total = seconds(steps.iter().map(|s| s.millis).sum());
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuite name=\"tfx smoke\" tests=\"{}\" failures=\"{failures}\" skipped=\"{skipped}\" time=\"{total}\">",
        steps.len()
    );
    for step in steps {
        let (name, time) = (escape(step.name), seconds(step.millis));
        let _ = write!(out, "  <testcase classname=\"smoke\" name=\"{name}\" time=\"{time}\"");
        match &step.outcome {
            StepOutcome::Passed { .. } => out.push_str("/>\n"),
            StepOutcome::Skipped { reason } => {
                let _ = writeln!(out, ">\n    <skipped message=\"{}\"/>\n  </testcase>", escape(reason));
            }
            StepOutcome::Failed { reason, look_at } => {
                let (reason, look_at) = (escape(reason), escape(look_at));
                let _ =
                    writeln!(out, ">\n    <failure message=\"{reason}\">{look_at}</failure>\n  </testcase>");
            }
        }
    }
    out.push_str("</testsuite>\n");
    out
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_or_was_skipped_is_told_and_escaped() {
        let failed =
            StepOutcome::Failed { reason: "a < \"b\"\n".to_owned(), look_at: "logs & more".to_owned() };
        let steps = [
            Step { name: "one", millis: 1500, outcome: StepOutcome::Passed { detail: String::new() } },
            Step { name: "two", millis: 7, outcome: failed },
            Step { name: "three", millis: 0, outcome: StepOutcome::Skipped { reason: "a & b".to_owned() } },
        ];
        let text = junit(&steps);
        assert!(text.contains("tests=\"3\" failures=\"1\" skipped=\"1\" time=\"1.507\""), "{text}");
        assert!(
            text.contains("<failure message=\"a &lt; &quot;b&quot; \">logs &amp; more</failure>"),
            "{text}"
        );
        assert!(
            text.contains("time=\"0.000\">\n    <skipped message=\"a &amp; b\"/>\n  </testcase>"),
            "{text}"
        );
    }
}
