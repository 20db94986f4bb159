//! Receivers that fail, refuse, hang and drop.

use std::collections::BTreeSet;
use std::time::Instant;

use super::*;

/// A short pause between attempts.
const RETRIES: &str = "initial_retry_delay: 0.05, max_retry_delay: 0.2";

/// Delivers 30 records to a receiver that answers the first requests so, and the others 200.
fn recovers(first: impl Fn(usize) -> Option<Does> + Send + Sync + 'static) -> (Receiver, u64) {
    let receiver = Receiver::start(move |_, before| first(before).unwrap_or_else(ok));
    let more = format!(", timeout: 1500, queue: {{{RETRIES}}}");
    let gatelog = start_with(&one(&receiver, &more));
    gatelog.ingest(lines(0..30)).unwrap();
    wait_for_outputs(&gatelog);
    let mut seen = receiver.numbers();
    seen.dedup();
    assert_eq!(seen, up_to(30), "in order, nothing missing");
    let errors = metric(&gatelog, "gatelog_output_errors_total{output=\"http-log\"}");
    assert_eq!(
        metric(
            &gatelog,
            "gatelog_output_delivered_total{output=\"http-log\"}"
        ),
        30
    );
    (receiver, errors)
}

#[test]
fn what_may_pass_is_tried_again_in_order() {
    for status in [408, 429, 500, 502, 503] {
        let (receiver, errors) =
            recovers(move |before| (before < 2).then_some(Does::Answers(status, "")));
        assert_eq!((receiver.requests().len(), errors), (32, 2), "{status}");
        assert_eq!(
            receiver.connections(),
            1,
            "{status}: the connection is good"
        );
    }
}

#[test]
fn connections_that_are_dropped_lose_nothing() {
    let drops = |before| (3..6).contains(&before).then_some(Does::Drops);
    recovers(drops);
    // In the middle of an answer: of its head, of its body, of its chunks.
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly a part",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let (receiver, errors) =
            recovers(move |before| (3..5).contains(&before).then_some(Does::Writes(answer)));
        assert_eq!(receiver.requests().len(), 32, "{answer}");
        assert!(errors >= 1, "{answer}");
    }
    // What is no HTTP.
    recovers(|before| (before < 2).then_some(Does::Writes("SSH-2.0-OpenSSH_9.2\r\n")));
    // In the middle of a request.
    let receiver = Receiver::taking();
    receiver.cut_requests(3);
    let gatelog = start_with(&one(&receiver, &format!(", queue: {{{RETRIES}}}")));
    gatelog.ingest(lines(0..30)).unwrap();
    assert_eq!(receiver.wait_for_numbers(30), up_to(30));
}

#[test]
fn a_hanging_receiver_is_given_up_after_timeout() {
    let (receiver, errors) = recovers(|before| (before == 4).then_some(Does::Hangs));
    assert_eq!((receiver.requests().len(), errors), (31, 1));
    let receiver = Receiver::start(|_, _| Does::Hangs);
    let gatelog = start_with(&one(
        &receiver,
        &format!(", timeout: 200, queue: {{{RETRIES}}}"),
    ));
    gatelog.ingest(lines(0..1)).unwrap();
    wait_for_reason(&gatelog, "the answer took longer than 200 ms");
}

/// A kept connection that the receiver closes is no failure: what it was to carry is sent again at once.
#[test]
fn connections_that_were_closed_meanwhile_cost_nothing() {
    let (receiver, errors) = recovers(|_| Some(Does::AnswersAndCloses));
    assert_eq!((receiver.requests().len(), errors), (30, 0));
    assert!(receiver.connections() >= 30);
    // Closed in the moment in which the request comes: it does not wait for a pause.
    let receiver = Receiver::start(|request, before| {
        if before > 0 && request.connection == 0 {
            Does::Drops
        } else {
            ok()
        }
    });
    let queue = ", queue: {initial_retry_delay: 1000, max_retry_delay: 1000}";
    let gatelog = start_with(&one(&receiver, queue));
    gatelog.ingest(lines(0..3)).unwrap();
    assert_eq!(receiver.wait_for_numbers(4), [0, 1, 1, 2]);
}

#[test]
fn the_pause_that_the_receiver_asks_for_is_kept() {
    let receiver = Receiver::start(|_, before| match before {
        0 => Does::Answers(429, "Retry-After: 2\r\n"),
        _ => ok(),
    });
    let gatelog = start_with(&one(&receiver, ""));
    gatelog.ingest(lines(0..1)).unwrap();
    receiver.wait_for_requests(1);
    let first = Instant::now();
    wait_for_reason(&gatelog, "HTTP 429");
    receiver.wait_for_requests(2);
    assert!(first.elapsed() > Duration::from_millis(1500));
}

#[test]
fn other_answers_put_the_record_aside_with_the_reason() {
    let statuses = [302, 400, 401, 404, 413, 307];
    let receiver = Receiver::start(move |request, _| {
        let number = usize::try_from(request.numbers()[0]).unwrap();
        match statuses.get(number) {
            Some(status) => Does::Answers(*status, "Location: /elsewhere\r\n"),
            None => ok(),
        }
    });
    let dir = TempDir::new().unwrap();
    let gatelog = setup(&dir).config(one(&receiver, "")).start().unwrap();
    gatelog.ingest(lines(0..10)).unwrap();
    let letters = wait_for_letters(&dir, "http-log", statuses.len());
    let expected: Vec<_> = (0..)
        .zip(statuses)
        .map(|(number, status)| match status {
            302 | 307 => (number, format!("HTTP {status}, redirects are not followed")),
            _ => (number, format!("HTTP {status}")),
        })
        .collect();
    assert_eq!(letters, expected);
    wait_for_outputs(&gatelog);
    assert_eq!(receiver.numbers(), up_to(10), "each once, and no redirect");
    assert!(
        receiver
            .requests()
            .iter()
            .all(|request| request.target == "/logs")
    );
    assert_eq!(
        metric(
            &gatelog,
            "gatelog_output_rejected_total{output=\"http-log\"}"
        ),
        6
    );
}

#[test]
fn a_bad_record_does_not_take_its_neighbours_along() {
    for status in [400, 422] {
        let bad = BTreeSet::from([3, 17, 18]);
        let refuse = bad.clone();
        let receiver = Receiver::start(move |request, _| {
            let has_bad = request
                .numbers()
                .iter()
                .any(|number| refuse.contains(number));
            if has_bad {
                Does::Answers(status, "")
            } else {
                ok()
            }
        });
        let dir = TempDir::new().unwrap();
        let queue = ", queue: {max_batch_size: 20, max_coalescing_delay: 0.2}";
        let gatelog = setup(&dir).config(one(&receiver, queue)).start().unwrap();
        gatelog.ingest(lines(0..40)).unwrap();
        let letters = wait_for_letters(&dir, "http-log", 3);
        let reason = format!("HTTP {status}");
        let expected: Vec<_> = bad.iter().map(|number| (*number, reason.clone())).collect();
        assert_eq!(letters, expected);
        wait_for_outputs(&gatelog);
        let requests = receiver.requests();
        let has_bad =
            |request: &Request| request.numbers().iter().any(|number| bad.contains(number));
        let taken = requests.iter().filter(|request| !has_bad(request));
        let taken: Vec<_> = taken.flat_map(Request::numbers).collect();
        let good: Vec<_> = (0..40).filter(|number| !bad.contains(number)).collect();
        assert_eq!(taken, good, "in order, each once");
        assert!(requests.len() < 2 * 40, "{}", requests.len());
        // Also alone it is in a list.
        assert!(
            requests
                .iter()
                .all(|request| request.body.starts_with(b"[{"))
        );
    }
}

#[test]
fn a_batch_that_is_too_large_is_sent_in_parts() {
    let largest = 3 * object(0, LogFormat::Seed).len();
    let receiver = Receiver::start(move |request, _| {
        if request.body.len() > largest {
            Does::Answers(413, "")
        } else {
            ok()
        }
    });
    let dir = TempDir::new().unwrap();
    let queue = ", queue: {max_batch_size: 16, max_coalescing_delay: 0.2}";
    let gatelog = setup(&dir).config(one(&receiver, queue)).start().unwrap();
    gatelog.ingest(lines(0..16)).unwrap();
    wait_for_outputs(&gatelog);
    let requests = receiver.requests();
    let taken = requests
        .iter()
        .filter(|request| request.body.len() <= largest);
    let taken: Vec<_> = taken.flat_map(Request::numbers).collect();
    assert_eq!(taken, up_to(16));
    assert_eq!(letters(&dir, "http-log"), []);
}

/// One who has seen enough closes the connection: what it has said counts, whatever of it is missing.
#[test]
fn a_status_that_is_no_success_counts_also_where_its_answer_is_cut_off() {
    let answer = "Content-Length: 100\r\n\r\nonly a part";
    let refusal: &'static str = format!("HTTP/1.1 413 X\r\n{answer}").leak();
    let later: &'static str = format!("HTTP/1.1 503 X\r\nRetry-After: 1\r\n{answer}").leak();
    let receiver = Receiver::start(move |request, before| match request.numbers().len() {
        _ if before == 0 => Does::Writes(later),
        2.. => Does::Writes(refusal),
        _ => ok(),
    });
    let dir = TempDir::new().unwrap();
    let queue = ", queue: {max_batch_size: 4, max_coalescing_delay: 1}";
    let gatelog = setup(&dir).config(one(&receiver, queue)).start().unwrap();
    gatelog.ingest(lines(0..4)).unwrap();
    wait_for_reason(&gatelog, "HTTP 503");
    wait_for_outputs(&gatelog);
    let requests = receiver.requests();
    let alone = requests
        .iter()
        .filter(|request| request.numbers().len() == 1);
    assert!(alone.flat_map(Request::numbers).eq(0..4));
    assert_eq!(letters(&dir, "http-log"), []);
}

#[test]
fn a_failure_amid_the_parts_of_a_batch_sends_none_of_it_twice_without_need() {
    // The whole is refused; then the second half is not taken at first, or the first one is not.
    let all = vec![0, 1, 2, 3];
    let (first, second) = (vec![0, 1], vec![2, 3]);
    for (fails, expected) in [
        (2, vec![&all, &first, &second, &second]),
        (1, vec![&all, &first, &all]),
    ] {
        let receiver = Receiver::start(move |_, before| match before {
            0 => Does::Answers(413, ""),
            before if before == fails => Does::Answers(503, ""),
            _ => ok(),
        });
        let dir = TempDir::new().unwrap();
        let queue = ", queue: {max_batch_size: 4, max_coalescing_delay: 1}";
        let gatelog = setup(&dir).config(one(&receiver, queue)).start().unwrap();
        gatelog.ingest(lines(0..4)).unwrap();
        wait_for_outputs(&gatelog);
        let requests = receiver.requests();
        let requests: Vec<_> = requests.iter().map(Request::numbers).collect();
        assert_eq!(requests.iter().collect::<Vec<_>>(), expected);
        assert_eq!(letters(&dir, "http-log"), []);
    }
}

#[test]
fn max_retry_time_gives_a_batch_up() {
    for (time, most) in [("-1", 1), ("0.3", 30)] {
        let receiver = Receiver::start(|request, _| {
            if request.numbers() == [0] {
                Does::Answers(503, "")
            } else {
                ok()
            }
        });
        let dir = TempDir::new().unwrap();
        let queue = format!(", queue: {{max_retry_time: {time}, {RETRIES}}}");
        let gatelog = setup(&dir).config(one(&receiver, &queue)).start().unwrap();
        gatelog.ingest(lines(0..2)).unwrap();
        let letters = wait_for_letters(&dir, "http-log", 1);
        assert_eq!(letters, [(0, "max_retry_time: HTTP 503".to_owned())]);
        wait_for_outputs(&gatelog);
        let tries = receiver
            .requests()
            .iter()
            .filter(|request| request.numbers() == [0])
            .count();
        assert!((1..=most).contains(&tries), "{tries}");
        assert_eq!(receiver.numbers().last(), Some(&1));
    }
}

#[test]
fn a_dead_endpoint_delays_nobody_and_says_why() {
    let receiver = Receiver::taking();
    let dead = wait::free_port().unwrap();
    let log = |name: &str, url: &str| {
        format!("{{name: http-log, instance_name: {name}, config: {{http_endpoint: \"{url}\"}}}}")
    };
    let config = format!(
        "plugins: [{}, {}, {}]",
        log("alive", &format!("http://{}/", receiver.address())),
        log("dead", &format!("http://127.0.0.1:{dead}/")),
        log("nameless", "http://nobody.invalid/"),
    );
    let gatelog = start_with(&config);
    gatelog.ingest(lines(0..100)).unwrap();
    assert_eq!(receiver.wait_for_numbers(100), up_to(100));
    wait_for_reason(&gatelog, "127.0.0.1: Connection refused");
    wait_for_reason(&gatelog, "nobody.invalid: the name cannot be resolved");
    let (status, _) = gatelog.get("/ready").unwrap();
    assert_eq!(status, 200);
    // It goes on where it was once somebody is there.
    let late = Receiver::start_at(&format!("127.0.0.1:{dead}"), None, |_, _| ok());
    assert_eq!(late.wait_for_numbers(100), up_to(100));
}

#[test]
fn beyond_the_backlog_only_its_own_records_are_put_aside() {
    let receiver = Receiver::taking();
    let dead = Receiver::start(|_, _| Does::Answers(503, ""));
    let log = |name: &str, receiver: &Receiver, more: &str| {
        let url = format!("http://{}/logs", receiver.address());
        format!(
            "{{name: http-log, instance_name: {name}, config: {{http_endpoint: \"{url}\"{more}}}}}"
        )
    };
    let queue = ", queue: {max_batch_size: 50, max_coalescing_delay: 0.1}";
    let config = format!(
        "plugins: [{}, {}]",
        log("alive", &receiver, queue),
        log("dead", &dead, ", max_backlog: {bytes: 1MiB, age: 1h}"),
    );
    let dir = TempDir::new().unwrap();
    let gatelog = setup(&dir).config(config).start().unwrap();
    for hundred in 0..20 {
        gatelog
            .ingest(lines(hundred * 100..(hundred + 1) * 100))
            .unwrap();
    }
    assert_eq!(receiver.wait_for_numbers(2000), up_to(2000));
    let letters = wait_for_letters(&dir, "http-log@dead", 1);
    let numbers: Vec<_> = letters.iter().map(|(number, _)| *number).collect();
    assert!(
        numbers.iter().copied().eq(0..numbers.len() as u64),
        "the oldest"
    );
    assert!(
        numbers.len() < 1900,
        "what the backlog has room for is kept"
    );
    assert_eq!(super::letters(&dir, "http-log@alive"), []);
}

/// At least once over kills, and what was confirmed more than a second before does not come again.
#[test]
fn after_kill_9_every_acknowledged_record_arrives() {
    let receiver = Receiver::taking();
    let dir = TempDir::new().unwrap();
    let queue = ", queue: {max_batch_size: 7, max_coalescing_delay: 0.05, concurrency_limit: 3}";
    let config = one(&receiver, queue);
    let mut acknowledged = 0;
    for _ in 0..3 {
        let gatelog = setup(&dir).config(config.clone()).start().unwrap();
        let before = receiver.numbers().len();
        for _ in 0..40 {
            gatelog
                .ingest(lines(acknowledged..acknowledged + 25))
                .unwrap();
            acknowledged += 25;
        }
        receiver.wait_for_numbers(before + 1);
        gatelog.kill().unwrap();
    }
    let gatelog = setup(&dir).config(config).start().unwrap();
    wait_for_outputs(&gatelog);
    let mut counts = BTreeMap::new();
    for number in receiver.numbers() {
        *counts.entry(number).or_insert(0u32) += 1;
    }
    assert!(counts.keys().copied().eq(0..acknowledged));
    assert!(counts.values().all(|count| *count <= 4), "{counts:?}");
}
