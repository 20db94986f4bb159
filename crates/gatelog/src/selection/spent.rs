//! What the sampling policy has spent of its budget of the day, over a restart.
//!
//! **Shape.** One file below the data directory with the day, counted from 1970, and the bytes that were
//! kept in it. It is written [`EVERY`] few seconds while something is kept, and at the end.
//!
//! **Failure.** A crash forgets what was kept since the last writing. A file that cannot be read or
//! written costs no record: the day begins anew, with a warning.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatelog_filter::Sampler;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often it is written, at most.
pub const EVERY: Duration = Duration::from_secs(5);

/// The file below the data directory.
const FILE: &str = "sample.spent";

/// What the file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Spent {
    day: u64,
    bytes: u64,
}

impl Spent {
    fn of(sampler: &Sampler) -> Self {
        let (day, bytes) = sampler.spent();
        Self { day, bytes }
    }

    fn read(data_dir: &Path) -> io::Result<Option<Self>> {
        match fs::read(data_dir.join(FILE)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(self, data_dir: &Path) -> io::Result<()> {
        let beside = data_dir.join(format!("{FILE}.new"));
        let mut file = File::create(&beside)?;
        file.write_all(&serde_json::to_vec(&self)?)?;
        file.sync_all()?;
        fs::rename(&beside, data_dir.join(FILE))
    }
}

/// Keeps the file up to date.
#[derive(Debug)]
pub struct Keeper {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Goes on with what the file says, and keeps it from then on.
    pub fn start(data_dir: &Path, sampler: &Arc<Sampler>) -> Self {
        match Spent::read(data_dir) {
            Ok(None) => {}
            Ok(Some(spent)) => sampler.resume(spent.day, spent.bytes),
            Err(error) => {
                tracing::warn!(%error, "what is spent of sample.budget_per_day is not known");
            }
        }
        let stop = watch::Sender::new(false);
        // Before any record is decided about.
        let written = Spent::of(sampler);
        let stopped = stop.subscribe();
        let task = keep(data_dir.to_owned(), Arc::clone(sampler), written, stopped);
        Self {
            stop,
            task: tokio::spawn(task),
        }
    }

    /// Writes it a last time.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let _ended = self.task.await.is_ok();
    }
}

async fn keep(
    data_dir: PathBuf,
    sampler: Arc<Sampler>,
    mut written: Spent,
    mut stop: watch::Receiver<bool>,
) {
    let mut is_failing = false;
    loop {
        let stopped = stop.wait_for(|stop| *stop);
        let is_last = tokio::time::timeout(EVERY, stopped).await.is_ok();
        let spent = Spent::of(&sampler);
        if spent != written {
            let dir = data_dir.clone();
            let result = tokio::task::spawn_blocking(move || spent.write(&dir)).await;
            match result.unwrap_or_else(|error| Err(io::Error::other(error))) {
                Ok(()) => (written, is_failing) = (spent, false),
                Err(error) => {
                    if !is_failing {
                        tracing::warn!(
                            %error,
                            "what is spent of sample.budget_per_day cannot be written; after a \
                             restart the day begins anew"
                        );
                    }
                    is_failing = true;
                }
            }
        }
        if is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use gatelog_filter::sample::Subject;

    use super::*;

    fn sampler() -> Arc<Sampler> {
        let config = serde_json::from_str(r#"{"rate":1,"budget_per_day":"1GiB"}"#).unwrap();
        Arc::new(Sampler::new(&config))
    }

    #[tokio::test]
    async fn what_is_spent_of_a_day_is_known_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let first = sampler();
        let keeper = Keeper::start(dir.path(), &first);
        let subject = Subject {
            bytes: 1000,
            ..Subject::default()
        };
        let day = 20_000;
        for second in 0..3 {
            first.decide(&subject, day * 86_400_000 + second * 1000, &mut || 0);
        }
        assert_eq!(first.spent(), (day, 3000));
        keeper.stop().await;
        let second = sampler();
        let keeper = Keeper::start(dir.path(), &second);
        assert_eq!(second.spent(), (day, 3000));
        keeper.stop().await;
        fs::write(dir.path().join(FILE), "nonsense").unwrap();
        let third = sampler();
        Keeper::start(dir.path(), &third).stop().await;
        assert_eq!(third.spent(), (0, 0));
    }
}
