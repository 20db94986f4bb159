use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::appended::Appender;
use super::*;
use crate::output::kong_json::{CustomFields, KongJson, LogFormat};

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_file_that_was_moved_away_or_removed_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let mut file = Appender::new(path.clone());
    file.append(b"1\n").unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777 & !0o022, 0o644 & !0o022, "{mode:o}");
    fs::rename(&path, dir.path().join("old")).unwrap();
    file.append(b"2\n").unwrap();
    assert_eq!(
        (read(&dir.path().join("old")), read(&path)),
        ("1\n".into(), "2\n".into())
    );
    fs::remove_file(&path).unwrap();
    file.append(b"3\n").unwrap();
    // As `copytruncate` does it.
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(0)
        .unwrap();
    file.append(b"4\n").unwrap();
    assert_eq!(read(&path), "4\n");
    // Another file has come in its place.
    fs::write(dir.path().join("new"), "other\n").unwrap();
    fs::rename(dir.path().join("new"), &path).unwrap();
    file.append(b"5\n").unwrap();
    assert_eq!(read(&path), "other\n5\n");
}

/// The process or the machine went down within a write.
#[test]
fn half_a_line_at_the_end_of_a_file_stays_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    for (there, expected) in [
        ("", "1\n2\n"),
        ("0\n", "0\n1\n2\n"),
        ("{\"ha", "{\"ha\n1\n2\n"),
    ] {
        fs::write(&path, there).unwrap();
        let mut file = Appender::new(path.clone());
        file.append(b"1\n").unwrap();
        file.append(b"2\n").unwrap();
        assert_eq!(read(&path), expected);
    }
}

#[test]
fn a_directory_that_is_not_there_is_named_and_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/access.log");
    let mut file = Appender::new(path.clone());
    let error = file.append(b"1\n").unwrap_err().to_string();
    assert!(error.contains("a/access.log"), "{error}");
    fs::create_dir(dir.path().join("a")).unwrap();
    file.append(b"1\n").unwrap();
    assert_eq!(read(&path), "1\n");
}

#[test]
fn a_full_device_is_told() {
    let mut file = Appender::new("/dev/full".into());
    let error = file.append(b"1\n").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(
        error.to_string().starts_with("write /dev/full: "),
        "{error}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_pipe_that_nobody_reads_holds_up_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    let mut files = Files::default();
    let json = KongJson::new(
        LogFormat::Kong3,
        CustomFields::new(&BTreeMap::new()).unwrap(),
    );
    let output = |files: &mut Files, path: &Path| {
        let file = files.at(path).unwrap();
        FileLog::new("x".into(), Line::Kong(json.clone()), file)
    };
    let stuck = output(&mut files, &pipe);
    let records = [AccessRecord::default()];
    let gave_up = tokio::time::timeout(
        Duration::from_millis(50),
        stuck.deliver(&records.each_ref()),
    )
    .await;
    assert!(gave_up.is_err());
    let path = dir.path().join("file");
    // Two outputs with one path.
    for _ in 0..2 {
        output(&mut files, &path)
            .deliver(&records.each_ref())
            .await
            .unwrap();
    }
    assert_eq!(read(&path).lines().count(), 2);
    // Somebody reads it at last: nothing is mixed up.
    let reader = std::thread::spawn(move || {
        let mut lines = io::BufRead::lines(io::BufReader::new(fs::File::open(pipe).unwrap()));
        [
            lines.next().unwrap().unwrap(),
            lines.next().unwrap().unwrap(),
        ]
    });
    stuck.deliver(&records.each_ref()).await.unwrap();
    let [first, second] = reader.join().unwrap();
    assert_eq!(first, second);
}
