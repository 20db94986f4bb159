//! Faults at random, one behind the other and some of them at once, repeated by their seed.

use std::time::Duration;

use gatelog::command::chaos::random::Random;
use gatelog_testkit::proxy::{Cut, Mode};

use super::stage::{PASSWORD, ROW, Stage, USER};

const STEPS: [&str; 4] = ["START TRANSACTION", ROW, "gatelog_position", "COMMIT"];

fn pause(random: &mut Random, most_millis: u64) {
    std::thread::sleep(Duration::from_millis(random.below(most_millis)));
}

/// One fault from its beginning to its end; `/ready` is not asked, as it may be over too soon.
fn fault(stage: &mut Stage, random: &mut Random) {
    let which = random.below(12);
    match which {
        0 => stage.proxy.set(Mode::Refuse),
        1 => stage.proxy.set(Mode::Hang),
        2 => stage.proxy.set(Mode::Slow(20_000)),
        3 => stage.proxy.set(Mode::Late(Duration::from_millis(200))),
        4 | 5 => {
            let step = STEPS[usize::try_from(random.below(4)).unwrap()];
            let cuts = [Cut::Before, Cut::Answer, Cut::Hang, Cut::Lose];
            let cut = cuts[usize::try_from(random.below(4)).unwrap()];
            println!("  {cut:?} at {step}");
            let times = u32::try_from(1 + random.below(3)).unwrap();
            stage.proxy.cut_at(step, cut, times);
        }
        6 => {
            let rows = stage.sql(&format!(
                "SELECT id FROM information_schema.processlist WHERE user = '{USER}'"
            ));
            for id in rows.into_iter().filter_map(|mut row| row.pop()?) {
                let _killed = stage.server.sql(&format!("KILL {id}")).is_ok();
            }
        }
        7 => {
            stage.server.stop().unwrap();
            pause(random, 3000);
            stage.server.resume_service().unwrap();
        }
        8 => {
            stage.sql("SET GLOBAL read_only = 1");
            pause(random, 3000);
            stage.sql("SET GLOBAL read_only = 0");
        }
        9 => {
            let change = |password| format!("ALTER USER {USER}@'%' IDENTIFIED BY '{password}'");
            stage.sql(&change("second"));
            stage.reconnect();
            pause(random, 3000);
            stage.sql(&change(PASSWORD));
        }
        10 => {
            let mut other = stage.server.session().unwrap();
            let lock = "USE logs; START TRANSACTION; SELECT * FROM gatelog_position FOR UPDATE";
            other.run(lock).unwrap();
            pause(random, 4000);
        }
        _ => {
            let offered = random.below(2);
            stage.sql(&format!("SET GLOBAL local_infile = {offered}"));
            stage.kill_and_start();
        }
    }
    pause(random, 3000);
    stage.proxy.set(Mode::Pass);
}

/// So many faults, with no wait for recovery between most of them.
fn torment(seed: u64, faults: u64) {
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut stage = Stage::impatient("3s");
    for number in 0..faults {
        fault(&mut stage, &mut random);
        if number % 5 == 4 {
            // What was still to be cut is not.
            stage.proxy.cut_at("", Cut::Before, 0);
            stage.proxy.set(Mode::Pass);
            stage.recovered();
        }
    }
    assert!(stage.finish().is_empty());
}

#[test]
#[ignore = "long: cargo xtask test faults --long"]
fn random_faults_by_seed_lose_and_double_nothing() {
    for seed in 1..=4 {
        torment(seed, 40);
    }
}
