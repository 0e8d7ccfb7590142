//! Lines that were typed, and what came back.

use crate::{
    place::{Done, Place},
    placeholders,
};
use std::fmt::Write;

/// A transcript in the making.
pub(crate) struct Transcript<'p> {
    place: &'p Place,
    text: String,
}

impl<'p> Transcript<'p> {
    pub(crate) fn new(place: &'p Place) -> Self {
        Self { place, text: String::new() }
    }

    /// Types a line.
    pub(crate) fn sh(&mut self, line: &str) -> &mut Self {
        let Done { stdout, stderr, code } = self.place.sh(line);
        assert!(!stdout.contains('\u{1b}') && !stderr.contains('\u{1b}'), "{line}: an escape code in a pipe");
        let failed = code != Some(0);
        // A line that begins with tfx and has no other command in it.
        let alone = line.starts_with("tfx ") && !line.contains(['|', ';', '&', '>']);
        // A verdict is a result also where it fails.
        let verdict = line.starts_with("tfx postback test ")
            || line.starts_with("tfx postback replay ")
            || line.starts_with("tfx source test ")
            || line.starts_with("tfx check ")
            || line.contains(" check destinations")
            || line.starts_with("tfx plan ")
            || line.starts_with("tfx status")
            || line.starts_with("tfx reconcile")
            || line.starts_with("tfx network reconcile")
            || line.starts_with("tfx conversion import");
        assert!(!(failed && alone) || verdict || stdout.is_empty(), "{line}: failed with a result: {stdout}");
        assert!(!stderr.contains("panicked"), "{line}: {stderr}");
        let _ = writeln!(self.text, "$ {line}");
        self.text.push_str(&stdout);
        if !stdout.is_empty() && !stdout.ends_with('\n') {
            self.text.push_str("(no line break)\n");
        }
        for said in stderr.lines() {
            let _ = writeln!(self.text, "{}", format!("2| {said}").trim_end());
        }
        match code {
            Some(0) => {}
            Some(code) => {
                let _ = writeln!(self.text, "exit {code}");
            }
            None => self.text.push_str("ended by a signal\n"),
        }
        self.text.push('\n');
        self
    }

    /// Types several lines.
    pub(crate) fn all(&mut self, lines: &str) -> &mut Self {
        for line in lines.lines().map(str::trim).filter(|l| !l.is_empty()) {
            self.sh(line);
        }
        self
    }

    /// Compares with the snapshot of this name.
    pub(crate) fn is(&self, name: &str) {
        same(name, &placeholders::put(self.place, &self.text));
    }
}

/// Compares a text with the snapshot of this name.
pub(crate) fn same(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(name, text));
}
