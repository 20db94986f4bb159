//! The program as the image runs it: a root directory that cannot be written to, another user without
//! a capability, a network of its own, and of variables only those of the files.

use std::process::{Command, Output};

use super::{ONE, SEVERAL, environment, instruction};

/// Makes a root directory as the image's, and goes there. Arguments: the directory, the program, the
/// user, the group, variables, `--`, the command line of the image.
const ENTER: &str = r#"
set -eu
root=$1 program=$2 user=$3 group=$4
shift 4
mount -t tmpfs -o mode=755 tmpfs "$root"
mkdir -p "$root/usr" "$root/etc" "$root/proc" "$root/dev" "$root/tmp" \
    "$root/var/lib/gatelog"
for name in bin lib lib64 sbin; do
    if [ -L "/$name" ]; then
        ln -s "usr/$name" "$root/$name"
    elif [ -d "/$name" ]; then
        mkdir "$root/$name"
        mount --bind "/$name" "$root/$name"
        mount -o remount,ro,bind "$root/$name"
    fi
done
for name in usr etc; do
    mount --bind "/$name" "$root/$name"
    mount -o remount,ro,bind "$root/$name"
done
for name in null urandom; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
mount -t tmpfs -o mode=755 tmpfs "$root/usr/local/bin"
touch "$root/usr/local/bin/gatelog"
mount --bind "$program" "$root/usr/local/bin/gatelog"
mount -o remount,ro,bind "$root/usr/local/bin"
mount -t proc proc "$root/proc"
mount -t tmpfs -o "mode=750,uid=$user,gid=$group" tmpfs "$root/var/lib/gatelog"
mount -o remount,ro,bind "$root"
ip link set lo up
if [ "$user" = "$(id -u)" ]; then
    become="setpriv"
else
    become="setpriv --reuid $user --regid $group --clear-groups"
fi
exec chroot "$root" $become --bounding-set=-all --inh-caps=-all --no-new-privs \
    env -i PATH=/usr/local/bin:/usr/bin:/bin "$@"
"#;

/// What is done in it: the program is started, looked at as the files and the documentation of the
/// reference do, and told to end.
const LOOK: &str = r#"
"$@" &
gatelog=$!
attempt=0
until wget -qO- http://localhost:8080/health; do
    attempt=$((attempt + 1))
    [ "$attempt" -lt 300 ] && kill -0 "$gatelog" || exit 9
    sleep 0.1
done
echo
wget -qO- --post-data='{"start_time":"2026-03-23T02:10:01Z","path":"/a"}' http://localhost:8080/ingest
echo
echo "user $(id -u) of $(id -G)"
touch /usr/local/bin/x /tmp/x /x 2>&1 | grep -c 'Read-only file system'
kill -TERM "$gatelog"
wait "$gatelog"
echo "ended with $?"
ls /var/lib/gatelog
"#;

/// The namespaces to run it in: as root with other users, else with the one that we are. `None` where
/// there are none to be had.
fn namespaces() -> Option<(&'static str, bool)> {
    let permits = |flags: &str| {
        let mut trial = Command::new("unshare");
        trial.args([flags, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
        trial.output().is_ok_and(|output| output.status.success())
    };
    if permits("-mnpf") {
        Some(("-mnpf", true))
    } else {
        permits("-rmnpf").then_some(("-rmnpf", false))
    }
}

fn run(variables: &[(String, String)]) -> Option<Output> {
    let Some((flags, may_be_others)) = namespaces() else {
        println!("skipped: no namespaces are permitted here");
        return None;
    };
    let directory = tempfile::tempdir().unwrap();
    let user = instruction("USER");
    let (user, group) = if may_be_others {
        user.split_once(':').unwrap()
    } else {
        ("0", "0")
    };
    let words: Vec<String> = serde_json::from_str::<Vec<String>>(&instruction("ENTRYPOINT"))
        .unwrap()
        .into_iter()
        .chain(serde_json::from_str::<Vec<String>>(&instruction("CMD")).unwrap())
        .collect();
    let output = Command::new("unshare")
        .args([flags, "/bin/sh", "-c", ENTER, "sh"])
        .arg(directory.path())
        .args([env!("CARGO_BIN_EXE_gatelog"), user, group])
        .args(
            variables
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        )
        .args(["/bin/sh", "-c", LOOK, "sh"])
        .args(words)
        .output()
        .unwrap();
    Some(output)
}

fn assert_serves(variables: &[(String, String)]) {
    let Some(output) = run(variables) else { return };
    let printed = String::from_utf8_lossy(&output.stdout);
    let user = instruction("USER");
    let user = user.split(':').next().unwrap();
    let mut lines = printed.lines();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(lines.next(), Some("ok"), "{printed}{log}");
    assert_eq!(lines.next(), Some(r#"{"accepted":1}"#), "{printed}{log}");
    let who = lines.next();
    assert!(
        who == Some(&format!("user {user} of {user}")) || namespaces() != Some(("-mnpf", true)),
        "{who:?}"
    );
    assert_eq!(
        lines.next(),
        Some("3"),
        "the root can be written to: {printed}"
    );
    assert_eq!(lines.next(), Some("ended with 0"), "{printed}{log}");
    let files: Vec<&str> = lines.collect();
    assert!(files.contains(&"journal"), "{files:?}");
}

#[test]
fn the_files_variables_are_all_that_it_takes_to_serve_without_a_right() {
    assert_eq!(environment(ONE), environment(SEVERAL));
    assert_serves(&environment(ONE));
}

/// The reference's own file, with another image in it, has service links; so has a Service that is
/// named gatelog.
#[test]
fn what_kubernetes_injects_for_services_changes_nothing() {
    let mut variables = environment(ONE);
    for service in ["GATELOG", "LOG_COLLECTOR", "KUBERNETES"] {
        for (key, value) in [
            ("SERVICE_HOST", "10.0.0.1"),
            ("SERVICE_PORT", "80"),
            ("SERVICE_PORT_HTTP", "80"),
            ("PORT", "tcp://10.0.0.1:80"),
            ("PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("PORT_80_TCP_PROTO", "tcp"),
            ("PORT_80_TCP_PORT", "80"),
            ("PORT_80_TCP_ADDR", "10.0.0.1"),
        ] {
            variables.push((format!("{service}_{key}"), value.to_owned()));
        }
    }
    assert_serves(&variables);
}
