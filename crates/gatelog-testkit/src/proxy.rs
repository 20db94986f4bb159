//! A TCP proxy that does to a connection what a network does.
//!
//! **Shape.** [`Proxy::start`] listens on a port of its own and carries every connection to another
//! port of 127.0.0.1, each in two threads. What it does meanwhile is said by [`Mode`], for all
//! connections, those already open included; and by [`Proxy::cut_at`] for one moment.
//!
//! **Invariants.** A cut is exact: what was to be forwarded before it has been, and nothing after it.
//! The threads end when the handle is dropped.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the proxy does with bytes and new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Carries them.
    Pass,
    /// Keeps connections open and carries nothing: what comes is carried when the mode changes.
    Hang,
    /// Carries so many bytes a second, each way and for each connection.
    Slow(u32),
    /// Cuts every connection, and each new one as soon as it comes.
    Refuse,
}

/// When [`Proxy::cut_at`] cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Before the bytes are forwarded: the server never sees them.
    Before,
    /// When the server has answered them, before the client sees the answer.
    Answer,
    /// Not at all: the proxy hangs before they are forwarded, until its mode is [set](Proxy::set).
    Hang,
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: u16,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    /// What to look for in what a client sends, when to cut, and how often still.
    order: Option<(Vec<u8>, Cut, u32)>,
    cuts: u32,
    closed: bool,
    connections: Vec<TcpStream>,
}

impl Proxy {
    /// Starts a proxy to this port of 127.0.0.1.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(upstream: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            upstream,
            state: Mutex::new(State {
                mode: Mode::Pass,
                order: None,
                cuts: 0,
                closed: false,
                connections: Vec::new(),
            }),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.state().closed {
                    return;
                }
                // A connection that ends at once is one of the things it is for.
                let _carried = carry(&accepting, client).is_ok();
            }
        });
        Ok(Self { port, shared })
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes what it does, from the next byte on.
    pub fn set(&self, mode: Mode) {
        self.shared.update(|state| {
            state.mode = mode;
            if mode == Mode::Refuse {
                state.cut_all();
            }
        });
    }

    /// Cuts a connection when its client sends `bytes`, in one piece of what it writes; so many
    /// times, once for each time it sends them.
    pub fn cut_at(&self, bytes: impl Into<Vec<u8>>, cut: Cut, times: u32) {
        let order = (times > 0).then(|| (bytes.into(), cut, times));
        self.shared.update(|state| state.order = order);
    }

    /// How often [`cut_at`](Self::cut_at) has done its work.
    pub fn cuts(&self) -> u32 {
        self.shared.state().cuts
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.update(|state| {
            state.closed = true;
            state.cut_all();
        });
        // Wakes the thread that accepts.
        let _woken = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok();
    }
}

impl State {
    fn cut_all(&mut self) {
        for connection in self.connections.drain(..) {
            // It may be gone already.
            let _cut = connection.shutdown(Shutdown::Both).is_ok();
        }
    }

    /// Whether what a client sends is what a cut waits for.
    fn order_for(&mut self, bytes: &[u8]) -> Option<Cut> {
        let (wanted, cut, times) = self.order.as_mut()?;
        if wanted.is_empty() || !bytes.windows(wanted.len()).any(|some| some == wanted) {
            return None;
        }
        let cut = *cut;
        *times -= 1;
        if *times == 0 {
            self.order = None;
        }
        self.cuts += 1;
        Some(cut)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Waits until bytes may go on; the state says what else is to be done.
    fn passage(&self) -> MutexGuard<'_, State> {
        self.changed
            .wait_while(self.state(), |state| {
                state.mode == Mode::Hang && !state.closed
            })
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn carry(shared: &Arc<Shared>, client: TcpStream) -> io::Result<()> {
    if shared.state().mode == Mode::Refuse {
        return client.shutdown(Shutdown::Both);
    }
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, shared.upstream))?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
        let stream = stream.try_clone()?;
        shared.update(|state| state.connections.push(stream));
    }
    // The connection is to be cut instead of the server's next answer being carried.
    let doomed = Arc::new(Mutex::new(false));
    let (from, to) = (client.try_clone()?, server.try_clone()?);
    let (there, its) = (Arc::clone(shared), Arc::clone(&doomed));
    std::thread::spawn(move || pump(&there, from, to, Some(&its), None));
    let back = Arc::clone(shared);
    std::thread::spawn(move || pump(&back, server, client, None, Some(&doomed)));
    Ok(())
}

/// Carries bytes one way until either end is closed, then cuts both.
fn pump(
    shared: &Shared,
    mut from: TcpStream,
    mut to: TcpStream,
    dooms: Option<&Mutex<bool>>,
    doomed: Option<&Mutex<bool>>,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let bytes = buffer.get(..length).unwrap_or_default();
        let mut state = shared.passage();
        let mode = state.mode;
        let order = dooms.and_then(|_| state.order_for(bytes));
        if order == Some(Cut::Hang) {
            state.mode = Mode::Hang;
            drop(state);
            state = shared.passage();
        }
        drop(state);
        let is_doomed = |flag: &Mutex<bool>| *flag.lock().unwrap_or_else(PoisonError::into_inner);
        if order == Some(Cut::Before) || doomed.is_some_and(is_doomed) {
            break;
        }
        if let (Some(Cut::Answer), Some(flag)) = (order, dooms) {
            // Set before the bytes go: the answer may be quick.
            *flag.lock().unwrap_or_else(PoisonError::into_inner) = true;
        }
        let written = match mode {
            Mode::Slow(rate) => drip(&mut to, bytes, rate),
            _ => to.write_all(bytes),
        };
        if written.is_err() {
            break;
        }
    }
    for stream in [from, to] {
        // It may be gone already.
        let _cut = stream.shutdown(Shutdown::Both).is_ok();
    }
}

/// Writes at a rate, in pieces of a twentieth of a second.
fn drip(to: &mut TcpStream, bytes: &[u8], rate: u32) -> io::Result<()> {
    let piece = usize::try_from(rate / 20).unwrap_or(1).max(1);
    for piece in bytes.chunks(piece) {
        to.write_all(piece)?;
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers every `x` by a `y`; how many it has seen.
    fn server() -> (u16, Arc<Mutex<usize>>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(0));
        let count = Arc::clone(&seen);
        std::thread::spawn(move || {
            for mut client in listener.incoming().map_while(Result::ok) {
                let count = Arc::clone(&count);
                std::thread::spawn(move || {
                    let mut byte = [0];
                    while client.read_exact(&mut byte).is_ok() {
                        *count.lock().unwrap() += 1;
                        if client.write_all(b"y").is_err() {
                            break;
                        }
                    }
                });
            }
        });
        (port, seen)
    }

    fn ask(client: &mut TcpStream) -> io::Result<u8> {
        client.write_all(b"x")?;
        let mut answer = [0];
        client.read_exact(&mut answer).map(|()| answer[0])
    }

    #[test]
    fn a_cut_comes_before_the_bytes_or_before_the_answer() {
        let (port, seen) = server();
        let proxy = Proxy::start(port).unwrap();
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        assert_eq!(ask(&mut connect()).unwrap(), b'y');
        proxy.cut_at("x", Cut::Before, 1);
        ask(&mut connect()).unwrap_err();
        assert_eq!((*seen.lock().unwrap(), proxy.cuts()), (1, 1));
        proxy.cut_at("x", Cut::Answer, 1);
        ask(&mut connect()).unwrap_err();
        assert_eq!((*seen.lock().unwrap(), proxy.cuts()), (2, 2));
        assert_eq!(ask(&mut connect()).unwrap(), b'y');
    }

    #[test]
    fn it_hangs_refuses_and_passes_again() {
        let (port, _) = server();
        let proxy = Proxy::start(port).unwrap();
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        let mut client = connect();
        assert_eq!(ask(&mut client).unwrap(), b'y');
        proxy.set(Mode::Hang);
        client
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        ask(&mut client).unwrap_err();
        proxy.set(Mode::Slow(1000));
        client.set_read_timeout(None).unwrap();
        // The answer to what was asked while it hung.
        client.read_exact(&mut [0]).unwrap();
        assert_eq!(ask(&mut client).unwrap(), b'y');
        proxy.set(Mode::Refuse);
        assert!(ask(&mut client).is_err());
        assert!(ask(&mut connect()).is_err());
        proxy.set(Mode::Pass);
        assert_eq!(ask(&mut connect()).unwrap(), b'y');
    }
}
