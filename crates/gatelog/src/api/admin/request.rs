//! From a request for Kong's entities to its answer.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Value, json};

use super::body::{self, Sent};
use super::change::{Arguments, Change, Changed};
use super::declarative::{self, Loaded, Options};
use super::listing::Asked;
use super::problem::{Problem, message};
use super::shown::{self, Secrets};
use super::target::{Parent, Target};
use super::{Admin, BODY_BYTES, CONFIG_BYTES, about, draft, now_s};
use crate::api::json as answer_json;
use crate::config::plugins::Kong;

/// Answers a request.
pub(super) async fn answer(State(admin): State<Arc<Admin>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let Some(target) = Target::of(parts.uri.path()) else {
        return Problem::not_found().response();
    };
    let methods = target.methods();
    if parts.method == Method::OPTIONS {
        let allow = [(header::ALLOW, methods.join(", "))];
        return (StatusCode::NO_CONTENT, allow).into_response();
    }
    if !methods.contains(&parts.method.as_str()) {
        let answer = message(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
        return ([(header::ALLOW, methods.join(", "))], answer).into_response();
    }
    if matches!(parts.method, Method::GET | Method::HEAD) {
        let answered = look(&admin, &target, parts.uri.path(), parts.uri.query());
        return answered.map_or_else(
            |problem| problem.response(),
            |body| answer_json(StatusCode::OK, body.to_string()),
        );
    }
    let done = write(admin, target, parts, body).await;
    done.unwrap_or_else(|problem| problem.response())
}

/// What is asked to be shown.
fn look(admin: &Admin, target: &Target, path: &str, query: Option<&str>) -> Result<Value, Problem> {
    let query = query.unwrap_or_default();
    let secrets = secrets(query);
    match target {
        Target::Root => Ok(about::root(admin.read_only)),
        Target::Enabled => Ok(about::enabled()),
        Target::Schema(name) => about::of_plugin(name),
        Target::Config => declarative::file(&admin.entities(), secrets),
        Target::Plugins(parent) => {
            let asked = Asked::of(query)?;
            let kong = admin.entities();
            let change = change(admin, &kong, parent.as_ref());
            let plugins = kong.plugins.iter();
            let plugins = plugins.filter(|plugin| change.is_below(plugin));
            let shown = plugins.map(|plugin| shown::plugin(&kong, plugin, secrets));
            Ok(asked.page(path, shown.collect()))
        }
        Target::Plugin(parent, key) => {
            let kong = admin.entities();
            let change = change(admin, &kong, parent.as_ref());
            let (_, plugin) = change.find(key).ok_or_else(Problem::not_found)?;
            Ok(shown::plugin(&kong, plugin, secrets))
        }
        Target::Entities(kind) => {
            let asked = Asked::of(query)?;
            Ok(asked.page(path, kind.entities(&admin.entities())))
        }
        Target::Entity(Parent { kind, key }) => {
            let entity = kind.entity(&admin.entities(), key);
            entity.ok_or_else(Problem::not_found)
        }
        Target::Validate => Err(Problem::not_found()),
    }
}

fn change<'c>(admin: &Admin, kong: &'c Kong, parent: Option<&'c Parent>) -> Change<'c> {
    Change {
        kong,
        read_only: admin.read_only,
        parent,
        now_s: now_s(),
    }
}

/// Does what is asked, off this thread.
async fn write(
    admin: Arc<Admin>,
    target: Target,
    parts: Parts,
    body: Body,
) -> Result<Response, Problem> {
    same_origin(&parts.headers)?;
    let is_config = target == Target::Config;
    let limit = if is_config { CONFIG_BYTES } else { BODY_BYTES };
    let sent = if parts.method == Method::DELETE {
        Sent::Nothing
    } else {
        body::read(&parts.headers, whole(body, limit).await?).await?
    };
    let done = move || match target {
        Target::Config => load(&admin, sent, &parts),
        Target::Validate => validate(arguments(sent)?),
        Target::Plugins(parent) => {
            let answer = (StatusCode::CREATED, "was created");
            let query = parts.uri.query();
            alter(&admin, parent.as_ref(), query, answer, |change| {
                change.create(arguments(sent)?)
            })
        }
        Target::Plugin(parent, key) if parts.method == Method::DELETE => {
            remove(&admin, parent.as_ref(), &key)
        }
        Target::Plugin(parent, key) => {
            let query = parts.uri.query();
            let answer = (StatusCode::OK, "was changed");
            alter(&admin, parent.as_ref(), query, answer, |change| {
                if parts.method == Method::PUT {
                    change.replace(&key, arguments(sent)?)
                } else {
                    change.alter(&key, arguments(sent)?)
                }
            })
        }
        _ => Err(Problem::not_found()),
    };
    let done = tokio::task::spawn_blocking(done).await;
    done.unwrap_or_else(|_| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Err(Problem::message(status, "An unexpected error occurred"))
    })
}

fn alter(
    admin: &Admin,
    parent: Option<&Parent>,
    query: Option<&str>,
    (status, what): (StatusCode, &str),
    make: impl FnOnce(&Change<'_>) -> Result<Changed, Problem>,
) -> Result<Response, Problem> {
    let secrets = secrets(query.unwrap_or_default());
    let shown = admin.change(|kong| {
        let Changed { kong, plugin } = make(&change(admin, kong, parent))?;
        let shown = shown::plugin(&kong, &plugin, secrets);
        Ok((Some(kong), shown))
    })?;
    let field = |name: &str| shown.get(name).and_then(Value::as_str).unwrap_or_default();
    tracing::info!(plugin = field("name"), id = field("id"), "a plugin {what}");
    Ok(answer_json(status, shown.to_string()))
}

fn remove(admin: &Admin, parent: Option<&Parent>, key: &str) -> Result<Response, Problem> {
    let removed = admin.change(|kong| {
        let changed = change(admin, kong, parent).remove(key)?;
        Ok(changed.map_or((None, None), |Changed { kong, plugin }| {
            (Some(kong), Some(plugin))
        }))
    })?;
    if let Some(plugin) = removed {
        let id = plugin.id().unwrap_or_default();
        tracing::info!(plugin = plugin.kind().name(), id, "a plugin was removed");
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn load(admin: &Admin, sent: Sent, parts: &Parts) -> Result<Response, Problem> {
    let query = parts.uri.query().unwrap_or_default();
    let loaded =
        admin.change(
            |kong| match declarative::load(sent, Options::of(query), kong, now_s())? {
                Loaded::Same => Ok((None, None)),
                Loaded::New(kong) => {
                    let shown = declarative::by_id(&kong, secrets(query));
                    let plugins = kong.plugins.len();
                    Ok((Some(kong), Some((shown, plugins))))
                }
            },
        )?;
    let Some((shown, plugins)) = loaded else {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    };
    tracing::info!(plugins, "a declarative configuration was loaded");
    if admin.read_only {
        tracing::warn!(
            "the configuration file has plugins of its own: they are in force again when they change there"
        );
    }
    Ok(answer_json(StatusCode::CREATED, shown.to_string()))
}

/// Tells whether a plugin would be taken.
fn validate(arguments: Arguments) -> Result<Response, Problem> {
    let sent = match arguments {
        Arguments::Object(object) => object,
        Arguments::Form(form) => draft::of_form(form, None),
    };
    let problems = match draft::cleared(sent) {
        Ok(sent) => {
            let name = sent.get("name").and_then(Value::as_str);
            let name = name.unwrap_or_default().to_owned();
            draft::read(draft::merged(&name, serde_json::Map::new(), sent)).err()
        }
        Err(problems) => Some(problems),
    };
    if let Some(problems) = problems {
        return Err(Problem::schema(&problems));
    }
    let body = json!({"message": "schema validation successful"});
    Ok(answer_json(StatusCode::OK, body.to_string()))
}

fn arguments(sent: Sent) -> Result<Arguments, Problem> {
    match sent {
        Sent::Nothing => Ok(Arguments::Object(serde_json::Map::new())),
        Sent::Object(object) => Ok(Arguments::Object(object)),
        Sent::Form(form) => Ok(Arguments::Form(form)),
        Sent::Yaml(_) => Err(body::unsupported()),
    }
}

/// Whether the query asks for secrets.
fn secrets(query: &str) -> Secrets {
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    if parameters.any(|(name, value)| name == "secrets" && value == "true") {
        Secrets::Shown
    } else {
        Secrets::Masked
    }
}

async fn whole(body: Body, limit: usize) -> Result<Bytes, Problem> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let text = format!("request body exceeds {limit} bytes");
            Err(Problem::message(StatusCode::PAYLOAD_TOO_LARGE, text))
        }
        Err(_) => Err(Problem::bad("the body ended before its end")),
    }
}

/// Refuses what a web page of another origin makes a browser send: there is no password here that it
/// would have to know.
fn same_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| {
        headers
            .get(name)
            .map(|value: &axum::http::HeaderValue| value.as_bytes())
    };
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    let is_other_site = site.is_some_and(|site| !matches!(site, b"same-origin" | b"none"));
    let origin = text(header::ORIGIN);
    let is_other_origin = origin.is_some_and(|origin| {
        let host = text(header::HOST).unwrap_or_default();
        let mut parts = origin.splitn(2, |byte| *byte == b'/');
        let authority = parts.nth(1).and_then(|rest| rest.strip_prefix(b"/"));
        authority != Some(host)
    });
    if is_other_site || is_other_origin {
        let text = "a page of another origin changes nothing here";
        return Err(Problem::message(StatusCode::FORBIDDEN, text));
    }
    Ok(())
}
