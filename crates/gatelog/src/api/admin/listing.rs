//! Lists: a page of entities, and where the next one is.
//!
//! **Rules.** Entities are in the order of their ids. An offset is the id of the last entity of a page,
//! in base64: it stays good while entities come and go.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::problem::Problem;

/// Entities of a page.
const DEFAULT_SIZE: usize = 100;
const GREATEST_SIZE: usize = 1000;

/// What is asked of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    size: Option<usize>,
    /// The id behind which the page begins.
    behind: Option<String>,
    tags: Option<Tags>,
    /// What of the query the next page has, too.
    kept: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    All(Vec<String>),
    Any(Vec<String>),
}

impl Asked {
    /// What a query asks for. Other parameters mean nothing here.
    pub(super) fn of(query: &str) -> Result<Self, Problem> {
        let mut asked = Self::default();
        let mut kept = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "size" => asked.size = Some(size(&value)?),
                "offset" => asked.behind = Some(id(&value)?),
                "tags" => asked.tags = Some(Tags::of(&value)?),
                "secrets" => {}
                _ => continue,
            }
            if name != "offset" {
                kept.append_pair(&name, &value);
            }
        }
        asked.kept = kept.finish();
        Ok(asked)
    }

    /// The page of these entities, whose list is at this path.
    pub(super) fn page(&self, path: &str, mut entities: Vec<Value>) -> Value {
        entities.retain(|entity| {
            let is_behind = self
                .behind
                .as_deref()
                .is_none_or(|behind| id_of(entity) > behind);
            is_behind && self.tags.as_ref().is_none_or(|tags| tags.are_of(entity))
        });
        entities.sort_by(|one, other| id_of(one).cmp(id_of(other)));
        let size = self.size.unwrap_or(DEFAULT_SIZE);
        let is_more = entities.len() > size;
        entities.truncate(size);
        let mut page = json!({"data": entities, "next": null});
        if let (true, Value::Object(page), Some(last)) = (is_more, &mut page, entities.last()) {
            let offset = URL_SAFE_NO_PAD.encode(id_of(last));
            let mut next = format!("{path}?offset={offset}");
            if !self.kept.is_empty() {
                next.push('&');
                next.push_str(&self.kept);
            }
            page.insert("next".to_owned(), Value::String(next));
            page.insert("offset".to_owned(), Value::String(offset));
        }
        page
    }
}

fn id_of(entity: &Value) -> &str {
    entity.get("id").and_then(Value::as_str).unwrap_or_default()
}

fn size(text: &str) -> Result<usize, Problem> {
    let number: f64 = text
        .parse()
        .map_err(|_| Problem::size("size must be a number"))?;
    // A number that is none of an element is told as one out of bounds is.
    let size = text.parse().ok().filter(|_| number.is_finite());
    size.filter(|size| (1..=GREATEST_SIZE).contains(size))
        .ok_or_else(|| Problem::size("size must be an integer between 1 and 1000"))
}

fn id(offset: &str) -> Result<String, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(offset).ok();
    let id = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    id.ok_or_else(|| Problem::offset(offset))
}

impl Tags {
    fn of(text: &str) -> Result<Self, Problem> {
        let split = |by: char| text.split(by).map(str::to_owned).collect::<Vec<_>>();
        let (is_and, is_or) = (text.contains(','), text.contains('/'));
        let tags = if is_or { split('/') } else { split(',') };
        if (is_and && is_or) || tags.iter().any(String::is_empty) {
            return Err(Problem::option("tags", "invalid filter syntax"));
        }
        Ok(if is_or {
            Self::Any(tags)
        } else {
            Self::All(tags)
        })
    }

    fn are_of(&self, entity: &Value) -> bool {
        let has = |tag: &String| {
            let tags = entity.get("tags").and_then(Value::as_array);
            tags.is_some_and(|tags| tags.iter().any(|of| of == tag.as_str()))
        };
        match self {
            Self::All(tags) => tags.iter().all(has),
            Self::Any(tags) => tags.iter().any(has),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entities(number: usize) -> Vec<Value> {
        let entity =
            |at: usize| json!({"id": format!("{at:03}"), "tags": [format!("t{}", at % 2)]});
        (0..number).rev().map(entity).collect()
    }

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let mut path = "/plugins?size=2".to_owned();
        let mut ids = Vec::new();
        for _ in 0..3 {
            let asked = Asked::of(path.split_once('?').unwrap().1).unwrap();
            let page = asked.page("/plugins", entities(5));
            let data = page["data"].as_array().unwrap();
            ids.extend(data.iter().map(|one| id_of(one).to_owned()));
            let Some(next) = page["next"].as_str() else {
                assert!(page.get("offset").is_none());
                break;
            };
            path = next.to_owned();
        }
        assert_eq!(ids, ["000", "001", "002", "003", "004"]);
        let none = Asked::default().page("/plugins", Vec::new());
        assert_eq!(none, json!({"data": [], "next": null}));
        assert_eq!(
            Asked::default().page("/x", entities(150))["data"]
                .as_array()
                .unwrap()
                .len(),
            100
        );
    }

    #[test]
    fn tags_choose_by_all_or_by_any() {
        let of = |query: &str| {
            let page = Asked::of(query).unwrap().page("/plugins", entities(4));
            page["data"].as_array().unwrap().len()
        };
        assert_eq!(of("tags=t0"), 2);
        assert_eq!(of("tags=t0,t1"), 0);
        assert_eq!(of("tags=t0/t1"), 4);
        assert_eq!(of("tags=t0&size=1"), 1);
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for (query, code, message) in [
            ("size=x", 9, "size must be a number"),
            ("size=0", 9, "size must be an integer between 1 and 1000"),
            ("size=1001", 9, "size must be an integer between 1 and 1000"),
            ("size=1.5", 9, "size must be an integer between 1 and 1000"),
            (
                "offset=%21",
                7,
                "'!' is not a valid offset: bad base64 encoding",
            ),
            (
                "tags=a,b/c",
                11,
                "invalid option (tags: invalid filter syntax)",
            ),
            ("tags=", 11, "invalid option (tags: invalid filter syntax)"),
        ] {
            let body = Asked::of(query).unwrap_err().body;
            assert_eq!(
                (&body["code"], &body["message"]),
                (&json!(code), &json!(message))
            );
        }
    }
}
