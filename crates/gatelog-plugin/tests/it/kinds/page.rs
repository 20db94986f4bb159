//! `docs/capture.md`, which operators read: made of what the test saw.

use std::fmt::Write as _;

use gatelog_record::Field;

use super::Seen;
use super::truth::{ALLOWED, OPERATORS, text};

/// Columns that are said apart where they are there, or are not what they mostly are.
const NOTABLE: [(Field, &str); 6] = [
    (Field::Protocol, "HTTP/1.1"),
    (Field::GrpcStatus, ""),
    (Field::TlsVersion, ""),
    (Field::RequestedServerName, ""),
    (Field::UpstreamTransportFailureReason, ""),
    (Field::ConnectionTerminationDetails, ""),
];

/// Holds the page to what was seen. `GATELOG_WRITE_DOCS=1` writes it anew.
pub(super) fn check(seen: &[Seen]) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/capture.md");
    let page = page(seen);
    if std::env::var_os("GATELOG_WRITE_DOCS").is_some() {
        std::fs::write(file, &page).unwrap();
    }
    let found = std::fs::read_to_string(file).unwrap_or_default();
    let new: Vec<&str> = page.lines().filter(|line| !found.contains(line)).collect();
    assert!(
        found == page,
        "docs/capture.md is not what was seen: run `GATELOG_WRITE_DOCS=1 cargo test --workspace --test it \
         kinds`, and look at what changes:\n{}",
        new.join("\n")
    );
}

fn page(seen: &[Seen]) -> String {
    let mut page = String::from(
        "# What is captured\n\n\
         Every finished request gives one record, also those that never reached an upstream, have no body, or \
         whose\nclient is gone. For each kind below the test `kinds` of `gatelog-plugin` sends one to the real \
         Envoy 1.40, with\nthe plugin as an HTTP filter and as an access logger, and compares the record with \
         the line of Envoy's own JSON\nlogger for the same request, column by column. This page is made by that \
         test (`GATELOG_WRITE_DOCS=1`).\n\n\
         *Att.* is how often an upstream was tried, *in* and *out* the bytes of the bodies from and to the \
         client; *~* is a number\nthat is another one each time. Where there is an upstream host, one was \
         chosen.\n\n\
         | kind | sent | code | flags | details | att. | in | out | upstream host | besides |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for one in seen {
        writeln!(page, "{}", row(one)).unwrap();
    }
    page.push_str(
        "\n## Columns and operators\n\nCompared for each of these requests:\n\n| column | operator |\n|---|---|\n",
    );
    for (field, operator) in OPERATORS {
        writeln!(page, "| `{}` | `{operator}` |", field.name()).unwrap();
    }
    page.push_str(
        "\n## Where a record says something else\n\n| column | what it says |\n|---|---|\n",
    );
    for (field, reason) in ALLOWED {
        writeln!(page, "| `{}` | {reason} |", field.name()).unwrap();
    }
    page
}

fn row(Seen { kind, record, .. }: &Seen) -> String {
    let cell = |field| text(record, field).unwrap_or_else(|| "-".to_owned());
    let varies = |field| match kind.name {
        "DC during the response" => "~".to_owned(),
        _ => cell(field),
    };
    let mut besides = Vec::new();
    for (field, usual) in NOTABLE {
        if let Some(value) = text(record, field).filter(|value| value != usual) {
            besides.push(format!("{} `{value}`", field.name()));
        }
    }
    let host = match record.upstream_host {
        Some(_) => "yes",
        None => "-",
    };
    let cells = [
        kind.name.to_owned(),
        kind.sent.to_owned(),
        cell(Field::ResponseCode),
        cell(Field::ResponseFlags),
        cell(Field::ResponseCodeDetails).replace('|', "\\|"),
        cell(Field::UpstreamRequestAttemptCount),
        cell(Field::BytesReceived),
        varies(Field::BytesSent),
        host.to_owned(),
        besides.join(", ").replace('|', "\\|"),
    ];
    format!("| {} |", cells.join(" | "))
}
