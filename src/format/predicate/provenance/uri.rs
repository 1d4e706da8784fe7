/// A source's URI as builders write it, and the ref in it: `git+https://HOST/PATH.git@refs/tags/v1`,
/// `https://HOST/PATH.git#refs/heads/main:folder`. What is left has neither `git+` nor `.git`.
#[must_use]
pub fn split_source(uri: &str) -> (&str, Option<&str>) {
    let uri = uri.strip_prefix("git+").unwrap_or(uri);
    let (place, reference) = match uri.split_once('#') {
        // BuildKit's `#ref:folder`.
        Some((place, reference)) => (place, reference.split(':').next()),
        None => {
            // An `@` before the path is a user's.
            let path = uri.find("://").map_or(0, |at| at + 3);
            let path = uri.get(path..).and_then(|rest| rest.find('/')).map_or(uri.len(), |at| path + at);
            match uri.get(path..).and_then(|rest| rest.find('@')) {
                Some(at) => (uri.get(..path + at).unwrap_or(uri), uri.get(path + at + 1..)),
                None => (uri, None),
            }
        }
    };
    let place = place.trim_end_matches('/');
    (place.strip_suffix(".git").unwrap_or(place), reference.filter(|reference| !reference.is_empty()))
}

/// A text with its percent-encoding undone; what is none stays as it is.
#[must_use]
pub fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spellings_of_builders_come_out_the_same() {
        let app = "https://github.com/acme/app";
        for (written, reference) in [
            ("https://github.com/acme/app", None),
            ("git+https://github.com/acme/app@refs/tags/v1", Some("refs/tags/v1")),
            ("git+https://github.com/acme/app.git", None),
            ("https://github.com/acme/app.git#refs/heads/main", Some("refs/heads/main")),
            ("https://github.com/acme/app.git#refs/heads/main:deploy", Some("refs/heads/main")),
            ("https://github.com/acme/app/", None),
            ("git+https://github.com/acme/app@", None),
        ] {
            assert_eq!(split_source(written), (app, reference), "{written}");
        }
        assert_eq!(split_source("git+ssh://git@host/a/b.git@v1"), ("ssh://git@host/a/b", Some("v1")));
        assert_eq!(split_source("git@host:a/b.git"), ("git@host:a/b", None));
        assert_eq!(split_source(""), ("", None));
    }
}
