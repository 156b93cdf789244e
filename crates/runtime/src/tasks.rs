//! Tasks that do not outlive who started them.

use std::time::Duration;

use tokio::task::JoinHandle;

/// How long after a failure something is tried again.
pub(crate) const AGAIN: Duration = Duration::from_millis(500);

/// A task that is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Task(JoinHandle<()>);

impl Task {
    pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }

    /// Waits until it is done by itself.
    pub(crate) async fn done(&mut self) {
        (&mut self.0).await.unwrap_or_default(); // who panicked is done, too
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
