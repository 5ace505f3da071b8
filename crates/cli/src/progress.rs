//! Progress: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Without a terminal a log gets a line this often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// One task under way.
#[derive(Debug)]
pub(crate) struct Progress {
    title: &'static str,
    total: u64,
    bar: Option<ProgressBar>,
    started: Instant,
    last_line: Instant,
}

impl Progress {
    /// Begins `title`, which has `total` parts.
    pub(crate) fn start(title: &'static str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{prefix:>12} {wide_bar} {percent:>3} %  {msg}")
                    .expect("the template is well formed");
            ProgressBar::new(total).with_style(style).with_prefix(title)
        });
        let now = Instant::now();
        Self { title, total, bar, started: now, last_line: now }
    }

    /// Parts done so far, with what a person wants to know about them.
    pub(crate) fn at(&mut self, done: u64, message: impl FnOnce() -> String) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(message());
                bar.set_position(done);
            }
            None if self.last_line.elapsed() >= LINE_EVERY => {
                self.last_line = Instant::now();
                let percent = 100 * done / self.total.max(1);
                crate::print::note(&format!("{:>12} {percent:>3} %  {}", self.title, message()));
            }
            None => {}
        }
    }

    /// A line above the bar.
    pub(crate) fn note(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| crate::print::note(line)),
            None => crate::print::note(line),
        }
    }

    /// Ends the task and leaves one line with its time.
    pub(crate) fn finish(self, message: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.started.elapsed().as_secs_f64();
        crate::print::note(&format!("{:>12} {message} in {seconds:.1} s", self.title));
    }
}

/// `1:05` or `2:01:40`.
pub(crate) fn clock(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}
