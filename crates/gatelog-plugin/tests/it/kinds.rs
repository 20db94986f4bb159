//! The truth: one record of every kind of request, and its columns against what Envoy's own JSON
//! logger prints for the same request. `docs/capture.md` is made here.
//!
//! **Shape.** `table.rs` has the kinds, `gateway.rs` the Envoy in which all can happen, `truth.rs` what
//! is compared and the whole list of allowed differences, `page.rs` the document.

mod client;
mod gateway;
mod page;
mod table;
mod truth;
mod upstream;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use gatelog_record::AccessRecord;
use gatelog_testkit::envoy::{Attach, Envoy};
use gatelog_testkit::{upstream as sample, wait};
use serde_json::Value as Json;

use self::table::{Kind, Known, Stage};
use crate::rig::{Collector, PATIENCE};

/// What was seen of a kind.
pub(crate) struct Seen {
    kind: &'static Kind,
    line: Json,
    record: AccessRecord<'static>,
}

/// Sends a request of every kind to an Envoy with the plugin attached so.
fn see(attach: Attach) -> Vec<Seen> {
    let directory = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let (web, own, authority) = (
        sample::web().unwrap(),
        upstream::ordinary(),
        upstream::authority(),
    );
    let (raw, http2) = (upstream::Raw::start(), Arc::new(upstream::Http2::start()));
    let start = |_| {
        let ports = gateway::Ports {
            gateway: wait::free_port().unwrap(),
            hop: wait::free_port().unwrap(),
            web: web.port(),
            own: own.port(),
            raw: raw.0,
            http2: http2.port,
            authority: authority.port(),
        };
        let gateway = gateway::gateway(&ports, collector.port(), attach, directory.path());
        Envoy::start(&gateway).map(|envoy| (ports, envoy))
    };
    // A connection of another test may have taken a port since it was free.
    let mut started = (0..5).map(start);
    let (ports, envoy) = started
        .find(Result::is_ok)
        .expect("it starts in one of five attempts")
        .unwrap();
    let stage = Stage {
        envoy: &envoy,
        gateway: envoy.address(),
        tls: SocketAddr::from((Ipv4Addr::LOCALHOST, ports.hop)),
        web: &web,
        http2: &http2,
    };
    // One request besides follows the reset, to see it through.
    let mut expected = 1;
    for kind in table::all() {
        (kind.send)(&stage, &kind.id());
        expected += 1;
    }
    let mut lines = wait_for_lines(&envoy, expected);
    let mut records = collector.wait_for_records(lines.len());
    assert_eq!(lines.len(), records.len(), "one record for each line");
    assert!(!envoy.log().contains("panicked"), "{}", envoy.log());
    let seen = table::all()
        .map(|kind| pick(kind, &mut lines, &mut records))
        .collect();
    assert_eq!(
        (lines.len(), records.len()),
        (1, 1),
        "{lines:?} {records:?}"
    );
    let counted = envoy
        .stat("wasmcustom.gatelog_plugin_records_total")
        .unwrap();
    assert_eq!(counted, expected as u64, "no other record is on its way");
    seen
}

/// Waits for a line of every kind.
fn wait_for_lines(envoy: &Envoy, count: usize) -> Vec<Json> {
    wait::until("Envoy's own lines", PATIENCE, || {
        let lines: Vec<Json> = envoy
            .stdout()
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        if lines.len() >= count {
            Ok(lines)
        } else {
            let there: Vec<_> = lines
                .iter()
                .map(|line| line["request_id"].clone())
                .collect();
            Err((lines.len(), there))
        }
    })
    .unwrap()
}

/// Takes the line and the record of a kind, of each exactly one.
fn pick(
    kind: &'static Kind,
    lines: &mut Vec<Json>,
    records: &mut Vec<AccessRecord<'static>>,
) -> Seen {
    let known = |line: &Json| match kind.known {
        Known::Id => line["request_id"] == kind.id(),
        Known::Details(details) => line["response_code_details"] == details,
    };
    let mut found: Vec<Json> = lines.extract_if(.., |line| known(line)).collect();
    assert_eq!(found.len(), 1, "lines of {}: {found:?}", kind.name);
    let line = found.remove(0);
    let begun = truth::time(line["start_time"].as_str());
    let same = |record: &AccessRecord<'_>| {
        record.start_time == begun
            && record.request_id == truth::value(&line, "request_id").map(Into::into)
    };
    let mut found: Vec<_> = records.extract_if(.., |record| same(record)).collect();
    assert_eq!(found.len(), 1, "records of {}: {found:?}", kind.name);
    Seen {
        kind,
        record: found.remove(0),
        line,
    }
}

fn every_kind_is_told_as_envoy_tells_it(attach: Attach) -> Vec<Seen> {
    let seen = see(attach);
    let mut wrong = Vec::new();
    for Seen { kind, line, record } in &seen {
        let flags = record.response_flags.as_deref().unwrap_or_default();
        let code = record.response_code;
        if (code, flags) != (Some(kind.code), kind.flags) {
            wrong.push(format!("{}: is {code:?} {flags:?}", kind.name));
        }
        if record.instance_id.as_deref() != Some("gateway-1") {
            wrong.push(format!("{}: {:?}", kind.name, record.instance_id));
        }
        let differences = truth::differences(record, line, attach);
        wrong.extend(
            differences
                .iter()
                .map(|text| format!("{}: {text}", kind.name)),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    seen
}

#[test]
fn a_filter_tells_of_every_kind_what_envoy_tells() {
    let seen = every_kind_is_told_as_envoy_tells_it(Attach::HttpFilter);
    page::check(&seen);
}

#[test]
fn an_access_logger_tells_of_every_kind_what_envoy_tells() {
    every_kind_is_told_as_envoy_tells_it(Attach::AccessLogger);
}
