//! Lists of images, one a line, and the table of `ctr images ls`.

use super::{
    inventory::{Closed, Found, Sink, unusable},
    record::{Place, Role},
};
use crate::{limits::AUDIT_LINE_BYTES, oci::Reference};
use std::io::{self, BufRead, Read as _};

/// The first words of `ctr images ls`.
const CTR: [&str; 3] = ["REF", "TYPE", "DIGEST"];

/// Reads lines as they come, and hands each image on at once.
///
/// Blank lines and those that begin with `#` are passed over; every other line that names no image is an item of its own.
pub(super) fn read(mut from: impl BufRead, sink: &mut Sink) -> Result<(), Closed> {
    let (mut line, mut number, mut table) = (Vec::new(), 0_u64, false);
    loop {
        line.clear();
        number += 1;
        match from.by_ref().take(AUDIT_LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => {
                sink.counts.cut = Some(format!("line {number}: {error}"));
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
                sink.counts.cut = Some(format!("line {number}: {error}"));
            }
            Some(item)
        } else if text.is_empty() || text.starts_with('#') {
            None
        } else if number == 1 && text.split_whitespace().take(3).eq(CTR) {
            table = true;
            None
        } else {
            match if table { row(text) } else { text.parse().map(Found::named).map_err(|error| error.to_string()) } {
                Ok(found) => sink.admit(found),
                Err(problem) => Some(unusable(at(), text, problem, 3)),
            }
        };
        if let Some(item) = item {
            sink.send(item)?;
        }
    }
}

/// A row of `ctr images ls`: the name, the media type and the digest that containerd has for it.
fn row(text: &str) -> Result<Found, String> {
    let mut words = text.split_whitespace();
    let (Some(name), _, Some(digest)) = (words.next(), words.next(), words.next()) else {
        return Err("expected a name, a type and a digest".to_owned());
    };
    let reference: Reference = name.parse().map_err(|error: crate::oci::ReferenceError| error.to_string())?;
    let running = digest.parse().map_err(|error: crate::oci::DigestError| error.to_string())?;
    Ok(Found { running: Some(running), ..Found::named(reference) }.at(Place { role: Role::Stored, ..Place::default() }))
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
    use super::{super::inventory::Item, *};
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

    #[test]
    fn containerd_s_table_has_the_digest() {
        let digest = crate::oci::Digest::sha256(b"");
        let text = format!(
            "REF TYPE DIGEST SIZE PLATFORMS LABELS\na.b/c:1 application/vnd.oci.image.index.v1+json {digest} 1.0 MiB linux/amd64 -\na.b/c\n"
        );
        let (items, _) = items(text.as_bytes());
        assert!(matches!(&items[0], Item::Image(found) if found.running == Some(digest)));
        assert_eq!(told(&items), ["a.b/c:1", "line 3: a.b/c"]);
    }
}
