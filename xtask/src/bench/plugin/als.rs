//! Envoy's access log service as a hole: HTTP/2 enough that Envoy's logger sends all it has, and nobody reads
//! it.
//!
//! **Shape.** A thread for each connection reads frames and forgets them; what it says is what the protocol
//! demands: settings, their acknowledgement, the head of the answer, and room to go on sending.
//!
//! **Source.** RFC 9113; the answer's head is RFC 7541's static entry 8 (`:status: 200`) and a literal.

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// The largest window that there is.
const WINDOW: u32 = (1 << 31) - 1;
/// What a window is before anybody has said anything.
const FIRST_WINDOW: u32 = 65_535;
/// Room is given back in pieces of this size, in bytes.
const GIVEN_BACK: u32 = 1 << 20;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:status: 200`, and `content-type` (entry 31) as a literal.
const HEAD: &[u8] = b"\x88\x0f\x10\x10application/grpc";

/// Starts it on a free port; its threads end with the process.
pub(super) fn start() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            std::thread::spawn(move || drop(serve(&connection)));
        }
    });
    Ok(port)
}

fn serve(connection: &TcpStream) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut to = connection;
    let mut from = BufReader::with_capacity(1 << 16, connection);
    from.read_exact(&mut [0; 24])?;
    let mut initial_window = vec![0, 4];
    initial_window.extend(WINDOW.to_be_bytes());
    to.write_all(&frame(SETTINGS, 0, 0, &initial_window))?;
    to.write_all(&room(0, WINDOW - FIRST_WINDOW))?;
    let mut taken = 0;
    let mut payload = Vec::new();
    loop {
        let mut head = [0; 9];
        from.read_exact(&mut head)?;
        let [l1, l2, l3, kind, flags, s1, s2, s3, s4] = head;
        let length = u32::from_be_bytes([0, l1, l2, l3]);
        let stream = u32::from_be_bytes([s1, s2, s3, s4]);
        payload.clear();
        from.by_ref()
            .take(length.into())
            .read_to_end(&mut payload)?;
        match kind {
            SETTINGS if flags & ACK == 0 => to.write_all(&frame(SETTINGS, ACK, 0, &[]))?,
            PING if flags & ACK == 0 => to.write_all(&frame(PING, ACK, 0, &payload))?,
            HEADERS => to.write_all(&frame(HEADERS, END_HEADERS, stream, HEAD))?,
            DATA => taken += length,
            _ => {}
        }
        if taken >= GIVEN_BACK {
            // Envoy's worker sends all over one stream.
            to.write_all(&room(0, taken))?;
            to.write_all(&room(stream, taken))?;
            taken = 0;
        }
    }
}

fn room(stream: u32, bytes: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .unwrap_or_default()
        .to_be_bytes();
    let [_, l1, l2, l3] = length;
    let mut frame = vec![l1, l2, l3, kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}
