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
    /// Carries what comes this much later, each way.
    Late(Duration),
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
    /// As a firewall that forgets a connection: nothing more is carried either way, and neither end
    /// hears of it, also not that the other one has gone.
    Lose,
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
    let fate = Arc::new(Mutex::new(Fate::Carried));
    let (from, to) = (client.try_clone()?, server.try_clone()?);
    let (there, its) = (Arc::clone(shared), Arc::clone(&fate));
    std::thread::spawn(move || pump(&there, from, to, Way::There, &its));
    let back = Arc::clone(shared);
    std::thread::spawn(move || pump(&back, server, client, Way::Back, &fate));
    Ok(())
}

/// From the client to the server, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Carried,
    /// Cut instead of the server's next answer being carried.
    Doomed,
    /// Nothing is carried, nor that an end has gone.
    Lost,
}

/// Carries bytes one way until either end is closed, then cuts both.
fn pump(shared: &Shared, mut from: TcpStream, mut to: TcpStream, way: Way, fate: &Mutex<Fate>) {
    let fate = || fate.lock().unwrap_or_else(PoisonError::into_inner);
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let bytes = buffer.get(..length).unwrap_or_default();
        let mut state = shared.passage();
        let order = match way {
            Way::There => state.order_for(bytes),
            Way::Back => None,
        };
        match order {
            None => {}
            Some(Cut::Before) => break,
            // Set before the bytes go: the answer may be quick.
            Some(Cut::Answer) => *fate() = Fate::Doomed,
            Some(Cut::Lose) => *fate() = Fate::Lost,
            Some(Cut::Hang) => state.mode = Mode::Hang,
        }
        drop(state);
        // Not locked while anything is carried.
        let now = *fate();
        let done = match (now, way) {
            (Fate::Lost, _) => Ok(()),
            (Fate::Doomed, Way::Back) => break,
            _ => forward(shared, &mut to, bytes),
        };
        if done.is_err() {
            break;
        }
    }
    if *fate() == Fate::Lost {
        // Both stay open with the proxy's own list.
        return;
    }
    for stream in [from, to] {
        // It may be gone already.
        let _cut = stream.shutdown(Shutdown::Both).is_ok();
    }
}

/// Writes as the mode says, which may change before all is written.
fn forward(shared: &Shared, to: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    /// How often a slow connection carries something.
    const TURN: Duration = Duration::from_millis(20);
    let mut rest = bytes;
    while !rest.is_empty() {
        let mode = shared.passage().mode;
        let (size, pause) = match mode {
            Mode::Slow(rate) => (usize::try_from(rate / 50).unwrap_or(1).max(1), TURN),
            Mode::Late(pause) => (rest.len(), pause),
            _ => (rest.len(), Duration::ZERO),
        };
        std::thread::sleep(pause);
        let (piece, behind) = rest.split_at(size.min(rest.len()));
        to.write_all(piece)?;
        rest = behind;
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

    #[test]
    fn a_lost_connection_tells_neither_end() {
        let (port, seen) = server();
        let proxy = Proxy::start(port).unwrap();
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        let mut client = connect();
        assert_eq!(ask(&mut client).unwrap(), b'y');
        proxy.cut_at("x", Cut::Lose, 1);
        client
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let error = ask(&mut client).unwrap_err();
        assert!(
            matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            ),
            "{error}"
        );
        assert_eq!((*seen.lock().unwrap(), proxy.cuts()), (1, 1));
        // Others are carried, late.
        proxy.set(Mode::Late(Duration::from_millis(20)));
        assert_eq!(ask(&mut connect()).unwrap(), b'y');
    }

    #[test]
    fn what_is_slow_is_quick_again_when_the_mode_changes() {
        let (port, _) = server();
        let proxy = Proxy::start(port).unwrap();
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        proxy.set(Mode::Slow(20));
        // It would take an hour.
        client.write_all(&vec![b'x'; 60 << 10]).unwrap();
        proxy.set(Mode::Pass);
        client
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        client.read_exact(&mut vec![0; 60 << 10]).unwrap();
    }
}
