//! Files that the catalogue does not know, and files that only it knows.
//!
//! **Failure.** A crash between the writing of files and the commit leaves files whose rows the
//! journal still has: they are deleted. One flush leaves [`MOST`] at most. More of them, or any
//! beside a catalogue that never noted that files would be written, means that the catalogue is not
//! the one that belongs to the files (lost, or an old copy), and nothing is deleted.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::catalogue::FILE_NAME;
use super::failure::Failure;
use super::file::{SUFFIX, StoredFile, TEMPORARY_SUFFIX};
use super::partition::MAX_DAYS;

/// Whole files that one flush can leave.
const MOST: usize = MAX_DAYS + 1;

/// Checks that every catalogued file is there, with its size.
pub(super) fn verify(root: &Path, files: &[StoredFile]) -> Result<(), Failure> {
    for file in files {
        let path = file.path(root);
        let what = match fs::metadata(&path) {
            Ok(found) if found.len() == file.bytes => continue,
            Ok(found) => format!(
                "has {} bytes, it was written with {}",
                found.len(),
                file.bytes
            ),
            Err(error) if error.kind() == ErrorKind::NotFound => "is missing".to_owned(),
            Err(error) => return Err(Failure::io("looking at", &path, &error)),
        };
        return Err(Failure::unusable(format!(
            "{} {what} ({} rows): put the file back",
            path.display(),
            file.rows
        )));
    }
    Ok(())
}

/// Deletes the files that are not in the catalogue, of which there can be some only once it `has_begun`.
/// Answers the greatest number that a file had.
pub(super) fn remove(root: &Path, files: &[StoredFile], has_begun: bool) -> Result<i64, Failure> {
    let known: HashSet<i64> = files.iter().map(|file| file.id).collect();
    let (mut whole, mut begun) = (Vec::new(), Vec::new());
    let mut greatest = known.iter().copied().max().unwrap_or(0);
    for directory in entries(root)?.into_iter().filter(|path| path.is_dir()) {
        for path in entries(&directory)? {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let (number, list) = if let Some(number) = name.strip_suffix(TEMPORARY_SUFFIX) {
                (number, &mut begun)
            } else if let Some(number) = name.strip_suffix(SUFFIX) {
                (number, &mut whole)
            } else {
                continue;
            };
            // What has another name is not ours.
            let Ok(number) = number.parse() else {
                continue;
            };
            greatest = greatest.max(number);
            if !known.contains(&number) || name.ends_with(TEMPORARY_SUFFIX) {
                list.push(path);
            }
        }
    }
    let most = if has_begun { MOST } else { 0 };
    if whole.len() > most {
        let (files, catalogue) = (whole.len(), root.join(FILE_NAME));
        let why = if has_begun {
            "more than a crash leaves"
        } else {
            "which is new"
        };
        return Err(Failure::unusable(format!(
            "{files} files below {} are not in the catalogue {}, {why}: it does not belong to them; \
             put the right one back, or move the files away",
            root.display(),
            catalogue.display()
        )));
    }
    for path in begun.iter().chain(&whole) {
        tracing::info!(path = %path.display(), "deleting the leftover of an interrupted flush");
        fs::remove_file(path).map_err(|error| Failure::io("deleting", path, &error))?;
    }
    Ok(greatest)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    fs::read_dir(directory)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect()
        })
        .map_err(|error| Failure::io("listing", directory, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(id: i64, bytes: u64) -> StoredFile {
        StoredFile {
            id,
            partition: "2026-11-21".to_owned(),
            rows: 1,
            bytes,
            start: None,
            without_start: 0,
            receive: None,
            ids: None,
            weighted_rows: 0,
            weight: 0.0,
        }
    }

    fn root(names: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let day = root.path().join("2026-11-21");
        fs::create_dir(&day).unwrap();
        for name in names {
            fs::write(day.join(name), "1234").unwrap();
        }
        root
    }

    fn names(root: &Path) -> Vec<String> {
        let mut names: Vec<_> = entries(&root.join("2026-11-21"))
            .unwrap()
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn unknown_files_are_deleted_and_strangers_left_alone() {
        let root = root(&[
            "1.parquet",
            "2.parquet",
            "3.parquet.tmp",
            "x.parquet",
            "README",
        ]);
        assert_eq!(remove(root.path(), &[file(1, 4)], true).unwrap(), 3);
        assert_eq!(names(root.path()), ["1.parquet", "README", "x.parquet"]);
    }

    #[test]
    fn nothing_is_deleted_when_the_catalogue_is_not_theirs() {
        let all: Vec<_> = (1..=10).map(|id| format!("{id}.parquet")).collect();
        let root = root(&all.iter().map(String::as_str).collect::<Vec<_>>());
        let failure = remove(root.path(), &[], true).unwrap_err();
        assert!(format!("{failure:?}").contains("10 files"), "{failure:?}");
        assert_eq!(names(root.path()).len(), 10);
        remove(root.path(), &[file(1, 4)], true).unwrap();
        assert_eq!(names(root.path()), ["1.parquet"]);
    }

    #[test]
    fn a_new_catalogue_has_no_leftovers() {
        let root = root(&["1.parquet", "2.parquet.tmp"]);
        let failure = remove(root.path(), &[], false).unwrap_err();
        let text = format!("{failure:?}");
        assert!(text.contains("catalogue.sqlite, which is new"), "{text}");
        assert_eq!(names(root.path()), ["1.parquet", "2.parquet.tmp"]);
        // As a crash of the very first flush leaves them.
        remove(root.path(), &[], true).unwrap();
        assert_eq!(names(root.path()), [""; 0]);
    }

    #[test]
    fn a_missing_file_and_a_cut_one_are_named() {
        let root = root(&["1.parquet"]);
        verify(root.path(), &[file(1, 4)]).unwrap();
        for (file, what) in [(file(1, 5), "has 4 bytes"), (file(2, 4), "is missing")] {
            let failure = verify(root.path(), &[file]).unwrap_err();
            assert!(format!("{failure:?}").contains(what), "{failure:?}");
        }
    }
}
