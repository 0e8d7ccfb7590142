//! How far long work is: a bar on a terminal, a line every ten seconds elsewhere, nothing when quiet. On stderr.

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tfx_ops::backup::{OnPhase, Phase, Progress};

/// How often a line is written where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);

/// What is shown of work on a store and an archive.
pub(crate) struct Meter {
    bar: Option<ProgressBar>,
    now: Mutex<Now>,
}

/// The phase that goes on.
struct Now {
    phase: Option<Phase>,
    begun: Instant,
    said: Instant,
}

impl Meter {
    pub(crate) fn new(quiet: bool) -> Option<Arc<Self>> {
        if quiet {
            return None;
        }
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let form = "{msg} {wide_bar} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
            bar.set_style(
                ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        let now = Instant::now();
        Some(Arc::new(Self { bar, now: Mutex::new(Now { phase: None, begun: now, said: now }) }))
    }

    /// Whom to tell.
    pub(crate) fn teller(meter: Option<&Arc<Self>>) -> OnPhase {
        match meter.cloned() {
            Some(meter) => Arc::new(move |phase, progress| meter.at(phase, progress)),
            None => Arc::new(|_, _| {}),
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(meter: Option<&Arc<Self>>) {
        if let Some(bar) = meter.and_then(|meter| meter.bar.as_ref()) {
            bar.finish_and_clear();
        }
    }

    fn at(&self, phase: Phase, progress: Progress) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now.phase != Some(phase) {
            let instant = Instant::now();
            *now = Now { phase: Some(phase), begun: instant, said: instant };
            if let Some(bar) = &self.bar {
                bar.reset();
                bar.set_message(word(phase));
            }
        }
        if let Some(bar) = &self.bar {
            // What is estimated is less than what is there, now and then.
            bar.set_length(progress.of.unwrap_or(0).max(progress.bytes));
            bar.set_position(progress.bytes);
        } else if now.said.elapsed() >= EVERY {
            now.said = Instant::now();
            let _ = writeln!(io::stderr().lock(), "{}", line(phase, progress, now.begun.elapsed()));
        }
    }
}

/// How far rows of a file are: as [`Meter`].
pub(crate) struct RowMeter {
    bar: Option<ProgressBar>,
    quiet: bool,
    begun: Instant,
    said: Instant,
    /// Bytes that were behind when it began.
    from: u64,
}

impl RowMeter {
    /// `of` bytes, if that is known.
    pub(crate) fn new(quiet: bool, from: u64, of: Option<u64>) -> Self {
        let bar = (!quiet && io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(of, ProgressDrawTarget::stderr());
            let form = match of {
                Some(_) => "{msg} {wide_bar} {bytes}/{total_bytes}  {eta} left",
                None => "{spinner} {msg} {bytes}",
            };
            bar.set_style(
                ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.set_position(from);
            bar.reset_eta();
            bar
        });
        let now = Instant::now();
        Self { bar, quiet, begun: now, said: now, from }
    }

    /// So many rows were done since it began, and so many bytes are behind.
    pub(crate) fn at(&mut self, rows: u64, bytes: u64, of: Option<u64>) {
        let took = self.begun.elapsed();
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{rows} rows, {}/s", rate(rows, took)));
            bar.set_position(bytes);
        } else if !self.quiet && self.said.elapsed() >= EVERY {
            self.said = Instant::now();
            let mut line = format!("{rows} rows, {}, {}/s", HumanBytes(bytes), rate(rows, took));
            if let Some(left) = of.and_then(|of| of.checked_sub(bytes)) {
                let left = Duration::from_secs(left / rate(bytes - self.from.min(bytes), took).max(1));
                line.push_str(&format!(", {} left", HumanDuration(left)));
            }
            let _ = writeln!(io::stderr().lock(), "{line}");
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How many a second.
fn rate(n: u64, took: Duration) -> u64 {
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    n.saturating_mul(1_000) / millis
}

const fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Writing => "backing up",
        Phase::ReadingBack => "reading back",
        Phase::Checking => "checking the archive",
        Phase::Restoring => "restoring",
    }
}

fn line(phase: Phase, progress: Progress, took: Duration) -> String {
    let Progress { bytes, documents, of } = progress;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "for people"
    )]
    let rate = (bytes as f64 / took.as_secs_f64().max(0.001)) as u64;
    // Where nothing is counted, bytes say it.
    let documents = if documents > 0 { format!("{documents} documents, ") } else { String::new() };
    let mut out = format!("{}: {documents}{}", word(phase), HumanBytes(bytes));
    if let Some(of) = of.filter(|of| *of > bytes) {
        let left = Duration::from_secs((of - bytes) / rate.max(1));
        out.push_str(&format!(
            " of about {}, {}/s, {} left",
            HumanBytes(of),
            HumanBytes(rate),
            HumanDuration(left)
        ));
    } else {
        out.push_str(&format!(", {}/s", HumanBytes(rate)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_rate_and_what_is_left() {
        let progress = Progress { bytes: 10 << 20, documents: 1000, of: Some(30 << 20) };
        let said = line(Phase::Writing, progress, Duration::from_secs(10));
        assert_eq!(
            said,
            "backing up: 1000 documents, 10.00 MiB of about 30.00 MiB, 1.00 MiB/s, 20 seconds left"
        );
        let unknown = Progress { of: None, ..progress };
        assert_eq!(
            line(Phase::Checking, unknown, Duration::from_secs(10)),
            "checking the archive: 1000 documents, 10.00 MiB, 1.00 MiB/s"
        );
    }
}
