//! `gatelog serve`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::{USAGE, print};
use crate::config::{self, AdminListen, Config, ConfigError};
use crate::{service, shutdown, telemetry};

/// Arguments of `gatelog serve`. Flags win over the environment, the environment over the file.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Configuration file (YAML). Without one the defaults hold.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of the journal, the embedded store and the dead letters, which is made if it is missing
    /// [default: ./gatelog-data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// IP address and port of the data listener, such as 127.0.0.1:8080 or [::]:8080; port 0 takes a free
    /// one [default: 0.0.0.0:8080].
    #[arg(long, value_name = "ADDR", value_parser = config::parse_address)]
    listen: Option<SocketAddr>,
    /// IP address and port of the admin listener, or `off` [default: 127.0.0.1:8001].
    #[arg(long, value_name = "ADDR", value_parser = config::parse_admin_listen)]
    admin_listen: Option<AdminListen>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let config = match configuration(arguments) {
        Ok(config) => config,
        Err(error) => {
            print::error(error);
            return ExitCode::from(USAGE);
        }
    };
    telemetry::log_to_stderr(&config.log);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        data_dir = %std::path::absolute(&config.data_dir)
            .unwrap_or_else(|_| config.data_dir.clone())
            .display(),
        config = arguments.config.as_deref().map(|file| tracing::field::display(file.display())),
        "gatelog starts"
    );
    use_small_pages();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let served = match runtime {
        Ok(runtime) => runtime.block_on(serve(&config)),
        Err(error) => Err(error.to_string()),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error, "gatelog did not start");
            ExitCode::FAILURE
        }
    }
}

/// The allocator asks for pages of 2 MiB, of which the process then has many that it hardly uses: a
/// fifth of its memory at full load, and nearly half when it is idle. It is no slower without.
fn use_small_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "pages of 2 MiB stay in use, which takes more memory");
    }
}

/// What a server that is started here with this file would have, its flags aside.
pub(super) fn file_and_environment(file: Option<&Path>) -> Result<Config, ConfigError> {
    // Variables that are not UTF-8 are none of ours.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    config::load(file, environment)
}

fn configuration(arguments: &Arguments) -> Result<Config, ConfigError> {
    let mut config = file_and_environment(arguments.config.as_deref())?;
    if let Some(dir) = &arguments.data_dir {
        config.data_dir.clone_from(dir);
    }
    if let Some(address) = arguments.listen {
        config.listen = address;
    }
    if let Some(address) = arguments.admin_listen {
        config.admin_listen = address;
    }
    Ok(config)
}

async fn serve(config: &Config) -> Result<(), String> {
    let running = service::start(config)
        .await
        .map_err(|error| print::with_causes(&error))?;
    let signal = shutdown::signalled()
        .await
        .map_err(|error| error.to_string())?;
    tracing::info!(signal, "stopping");
    running.stop().await;
    Ok(())
}
