//! Kong's log JSON made shorter: what does not fit into a datagram is cut and marked, not lost.
//!
//! **Shape.** A survey finds the texts of the object and the larger members that hold them, each with
//! its [`Rank`]; a plan says how much of each may stay; what stays is copied. The steps, until it fits:
//!
//! 1. values of headers and custom fields (bodies are among those): the longest first, down to
//!    [`LONG`] bytes;
//! 2. the path in its forms, the query, and `tries`: likewise;
//! 3. both down to [`SHORT`] bytes;
//! 4. headers, query, `tries` and custom fields as a whole, the largest first;
//! 5. any other text, down to [`NAME`] bytes;
//! 6. all but method, status, times, the client's address and the id of the request.
//!
//! **Marks.** A text that was cut ends with `...[truncated 123 bytes]`, by its decoded bytes. An object
//! or an array that was left out has one member, `"..."`, or one item, with that mark, by the bytes of
//! its JSON; headers keep `x-request-id` besides. In the sixth step `truncated` is a member of the
//! outermost object.
//!
//! **Invariants.** Valid JSON stays valid JSON. No character is cut in two, nor an escape, nor a pair
//! of surrogates. Numbers are never changed. Below [`LEAST`] bytes nothing is promised.

use std::io::Write as _;
use std::ops::Range;

use gatelog_record::{AccessRecord, Timestamp};

/// What headers are cut to before the path is touched.
const LONG: usize = 1024;
/// What texts are cut to before whole members go.
const SHORT: usize = 32;
/// What any other text is cut to.
const NAME: usize = 64;
/// Bytes of a mark at the most, of a text with up to ten digits of bytes.
const MARK: usize = "...[truncated 1234567890 bytes]".len();

/// What fits always.
#[cfg(test)]
pub(super) const LEAST: usize = 460;

/// In which step a text is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    /// A header's value, or in a custom field.
    First,
    /// In the path, the query or `tries`.
    Second,
    /// Who and where.
    Last,
}

/// The inside of a text.
#[derive(Clone, Debug)]
struct Text {
    bytes: Range<usize>,
    rank: Rank,
}

/// A member that may go as a whole.
#[derive(Clone, Debug)]
struct Group {
    bytes: Range<usize>,
    is_array: bool,
    is_request_headers: bool,
    gone: bool,
}

/// How many bytes of a text of each rank may stay.
#[derive(Clone, Copy, Debug)]
struct Plan {
    first: usize,
    second: usize,
    last: usize,
}

/// What a step decides of a plan.
type SetLevel = fn(&mut Plan, usize);

/// Appends the object, or what fits of it into `room` bytes.
pub(super) fn shorten(json: &[u8], room: usize, record: &AccessRecord<'_>, out: &mut Vec<u8>) {
    if json.len() <= room {
        out.extend_from_slice(json);
        return;
    }
    let begin = out.len();
    let mut survey = Survey::of(json);
    let plan = survey.plan(json.len(), room, record);
    survey.write(json, plan, record, out);
    if out.len() - begin > room {
        out.truncate(begin);
        write_least(json.len(), record, out);
    }
}

/// What there is in an object.
#[derive(Debug, Default)]
struct Survey {
    texts: Vec<Text>,
    groups: Vec<Group>,
}

impl Survey {
    /// Looks at an object that is valid JSON.
    fn of(json: &[u8]) -> Self {
        let mut survey = Self::default();
        let (mut depth, mut group) = (0_usize, None);
        // The member at the first level, and the one at the second.
        let mut path: [&[u8]; 2] = [b"", b""];
        let mut at = 0;
        while let Some(byte) = json.get(at) {
            match byte {
                b'"' => {
                    let end = end_of_text(json, at + 1);
                    let text = json.get(at + 1..end).unwrap_or_default();
                    let is_name = is_name(json, end + 1);
                    if is_name && depth == 1 {
                        path = [text, b""];
                    } else if is_name && depth == 2 {
                        path = [path[0], text];
                    } else if !is_name {
                        let (rank, _) = rank(path);
                        let bytes = at + 1..end;
                        survey.texts.push(Text { bytes, rank });
                    }
                    at = end;
                }
                b'{' | b'[' => {
                    let (rank, level) = rank(path);
                    if rank != Rank::Last && depth == level && group.is_none() {
                        group = Some((at, depth));
                    }
                    depth += 1;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    if let Some((begin, _)) = group.filter(|(_, level)| *level == depth) {
                        survey.groups.push(Group {
                            bytes: begin..at + 1,
                            is_array: *byte == b']',
                            is_request_headers: path == [b"request".as_slice(), b"headers"],
                            gone: false,
                        });
                        group = None;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        survey
    }

    /// What has to go for the object to fit, as far as that can be.
    fn plan(&mut self, length: usize, room: usize, record: &AccessRecord<'_>) -> Plan {
        let whole = length;
        let mut plan = Plan {
            first: whole,
            second: whole,
            last: whole,
        };
        let too_much = length.saturating_sub(room);
        let fits = |survey: &Self, plan| survey.saving(plan) >= too_much;
        let steps: [(usize, SetLevel); 3] = [
            (LONG, |plan, level| plan.first = level),
            (LONG, |plan, level| plan.second = level),
            (SHORT, |plan, level| {
                plan.first = plan.first.min(level);
                plan.second = plan.second.min(level);
            }),
        ];
        for (floor, set) in steps {
            if let Some(found) = self.highest(plan, floor, set, fits) {
                return found;
            }
            set(&mut plan, floor);
        }
        while self.saving(plan) + self.saving_of_gone(record) < too_much {
            let largest = self.groups.iter_mut().filter(|group| !group.gone);
            let Some(largest) = largest.max_by_key(|group| group.bytes.len()) else {
                let fits = |survey: &Self, plan| {
                    survey.saving(plan) + survey.saving_of_gone(record) >= too_much
                };
                let set = |plan: &mut Plan, level| plan.last = level;
                let found = self.highest(plan, NAME, set, fits);
                return found.unwrap_or(Plan { last: NAME, ..plan });
            };
            largest.gone = true;
        }
        plan
    }

    /// The plan with the most of its texts that fits, down to a floor.
    fn highest(
        &self,
        plan: Plan,
        floor: usize,
        set: impl Fn(&mut Plan, usize),
        fits: impl Fn(&Self, Plan) -> bool,
    ) -> Option<Plan> {
        let with = |level| {
            let mut plan = plan;
            set(&mut plan, level);
            plan
        };
        if !fits(self, with(floor)) {
            return None;
        }
        let longest = self.texts.iter().map(|text| text.bytes.len()).max();
        let (mut low, mut high) = (floor, longest.unwrap_or(floor).max(floor) + 1);
        while high - low > 1 {
            let middle = low.midpoint(high);
            if fits(self, with(middle)) {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(with(low))
    }

    /// The bytes that the cuts of a plan save at the least, in members that stay.
    fn saving(&self, plan: Plan) -> usize {
        let staying = self.texts.iter().filter(|text| !self.is_gone(text));
        staying.map(|text| plan.saving(text)).sum()
    }

    /// The bytes that are saved as whole members go.
    fn saving_of_gone(&self, record: &AccessRecord<'_>) -> usize {
        let mut mark = Vec::new();
        let gone = self.groups.iter().filter(|group| group.gone);
        gone.map(|group| {
            mark.clear();
            group.write_mark(record, &mut mark);
            group.bytes.len().saturating_sub(mark.len())
        })
        .sum()
    }

    fn is_gone(&self, text: &Text) -> bool {
        let mut gone = self.groups.iter().filter(|group| group.gone);
        gone.any(|group| group.bytes.contains(&text.bytes.start))
    }

    /// Appends what the plan leaves.
    fn write(&self, json: &[u8], plan: Plan, record: &AccessRecord<'_>, out: &mut Vec<u8>) {
        let mut done = 0;
        let mut copy = |until: usize, next: usize, out: &mut Vec<u8>| {
            out.extend_from_slice(json.get(done..until).unwrap_or_default());
            done = next;
        };
        let mut groups = self.groups.iter().filter(|group| group.gone).peekable();
        for text in &self.texts {
            while let Some(group) = groups.next_if(|group| group.bytes.start < text.bytes.start) {
                copy(group.bytes.start, group.bytes.end, out);
                group.write_mark(record, out);
            }
            if self.is_gone(text) || plan.saving(text) == 0 {
                continue;
            }
            let whole = json.get(text.bytes.clone()).unwrap_or_default();
            let (kept, left_out) = cut(whole, plan.level(text.rank));
            copy(text.bytes.start + kept, text.bytes.end, out);
            push_mark(left_out, out);
        }
        for group in groups {
            copy(group.bytes.start, group.bytes.end, out);
            group.write_mark(record, out);
        }
        copy(json.len(), json.len(), out);
    }
}

impl Plan {
    fn level(self, rank: Rank) -> usize {
        match rank {
            Rank::First => self.first,
            Rank::Second => self.second,
            Rank::Last => self.last,
        }
    }

    /// The bytes that cutting a text saves at the least; it is cut only if it gets shorter.
    fn saving(self, text: &Text) -> usize {
        let stays = self.level(text.rank).saturating_add(MARK);
        text.bytes.len().saturating_sub(stays)
    }
}

impl Group {
    /// What stands in its place.
    fn write_mark(&self, record: &AccessRecord<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.is_array { b"[\"" } else { b"{\"" });
        if let Some(id) = record.request_id.as_deref()
            && self.is_request_headers
        {
            out.extend_from_slice(b"x-request-id\":\"");
            push_text(id, NAME, out);
            out.extend_from_slice(b"\",\"");
        }
        if !self.is_array {
            out.extend_from_slice(b"...\":\"");
        }
        push_mark(self.bytes.len(), out);
        out.extend_from_slice(if self.is_array { b"\"]" } else { b"\"}" });
    }
}

/// The rank of what stands below these names, and at which depth members of it may go as a whole.
fn rank(path: [&[u8]; 2]) -> (Rank, usize) {
    match path {
        // The object itself, before its first member, and what stands in the place of one of these.
        [b"" | b"request" | b"response", b""] => (Rank::First, usize::MAX),
        [b"request", b"uri" | b"url" | b"querystring"] => (Rank::Second, 2),
        [b"request", b"method" | b"id" | b"size" | b"tls"] | [b"response", b"status" | b"size"] => {
            (Rank::Last, 2)
        }
        // Headers, and custom fields.
        [b"request" | b"response", _] => (Rank::First, 2),
        [b"upstream_uri" | b"tries", _] => (Rank::Second, 1),
        [
            b"authenticated_entity"
            | b"route"
            | b"service"
            | b"workspaces"
            | b"consumer"
            | b"latencies"
            | b"client_ip"
            | b"started_at"
            | b"upstream_status"
            | b"source",
            _,
        ] => (Rank::Last, 1),
        _ => (Rank::First, 1),
    }
}

/// The place of the quotation mark that ends a text.
fn end_of_text(json: &[u8], mut at: usize) -> usize {
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}

/// Whether the text that ends here is the name of a member.
fn is_name(json: &[u8], behind: usize) -> bool {
    let mut rest = json.get(behind..).unwrap_or_default().iter();
    rest.find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

/// How many bytes of the inside of a text may stay, of at most so many, and how many decoded ones are
/// behind those.
fn cut(text: &[u8], most: usize) -> (usize, usize) {
    let (mut at, mut kept, mut left_out) = (0, 0, 0);
    while let Some((length, decoded)) = unit(text.get(at..).unwrap_or_default()) {
        at += length;
        if at <= most {
            kept = at;
        } else {
            left_out += decoded;
        }
    }
    (kept, left_out)
}

/// The bytes of the first character as it is written, and those of it decoded.
fn unit(text: &[u8]) -> Option<(usize, usize)> {
    let code = |at: usize| {
        let digits = text.get(at..at + 4)?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    Some(match text {
        [] => return None,
        [b'\\', b'u', ..] => match code(2) {
            Some(0xD800..=0xDBFF) if text.get(6..8) == Some(b"\\u") => match code(8) {
                Some(0xDC00..=0xDFFF) => (12, 4),
                _ => (6, 3),
            },
            Some(code) => (6, char::from_u32(code).map_or(3, char::len_utf8)),
            None => (2, 1),
        },
        [b'\\', _, ..] => (2, 1),
        [0..=0x7F, ..] => (1, 1),
        [0xF0..=0xFF, ..] => (4, 4),
        [0xE0..=0xEF, ..] => (3, 3),
        _ => (2, 2),
    })
}

fn push_mark(bytes: usize, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _written = write!(out, "...[truncated {bytes} bytes]").is_ok();
}

/// Appends the inside of a text that is not escaped yet, in at most so many bytes and a mark.
fn push_text(text: &str, most: usize, out: &mut Vec<u8>) {
    let escaped = serde_json::to_string(text).unwrap_or_default();
    let inside = escaped.get(1..escaped.len().saturating_sub(1));
    let inside = inside.unwrap_or_default().as_bytes();
    if inside.len() <= most {
        out.extend_from_slice(inside);
        return;
    }
    let (kept, left_out) = cut(inside, most);
    out.extend_from_slice(inside.get(..kept).unwrap_or_default());
    push_mark(left_out, out);
}

/// Appends an object with what tells one request from another.
fn write_least(length: usize, record: &AccessRecord<'_>, out: &mut Vec<u8>) {
    let text = |name: &str, text: Option<&str>, most: usize, out: &mut Vec<u8>| {
        let Some(text) = text else { return };
        out.extend_from_slice(name.as_bytes());
        out.push(b'"');
        push_text(text, most, out);
        out.extend_from_slice(b"\",");
    };
    let number = |name: &str, number: Option<i64>, out: &mut Vec<u8>| {
        if let Some(number) = number {
            // Writing to memory does not fail.
            let _written = write!(out, "{name}{number},").is_ok();
        }
    };
    let end = |out: &mut Vec<u8>| {
        if out.last() == Some(&b',') {
            out.pop();
        }
        out.push(b'}');
    };
    out.extend_from_slice(b"{\"request\":{");
    text("\"method\":", record.method.as_deref(), 16, out);
    text("\"id\":", record.request_id.as_deref(), NAME, out);
    end(out);
    out.extend_from_slice(b",\"response\":{");
    number("\"status\":", record.response_code, out);
    end(out);
    out.extend_from_slice(b",\"latencies\":{");
    number("\"request\":", record.duration, out);
    end(out);
    out.push(b',');
    text("\"client_ip\":", record.client_ip.as_deref(), 40, out);
    let started_at = record.start_time.map(Timestamp::millis);
    number("\"started_at\":", started_at, out);
    out.extend_from_slice(b"\"truncated\":\"");
    push_mark(length, out);
    out.extend_from_slice(b"\"}");
}

#[cfg(test)]
mod tests;
