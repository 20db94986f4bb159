//! What plugins are for. Kong's cases of 09-routes_routes, 10-services_routes and 03-consumers_routes.

use super::*;

#[test]
fn below_a_service_a_route_and_a_consumer() {
    for (list, field) in [
        ("services", "service"),
        ("routes", "route"),
        ("consumers", "consumer"),
    ] {
        let rig = Rig::new();
        let uuid = "f4aecadc-05c7-11e6-8d41-1f3b3d5fa15c";
        for parent in ["my-name", uuid] {
            let path = format!("/{list}/{parent}/plugins");
            let data = json!({"data": [], "next": null});
            assert_eq!(
                rig.get(&path),
                Answer {
                    status: 200,
                    body: data
                }
            );
            let by_json = rig.made(&path, &json!({"instance_name": format!("{parent}-json")}));
            let form = rig.form("POST", &path, "name=file-log&config.path=/tmp/y");
            assert_eq!(form.status, 201);
            for made in [&by_json, &form.body] {
                assert_eq!(made[field], json!({"id": parent}));
                let own = format!("{path}/{}", id(made));
                assert_eq!(
                    rig.get(&own),
                    Answer {
                        status: 200,
                        body: made.clone()
                    }
                );
                let other = format!("/{list}/other/plugins/{}", id(made));
                assert_eq!(rig.get(&other).status, 404, "it is another one's");
                assert_eq!(
                    rig.json("PATCH", &other, &json!({"enabled": false})).status,
                    404
                );
                assert_eq!(rig.delete(&other).status, 404);
            }
            let listed = rig.get(&path).body;
            assert_eq!(listed["data"].as_array().unwrap().len(), 2);
            let own = format!("{path}/{}", id(&form.body));
            let patched = rig
                .json("PATCH", &own, &json!({"config": {"log_format": "kong-3"}}))
                .body;
            assert_eq!(
                (&patched["config"]["path"], &patched[field]),
                (&json!("/tmp/y"), &json!({"id": parent}))
            );
            let put = rig.json(
                "PUT",
                &own,
                &json!({"name": "file-log", "config": {"path": "/tmp/z"}}),
            );
            assert_eq!(
                (put.status, &put.body[field]),
                (200, &json!({"id": parent}))
            );
            let named = format!("{path}/{parent}-json");
            assert_eq!(rig.get(&named).status, 200);
            assert_eq!(rig.delete(&own).status, 204);
            assert_eq!(
                rig.delete(&own),
                Answer {
                    status: 404,
                    body: message("Not found")
                }
            );
            let missing = rig.json("POST", &path, &json!({"config": {}}));
            assert_eq!(
                missing.body["message"],
                "schema violation (name: required field missing)"
            );
        }
        assert_eq!(
            rig.get("/plugins").body["data"].as_array().unwrap().len(),
            2
        );
    }
}

#[test]
fn scopes_are_written_in_many_ways_and_narrow_each_other() {
    let rig = Rig::new();
    let log = "name=file-log&config.path=/x";
    let all = json!([{"id": "s"}, {"id": "r"}, {"id": "c"}]);
    for (at, scope) in [
        "service_id=s&route_id=r&consumer_id=c",
        "service.id=s&route.id=r&consumer.id=c",
        "service.name=s&route.name=r&consumer.username=c",
        "service[name]=s&route[id]=r&consumer.custom_id=c",
        "service=s&route=r&consumer=c",
    ]
    .into_iter()
    .enumerate()
    {
        let answer = rig.form(
            "POST",
            "/plugins",
            &format!("{log}&{scope}&instance_name=i{at}"),
        );
        assert_eq!(answer.status, 201, "{answer:?}");
        let found = json!([
            answer.body["service"],
            answer.body["route"],
            answer.body["consumer"]
        ]);
        assert_eq!(found, all, "{scope}");
    }
    let body = json!({
        "name": "file-log", "config": {"path": "/x"}, "instance_name": "j",
        "service": {"name": "s"}, "route": {"id": "r"}, "consumer": {"username": "c"},
    });
    let answer = rig.json("POST", "/plugins", &body).body;
    assert_eq!(
        json!([answer["service"], answer["route"], answer["consumer"]]),
        all
    );
    // The path wins over the body; other scopes narrow.
    let body = json!({
        "name": "file-log", "config": {"path": "/x"}, "consumer_id": "ignored", "service_id": "s",
    });
    let answer = rig.json("POST", "/consumers/bob/plugins", &body).body;
    assert_eq!(answer["consumer"], json!({"id": "bob"}));
    assert_eq!(answer["service"], json!({"id": "s"}));
    let empty = rig
        .form("POST", "/plugins", &format!("{log}&service_id=&route.id="))
        .body;
    assert_eq!(
        (&empty["service"], &empty["route"]),
        (&Value::Null, &Value::Null)
    );
}
