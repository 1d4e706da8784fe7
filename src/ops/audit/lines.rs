//! Lists of images, one a line, and the table of `ctr images ls`.

use super::{
    inventory::{Closed, Found, Item, Runs, Sink, unnamed, unusable},
    kinds::is_id,
    record::{Place, Role},
};
use crate::{
    limits::AUDIT_LINE_BYTES,
    oci::{Digest, DigestError, ReferenceError},
};
use std::{
    collections::HashSet,
    io::{self, BufRead, Read as _},
};

/// The first words of `ctr images ls`.
const CTR: [&str; 3] = ["REF", "TYPE", "DIGEST"];

/// Reads lines as they come, and hands each image on at once.
///
/// Blank lines and those that begin with `#` are passed over; every other line that names no image is an item of its own.
pub(super) fn read(mut from: impl BufRead, sink: &mut Sink) -> Result<(), Closed> {
    let (mut line, mut number, mut table) = (Vec::new(), 0_u64, None::<Table>);
    loop {
        line.clear();
        number += 1;
        match from.by_ref().take(AUDIT_LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) => return table.map_or(Ok(()), |table| table.rest(sink)),
            Ok(_) => {}
            Err(error) => {
                sink.cut(&format_args!("line {number}: {error}"));
                return Ok(());
            }
        }
        let is_whole = line.ends_with(b"\n") || (line.len() as u64) < AUDIT_LINE_BYTES;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        let at = || format!("line {number}");
        let item = if !is_whole {
            let item = unusable(at(), text, format!("has more than {AUDIT_LINE_BYTES} bytes"), 3);
            if let Err(error) = skip_line(&mut from) {
                sink.cut(&format_args!("line {number}: {error}"));
            }
            Some(item)
        } else if text.is_empty() || text.starts_with('#') {
            None
        } else if number == 1 && text.split_whitespace().take(3).eq(CTR) {
            table = Some(Table::default());
            None
        } else if let Some(table) = &mut table {
            table.row(number, text, sink)
        } else if is_id(text) {
            Some(unnamed(at(), text))
        } else {
            match text.parse() {
                Ok(reference) => sink.admit(Found::named(reference)),
                Err(error) => Some(unusable(at(), text, error as ReferenceError, 3)),
            }
        };
        if let Some(item) = item {
            sink.send(item)?;
        }
    }
}

/// The table of `ctr images ls`. CRI enters its images by their ids, too; such a row says nothing that a row with a name of
/// the same digest does not say.
#[derive(Default)]
struct Table {
    named: HashSet<Digest>,
    ids: Vec<(u64, Digest)>,
}

impl Table {
    /// Takes a row: the name, the media type and the digest that containerd has for it.
    fn row(&mut self, number: u64, text: &str, sink: &mut Sink) -> Option<Item> {
        let at = || format!("line {number}");
        let mut words = text.split_whitespace();
        let (Some(name), _, Some(digest)) = (words.next(), words.next(), words.next()) else {
            return Some(unusable(at(), text, "expected a name, a type and a digest", 3));
        };
        let digest = match digest.parse() {
            Ok(digest) => digest,
            Err(error) => return Some(unusable(at(), text, error as DigestError, 3)),
        };
        if is_id(name) {
            self.ids.push((number, digest));
            return None;
        }
        match name.parse() {
            Ok(reference) => {
                self.named.insert(digest);
                let place = Place { role: Role::Stored, ..Place::default() };
                sink.admit(Found::named(reference).running(Runs::Digest(digest)).at(place))
            }
            Err(error) => Some(unusable(at(), text, error as ReferenceError, 3)),
        }
    }

    /// Tells of images that have no name but their id.
    fn rest(self, sink: &Sink) -> Result<(), Closed> {
        let Self { named, ids } = self;
        let mut nameless = ids.into_iter().filter(|(_, digest)| !named.contains(digest));
        nameless.try_for_each(|(number, digest)| sink.send(unnamed(format!("line {number}"), &digest.to_string())))
    }
}

/// Reads on to the end of the line, whatever its length.
fn skip_line(from: &mut impl BufRead) -> io::Result<()> {
    loop {
        let (used, done) = match from.fill_buf()? {
            [] => return Ok(()),
            buffer => match buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), false),
            },
        };
        from.consume(used);
        if done {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::channel;

    fn items(text: &[u8]) -> (Vec<Item>, Sink) {
        let (sender, mut receiver) = channel(100);
        let mut sink = Sink::new(sender, None);
        assert!(read(text, &mut sink).is_ok());
        let mut items = Vec::new();
        while let Ok(item) = receiver.try_recv() {
            items.push(item);
        }
        (items, sink)
    }

    fn told(items: &[Item]) -> Vec<String> {
        let one = |item: &Item| match item {
            Item::Image(found) => found.reference.to_string(),
            Item::Unusable(record) => format!("{}: {}", record.at, record.text),
            Item::End(_) => "end".to_owned(),
        };
        items.iter().map(one).collect()
    }

    // [V-270]
    #[test]
    fn every_line_is_an_image_or_an_item_of_its_own() {
        let text = b"busybox\r\n\n# a comment\n  a.b/c:1  \nA B\n\xff\nbusybox:latest\nbusybox\na.b/c@sha256:00";
        let (items, sink) = items(text);
        let expected = [
            "docker.io/library/busybox",
            "a.b/c:1",
            "line 5: A B",
            "line 6: \u{fffd}",
            "docker.io/library/busybox:latest",
            "line 9: a.b/c@sha256:00",
        ];
        assert_eq!(told(&items), expected);
        assert_eq!(sink.counts.repeated, 1);
    }

    // [V-270]
    #[test]
    fn a_line_without_end_costs_no_memory_and_hides_no_other() {
        let mut text = vec![b'a'; AUDIT_LINE_BYTES as usize * 3];
        text.extend(b"\na.b/c:1\n");
        let (items, _) = items(&text);
        assert_eq!(items.len(), 2);
        assert_eq!(told(&items)[1], "a.b/c:1");
    }

    // [V-270]
    #[test]
    fn containerd_s_table_has_the_digest() {
        let (digest, other) = (Digest::sha256(b""), Digest::sha256(b"x"));
        let kind = "application/vnd.oci.image.index.v1+json";
        let text = format!(
            "REF TYPE DIGEST SIZE PLATFORMS LABELS\n{other} {kind} {digest} 1.0 MiB linux/amd64 -\n\
             a.b/c:1 {kind} {digest} 1.0 MiB linux/amd64 -\na.b/c\n{digest} {kind} {other} 1.0 MiB - -\n"
        );
        let (items, _) = items(text.as_bytes());
        assert!(matches!(&items[0], Item::Image(found) if found.running == Some(digest)));
        assert_eq!(told(&items), ["a.b/c:1".to_owned(), "line 4: a.b/c".to_owned(), format!("line 5: {other}")]);
    }

    // [V-270]
    #[test]
    fn an_id_is_no_name() {
        let id = Digest::sha256(b"");
        let (items, _) = items(format!("{id}\n{}\n0123456789ab\n", id.hex()).as_bytes());
        assert!(items.iter().all(|item| matches!(item, Item::Unusable(record) if record.exit == 4)));
        assert_eq!(items.len(), 3);
    }
}
