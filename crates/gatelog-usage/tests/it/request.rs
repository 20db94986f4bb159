//! Requests.

use gatelog_usage::Request;

fn read(path: &str, pieces: &[&[u8]]) -> (Option<String>, Option<bool>) {
    let mut request = Request::new(path);
    for piece in pieces {
        request.feed(piece);
    }
    (request.model().map(str::to_owned), request.stream())
}

#[test]
fn the_model_is_found_wherever_it_stands_and_however_it_is_cut() {
    let filler = "x".repeat(5000);
    for (path, body, model, stream) in [
        (
            "/v1/chat/completions",
            format!(
                r#"{{"messages":[{{"role":"user","content":"{filler}\"model\":\"no\"","model":"no"}}],"tools":[{{"model":"no"}}],"model":"gpt-4o","stream":true}}"#
            ),
            Some("gpt-4o"),
            Some(true),
        ),
        (
            "/x",
            r#"{"model":"claude","stream":false}"#.to_owned(),
            Some("claude"),
            Some(false),
        ),
        (
            "/x",
            r#"{"Model":"hunyuan-pro","Stream":true}"#.to_owned(),
            Some("hunyuan-pro"),
            Some(true),
        ),
        (
            "/v1beta/models/g:streamGenerateContent",
            r#"{"contents":[]}"#.to_owned(),
            Some("g"),
            Some(true),
        ),
        (
            "/model/a.b-v1%3A0/converse",
            r#"{"messages":[]}"#.to_owned(),
            Some("a.b-v1:0"),
            None,
        ),
        (
            "/openai/deployments/d/chat/completions",
            r#"{"model":"m"}"#.to_owned(),
            Some("m"),
            None,
        ),
        (
            "/openai/deployments/d/chat/completions",
            "{}".to_owned(),
            Some("d"),
            None,
        ),
        (
            "/x",
            "--boundary\r\n\"model\":\"no\"".to_owned(),
            None,
            None,
        ),
        (
            "/x",
            "{\"model\":null,\"stream\":\"yes\"}".to_owned(),
            None,
            None,
        ),
        ("/x", String::new(), None, None),
    ] {
        let expected = (model.map(str::to_owned), stream);
        let body = body.as_bytes();
        assert_eq!(read(path, &[body]), expected, "{path}");
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(read(path, &bytes), expected, "{path}");
        for at in (0..=body.len()).rev().take(200) {
            let (head, tail) = body.split_at(at);
            assert_eq!(read(path, &[head, tail]), expected, "{path} at {at}");
        }
    }
}
