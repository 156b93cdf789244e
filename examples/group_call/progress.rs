//! What one sees while it runs; nothing, if nobody looks at a terminal.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use crate::setting::Setting;

const REFRESH: Duration = Duration::from_millis(100);

/// A bar that fills with the story's time, and a line for each thing that happens.
pub(crate) struct Show {
    bar: ProgressBar,
    ticker: JoinHandle<()>,
}

impl Show {
    /// `length`: of the story, in real time.
    pub(crate) fn start(setting: &Arc<Setting>, length: Duration) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {elapsed_precise} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(length.as_millis() as u64).with_style(style);
        let (of_ticker, setting) = (bar.clone(), Arc::clone(setting));
        let ticker = tokio::spawn(async move {
            let mut tick = tokio::time::interval(REFRESH);
            while !of_ticker.is_finished() {
                tick.tick().await;
                of_ticker.set_position(setting.clock.now().elapsed().as_millis() as u64);
                of_ticker.set_message(format!("{} frames sealed", setting.ledger.frame_count()));
            }
        });
        Self { bar, ticker }
    }

    pub(crate) fn tell(&self, what: &str) {
        self.bar.println(what);
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        self.ticker.abort();
        self.bar.finish_and_clear();
    }
}
