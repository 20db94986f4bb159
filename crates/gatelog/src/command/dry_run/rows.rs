//! The stored records of a time, a page after the other, from the oldest to the newest.
//!
//! **Shape.** The time is asked for in slices: a store puts all that fit a question in order before it
//! answers a page of them. Within a slice the cursor leads on. Where there is little the next slice is
//! longer, where there is much it is shorter.
//!
//! **Invariants.** Each record comes once. Slices meet at whole seconds: a table may have no finer times.

use axum::http::{StatusCode, Uri};
use gatelog_record::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::client::Client;
use super::Failure;

/// The first slice is such a part of the whole time, and the longest one such a part.
const FIRST_PART: i64 = 200;
const LARGEST_PART: i64 = 8;

/// A first slice has so many seconds at least.
const LEAST_SLICE_SECONDS: i64 = 60;

/// A slice of more pages is followed by a shorter one.
const MANY_PAGES: u32 = 16;

/// Rows in the first page of a slice, and in those behind a cursor: the most that are answered.
const FIRST_PAGE_ROWS: &str = "100";
const PAGE_ROWS: &str = "1000";

const MICROS: i64 = 1_000_000;

/// Asks for pages.
#[derive(Debug)]
pub(super) struct Rows {
    client: Client,
    /// Up to the query string.
    address: String,
    conditions: Vec<(String, String)>,
    /// In microseconds since 1970, both inclusive.
    slice: Option<(i64, i64)>,
    until: i64,
    /// Whole seconds.
    slice_micros: i64,
    longest_micros: i64,
    /// Pages of this slice so far.
    pages: u32,
    cursor: Option<String>,
}

/// What a page has.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) logs: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

/// What stands in the answer to what cannot be answered.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Rows {
    /// The records that began in this time and fit these parameters of `GET /query`.
    ///
    /// # Errors
    /// The address is none of a server.
    pub(super) fn new(
        url: &Uri,
        conditions: &[(String, String)],
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Self, Failure> {
        let authority = url.authority();
        let authority =
            authority.ok_or_else(|| Failure::Usage(format!("{url}: no server in it")))?;
        let (since, until) = (since.micros(), until.micros());
        let part = |part: i64| ((until - since) / MICROS / part).max(LEAST_SLICE_SECONDS) * MICROS;
        let mut rows = Self {
            client: Client::new(),
            address: format!(
                "http://{authority}{}/query",
                url.path().trim_end_matches('/')
            ),
            conditions: conditions.to_vec(),
            slice: None,
            until,
            slice_micros: part(FIRST_PART),
            longest_micros: part(LARGEST_PART),
            pages: 0,
            cursor: None,
        };
        rows.slice = rows.slice_from(since);
        Ok(rows)
    }

    /// The slice that begins here, unless the time is over.
    fn slice_from(&self, begin: i64) -> Option<(i64, i64)> {
        let end = begin.saturating_add(self.slice_micros) / MICROS * MICROS - 1;
        (begin <= self.until).then_some((begin, end.min(self.until)))
    }

    /// How long the slice behind this one is to be, in microseconds.
    fn fitting(&self) -> i64 {
        let seconds = self.slice_micros / MICROS;
        let seconds = match self.pages {
            0 | 1 => seconds * 2,
            2..=MANY_PAGES => seconds,
            _ => (seconds / 2).max(1),
        };
        (seconds * MICROS).min(self.longest_micros)
    }

    /// Until where all was answered.
    pub(super) fn reached(&self) -> Option<Timestamp> {
        self.slice.map(|(begin, _)| Timestamp::from_micros(begin))
    }

    /// The next page; `None` behind the last one.
    ///
    /// # Errors
    /// There is no answer, or it is a refusal.
    pub(super) async fn next(&mut self) -> Result<Option<Page>, Failure> {
        let Some((begin, end)) = self.slice else {
            return Ok(None);
        };
        let url = self.question(begin, end);
        let failed = |problem: String| Failure::Server(format!("GET {}: {problem}", self.address));
        let url = url.parse().map_err(|error| failed(format!("{error}")))?;
        let answer = self.client.get(url).await.map_err(failed)?;
        if answer.status != StatusCode::OK {
            let refusal: Option<Refusal> = serde_json::from_slice(&answer.body).ok();
            let problem =
                refusal.map_or_else(|| answer.status.to_string(), |refusal| refusal.error);
            return Err(match answer.status {
                StatusCode::BAD_REQUEST => Failure::Usage(problem),
                _ => failed(problem),
            });
        }
        let page: Page = serde_json::from_slice(&answer.body)
            .map_err(|error| failed(format!("not gatelog's answer: {error}")))?;
        self.cursor.clone_from(&page.next_cursor);
        self.pages += 1;
        if self.cursor.is_none() {
            self.slice_micros = self.fitting();
            self.pages = 0;
            self.slice = self.slice_from(end + 1);
        }
        Ok(Some(page))
    }

    fn question(&self, begin: i64, end: i64) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.conditions);
        query.append_pair("start", &moment(begin));
        query.append_pair("end", &moment(end));
        query.append_pair("sort_by", "start_time");
        query.append_pair("sort_order", "asc");
        query.append_pair("count", "none");
        query.append_pair("fields", "all");
        match &self.cursor {
            None => query.append_pair("page_size", FIRST_PAGE_ROWS),
            Some(cursor) => query
                .append_pair("page_size", PAGE_ROWS)
                .append_pair("cursor", cursor),
        };
        format!("{}?{}", self.address, query.finish())
    }
}

/// RFC 3339 to the microsecond.
fn moment(micros: i64) -> String {
    let millis = Timestamp::from_micros(micros).to_rfc3339_millis();
    let seconds = millis
        .split_once('.')
        .map_or(millis.as_str(), |(seconds, _)| seconds);
    format!("{seconds}.{:06}Z", micros.rem_euclid(MICROS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_the_time_without_a_gap_and_meet_at_whole_seconds() {
        let begin = 1_774_231_801_217_999;
        for (seconds, micros) in [(86_400, 0), (30, 5), (0, 0), (86_400 * 365, 999_999)] {
            let end = begin + seconds * MICROS + micros;
            let [since, until] = [begin, end].map(Timestamp::from_micros);
            let url = "http://a:1".parse().unwrap();
            let mut rows = Rows::new(&url, &[], since, until).unwrap();
            let mut slices = vec![rows.slice.unwrap()];
            while let Some(slice) = rows.slice_from(slices.last().unwrap().1 + 1) {
                slices.push(slice);
                rows.pages = [1, 3, MANY_PAGES + 1, 1][slices.len() % 4];
                rows.slice_micros = rows.fitting();
            }
            assert_eq!((slices[0].0, slices.last().unwrap().1), (begin, end));
            assert!(slices.len() <= 202, "{}", slices.len());
            for pair in slices.windows(2) {
                assert_eq!(pair[0].1 + 1, pair[1].0);
                assert_eq!(pair[1].0 % MICROS, 0);
            }
        }
    }

    #[test]
    fn slices_grow_where_there_is_little_and_shrink_where_there_is_much() {
        let [since, until] = [0, 86_400 * MICROS].map(Timestamp::from_micros);
        let mut rows = Rows::new(&"http://a".parse().unwrap(), &[], since, until).unwrap();
        let mut of = |pages: u32| {
            rows.pages = pages;
            rows.slice_micros = rows.fitting();
            rows.slice_micros / MICROS
        };
        assert_eq!([of(1), of(MANY_PAGES), of(MANY_PAGES + 1)], [864, 864, 432]);
        assert_eq!((0..20).map(|_| of(1)).last(), Some(86_400 / 8));
        assert_eq!((0..40).map(|_| of(99)).last(), Some(1));
    }

    #[test]
    fn a_question_has_the_conditions_and_the_path_of_the_address() {
        let conditions = [("path".to_owned(), "/a&b é".to_owned())];
        let moment = Timestamp::from_micros(1_774_231_801_217_999);
        let url = "http://a:1/logs/".parse().unwrap();
        let rows = Rows::new(&url, &conditions, moment, moment).unwrap();
        let (begin, end) = rows.slice.unwrap();
        assert_eq!(
            rows.question(begin, end),
            "http://a:1/logs/query?path=%2Fa%26b+%C3%A9&start=2026-03-23T02%3A10%3A01.217999Z\
             &end=2026-03-23T02%3A10%3A01.217999Z&sort_by=start_time&sort_order=asc&count=none\
             &fields=all&page_size=100"
        );
    }
}
