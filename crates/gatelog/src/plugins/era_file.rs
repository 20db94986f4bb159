//! Kong's entities on disk: those in force, and those before them for as long as records of their time wait.
//!
//! **Shape.** `kong.json` in the data directory, which holds secrets: for its owner alone (0600).
//!
//! ```text
//! {"version":1,"journal":"UUID","file":{…},"eras":[{"from":POSITION,"entities":{…}},…]}
//! ```
//!
//! `eras` are in ascending order of their positions in that journal; the last is in force. `file` is what
//! the configuration file had at the last start, where it had plugins.
//!
//! **Rules.** At a start the file counts where it is not what it was at the start before; where it is, the
//! entities that were in force last are: what was posted meanwhile lasts. A file that has no plugins any
//! more takes away those that it had. In another journal only the last era counts, from its beginning.
//!
//! **Failure.** A file that cannot be read prevents the start: what was sent on would be something else
//! than the operator has set. One that cannot be written leaves all as it was.

use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gatelog_journal::{Journal, Position};
use serde::{Deserialize, Serialize};

use crate::config::plugins::Kong;
use crate::forwarder::Kept;
use crate::whole_file::{NotReplaced, WholeFile};

const FILE: &str = "kong.json";
const MODE: u32 = 0o600;
const VERSION: u32 = 1;

/// See the module.
#[derive(Debug)]
pub(crate) struct EraFile {
    file: WholeFile,
    content: Mutex<Content>,
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    journal: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<Kong>,
    eras: Vec<Era>,
}

/// Entities, and from where on they count.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Era {
    from: u64,
    entities: Kong,
}

/// No more than the version, which is looked at first.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl EraFile {
    /// What is in force in this data directory now that gatelog starts with this configuration.
    ///
    /// # Errors
    /// The file cannot be read or written. The operator mends it, or removes it and sets anew what was
    /// in it.
    pub(crate) fn open(data_dir: &Path, journal: &Journal, configured: Kong) -> io::Result<Self> {
        let file = WholeFile::new(data_dir, FILE, MODE);
        let named = |problem: String| {
            io::Error::other(format!("{}: {problem}", data_dir.join(FILE).display()))
        };
        let bytes = file.read().map_err(|error| named(error.to_string()))?;
        let read = bytes.as_deref().map(read).transpose().map_err(named)?;
        let configured = Some(configured).filter(Kong::has_plugins);
        let id = journal.id().to_string();
        let content = at_start(read.clone(), configured, id, journal.end().get());
        let opened = Self {
            file,
            content: Mutex::new(content.clone()),
        };
        // Nobody has to see the file who has no plugins.
        let is_needed = read.is_some() || content.file.is_some();
        if is_needed && read.as_ref() != Some(&content) {
            match opened.write(&content) {
                Ok(()) => {}
                Err(NotReplaced::AsBefore(error)) => return Err(named(error.to_string())),
                Err(error @ NotReplaced::Unsure(_)) => {
                    tracing::warn!(%error, file = FILE, "the entities were kept");
                }
            }
        }
        Ok(opened)
    }

    /// The eras, in their order; at least one.
    pub(crate) fn eras(&self) -> Vec<(Position, Kong)> {
        let content = self.content();
        let eras = content.eras.iter();
        eras.map(|era| (Position::new(era.from), era.entities.clone()))
            .collect()
    }

    /// The entities in force.
    pub(crate) fn newest(&self) -> Kong {
        let content = self.content();
        let newest = content.eras.last();
        newest.map(|era| era.entities.clone()).unwrap_or_default()
    }

    /// Keeps that these count from there on, and forgets what is before `oldest`.
    ///
    /// # Errors
    /// The system's: nothing was changed.
    pub(crate) fn begin(
        &self,
        from: Position,
        oldest: Position,
        entities: Kong,
    ) -> io::Result<Kept> {
        let mut content = self.content();
        let mut changed = content.clone();
        changed
            .eras
            .retain(|era| era.from >= oldest.get() && era.from < from.get());
        changed.eras.push(Era {
            from: from.get(),
            entities,
        });
        let kept = match self.write(&changed) {
            Ok(()) => Kept::Durable,
            Err(NotReplaced::AsBefore(error)) => return Err(error),
            Err(NotReplaced::Unsure(error)) => Kept::Unsure(error),
        };
        *content = changed;
        Ok(kept)
    }

    /// Forgets what is before `oldest`. It is tried again with the next change, or the next start.
    pub(crate) fn forget(&self, oldest: Position) {
        let mut content = self.content();
        let mut changed = content.clone();
        changed.eras.retain(|era| era.from >= oldest.get());
        if changed.eras.is_empty() || changed == *content {
            return;
        }
        match self.write(&changed) {
            Err(error @ NotReplaced::AsBefore(_)) => {
                tracing::warn!(%error, file = FILE, "former entities cannot be forgotten yet");
            }
            Ok(()) | Err(NotReplaced::Unsure(_)) => *content = changed,
        }
    }

    fn write(&self, content: &Content) -> Result<(), NotReplaced> {
        let bytes = serde_json::to_vec(content);
        let bytes = bytes.map_err(|error| NotReplaced::AsBefore(error.into()))?;
        self.file.replace(&bytes)
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(bytes: &[u8]) -> Result<Content, String> {
    let wrong = |error: serde_json::Error| error.to_string();
    let Version { version } = serde_json::from_slice(bytes).map_err(wrong)?;
    if version > VERSION {
        let text =
            format!("it is of a later gatelog (version {version}; this one knows {VERSION})");
        return Err(text);
    }
    let content: Content = serde_json::from_slice(bytes).map_err(wrong)?;
    if content.eras.is_empty() {
        return Err("`eras` is empty".to_owned());
    }
    if !content.eras.is_sorted_by(|a, b| a.from < b.from) {
        return Err("`eras` are not in ascending order".to_owned());
    }
    Ok(content)
}

/// What counts at a start, by what was kept, what the configuration file has, and the journal, which
/// ends there.
fn at_start(read: Option<Content>, file: Option<Kong>, journal: String, end: u64) -> Content {
    let Some(mut content) = read else {
        return Content {
            version: VERSION,
            journal,
            eras: vec![Era {
                from: 0,
                entities: file.clone().unwrap_or_default(),
            }],
            file,
        };
    };
    let mut eras: Vec<Era> = Vec::new();
    let is_other = content.journal != journal;
    for mut era in content.eras {
        era.from = if is_other { 0 } else { era.from.min(end) };
        // No record belongs to one that begins there, too.
        eras.retain(|before| before.from < era.from);
        eras.push(era);
    }
    content.eras = eras;
    content.journal = journal;
    let was = std::mem::replace(&mut content.file, file);
    let newest = content.eras.last().map(|era| &era.entities);
    let entities = match (&content.file, was) {
        (now, was) if *now == was => None,
        (Some(now), _) => Some(now.clone()),
        (None, was) if newest == was.as_ref() => Some(Kong::default()),
        (None, _) => None,
    };
    if let Some(entities) = entities
        && newest != Some(&entities)
    {
        content.eras.retain(|era| era.from < end);
        content.eras.push(Era {
            from: end,
            entities,
        });
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kong(path: &str) -> Kong {
        let json = format!(r#"{{"plugins":[{{"name":"file-log","config":{{"path":"{path}"}}}}]}}"#);
        serde_json::from_str(&json).unwrap()
    }

    fn content(file: Option<&str>, eras: &[(u64, Option<&str>)]) -> Content {
        let eras = eras.iter().map(|(from, path)| Era {
            from: *from,
            entities: path.map(kong).unwrap_or_default(),
        });
        Content {
            version: VERSION,
            journal: "j".to_owned(),
            file: file.map(kong),
            eras: eras.collect(),
        }
    }

    #[test]
    fn the_file_counts_where_it_has_changed_and_else_what_was_in_force_last() {
        type Eras<'e> = &'e [(u64, Option<&'e str>)];
        let cases: [(Option<Content>, Option<&str>, Eras<'_>); 8] = [
            (None, None, &[(0, None)]),
            (None, Some("a"), &[(0, Some("a"))]),
            (
                Some(content(Some("a"), &[(0, Some("a"))])),
                Some("a"),
                &[(0, Some("a"))],
            ),
            (
                Some(content(Some("a"), &[(0, Some("a"))])),
                Some("b"),
                &[(0, Some("a")), (90, Some("b"))],
            ),
            // What was posted lasts until the file changes.
            (
                Some(content(Some("a"), &[(0, Some("a")), (5, Some("p"))])),
                Some("a"),
                &[(0, Some("a")), (5, Some("p"))],
            ),
            (
                Some(content(Some("a"), &[(5, Some("p"))])),
                Some("b"),
                &[(5, Some("p")), (90, Some("b"))],
            ),
            // A file without plugins takes away its own and no others.
            (
                Some(content(Some("a"), &[(5, Some("a"))])),
                None,
                &[(5, Some("a")), (90, None)],
            ),
            (
                Some(content(Some("a"), &[(5, Some("p"))])),
                None,
                &[(5, Some("p"))],
            ),
        ];
        for (kept, file, eras) in cases {
            let counts = at_start(kept.clone(), file.map(kong), "j".to_owned(), 90);
            assert_eq!(counts, content(file, eras), "{kept:?} {file:?}");
        }
    }

    #[test]
    fn in_another_journal_only_the_last_counts_and_none_begins_behind_the_end() {
        let kept = content(None, &[(0, Some("a")), (70, Some("b")), (95, Some("c"))]);
        let other = at_start(Some(kept.clone()), None, "k".to_owned(), 90);
        assert_eq!(other.eras, content(None, &[(0, Some("c"))]).eras);
        let cut = at_start(Some(kept), None, "j".to_owned(), 60);
        let expected = content(None, &[(0, Some("a")), (60, Some("c"))]);
        assert_eq!(cut, expected);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (text, words) in [
            ("", "EOF"),
            (r#"{"version":2,"new":1}"#, "later gatelog"),
            (r#"{"version":1,"journal":"j","eras":[]}"#, "empty"),
            (
                r#"{"version":1,"journal":"j","eras":[{"from":0,"entities":{"plugins":[{"name":"x"}]}}]}"#,
                "no such plugin",
            ),
        ] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
