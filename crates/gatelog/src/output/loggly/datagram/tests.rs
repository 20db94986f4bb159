use gatelog_record::AccessRecord;
use serde_json::json;

use super::super::message::tests::message;
use super::*;
use crate::output::address::Reach;

const LONG: Duration = Duration::from_secs(30);

/// Datagrams to a receiver of this host, and its socket.
fn to_here() -> (Datagrams, std::net::UdpSocket) {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let port = socket.local_addr().unwrap().port();
    let receiver = Receiver::new("127.0.0.1", port, LONG, Reach::default());
    (Datagrams::new(receiver, None), socket)
}

#[test]
fn an_address_that_was_given_up_has_its_turn_last() {
    let addresses = ["[::1]:1", "127.0.0.1:1"].map(|text| text.parse().unwrap());
    let turns = |given_up| in_turn(&addresses, given_up).collect::<Vec<_>>();
    assert_eq!(turns(0), addresses);
    assert_eq!(turns(1), [addresses[1], addresses[0]]);
    assert_eq!(turns(2), addresses);
    assert_eq!(in_turn(&[], 1).count(), 0);
}

#[tokio::test]
async fn what_the_kernel_finds_too_long_is_shortened_until_it_is_taken() {
    let (mut datagrams, socket) = to_here();
    let mut open = datagrams.opened().await.unwrap();
    // More than any datagram over IPv4 has.
    open.limit = 100_000;
    datagrams.open = Some(open);
    let message = message(json!({}), "h");
    let mut long = AccessRecord::default();
    long.request_headers.push("x-long", "v".repeat(90_000));
    let short = AccessRecord::default();
    let records = [&short, &long, &short];
    let sent = datagrams.send(&message, &records, &Counts::none()).await;
    assert_eq!(sent, Undelivered::default());
    let mut space = vec![0; 1 << 17];
    for is_cut in [false, true, false] {
        let length = socket.recv(&mut space).unwrap();
        let text = std::str::from_utf8(&space[..length]).unwrap();
        assert_eq!(text.contains("[truncated "), is_cut, "{length}");
        let (_, json) = text.split_once("] {").unwrap();
        let json: serde_json::Value = serde_json::from_str(&format!("{{{json}")).unwrap();
        assert!(json["request"].is_object());
    }
    assert!(datagrams.open.unwrap().limit <= 75_000);
}

#[tokio::test]
async fn an_address_is_looked_up_again_after_a_minute_and_kept_while_it_is_good() {
    let (mut datagrams, _socket) = to_here();
    let mut open = datagrams.opened().await.unwrap();
    let (right, own) = (open.peer, open.socket.local_addr().unwrap());
    let wrong = "127.0.0.9:1".parse().unwrap();
    let overdue = || Instant::now().checked_sub(REFRESH).unwrap();
    // Still good: the same socket, and not looked up with each batch from now on.
    open.resolved = overdue();
    datagrams.open = Some(open);
    let mut open = datagrams.opened().await.unwrap();
    assert_eq!(open.socket.local_addr().unwrap(), own);
    assert!(open.resolved.elapsed() < REFRESH);
    // The name leads elsewhere, and it is not time yet; then it is.
    open.peer = wrong;
    datagrams.open = Some(open);
    let mut open = datagrams.opened().await.unwrap();
    assert_eq!(open.peer, wrong);
    open.resolved = overdue();
    datagrams.open = Some(open);
    let mut open = datagrams.opened().await.unwrap();
    assert_eq!(open.peer, right);
    assert_eq!(open.socket.peer_addr().unwrap(), right);
    // Nobody knows the name now, or it must not be reached: what was known stays.
    datagrams.receiver = Receiver::new("127.0.0.1", 1, LONG, Reach::new(true));
    open.resolved = overdue();
    datagrams.open = Some(open);
    assert_eq!(datagrams.opened().await.unwrap().peer, right);
}
