//! `gatelog_store::mysql::Dsn`: where a database is, and a password that nobody may see.

use std::path::Path;

use gatelog_store::mysql::Dsn;

/// What stands in every password here.
const PASSWORD: &str = "sEcReT";

/// - The reader never panics.
/// - Neither the error, nor a warning, nor what is shown of a DSN has the password in it.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    shown(&text);
    // A user's name ends at the first `:`; behind a `/` or, without an `@`, a `(` it would be none.
    let (user, rest) = text.split_once('\n').unwrap_or(("user", &text));
    if !user.contains([':', '/', '(']) {
        let dsn = format!("{user}:{PASSWORD}{rest}");
        let shown = shown(&dsn);
        let is_by_chance = user.contains(PASSWORD) || rest.contains(PASSWORD);
        assert!(
            is_by_chance || !shown.contains(PASSWORD),
            "{shown}, of {dsn}"
        );
    }
}

/// All that anybody is told about it.
fn shown(text: &str) -> String {
    let authorities = Path::new("ca.pem");
    [None, Some(authorities)]
        .map(|authorities| match Dsn::parse_trusting(text, authorities) {
            Ok((dsn, warnings)) => format!("{dsn} {dsn:?} {warnings:?}"),
            Err(error) => format!("{error} {error:?}"),
        })
        .join("\n")
}
