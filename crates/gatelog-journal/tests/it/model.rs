//! The journal against a model: a list of frames, and a number for each reader.

use gatelog_journal::{Config, Journal, Position, Read, Reader};
use proptest::prelude::*;

use crate::journals::{Bench, append, open_reader};

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    /// The reader reads some, and releases them or not.
    Read {
        reader: usize,
        bytes: usize,
        release: bool,
    },
    /// The process ends and starts again: readers go on from what they released.
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1usize..3000).prop_map(Step::Append),
        3 => (0usize..2, 1usize..5000, any::<bool>())
            .prop_map(|(reader, bytes, release)| Step::Read { reader, bytes, release }),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..40)
}

/// What the model knows of a reader: how many frames it has read, and how many released.
#[derive(Clone, Copy, Default)]
struct Progress {
    read: usize,
    released: usize,
}

fn open(bench: &Bench) -> (Journal, [Reader; 2]) {
    let config = Config {
        max_bytes: 10 << 20,
        ..bench.config
    };
    let journal = Journal::open(bench.dir(), config).unwrap();
    let readers = ["a", "b"].map(|name| open_reader(&journal, name));
    (journal, readers)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_reader_sees_every_frame_in_order(steps in steps()) {
        let bench = Bench::new();
        let (mut journal, mut readers) = open(&bench);
        let mut frames: Vec<Vec<u8>> = Vec::new();
        let mut ends: Vec<Position> = Vec::new();
        let mut model = [Progress::default(); 2];
        for step in steps {
            match step {
                Step::Append(length) => {
                    let payload = vec![u8::try_from(frames.len()).unwrap(); length];
                    ends.push(append(&journal, &payload));
                    frames.push(payload);
                }
                Step::Read { reader, bytes, release } => {
                    let progress = &mut model[reader];
                    if let Read::Chunk(chunk) = readers[reader].read(bytes).unwrap() {
                        let end = chunk.end();
                        for frame in chunk {
                            prop_assert_eq!(frame.payload, &frames[progress.read]);
                            prop_assert_eq!(frame.end, ends[progress.read]);
                            progress.read += 1;
                        }
                        if release {
                            readers[reader].release(end).unwrap();
                            progress.released = progress.read;
                        }
                    } else {
                        prop_assert_eq!(progress.read, frames.len());
                    }
                }
                Step::Reopen => {
                    drop(readers);
                    drop(journal);
                    (journal, readers) = open(&bench);
                    for progress in &mut model {
                        progress.read = progress.released;
                    }
                }
            }
        }
        for (reader, progress) in readers.iter_mut().zip(model) {
            let rest = crate::journals::read_all(reader);
            prop_assert_eq!(rest.as_slice(), &frames[progress.read..]);
        }
    }
}
