//! `GET /flags` explains every response flag.

use serde_json::Value;

use crate::service::start;

#[test]
fn every_flag_is_explained() {
    let service = start();
    let (status, body) = service.get("/flags").unwrap();
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    let flags = answer["flags"].as_array().unwrap();
    assert_eq!(flags.len(), 30);
    for (bit, flag) in flags.iter().enumerate() {
        assert_eq!(flag["bit"], bit);
        for key in ["name", "long_name", "class", "usual_code", "cause", "check"] {
            assert!(
                flag[key].as_str().is_some_and(|text| !text.is_empty()),
                "{flag}"
            );
        }
    }
    assert_eq!(flags[5]["name"], "UF");
    assert_eq!(flags[5]["class"], "upstream");
}
