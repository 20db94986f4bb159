//! What becomes of the forty sample records: the reference collector lost eight of them.

use gatelog_record::{AccessRecord, Field, Flaws, json};

const SAMPLES: &str = include_str!("../../testdata/sample_records.jsonl");

fn sample(number: usize) -> (AccessRecord<'static>, Flaws) {
    let line = SAMPLES.lines().nth(number - 1).unwrap();
    let (record, flaws) = json::read(line).unwrap_or_else(|error| panic!("line {number}: {error}"));
    (record.into_owned(), flaws)
}

#[test]
fn every_sample_is_kept_and_only_the_one_without_a_time_is_flagged_for_it() {
    assert_eq!(SAMPLES.lines().count(), 40);
    for number in 1..=40 {
        let (record, flaws) = sample(number);
        assert_eq!(flaws, Flaws::NONE, "line {number}");
        // The receiver flags it, as only it knows the time of receipt.
        assert_eq!(record.start_time.is_none(), number == 38, "line {number}");
    }
}

/// Every value of the forty lines is found in the record again: the plain columns compared one by
/// one with `serde_json`'s reading of the line.
#[test]
fn every_column_holds_what_the_line_says() {
    for (index, line) in SAMPLES.lines().enumerate() {
        let (record, _) = sample(index + 1);
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        for &field in Field::columns() {
            let sent = &object[field.name()];
            let here = record.get(field);
            let place = format!("line {}, {}", index + 1, field.name());
            match (field, sent) {
                (Field::StartTime | Field::AiLog | Field::ResponseFlags, _) => {}
                (_, serde_json::Value::Number(number)) => {
                    assert_eq!(
                        here,
                        number.as_i64().map(gatelog_record::Value::Integer),
                        "{place}"
                    );
                }
                (_, serde_json::Value::String(text)) if !text.is_empty() && text != "-" => {
                    match here {
                        Some(gatelog_record::Value::Text(here)) => {
                            assert_eq!(here, text, "{place}");
                        }
                        Some(gatelog_record::Value::Integer(here)) => {
                            assert_eq!(here, text.parse::<i64>().unwrap(), "{place}");
                        }
                        other => panic!("{place}: {other:?}"),
                    }
                }
                // Absent in the line, or a word for nothing: nothing, or what ai_log knows.
                _ => assert!(
                    here.is_none()
                        || matches!(
                            field,
                            Field::Model
                                | Field::Api
                                | Field::InputTokens
                                | Field::OutputTokens
                                | Field::TotalTokens
                        ),
                    "{place}: {here:?}"
                ),
            }
        }
    }
}

#[test]
fn line_1_keeps_ai_log_as_it_came_and_promotes_its_scalars() {
    let (record, _) = sample(1);
    let sent: &serde_json::value::RawValue = {
        #[derive(serde::Deserialize)]
        struct Line<'a> {
            #[serde(borrow)]
            ai_log: &'a serde_json::value::RawValue,
        }
        serde_json::from_str::<Line<'_>>(SAMPLES.lines().next().unwrap())
            .unwrap()
            .ai_log
    };
    assert_eq!(record.ai_log.as_deref(), Some(sent.get()));
    assert_eq!(record.ai_response_type.as_deref(), Some("normal"));
    assert_eq!(record.ai_service_duration, Some(1290));
    assert_eq!(record.ai_chat_id.as_deref(), Some("chatcmpl-8f1c2d"));
    assert_eq!(
        record.request_headers.get("Content-Type"),
        Some("application/json")
    );
    assert!(record.request_body.is_some() && record.response_body.is_some());
}

#[test]
fn streams_tell_their_first_token_and_first_byte() {
    assert_eq!(sample(2).0.ai_first_token_duration, Some(212));
    assert_eq!(sample(4).0.first_byte_time, Some(233));
    // No usage in the stream: unknown, not zero.
    assert_eq!(sample(3).0.input_tokens, None);
}

#[test]
fn line_5_promotes_cached_and_reasoning_tokens() {
    let (record, _) = sample(5);
    assert_eq!(
        (record.cached_tokens, record.reasoning_tokens),
        (Some(80), Some(25))
    );
    assert_eq!(record.ai_session_id.as_deref(), Some("sess_abc123"));
}

#[test]
fn lines_6_to_9_promote_cache_rate_limit_and_guard() {
    assert_eq!(sample(6).0.ai_cache_status.as_deref(), Some("hit"));
    assert_eq!(
        sample(7).0.ai_token_ratelimit_status.as_deref(),
        Some("limited")
    );
    assert_eq!(
        sample(8).0.ai_safecheck_status.as_deref(),
        Some("reqeust deny")
    );
    assert_eq!(
        sample(9).0.ai_safecheck_status.as_deref(),
        Some("response deny")
    );
}

#[test]
fn line_10_keeps_the_providers_total() {
    let (record, _) = sample(10);
    assert_eq!(
        (
            record.input_tokens,
            record.output_tokens,
            record.total_tokens
        ),
        (Some(10), Some(20), Some(1130))
    );
}

#[test]
fn line_20_writes_its_flags_in_one_order() {
    assert_eq!(sample(20).0.response_flags.as_deref(), Some("UF,URX"));
    assert_eq!(sample(25).0.response_flags.as_deref(), Some("DC"));
    assert_eq!(sample(25).0.response_code, Some(0));
}

#[test]
fn lines_23_and_34_write_nothing_for_the_words_for_nothing() {
    assert_eq!(sample(23).0.route_name, None);
    let (record, _) = sample(34);
    assert_eq!(
        (record.authority, record.method, record.route),
        (None, None, None)
    );
    assert_eq!(record.bytes_sent, Some(0));
}

#[test]
fn lines_31_to_33_and_35_tell_the_forms_of_ai_log_apart() {
    assert_eq!(sample(31).0.ai_log, None);
    let (record, _) = sample(32);
    // Sent as a string: decoded once, as JSON says, and not touched further.
    assert_eq!(
        record.ai_log.as_deref(),
        Some(r#"{"model":"qwen3-max","question":"\ud83d\ude00","input_token":5}"#)
    );
    assert_eq!(record.input_tokens, Some(5));
    assert_eq!(sample(33).0.ai_log.as_deref(), Some("{}"));
    assert_eq!(sample(35).0.ai_log, None);
    assert_eq!(sample(35).0.input_tokens, None);
}

#[test]
fn line_36_is_an_access_log_line_with_all_values_as_strings() {
    let (record, _) = sample(36);
    assert_eq!(
        (record.response_code, record.duration),
        (Some(200), Some(1323))
    );
    assert_eq!(
        record.start_time.unwrap().to_string(),
        "2026-03-23T02:10:36.217000Z"
    );
    assert_eq!(
        (record.input_tokens, record.output_tokens),
        (Some(10), Some(69))
    );
    assert_eq!(record.model.as_deref(), Some("qwen3-max"));
    assert_eq!(record.ai_first_token_duration, Some(309));
    assert_eq!(record.api, None);
}

#[test]
fn line_37_is_the_same_instant_in_utc_and_has_a_duration_beyond_32_bits() {
    let (record, _) = sample(37);
    assert_eq!(
        record.start_time.unwrap().to_string(),
        "2026-03-23T02:10:37.512000Z"
    );
    assert_eq!(record.duration, Some(2_147_483_648));
}

#[test]
fn lines_28_29_and_40_keep_long_and_strange_texts_whole() {
    assert!(sample(28).0.path.unwrap().len() > 5000);
    assert!(sample(29).0.x_forwarded_for.unwrap().len() > 256);
    let (record, _) = sample(40);
    assert_eq!(record.path.as_deref(), Some("/a\0b\nc"));
    assert_eq!(record.consumer.unwrap().chars().count(), 300);
    assert!(record.ai_log.unwrap().len() > 65_000);
}

#[test]
fn lines_11_and_12_take_the_model_from_ai_log_and_tell_unknown_tokens_from_zero() {
    let (gemini, _) = sample(11);
    assert_eq!(gemini.model.as_deref(), Some("gemini-2.5-pro"), "line 11");
    assert_eq!(gemini.api.as_deref(), Some("gemini"), "line 11");
    let path = gemini.path.unwrap();
    assert!(path.ends_with("?key=AIzaSyREDACT"), "line 11: {path}");
    assert_eq!(gemini.total_tokens, Some(45), "line 11: with its thoughts");
    let (embeddings, _) = sample(12);
    assert_eq!(embeddings.input_tokens, Some(8), "line 12");
    // The plugin left it out; ai_log has it.
    assert_eq!(embeddings.output_tokens, Some(0), "line 12");
}

#[test]
fn lines_13_to_18_keep_what_the_sender_says_about_mcp() {
    let tool = |number| {
        let (record, _) = sample(number);
        (
            record.mcp_server.map(std::borrow::Cow::into_owned),
            record.mcp_tool.map(std::borrow::Cow::into_owned),
        )
    };
    let said = |server: &str, tool: &str| {
        let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (said(server), said(tool))
    };
    assert_eq!(tool(13), said("amap", "maps_weather"), "tools/call");
    assert_eq!(tool(14), said("", ""), "tools/list names no tool");
    assert_eq!(tool(15), said("", "code_review_prompt"), "prompts/get");
    assert_eq!(tool(16), said("amap", "maps_geo"), "a tool that failed");
    assert_eq!(tool(17), said("", ""), "no body");
    assert_eq!(tool(18), said("", ""), "a batch");

    let (call, _) = sample(13);
    assert_eq!(call.request_headers.get("MCP-Session-Id"), Some("b1f0c2"));
    assert!(call.request_body.unwrap().contains("杭州"), "line 13");
    let (failed, _) = sample(16);
    assert_eq!(failed.response_code, Some(200), "line 16");
    assert!(failed.response_body.unwrap().contains(r#""isError":true"#));
    let (refused, _) = sample(17);
    assert_eq!(
        (refused.method.as_deref(), refused.response_code),
        (Some("GET"), Some(405)),
        "line 17"
    );
    assert_eq!(
        refused.response_code_details.as_deref(),
        Some("not_support_sse_on_this_endpoint")
    );
    assert_eq!((refused.user_agent, refused.upstream_host), (None, None));
    let batch: serde_json::Value =
        serde_json::from_str(&sample(18).0.request_body.unwrap()).unwrap();
    assert_eq!(batch.as_array().map(Vec::len), Some(2), "line 18");
}

#[test]
fn lines_19_21_22_and_26_say_why_the_gateway_answered_itself() {
    let why = |number| {
        let (record, _) = sample(number);
        (
            record.response_code,
            record.response_flags.map(std::borrow::Cow::into_owned),
            record
                .response_code_details
                .map(std::borrow::Cow::into_owned)
                .unwrap_or_default(),
        )
    };
    let said = |code, flags: Option<&str>, details: &str| {
        (Some(code), flags.map(str::to_owned), details.to_owned())
    };
    assert_eq!(why(19), said(503, Some("UH"), "no_healthy_upstream"));
    assert_eq!(sample(19).0.upstream_host, None, "line 19");
    assert_eq!(why(21), said(504, Some("UT"), "response_timeout"));
    assert_eq!(sample(21).0.duration, Some(15003), "line 21");
    assert_eq!(why(22), said(401, None, "key-auth.no_key_auth_data"));
    assert_eq!(
        sample(22).0.response_headers.get("www-authenticate"),
        Some("Key realm=MSE Gateway"),
        "line 22"
    );
    assert_eq!(why(26), said(200, None, "internal_redirect"));
    assert_eq!(sample(26).0.model.as_deref(), Some("qwen3-max"), "line 26");
}

#[test]
fn lines_24_27_and_30_are_unescaped_once_and_keep_every_script() {
    assert_eq!(
        sample(24).0.response_body.as_deref(),
        Some(r#"<html><body>Oops & "boom"</body></html>"#),
        "line 24"
    );
    let (scripts, _) = sample(27);
    assert_eq!(scripts.path.as_deref(), Some("/搜索/🎉?q=שלום"), "line 27");
    assert_eq!(scripts.user_agent.as_deref(), Some("小程序/8.0 🤖"));
    assert_eq!(scripts.consumer.as_deref(), Some("部门-研发"));
    let (redirect, _) = sample(30);
    let headers: Vec<_> = redirect.response_headers.iter().collect();
    assert_eq!(
        headers,
        [
            (":status", "302"),
            ("location", "https://shop.example.com/login?next=/a&b=1"),
            // Of two the plugin sent the last.
            ("set-cookie", "b=2; Path=/; HttpOnly"),
        ],
        "line 30"
    );
}

#[test]
fn both_of_two_set_cookie_headers_are_kept_where_they_are_sent() {
    for sent in [
        r#"{"set-cookie":["a=1","b=2"]}"#,
        r#"{"set-cookie":"a=1","set-cookie":"b=2"}"#,
    ] {
        let item = format!(r#"{{"resp_headers":{sent}}}"#);
        let (record, _) = json::read(&item).unwrap();
        let headers: Vec<_> = record.response_headers.iter().collect();
        assert_eq!(
            headers,
            [("set-cookie", "a=1"), ("set-cookie", "b=2")],
            "{sent}"
        );
    }
}

#[test]
fn lines_38_and_39_lack_a_time_and_have_keys_of_nobody() {
    let (record, flaws) = sample(38);
    assert_eq!((record.start_time, flaws), (None, Flaws::NONE), "line 38");
    assert_eq!(record.response_code, Some(200), "line 38: the rest is kept");
    let line = SAMPLES.lines().nth(38).unwrap();
    let mut known: serde_json::Value = serde_json::from_str(line).unwrap();
    for key in ["extra", "level"] {
        assert!(known.as_object_mut().unwrap().remove(key).is_some());
    }
    let known = known.to_string();
    let (without, _) = json::read(&known).unwrap();
    assert_eq!(sample(39).0, without, "line 39: unknown keys are ignored");
}

/// The Hango format of the seed as the real Envoy printed it, its quotes mended.
#[test]
fn hangos_keys_fill_the_columns_they_mean() {
    let line = r#"{"method":"GET","uri":"/ok?x=1","protocol":"HTTP/1.1","duration":"6","respCode":"200","userIp":"10.0.0.1","xffIp":"203.0.113.7, 10.0.0.1","requestId":"a1b2","time":"1795247876721","upstreamHost":"127.0.0.1:20001","originHost":"example.com","originMethod":"GET","originPath":"/ok?x=1","originStatus":"-","upstreamServiceTime":"5","cacheStatus":"HIT","fuseStatus":"-","downgradeStatus":"-","secureStatus":"-","userAgent":"curl/8.0","remoteUser":"-","bodyBytesSent":"5","httpReferer":"-","requestAuthority":"rewritten.internal","clusterName":"demo-demo-gateway","serviceName":"-","apiId":"api-12345","apiName":"my api","responseFlags":"-","projectId":"1"}"#;
    let (record, flaws) = json::read(line).unwrap();
    assert_eq!(flaws, Flaws::NONE);
    assert_eq!(record.path.as_deref(), Some("/ok?x=1"));
    assert_eq!(record.response_code, Some(200));
    assert_eq!(record.start_time.unwrap().millis(), 1_795_247_876_721);
    assert_eq!(
        record.downstream_remote_address.as_deref(),
        Some("10.0.0.1")
    );
    assert_eq!(
        record.authority.as_deref(),
        Some("example.com"),
        "the host before rewriting"
    );
    assert_eq!(record.bytes_sent, Some(5));
    assert_eq!(record.api.as_deref(), Some("my api"));
    assert_eq!(record.route_name.as_deref(), Some("api-12345"));
    assert_eq!(record.instance_id.as_deref(), Some("demo-demo-gateway"));
    assert_eq!((record.service, record.response_flags), (None, None));
}

/// What the real Envoy printed for a typed `json_format`: numbers, `null`, and `-` for no flags.
#[test]
fn envoys_typed_json_is_read() {
    let line = r#"{"response_code":503,"response_flags":"URX,UF","bytes_sent":98,"duration":0,"path":"/uf","upstream_service_time":null,"route_name":"uf","start_time":"2026-11-21T07:58:05.873Z"}"#;
    let (record, _) = json::read(line).unwrap();
    assert_eq!(record.response_flags.as_deref(), Some("UF,URX"));
    assert_eq!(
        (record.bytes_sent, record.upstream_service_time),
        (Some(98), None)
    );
}

#[test]
fn flags_may_come_as_envoys_integer() {
    let (record, _) = json::read(r#"{"response_flags":32800}"#).unwrap();
    assert_eq!(record.response_flags.as_deref(), Some("UF,URX"));
}

#[test]
fn a_key_inside_an_ai_log_value_stays_a_value() {
    // What the reference plugin unescapes twice, injecting a key.
    let (record, _) =
        json::read(r#"{"ai_log":"{\"question\":\"x\\\",\\\"admin\\\":\\\"y\"}"}"#).unwrap();
    let object: serde_json::Value = serde_json::from_str(&record.ai_log.unwrap()).unwrap();
    assert_eq!(object.as_object().unwrap().len(), 1);
    assert_eq!(object["question"], r#"x","admin":"y"#);
}

#[test]
fn ai_log_escaped_once_more_without_quotes_is_read() {
    let (record, flaws) = json::read(r#"{"ai_log":"{\\\"model\\\":\\\"x\\\"}"}"#).unwrap();
    assert_eq!(record.ai_log.as_deref(), Some(r#"{"model":"x"}"#));
    assert_eq!(flaws, Flaws::NONE);
}

#[test]
fn odd_ai_logs_are_left_out_and_flagged() {
    for odd in ["7", "[1]", "true", r#""{\"a\":""#, r#""text""#] {
        let line = format!(r#"{{"method":"GET","ai_log":{odd}}}"#);
        let (record, flaws) = json::read(&line).unwrap();
        assert_eq!(
            (record.ai_log.as_deref(), flaws),
            (None, Flaws::AI_LOG),
            "{odd}"
        );
    }
    for nothing in ["null", r#""-""#, r#""""#] {
        let line = format!(r#"{{"method":"GET","ai_log":{nothing}}}"#);
        assert_eq!(json::read(&line).unwrap().1, Flaws::NONE, "{nothing}");
    }
}

#[test]
fn only_a_finite_weight_above_zero_is_taken() {
    for (sent, taken) in [("2", 2.0), ("\"2.5\"", 2.5), ("1e300", 1e300)] {
        let item = format!(r#"{{"sample_weight":{sent}}}"#);
        let (record, flaws) = json::read(&item).unwrap();
        assert_eq!(
            (record.sample_weight, flaws),
            (Some(taken), Flaws::NONE),
            "{sent}"
        );
    }
    for odd in [
        "\"NaN\"",
        "\"inf\"",
        "\"-inf\"",
        "\"infinity\"",
        "1e400",
        "0",
        "-0.0",
        "-1",
        "\"x\"",
        "true",
        "[2]",
    ] {
        let item = format!(r#"{{"sample_weight":{odd}}}"#);
        let (record, flaws) = json::read(&item).unwrap();
        assert_eq!(
            (record.sample_weight, flaws),
            (None, Flaws::SAMPLE_WEIGHT),
            "{odd}"
        );
    }
    for nothing in ["null", "\"\"", "\"-\""] {
        let item = format!(r#"{{"sample_weight":{nothing}}}"#);
        assert_eq!(json::read(&item).unwrap().1, Flaws::NONE, "{nothing}");
    }
    let last = Flaws::ALL.last().unwrap();
    assert_eq!((last.0.to_field(), last.1), (Some(8), "sample_weight"));
}

#[test]
fn what_is_refused_is_named() {
    let error = |text: &str| json::read(text).unwrap_err().to_string();
    assert_eq!(error("[1,[2]]"), "expected an object, found an array");
    assert_eq!(error("\"x\""), "expected an object, found a string");
    assert_eq!(error("{}"), "no known key: this is not an access record");
    assert_eq!(
        error(r#"{"a":1}"#),
        "no known key: this is not an access record"
    );
    assert_eq!(
        error(r#"{"response_code":"abc"}"#),
        r#"response_code: expected an integer (or one in a string, "-" or ""), found "abc""#
    );
    assert_eq!(
        error(r#"{"respCode":1.5}"#),
        r#"respCode: expected an integer (or one in a string, "-" or ""), found 1.5"#
    );
    let deep = format!(r#"{{"ai_log":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    assert_eq!(error(&deep), "ai_log: nested more than 128 deep");
    assert!(error(r#"{"path":"x"#).starts_with("malformed JSON: EOF while parsing a string"));
    assert_eq!(
        error(r#"{"path":"x"}{"#),
        "malformed JSON: something follows the object"
    );
}
