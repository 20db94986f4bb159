//! `GET /query`: its parameters, and the cursor in them.

use gatelog::api::parameter;
use gatelog_store::{Cursor, Paging};

/// The bytes are a query string, and a cursor.
///
/// - The reader never panics. It refuses by naming a parameter.
/// - A page is bounded, more so without a cursor; with a cursor the order is the cursor's.
/// - There are no more conditions than the text has room for, and they ask for what it says: in any
///   other order of the parameters as many are read.
/// - A cursor is read from the word it is written as.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(cursor) = Cursor::parse(&text) {
        survives(&cursor);
    }
    let Ok(parameters) = parameter::read(&text) else {
        let Err(error) = parameter::read(&text) else {
            panic!("refused and then taken: {text}");
        };
        assert!(error.contains(": "), "{error}");
        return;
    };
    let query = parameters.query;
    assert!(query.page_size > 0, "{query:?}");
    match &query.paging {
        Paging::Number(number) => assert!(*number > 0 && query.page_size <= 100, "{query:?}"),
        Paging::After(cursor) => {
            assert!(
                query.sort == cursor.sort && query.page_size <= 1000,
                "{query:?}"
            );
            survives(cursor);
        }
    }
    assert!(query.conditions.len() <= text.len(), "{query:?}");
    let mut reversed: Vec<_> = text.split('&').collect();
    reversed.reverse();
    // One that is given twice counts as it was given last.
    if let Ok(reversed) = parameter::read(&reversed.join("&")) {
        let count = reversed.query.conditions.len();
        assert_eq!(count, query.conditions.len(), "{text}");
    }
}

fn survives(cursor: &Cursor) {
    let word = cursor.to_string();
    let printable = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    assert!(word.bytes().all(printable), "{word}");
    assert_eq!(Cursor::parse(&word).as_ref(), Some(cursor), "{word}");
    // In the URL that it is made for, too.
    assert!(parameter::read(&format!("cursor={word}")).is_ok(), "{word}");
}
