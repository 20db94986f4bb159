//! Changes that meet each other, and changes that cannot be kept.

use std::sync::Barrier;
use std::thread;

use super::*;

#[test]
fn changes_at_the_same_time_all_count() {
    let rig = Rig::new();
    let begin = Barrier::new(8);
    thread::scope(|scope| {
        for thread in 0..8 {
            let (rig, begin) = (&rig, &begin);
            scope.spawn(move || {
                begin.wait();
                for at in 0..10 {
                    rig.made(
                        "/plugins",
                        &json!({"instance_name": format!("i-{thread}-{at}")}),
                    );
                }
            });
        }
    });
    assert_eq!(rig.plugins.current().plugins.len(), 80);
}

/// Entities that cannot be replaced.
#[derive(Debug)]
struct Failing(fn() -> ReplaceError);

impl Plugins for Failing {
    fn current(&self) -> Arc<Kong> {
        Arc::default()
    }

    fn replace(&self, _: Kong) -> Result<(), ReplaceError> {
        Err((self.0)())
    }
}

#[test]
fn a_change_that_is_not_kept_is_told() {
    for (error, status, text) in [
        (
            (|| ReplaceError::Refused("no such host".to_owned())) as fn() -> _,
            400,
            "no such host",
        ),
        (
            || ReplaceError::Io(std::io::Error::other("no space")),
            500,
            "the entities were not kept: no space",
        ),
    ] {
        let mut rig = Rig::new();
        let dir = tempfile::tempdir().unwrap();
        let keys = RuntimeKeys::open(dir.path()).unwrap();
        let admin = Admin::new(keys, Vec::new(), Arc::new(Failing(error)), false);
        rig.router = router(Arc::new(admin));
        let body = json!({"name": "file-log", "config": {"path": "/x"}});
        let expected = Answer {
            status,
            body: message(text),
        };
        assert_eq!(rig.json("POST", "/plugins", &body), expected);
        let file = json!({"plugins": [body]});
        assert_eq!(rig.json("POST", "/config", &file), expected);
    }
}
