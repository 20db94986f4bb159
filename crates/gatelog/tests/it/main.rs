//! The service as its users meet it, in one binary.

#[cfg(test)]
mod admin_api;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod database;
#[cfg(test)]
mod dead_letter;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod drop_in;
#[cfg(test)]
mod dry_run;
#[cfg(test)]
mod end_to_end;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod file_log;
#[cfg(test)]
mod file_source;
#[cfg(test)]
mod filter;
#[cfg(test)]
mod flags;
#[cfg(test)]
mod http_log;
#[cfg(test)]
mod import;
#[cfg(test)]
mod ingest;
#[cfg(test)]
mod kong_in;
#[cfg(test)]
mod loggly;
#[cfg(test)]
mod mysql_upgrade;
#[cfg(test)]
mod on_disk;
#[cfg(test)]
mod outputs;
#[cfg(test)]
mod pipeline;
#[cfg(test)]
mod query;
#[cfg(test)]
mod redaction;
#[cfg(test)]
mod restored;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod senders;
#[cfg(test)]
mod service;
#[cfg(test)]
mod telemetry;
