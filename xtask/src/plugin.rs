//! Builds `target/gatelog-plugin.wasm`.
//!
//! A Rust toolchain often has no standard library for wasm32, and not every machine can download
//! one. So the first of these ways that works is taken, and said:
//!
//! 1. the toolchain's own target, if it is installed;
//! 2. Debian's `rustc-web` with the sources of the standard library (`rust-web-src`), built along,
//!    if they are installed;
//! 3. the target, added by rustup within [`RUSTUP_LIMIT`];
//! 4. Debian's packages, installed where we are root.
//!
//! What is on the machine comes before what must be fetched, so that a build without a network does
//! not wait for one. Cargo builds into a directory of its own, or it would wait for the lock of
//! whoever builds the workspace.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::workspace::Workspace;
use crate::{program, tools};

/// Targets of the toolchain that Envoy can run, the better one first.
const TARGETS: [&str; 2] = ["wasm32-wasip1", "wasm32-unknown-unknown"];

/// Debian's compiler, and where its package puts the sources of the standard library.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "lld"];

/// How long rustup may take to add a target.
const RUSTUP_LIMIT: Duration = Duration::from_mins(1);

/// How large the module may be: every Envoy worker compiles its own copy, and gateways fetch it from
/// a registry. What is linked without need shows in the names that
/// `--config profile.plugin.strip=false` keeps; most often it is serde's derived code or a float that
/// is printed.
const MAX_MODULE_BYTES: u64 = 800_000;

/// How the module is compiled.
enum Way {
    /// With the toolchain's own standard library for this target.
    Toolchain(&'static str),
    /// With Debian's compiler, which builds the standard library along.
    Debian {
        /// The linker for wasm32.
        linker: PathBuf,
    },
}

/// Builds the module; says which way it took, and gives the file.
///
/// # Errors
/// No way works, with what is missing; the code does not compile; or the module is larger than
/// [`MAX_MODULE_BYTES`], though it is put in place all the same.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    let workspace = Workspace::load()?;
    let way = find_way(&workspace.root)?;
    let target_dir = workspace.target_dir.join("plugin");
    let target = match &way {
        Way::Toolchain(target) => target,
        Way::Debian { .. } => "wasm32-unknown-unknown",
    };
    say(&match &way {
        Way::Toolchain(target) => format!("building with the toolchain's own {target}"),
        Way::Debian { linker } => format!(
            "building with {DEBIAN_RUSTC} and its standard library's sources, linking with {}",
            linker.display()
        ),
    });
    // Of two crate types Cargo optimises neither across crates: the module alone, then.
    let mut cargo = workspace.cargo("rustc");
    cargo
        .args(["--package", "gatelog-plugin", "--lib"])
        .args(["--crate-type", "cdylib"])
        .args(["--profile", "plugin", "--target", target])
        .arg("--target-dir")
        .arg(&target_dir);
    // Flags and wrappers meant for the machine's own target do not fit this one.
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER"] {
        cargo.env_remove(variable);
    }
    if let Way::Debian { linker } = &way {
        cargo
            .arg("-Zbuild-std=std,panic_abort")
            .env("RUSTC", DEBIAN_RUSTC)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    }
    program::run(&mut cargo)?;
    let built = target_dir.join(target).join("plugin/gatelog_plugin.wasm");
    let module = workspace.target_dir.join("gatelog-plugin.wasm");
    install(&built, &module)?;
    let bytes = module.metadata()?.len();
    say(&format!("{} ({bytes} bytes)", module.display()));
    ensure!(
        bytes <= MAX_MODULE_BYTES,
        "{} has {bytes} bytes; it may have {MAX_MODULE_BYTES}",
        module.display()
    );
    Ok(module)
}

/// Puts the file in place at once, for a test may be loading it.
fn install(built: &Path, module: &Path) -> anyhow::Result<()> {
    let new = module.with_extension("wasm.new");
    std::fs::copy(built, &new).with_context(|| format!("no {}", built.display()))?;
    std::fs::rename(&new, module)?;
    Ok(())
}

fn find_way(root: &Path) -> anyhow::Result<Way> {
    if let Some(target) = installed_target(root) {
        return Ok(Way::Toolchain(target));
    }
    if let Some(way) = debian(root) {
        return Ok(way);
    }
    let [first, ..] = TARGETS;
    say(&format!(
        "no standard library for wasm32; trying `rustup target add {first}`"
    ));
    if rustup_adds(first, root) && installed_target(root) == Some(first) {
        return Ok(Way::Toolchain(first));
    }
    let missing = "the plugin needs a standard library for wasm32, which rustup could not add";
    tools::install_packages(&DEBIAN_PACKAGES).context(missing)?;
    debian(root).context("Debian's rustc-web came without its sources or a linker for wasm32")
}

/// The toolchain's target that has a standard library.
fn installed_target(root: &Path) -> Option<&'static str> {
    let libraries = sysroot(root)?.join("lib/rustlib");
    TARGETS
        .into_iter()
        .find(|target| libraries.join(target).join("lib").is_dir())
}

/// Where the toolchain of the workspace lives.
fn sysroot(root: &Path) -> Option<PathBuf> {
    rustc_says(root, &["--print", "sysroot"]).map(PathBuf::from)
}

/// What the workspace's compiler prints; the directory decides which that is.
fn rustc_says(root: &Path, arguments: &[&str]) -> Option<String> {
    let text = program::output(Command::new("rustc").current_dir(root).args(arguments)).ok()?;
    Some(text.trim().to_owned())
}

fn debian(root: &Path) -> Option<Way> {
    let complete = Path::new(DEBIAN_RUSTC).is_file() && Path::new(DEBIAN_SOURCES).is_file();
    let linker = complete.then(|| linker(root))??;
    Some(Way::Debian { linker })
}

/// The toolchain's own linker, else Debian's.
fn linker(root: &Path) -> Option<PathBuf> {
    let own = || {
        let version = rustc_says(root, &["--version", "--verbose"])?;
        let host = version
            .lines()
            .find_map(|line| line.strip_prefix("host: "))?;
        let libraries = sysroot(root)?.join("lib/rustlib");
        Some(libraries.join(host).join("bin/rust-lld"))
    };
    own()
        .into_iter()
        .chain(["/usr/bin/wasm-ld".into()])
        .find(|linker| linker.is_file())
}

/// Whether rustup added the target in time.
fn rustup_adds(target: &str, root: &Path) -> bool {
    let rustup = Command::new("rustup")
        .current_dir(root)
        .args(["target", "add", target])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut rustup) = rustup else {
        return false;
    };
    let begun = Instant::now();
    while begun.elapsed() < RUSTUP_LIMIT {
        match rustup.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => std::thread::sleep(Duration::from_millis(100)),
            Err(_) => break,
        }
    }
    // It may have ended just now; either way it is not waited for.
    if rustup.kill().is_ok() {
        drop(rustup.wait());
    }
    false
}

fn say(text: &str) {
    eprintln!("plugin: {text}");
}
