//! The objects in a body, one after the other.
//!
//! **Shape.** `[` begins a JSON array; anything else is taken as objects behind each other,
//! separated by white space (NDJSON, pretty printed or not) or by single commas.
//!
//! **Where a broken item ends.** An object whose content is wrong ends where its syntax says; for one
//! whose syntax is broken, `broken` says it.
//!
//! **Limits.** Where a broken item ends is sometimes known only far behind it, so a body of broken
//! items could make each be looked for to the end of the body. All the looking together is bounded
//! ([`Work`]): when half of it is used up it is done near the item only, and when all is, the rest
//! of the body is refused as one item. Of an item not more than [`MAX_ITEM_BYTES`] are read; of a
//! longer one only the end is looked for.

mod broken;
mod work;

use gatelog_record::DecodeError;

use self::work::{REFUSED_ITEM, Work};
use super::item::{self, Found, Item};

/// The longest item that is read as a record. Envoy's largest head, 8 MiB with every limit raised, and
/// two bodies captured beside it fit; more is no access record, and a few of them would fill the
/// memory and the journal.
pub const MAX_ITEM_BYTES: usize = 16 << 20;

/// Iterator over the items of a body: each is a record with its flaws, or why it is none.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    rest: &'a str,
    in_array: bool,
    /// Where `rest` ends in the body.
    end: usize,
    work: Work,
    met_kong: bool,
}

impl<'a> Items<'a> {
    /// The items of this body.
    pub fn new(body: &'a str) -> Self {
        let end = body.trim_ascii_end().len();
        let rest = body.trim_ascii();
        let array = rest.strip_prefix('[');
        Self {
            rest: array.unwrap_or(rest),
            in_array: array.is_some(),
            end,
            work: Work::for_body(body.len()),
            met_kong: false,
        }
    }

    /// What is not yet read. Where an item stood is told by comparing this before and after it.
    pub fn rest(&self) -> &'a str {
        self.rest
    }

    /// Whether an item so far had the shape of Kong's log objects, read or refused.
    pub fn met_kong(&self) -> bool {
        self.met_kong
    }

    /// Goes on behind the next `bytes` bytes.
    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// Where an item ends that goes on behind [`MAX_ITEM_BYTES`]; `None` when that cannot be told, as
    /// of one whose syntax is broken.
    fn end_of_long(&mut self, line: Option<usize>) -> Option<usize> {
        match line {
            Some(end) => Some(end),
            None if self.rest.starts_with('{') => broken::closed_end(self.rest, &mut self.work),
            None => None,
        }
    }

    /// Reads the item at the beginning of the rest.
    fn item(&mut self) -> Item<'a> {
        if self.work.used_up() {
            let byte = self.end.saturating_sub(self.rest.len());
            self.skip(self.rest.len());
            self.in_array = false;
            return Err(DecodeError::TooManyBroken { byte });
        }
        // Only an object may stand in a line: whatever else does ends with it.
        let line = (!self.in_array && !self.rest.starts_with('{'))
            .then(|| self.rest.find('\n').unwrap_or(self.rest.len()));
        let text = match line {
            Some(end) => self.rest.get(..end).unwrap_or_default(),
            None => self.rest,
        };
        let window = window(text, MAX_ITEM_BYTES);
        let Found { item, end, of_kong } = item::find(window);
        self.met_kong |= of_kong;
        self.work.add(end);
        let cut = window.len() < text.len() && end >= window.len();
        if cut
            && let Some(bytes) = self.end_of_long(line)
            && bytes > MAX_ITEM_BYTES
        {
            self.work.add(REFUSED_ITEM);
            self.skip(bytes);
            return Err(DecodeError::TooLarge {
                bytes,
                limit: MAX_ITEM_BYTES,
            });
        }
        if item.is_err() {
            self.work.add(REFUSED_ITEM);
        }
        let broken = matches!(item, Err(DecodeError::Syntax(_)));
        let end = match (line, broken) {
            (Some(line), _) => line,
            (None, false) => end,
            (None, true) if self.in_array => broken::end_in_array(self.rest, &mut self.work),
            (None, true) => broken::end_in_lines(self.rest, &mut self.work),
        };
        self.skip(end);
        if line.is_some() && item.is_ok() {
            return Err(DecodeError::NotAnObject {
                found: "something else",
            });
        }
        item
    }
}

/// The beginning of `text`, at most so many bytes and a few.
fn window(text: &str, bytes: usize) -> &str {
    let end = text.ceil_char_boundary(bytes);
    text.get(..end).unwrap_or(text)
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let comma = |text: &'a str| text.strip_prefix(',').map(str::trim_ascii_start);
        self.rest = self.rest.trim_ascii_start();
        self.rest = comma(self.rest).unwrap_or(self.rest);
        if self.in_array
            && let Some(behind) = self.rest.strip_prefix(']')
        {
            self.in_array = false;
            self.rest = "";
            let behind = behind.trim_ascii();
            return (!behind.is_empty()).then(|| {
                Err(DecodeError::Syntax(
                    "something follows the array".to_owned(),
                ))
            });
        }
        if self.rest.is_empty() {
            // An array that never ended is told once, behind its last item.
            return std::mem::take(&mut self.in_array)
                .then(|| Err(DecodeError::Syntax("the array does not end".to_owned())));
        }
        Some(self.item())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The methods of the records, and `!` for an item that is none.
    fn methods(body: &str) -> String {
        let items = Items::new(body).map(|item| match item {
            Ok((record, _)) => record.method.unwrap_or("?".into()).into_owned(),
            Err(_) => "!".to_owned(),
        });
        items.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_form_of_body_is_read() {
        let (a, b) = (r#"{"method":"A"}"#, r#"{"method":"B"}"#);
        for (body, expected) in [
            (a.to_owned(), "A"),
            (format!("{a}\n{b}\n"), "A B"),
            (format!("{a}{b}"), "A B"),
            (format!("  {a} \r\n\r\n {b}"), "A B"),
            (format!("{a},{b}"), "A B"),
            (format!("[{a}, {b}]"), "A B"),
            (format!(" [\n{a}\n,\n{b}\n]\n "), "A B"),
            (
                "{\n  \"method\": \"A\"\n}\n{\n  \"method\": \"B\"\n}".to_owned(),
                "A B",
            ),
            ("[]".to_owned(), ""),
            (String::new(), ""),
        ] {
            assert_eq!(methods(&body), expected, "{body}");
        }
    }

    #[test]
    fn a_bad_item_costs_itself_only() {
        let (a, b) = (r#"{"method":"A"}"#, r#"{"method":"B"}"#);
        for bad in [
            "{}",
            "7",
            "null",
            "\"x\"",
            "[1,[2]]",
            r#"{"response_code":"x"}"#,
            r#"{"method":tru}"#,
            r#"{"method":"a "b} c"}"#,
            r#"{"method":"a}"b"}"#,
            r#"{"a":{"b":}}"#,
            "nonsense",
        ] {
            assert_eq!(
                methods(&format!("[{a},{bad},{b}]")),
                "A ! B",
                "in an array: {bad}"
            );
            assert_eq!(
                methods(&format!("{a}\n{bad}\n{b}")),
                "A ! B",
                "in lines: {bad}"
            );
        }
        // A line that was cut short, as by a full disk at the sender.
        assert_eq!(methods(&format!("{a}\n{{\"method\":\"C\n{b}")), "A ! B");
        assert_eq!(methods(&format!("{a}\n{{\"method\":\n{b}")), "A ! B");
        assert_eq!(methods(&format!("{{\n\"method\": tru\n}}\n{b}")), "! B");
    }

    #[test]
    fn an_array_that_does_not_end_or_is_followed_by_something_is_told() {
        assert_eq!(methods(r#"[{"method":"A"}"#), "A !");
        assert_eq!(methods(r#"[{"method":"A"},{"meth"#), "A ! !");
        assert_eq!(methods(r#"[{"method":"A"}] x"#), "A !");
        assert_eq!(methods("["), "!");
    }

    /// How many items were read and how many bytes were looked at for each byte of the body.
    fn work(body: &str) -> (usize, usize) {
        let mut items = Items::new(body);
        let count = items.by_ref().count();
        (count, items.work.done / body.len())
    }

    #[test]
    fn long_white_space_behind_a_broken_item_is_passed_over_once() {
        const LONG: usize = 1 << 17;
        for blank in ["\n", " ", "\n  ", "\r\n"] {
            let blank = blank.repeat(LONG);
            let lines = format!("{{\"a\":tru}}{blank}{{\"method\":\"B\"}}{blank}");
            assert_eq!(methods(&lines.replace("tru}", "tru}\n")), "! B");
            assert!(work(&lines).1 <= 2);
            let array = format!("[{{\"a\":tru}}{blank},{blank}{{\"method\":\"B\"}}{blank}]");
            assert_eq!(methods(&array), "! B");
            assert!(work(&array).1 <= 2);
        }
        // White space at the end of the body, and many braces before it.
        let braces = format!("[{{\"a\"{}{}", "}".repeat(LONG), " ".repeat(LONG));
        assert_eq!(methods(&braces), "! !");
        assert!(work(&braces).1 <= 4);
    }

    #[test]
    fn broken_items_cost_no_more_than_the_allowed_work() {
        const MANY: usize = 1 << 14;
        for body in [
            format!("[{}", r#"{{"},"#.repeat(MANY)),
            r#"{"a":["#.repeat(MANY).replace('[', "[\n"),
            format!("[{}", r#"{"a":["#.repeat(MANY)),
            format!("[{}]", r#"{"a":["},"#.repeat(MANY)),
            "x\n[1,\n".repeat(MANY),
            format!("[{}", r#"{"a":tru},{"b":"},"#.repeat(MANY)),
            format!("[{}", "1,".repeat(MANY)),
            "1\n".repeat(MANY),
        ] {
            let mut items = Items::new(&body);
            let last = items.by_ref().last().unwrap();
            // One item more may be looked at when little is left.
            let most = items.work.allowed + 4 * body.len();
            assert!(items.work.done <= most, "{} > {most}", items.work.done);
            assert!(items.rest().is_empty());
            let told = last.unwrap_err().to_string();
            let given_up = told.starts_with("the body has too many broken items");
            assert_eq!(given_up, items.work.used_up(), "{told}");
        }
    }

    #[test]
    fn what_is_not_read_is_told_with_its_place() {
        let broken = r#"{"a":["#.repeat(1 << 15).replace('[', "[\n");
        let body = format!(" {{\"method\":\"A\"}}\n{broken} \n");
        let mut items = Items::new(&body);
        assert!(items.next().unwrap().is_ok());
        let (mut before, mut last) = ("", None);
        loop {
            let rest = items.rest();
            let Some(item) = items.next() else { break };
            (before, last) = (rest, Some(item));
        }
        // The place is behind the white space that follows the last broken item.
        let byte = body.trim_ascii_end().len() - before.trim_ascii_start().len();
        assert!(body.get(byte..).unwrap().starts_with(r#"{"a":["#));
        assert_eq!(
            last.unwrap().unwrap_err().to_string(),
            format!(
                "the body has too many broken items to tell them apart: the rest, from byte {byte}, \
                 was not read"
            )
        );
    }

    #[test]
    fn of_a_long_item_the_end_is_found_and_its_size_told() {
        let object = |bytes: usize| {
            let filling = "x".repeat(bytes - r#"{"method":"L","path":""}"#.len());
            format!(r#"{{"method":"L","path":"{filling}"}}"#)
        };
        let (a, fits, long) = (
            r#"{"method":"A"}"#,
            object(MAX_ITEM_BYTES),
            object(MAX_ITEM_BYTES + 1),
        );
        for body in [
            format!("[{a},{long},{a},{fits},{a}]"),
            format!("{a}\n{long}\n{a}\n{fits}\n{a}"),
            format!("{a}{long}{a}{fits}{a}"),
        ] {
            assert_eq!(methods(&body), "A ! A L A");
            let told = Items::new(&body).nth(1).unwrap().unwrap_err();
            let (bytes, limit) = (long.len(), MAX_ITEM_BYTES);
            assert_eq!(told, DecodeError::TooLarge { bytes, limit });
            assert!(work(&body).1 <= 3);
        }
        // What is no object is told by its line, and what never ends goes to its end.
        let word = "x".repeat(2 * MAX_ITEM_BYTES);
        assert_eq!(methods(&format!("\"{word}\"\n{a}")), "! A");
        assert_eq!(
            methods(&format!("{a}\n{{\"method\":\"{word}\n{a}")),
            "A ! A"
        );
        assert_eq!(methods(&format!("[{a},{{\"method\":\"{word}")), "A ! !");
    }

    #[test]
    fn many_broken_records_in_an_array_leave_their_good_neighbours() {
        // A quote that was not escaped turns strings inside out as far as the end.
        let filling = "x".repeat(1000);
        let good = format!(r#"{{"method":"A","path":"{filling}"}}"#);
        let bad = format!(r#"{{"method":"b"B","path":"{filling}"}}"#);
        let body = format!("[{}{good}]", format!("{good},{bad},").repeat(2000));
        let found = methods(&body);
        assert_eq!(found.matches('A').count(), 2001);
        assert_eq!(found.matches('!').count(), 2000);
    }

    proptest! {
        #[test]
        fn every_body_comes_to_an_end(body in r#"([\[\]{}",:\\ \n]|"method"|"A"|1|é){0,60}"#) {
            let count = Items::new(&body).take(1000).count();
            prop_assert!(count <= body.len() + 1, "{count} items in {} bytes", body.len());
        }

        #[test]
        fn good_lines_survive_any_bad_line_between_them(bad in r"[^\n{]{0,20}|\{[^\n{]{0,20}") {
            let body = format!("{{\"method\":\"A\"}}\n{bad}\n{{\"method\":\"B\"}}\n");
            let found = methods(&body);
            prop_assert!(found.starts_with('A') && found.ends_with('B'), "{found}");
        }
    }
}
