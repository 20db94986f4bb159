//! Route, service, consumer and tries of a log object.

use std::borrow::Cow;

use gatelog_record::AccessRecord;

use super::rest::Rest;
use super::{Reading, text};
use crate::kong::{CONSUMER, Json, ROUTE, SERVICE};

/// The place of a text of a record.
type TextOf = for<'r, 'a> fn(&'r mut AccessRecord<'a>) -> &'r mut Option<Cow<'a, str>>;

impl<'a> Reading<'a> {
    pub(super) fn route(&mut self, route: Json<'a>, rest: &mut Rest<'_>) {
        let fields: &[(&str, TextOf)] = &[
            ("id", |record| &mut record.route_id),
            ("name", |record| &mut record.route),
        ];
        self.entity("route", route, ROUTE, fields, rest);
        self.record.route_name.clone_from(&self.record.route);
    }

    pub(super) fn service(&mut self, service: Json<'a>, rest: &mut Rest<'_>) {
        let fields: &[(&str, TextOf)] = &[
            ("id", |record| &mut record.service_id),
            ("name", |record| &mut record.service),
        ];
        self.entity("service", service, SERVICE, fields, rest);
    }

    pub(super) fn consumer(&mut self, consumer: Json<'a>, rest: &mut Rest<'_>) {
        let fields: &[(&str, TextOf)] = &[
            ("id", |record| &mut record.consumer_id),
            ("username", |record| &mut record.consumer),
            ("custom_id", |record| &mut record.consumer_custom_id),
        ];
        self.entity("consumer", consumer, CONSUMER, fields, rest);
    }

    fn entity(
        &mut self,
        name: &str,
        entity: Json<'a>,
        seed: &'static [&'static str],
        fields: &[(&str, TextOf)],
        rest: &mut Rest<'_>,
    ) {
        let members = entity.members().filter(|members| !members.is_empty());
        let Some(members) = members else {
            return rest.keep(name, entity);
        };
        rest.object(name, seed, |rest| {
            for (key, value) in members.iter() {
                match fields.iter().find(|(field, _)| *field == key) {
                    Some((_, slot)) => text(slot(&mut self.record), key, value, rest),
                    None => rest.keep(key, value),
                }
            }
        });
    }

    /// The attempts at upstreams; the last of them has answered.
    pub(super) fn tries(&mut self, tries: Json<'a>, rest: &mut Rest<'_>) {
        let Some(each) = tries.elements() else {
            // Lua's cjson writes an empty table as an object.
            let is_empty = tries.members().is_some_and(|members| members.is_empty());
            self.record.upstream_request_attempt_count = is_empty.then_some(0);
            return rest.keep("tries", tries);
        };
        let record = &mut self.record;
        record.tries = Some(Cow::Borrowed(tries.raw()));
        record.upstream_request_attempt_count = i64::try_from(each.len()).ok();
        let last = each.last().and_then(|last| last.members());
        record.upstream_host = last.and_then(|last| {
            let ip = last.get("ip")?.text()?;
            let port = last.get("port").and_then(Json::rounded);
            Some(match port {
                Some(port) if ip.contains(':') => format!("[{ip}]:{port}").into(),
                Some(port) => format!("{ip}:{port}").into(),
                None => ip,
            })
        });
    }
}
