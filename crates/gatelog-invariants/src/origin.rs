//! `gatelog_record::wire`: who numbered the items of a batch, and where one item ends.

use gatelog_record::wire::{self, Item};

/// - The readers never panic, and an error is the last item.
/// - An origin that is written again reads the same, also with another number of items.
/// - Each record that a reader of records finds is an item, in the same order: cut out and put into
///   another batch it reads the same.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    let origin = wire::read_origin(bytes);
    if let Ok(Some(mut origin)) = origin {
        let mut batch = Vec::new();
        let place = wire::begin_batch_from(&origin, &mut batch);
        assert_eq!(wire::read_origin(&batch), Ok(Some(origin)));
        origin.items ^= 0xff00_00ff;
        wire::set_items(place, origin.items, &mut batch);
        assert_eq!(wire::read_origin(&batch), Ok(Some(origin)));
    }
    let (Ok(mut items), Ok(records)) = (wire::items(bytes), wire::read_batch(bytes)) else {
        return;
    };
    for record in records {
        // A record may be damaged whose bytes are all there.
        let Ok(record) = record else { break };
        let item = items.find(|item| !matches!(item, Ok(Item::Refused(_) | Item::Dropped(_))));
        let Some(Ok(Item::Record(item))) = item else {
            panic!("{record:?} is no item but {item:?}");
        };
        let mut batch = Vec::new();
        wire::begin_batch(&mut batch);
        batch.extend_from_slice(item);
        let cut_out: Vec<_> = wire::read_batch(&batch).into_iter().flatten().collect();
        // As text, as a float may be none.
        assert_eq!(
            format!("{cut_out:?}"),
            format!("{:?}", [Ok::<_, ()>(record)])
        );
    }
    let mut rest = items.skip_while(Result::is_ok);
    if rest.next().is_some() {
        assert_eq!(rest.next(), None, "something follows the damage");
    }
}
