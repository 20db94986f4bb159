//! Batches reach the collector whatever it does meanwhile.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use gatelog_testkit::envoy::{Attach, Envoy, Gateway};
use gatelog_testkit::upstream::Reply;
use gatelog_testkit::wait;
use serde_json::json;

use super::rig::{Collector, PATIENCE, exchange, get, records};

/// Sends so many requests whose ids begin with `prefix`.
fn send(envoy: &Envoy, prefix: &str, count: usize) {
    for number in 0..count {
        assert_eq!(
            exchange(
                envoy.address(),
                &get("/direct", &format!("{prefix}-{number}"))
            ),
            200
        );
    }
}

fn ids(collector: &Collector) -> BTreeSet<String> {
    let records = collector.records();
    records
        .iter()
        .map(|record| record.request_id.as_deref().unwrap().to_owned())
        .collect()
}

fn lost(envoy: &Envoy) -> u64 {
    ["queue_full", "refused", "gave_up", "shutdown"]
        .iter()
        .map(|reason| {
            let name = format!("wasmcustom.gatelog_plugin_records_dropped_{reason}_total");
            envoy.stat(&name).unwrap()
        })
        .sum()
}

#[test]
fn a_full_batch_leaves_at_once_and_says_who_sends_it() {
    let collector = Collector::start();
    let gateway = Gateway::new(collector.port()).plugin(json!({
        "batch": {"max_records": 3, "flush_interval_ms": 60_000},
        "collector_token": "t0ken",
        "collector_path": "/ingest?x=1",
    }));
    let envoy = Envoy::start(&gateway).unwrap();
    send(&envoy, "a", 6);
    collector.wait_for_records(6);
    let batches = collector.taken();
    assert_eq!(batches.len(), 2);
    for (batch, sequence) in batches.iter().zip(["0", "3"]) {
        assert_eq!(batch.path, "/ingest?x=1");
        assert_eq!(batch.header("authorization"), Some("Bearer t0ken"));
        assert_eq!(batch.header("content-type"), Some("application/json"));
        assert_eq!(batch.header("gatelog-sender"), Some("gateway-1"));
        assert_eq!(batch.header("gatelog-sequence"), Some(sequence));
        assert_eq!(batch.header("gatelog-dropped"), Some("0"));
        assert_eq!(
            batch.header("gatelog-boot"),
            batches[0].header("gatelog-boot")
        );
        assert_eq!(
            batch.header("gatelog-worker"),
            batches[0].header("gatelog-worker")
        );
        assert_eq!(records(batch).len(), 3);
    }
}

#[test]
fn batches_of_one_are_single_objects() {
    let collector = Collector::start();
    let gateway = Gateway::new(collector.port()).plugin(json!({"batch": {"max_records": 1}}));
    let envoy = Envoy::start(&gateway).unwrap();
    send(&envoy, "a", 2);
    collector.wait_for_records(2);
    assert!(
        collector
            .taken()
            .iter()
            .all(|request| request.body.starts_with(b"{"))
    );
}

#[test]
fn nothing_is_lost_while_the_collector_is_away() {
    let mut collector = Collector::start();
    let gateway = Gateway::new(collector.port())
        .plugin(json!({"batch": {"max_records": 5, "flush_interval_ms": 50}}));
    let envoy = Envoy::start(&gateway).unwrap();
    send(&envoy, "before", 20);
    collector.wait_for_records(20);
    collector.go_away();
    send(&envoy, "away", 30);
    wait::until("the plugin to notice", PATIENCE, || {
        envoy
            .log()
            .contains("sending pauses")
            .then_some(())
            .ok_or("not yet")
    })
    .unwrap();
    collector.come_back();
    send(&envoy, "after", 20);
    wait::until("all ids", PATIENCE, || {
        let ids = ids(&collector);
        if ids.len() == 70 {
            Ok(())
        } else {
            Err(ids.len())
        }
    })
    .unwrap();
    assert_eq!(lost(&envoy), 0);
}

#[test]
fn a_batch_is_repeated_under_its_number_until_the_collector_takes_it() {
    let collector = Collector::start();
    collector.answer(503);
    let gateway = Gateway::new(collector.port()).plugin(json!({"batch": {"max_records": 2}}));
    let envoy = Envoy::start(&gateway).unwrap();
    send(&envoy, "a", 4);
    wait::until("some attempts", PATIENCE, || {
        (collector.seen().len() > 3).then_some(()).ok_or("not yet")
    })
    .unwrap();
    collector.answer(200);
    collector.wait_for_records(4);
    let numbers: Vec<_> = collector
        .taken()
        .iter()
        .map(|request| request.header("gatelog-sequence").unwrap().to_owned())
        .collect();
    assert_eq!(numbers, ["0", "2"]);
    assert_eq!(lost(&envoy), 0);
}

#[test]
fn a_batch_that_is_too_large_comes_in_halves() {
    let collector = Collector::start();
    collector.respond(|request| {
        let status = if records(request).len() > 2 { 413 } else { 200 };
        (status, Reply::new(status))
    });
    let gateway = Gateway::new(collector.port()).plugin(json!({"batch": {"max_records": 8}}));
    let envoy = Envoy::start(&gateway).unwrap();
    send(&envoy, "a", 8);
    let taken = collector.wait_for_records(8);
    assert_eq!(taken.len(), 8);
    let mut numbers: Vec<(u64, usize)> = collector
        .taken()
        .iter()
        .map(|request| {
            let number = request.header("gatelog-sequence").unwrap();
            (number.parse().unwrap(), records(request).len())
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [(0, 2), (2, 2), (4, 2), (6, 2)]);
    assert_eq!(lost(&envoy), 0);
}

#[test]
fn a_collector_that_asks_for_time_gets_it() {
    let collector = Collector::start();
    collector.respond(|_| (503, Reply::text(503, "no room").header("retry-after", "60")));
    let gateway = Gateway::new(collector.port()).plugin(json!({"batch": {"max_records": 1}}));
    let envoy = Envoy::start(&gateway).unwrap();
    send(&envoy, "a", 1);
    wait::until("the pause", PATIENCE, || {
        let log = envoy.log();
        let pauses =
            log.contains("sending pauses: the collector answered 503 no room, not before 60 s");
        if pauses { Ok(()) } else { Err(log) }
    })
    .unwrap();
    assert_eq!(collector.seen().len(), 1);
}

#[test]
fn records_that_the_answer_names_are_lost_and_counted() {
    let collector = Collector::start();
    collector.respond(|_| {
        let rejected = json!([{"index": 1, "error": "no record: {\"index\":5}"}]);
        (
            200,
            Reply::json(200, &json!({"accepted": 2, "rejected": rejected})),
        )
    });
    let gateway = Gateway::new(collector.port()).plugin(json!({"batch": {"max_records": 3}}));
    let envoy = Envoy::start(&gateway).unwrap();
    send(&envoy, "a", 3);
    let counted = || {
        let stat = |name: &str| {
            envoy
                .stat(&format!("wasmcustom.gatelog_plugin_{name}"))
                .unwrap()
        };
        (
            stat("records_sent_total"),
            stat("records_dropped_refused_total"),
        )
    };
    wait::until("the counts", PATIENCE, || match counted() {
        (2, 1) => Ok(()),
        other => Err(other),
    })
    .unwrap();
    send(&envoy, "b", 3);
    collector.wait_for_records(6);
    let last = collector.taken().pop().unwrap();
    assert_eq!(last.header("gatelog-dropped"), Some("1"));
}

/// As fast as Envoy answers, on one worker.
#[test]
fn thousands_of_records_are_delivered_without_a_drop() {
    const CONNECTIONS: usize = 4;
    const EACH: usize = 1000;
    for attach in [Attach::HttpFilter, Attach::AccessLogger] {
        let collector = Collector::start();
        let gateway = Gateway::new(collector.port()).attach(attach);
        let envoy = Envoy::start(&gateway).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| ask(envoy.address(), EACH));
            }
        });
        let taken = collector.wait_for_records(CONNECTIONS * EACH);
        assert_eq!(taken.len(), CONNECTIONS * EACH);
        assert_eq!(lost(&envoy), 0);
    }
}

/// Sends so many requests over one connection, each when the one before is answered.
fn ask(to: SocketAddr, count: usize) {
    const END: &[u8] = b"direct\n";
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for _ in 0..count {
        stream
            .write_all(b"GET /direct HTTP/1.1\r\nhost: shop.example\r\n\r\n")
            .unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(END) {
            let mut some = [0; 4096];
            let read = stream.read(&mut some).unwrap();
            assert!(read > 0, "the connection ended");
            answer.extend(&some[..read]);
        }
    }
}

#[test]
fn what_the_collector_refuses_for_good_is_counted_and_holds_up_nobody() {
    let collector = Collector::start();
    collector.answer(413);
    let gateway = Gateway::new(collector.port()).plugin(json!({"batch": {"max_records": 1}}));
    let envoy = Envoy::start(&gateway).unwrap();
    send(&envoy, "a", 2);
    wait::until("the losses to be counted", PATIENCE, || {
        match lost(&envoy) {
            2 => Ok(()),
            other => Err(other),
        }
    })
    .unwrap();
    collector.answer(200);
    send(&envoy, "b", 1);
    collector.wait_for_records(1);
    let last = collector.taken().pop().unwrap();
    assert_eq!(last.header("gatelog-sequence"), Some("2"));
    assert_eq!(last.header("gatelog-dropped"), Some("2"));
}

/// A control plane changes the configuration while records wait for their batch.
#[test]
fn a_replaced_configuration_sends_what_it_has() {
    let collector = Collector::start();
    let slow = json!({"batch": {"max_records": 1000, "flush_interval_ms": 60_000}});
    let gateway = Gateway::new(collector.port()).plugin(slow);
    let envoy = Envoy::start(&gateway).unwrap();
    send(&envoy, "old", 3);
    let quick = gateway.clone().plugin(json!({"batch": {"max_records": 1}}));
    envoy.update(&quick).unwrap();
    wait::until("old and new", PATIENCE, || {
        send(&envoy, "new", 1);
        let ids = ids(&collector);
        if ids.len() == 4 { Ok(()) } else { Err(ids) }
    })
    .unwrap();
}

#[test]
fn workers_number_their_records_each_for_itself() {
    let collector = Collector::start();
    let gateway = Gateway::new(collector.port())
        .workers(2)
        .plugin(json!({"batch": {"max_records": 1}}));
    let envoy = Envoy::start(&gateway).unwrap();
    send(&envoy, "a", 40);
    collector.wait_for_records(40);
    let numbers: Vec<(String, String)> = collector
        .taken()
        .iter()
        .map(|request| {
            let header = |name| request.header(name).unwrap().to_owned();
            (header("gatelog-worker"), header("gatelog-sequence"))
        })
        .collect();
    let distinct: BTreeSet<_> = numbers.iter().collect();
    assert_eq!(distinct.len(), 40, "{numbers:?}");
}
