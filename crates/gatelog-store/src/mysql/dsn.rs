//! The Go driver's data source name, as `MYSQL_DSN` holds it.
//!
//! **Shape.** `[user[:password]@][protocol[(address)]]/database[?option=value&…]`, where the
//! protocol is `tcp` (address `host`, `host:port`, `[v6]`, `[v6]:port`; port 3306 by default) or
//! `unix` (address: the socket's path). User and password stand as they are: the user ends at the
//! first `:`, the password at the last `@`, so a password may have any character in it. The
//! database's name is percent-decoded.
//!
//! **Options.** [`option`] has them.
//!
//! **Invariants.** Neither an error nor `Debug` nor `Display` shows the password or any text that
//! might be a part of it.
//!
//! **Source.** <https://github.com/go-sql-driver/mysql#dsn-data-source-name>, version 1.9. One
//! leniency: where the driver stops at a `/` in an option (`loc=Asia/Shanghai`), it is taken as
//! what it was meant to be.

mod duration;
mod option;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a connection may take, handshake and log-in included, where `timeout` does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an answer may take where `readTimeout` and `writeTimeout` do not say.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

const DEFAULT_PORT: u16 = 3306;

/// Where a database is and how to get in.
#[derive(Clone, PartialEq, Eq)]
pub struct Dsn {
    pub(super) user: String,
    pub(super) password: String,
    pub(super) address: Address,
    pub(super) database: String,
    pub(super) tls: Tls,
    /// Whether a server that has no TLS is good enough all the same.
    pub(super) plaintext_fallback: bool,
    pub(super) cleartext_password: bool,
    /// The most that a statement may take, besides what the server says.
    pub(super) max_packet_bytes: Option<usize>,
    /// For a connection with everything that belongs to it.
    pub(super) connect_timeout: Duration,
    /// For sending a statement.
    write_timeout: Duration,
    /// For its answer.
    read_timeout: Duration,
}

/// The server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// Name or number of a host (IPv6 without brackets), and a port.
    Tcp(String, u16),
    /// Path of a socket.
    Unix(String),
}

/// Whether the connection is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    /// Not.
    Off,
    /// The server's certificate and its name are checked, against the authorities in this file; without
    /// one, against the public ones.
    Checked(Option<PathBuf>),
    /// No check.
    Unchecked,
}

/// Why a text is no DSN. Nothing of the text is shown but the names of known options.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DsnError {
    /// No `/`, or something else than an address before it.
    #[error(
        "the DSN has no tcp(host:port) or unix(/socket) before the `/` that the database follows; \
         its form is user:password@tcp(host:3306)/database?option=value"
    )]
    Address,
    /// The port is not a number up to 65535.
    #[error("the DSN's port is no number from 1 to 65535")]
    Port,
    /// No database, or one whose percent-encoding is broken.
    #[error("the DSN names no database behind its `/`")]
    Database,
    /// An option with a value that it cannot have.
    #[error("the DSN's option {name} must be {expected}")]
    Option {
        /// The option.
        name: &'static str,
        /// What it can be.
        expected: &'static str,
    },
}

impl Dsn {
    /// Reads a DSN. The second part of the answer is for the log: options that have no effect, where
    /// somebody might count on one.
    ///
    /// # Errors
    /// [`DsnError`] says what is wrong.
    pub fn parse(text: &str) -> Result<(Self, Vec<String>), DsnError> {
        Self::parse_trusting(text, None)
    }

    /// As [`parse`](Self::parse), with a file of certificates (PEM) of those who may vouch for the
    /// server. It is what `tls=` with a name of one's own stands for; it is read at each connection.
    ///
    /// # Errors
    /// As there.
    pub fn parse_trusting(
        text: &str,
        authorities: Option<&Path>,
    ) -> Result<(Self, Vec<String>), DsnError> {
        let mut error = DsnError::Address;
        // The last `/` it is, unless that one stands in an option's value.
        for (attempt, (at, _)) in text.rmatch_indices('/').enumerate() {
            let (head, tail) = text.split_at_checked(at).ok_or(DsnError::Address)?;
            let tail = tail.strip_prefix('/').unwrap_or(tail);
            let (database, options) = tail.split_once('?').unwrap_or((tail, ""));
            if database.contains('/') {
                break;
            }
            match Self::parse_head(head) {
                Ok(mut dsn) => {
                    dsn.database = percent_decode(database).ok_or(DsnError::Database)?;
                    if dsn.database.is_empty() {
                        return Err(DsnError::Database);
                    }
                    let warnings = option::take(&mut dsn, options, authorities)?;
                    return Ok((dsn, warnings));
                }
                Err(first) if attempt == 0 => error = first,
                Err(_) => {}
            }
        }
        Err(error)
    }

    /// What stands before the database: who, and where.
    fn parse_head(head: &str) -> Result<Self, DsnError> {
        let (account, place) = head.rsplit_once('@').unwrap_or(("", head));
        let (user, password) = account.split_once(':').unwrap_or((account, ""));
        let (protocol, address) = match place.split_once('(') {
            Some((protocol, rest)) => {
                let address = rest.strip_suffix(')').ok_or(DsnError::Address)?;
                (protocol, address)
            }
            None => (place, ""),
        };
        let address = match (protocol, address) {
            ("" | "tcp", address) => tcp(address)?,
            ("unix", "") => Address::Unix("/tmp/mysql.sock".to_owned()),
            ("unix", path) => Address::Unix(path.to_owned()),
            _ => return Err(DsnError::Address),
        };
        Ok(Self {
            user: user.to_owned(),
            password: password.to_owned(),
            address,
            database: String::new(),
            tls: Tls::Off,
            plaintext_fallback: false,
            cleartext_password: false,
            max_packet_bytes: None,
            connect_timeout: CONNECT_TIMEOUT,
            write_timeout: ANSWER_TIMEOUT,
            read_timeout: ANSWER_TIMEOUT,
        })
    }

    /// How long a statement may take from its first byte to the last of its answer.
    pub(super) fn answer_timeout(&self) -> Duration {
        self.read_timeout.max(self.write_timeout)
    }
}

/// User, address and database: what an operator needs to find the place.
impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp(host, port) if host.contains(':') => {
                write!(f, "{}@tcp([{host}]:{port})/{}", self.user, self.database)
            }
            Address::Tcp(host, port) => {
                write!(f, "{}@tcp({host}:{port})/{}", self.user, self.database)
            }
            Address::Unix(path) => write!(f, "{}@unix({path})/{}", self.user, self.database),
        }
    }
}

impl fmt::Debug for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dsn({self}, password: ***, tls: {:?})", self.tls)
    }
}

fn tcp(address: &str) -> Result<Address, DsnError> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(DsnError::Address)?;
            match port.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if port.is_empty() => (host, None),
                None => return Err(DsnError::Address),
            }
        }
        // More than one colon: IPv6 without brackets, which leaves no place for a port.
        None if address.matches(':').count() > 1 => (address, None),
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let port = match port {
        Some(digits) => digits
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or(DsnError::Port)?,
        None => DEFAULT_PORT,
    };
    let host = if host.is_empty() { "127.0.0.1" } else { host };
    Ok(Address::Tcp(host.to_owned(), port))
}

/// `%41` as `A`; `None` for a `%` without two hexadecimal digits, and for what is not UTF-8 then.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let value = digit()? << 4 | digit()?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Dsn {
        let (dsn, warnings) = Dsn::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(warnings, [""; 0], "{text}");
        dsn
    }

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp(host.to_owned(), port)
    }

    #[test]
    fn the_dsn_of_the_seed_is_read() {
        let dsn = parse(
            "user:password@tcp(mysql-host:3306)/higress_poc?charset=utf8mb4&parseTime=True&loc=Local",
        );
        assert_eq!(
            (dsn.user.as_str(), dsn.password.as_str()),
            ("user", "password")
        );
        assert_eq!(dsn.address, tcp("mysql-host", 3306));
        assert_eq!(dsn.database, "higress_poc");
        assert_eq!(dsn.tls, Tls::Off);
        assert_eq!(dsn.connect_timeout, Duration::from_secs(5));
        assert_eq!(dsn.answer_timeout(), Duration::from_secs(30));
    }

    #[test]
    fn every_form_of_address_is_read() {
        for (text, address) in [
            ("u@tcp(db)/x", tcp("db", 3306)),
            ("u@tcp(db:13306)/x", tcp("db", 13306)),
            ("u@tcp([::1]:3307)/x", tcp("::1", 3307)),
            (
                "u@tcp([de:ad:be:ef::ca:fe])/x",
                tcp("de:ad:be:ef::ca:fe", 3306),
            ),
            ("u@tcp(::1)/x", tcp("::1", 3306)),
            ("u@tcp(:3307)/x", tcp("127.0.0.1", 3307)),
            ("u@tcp/x", tcp("127.0.0.1", 3306)),
            ("u@/x", tcp("127.0.0.1", 3306)),
            ("/x", tcp("127.0.0.1", 3306)),
            (
                "u@unix(/run/mysqld/mysqld.sock)/x",
                Address::Unix("/run/mysqld/mysqld.sock".to_owned()),
            ),
        ] {
            assert_eq!(parse(text).address, address, "{text}");
        }
    }

    #[test]
    fn what_is_no_dsn_is_refused_without_showing_it() {
        for (text, expected) in [
            ("", DsnError::Address),
            ("secret", DsnError::Address),
            ("u:secret@tcp(h:3306)", DsnError::Address),
            ("u:se/cret@tcp(h:3306)", DsnError::Address),
            ("u:secret@h:3306/x", DsnError::Address),
            ("u:secret@tcp(h:3306/x", DsnError::Address),
            ("u:secret@tcp([::1/x", DsnError::Address),
            ("u:secret@tcp(h:0)/x", DsnError::Port),
            ("u:secret@tcp(h:secret)/x", DsnError::Port),
            ("u:secret@tcp(h)/", DsnError::Database),
            ("u:secret@tcp(h)/%zz", DsnError::Database),
        ] {
            let error = Dsn::parse(text).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
            assert_eq!(error, expected, "{text}");
        }
    }

    #[test]
    fn debug_and_display_do_not_show_the_password() {
        let dsn = parse("user:sesame@tcp([::1]:3306)/x");
        assert_eq!(dsn.to_string(), "user@tcp([::1]:3306)/x");
        assert!(!format!("{dsn:?}").contains("sesame"));
    }

    proptest! {
        #[test]
        fn any_password_is_read_as_it_stands(user in "[^:@/]{0,8}", password in "\\PC{0,20}", database in "[a-z_]{1,8}") {
            let text = format!("{user}:{password}@tcp(h:1)/{database}?charset=utf8mb4");
            let (dsn, warnings) = Dsn::parse(&text).unwrap();
            prop_assert_eq!(&dsn.user, &user);
            prop_assert_eq!(&dsn.password, &password);
            prop_assert_eq!(&dsn.address, &tcp("h", 1));
            prop_assert_eq!(&dsn.database, &database);
            prop_assert!(warnings.is_empty());
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}|[a:@/()?=&\\[\\]0-9%]{0,40}") {
            drop(Dsn::parse(&text));
            drop(Dsn::parse_trusting(&text, Some(Path::new("ca.pem"))));
        }
    }
}
