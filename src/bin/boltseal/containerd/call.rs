//! What containerd passes: `-name REF -digest DIGEST -stdin-media-type TYPE`, in Go's manner, and a descriptor.

use crate::exit::{Exit, Failure};
use boltseal::{
    limits::DESCRIPTOR_BYTES,
    oci::{Descriptor, Digest, Reference, Repository},
};
use std::{ffi::OsString, io::Read as _};

/// The one media type that standard input has had so far (containerd 2.0 and later).
const DESCRIPTOR: &str = "application/vnd.oci.descriptor.v1+json";

/// A question of containerd.
#[derive(Debug)]
pub struct Call {
    /// What is being pulled, as containerd names it: the registry's own name, not a mirror's.
    pub name: Reference,
    /// What containerd resolved it to.
    pub digest: Digest,
}

impl Call {
    pub fn parse(arguments: &[OsString]) -> Result<Self, Failure> {
        let (mut name, mut digest, mut media_type) = (None, None, None);
        let mut rest = arguments.iter().map(|argument| argument.to_string_lossy());
        while let Some(flag) = rest.next() {
            let bare = flag.trim_start_matches('-');
            let (bare, value) = match bare.split_once('=') {
                Some((bare, value)) => (bare, Some(value.to_owned())),
                None => (bare, None),
            };
            let slot = match bare {
                "name" => &mut name,
                "digest" => &mut digest,
                "stdin-media-type" => &mut media_type,
                _ => return Err(Failure::usage(format!("{flag:?} is no flag that containerd is known to pass"))),
            };
            if slot.is_some() {
                return Err(Failure::usage(format!("containerd passed -{bare} twice")));
            }
            *slot = value.or_else(|| rest.next().map(std::borrow::Cow::into_owned));
        }
        let missing = |flag: &str| Failure::usage(format!("containerd passed no {flag}"));
        let media_type = media_type.ok_or_else(|| missing("-stdin-media-type"))?;
        if media_type != DESCRIPTOR {
            return Err(Failure::usage(format!("standard input is {media_type:?}, expected {DESCRIPTOR}")));
        }
        let digest = digest.filter(|text| !text.is_empty()).ok_or_else(|| missing("-digest"))?;
        let name = name.filter(|text| !text.is_empty()).ok_or_else(|| missing("-name"))?;
        let digest: Digest = digest.parse().map_err(|error| Failure::usage(format!("-digest: {error}")))?;
        let name: Reference = name.parse().map_err(|error| Failure::usage(format!("-name: {error}")))?;
        if matches!(name.repository, Repository::Layout(_)) {
            return Err(Failure::usage(format!("-name: {name}: expected an image of a registry")));
        }
        match name.digest {
            Some(named) if named != digest => {
                Err(Failure::new(Exit::Denied, format!("{name} was resolved to another digest, {digest}")))
            }
            _ => Ok(Self { name, digest }),
        }
    }

    /// Reads the descriptor from standard input: it has to be the digest's.
    pub async fn check_descriptor(&self) -> Result<(), Failure> {
        let read = tokio::task::spawn_blocking(|| {
            let mut bytes = Vec::new();
            std::io::stdin().take(DESCRIPTOR_BYTES + 1).read_to_end(&mut bytes).map(|_| bytes)
        });
        let bytes = read.await.map_err(|error| Failure::new(Exit::Bug, error.to_string()))?;
        let bytes = bytes.map_err(|error| Failure::usage(format!("standard input: {error}")))?;
        self.check(&bytes)
    }

    fn check(&self, bytes: &[u8]) -> Result<(), Failure> {
        if bytes.len() as u64 > DESCRIPTOR_BYTES {
            return Err(Failure::usage(format!("standard input has more than {DESCRIPTOR_BYTES} bytes")));
        }
        let descriptor: Descriptor = serde_json::from_slice(bytes)
            .map_err(|error| Failure::usage(format!("standard input is no descriptor: {error}")))?;
        if descriptor.digest != self.digest {
            let message = format!("the descriptor is of {}, -digest is {}", descriptor.digest, self.digest);
            return Err(Failure::usage(message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
    const TWO: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";

    /// With what containerd always passes in front.
    fn parse(arguments: &[&str]) -> Result<Call, String> {
        parse_all(&[&["-stdin-media-type", DESCRIPTOR], arguments].concat())
    }

    fn parse_all(arguments: &[&str]) -> Result<Call, String> {
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        Call::parse(&arguments).map_err(|failure| failure.message)
    }

    #[test]
    fn flags_are_read_as_go_writes_them() {
        for flags in [
            vec!["-name", "r.example/app:1", "-digest", ONE],
            vec![
                "--digest=sha256:1111111111111111111111111111111111111111111111111111111111111111",
                "--name",
                "r.example/app:1",
            ],
        ] {
            let call = parse(&flags).unwrap();
            assert_eq!(
                (call.name.to_string(), call.digest.to_string()),
                ("r.example/app:1".to_owned(), ONE.to_owned())
            );
        }
        assert!(parse(&["-name", &format!("r.example/app@{ONE}"), "-digest", ONE]).is_ok());
    }

    #[test]
    fn what_does_not_agree_is_refused() {
        let named = format!("r.example/app@{TWO}");
        for (flags, part) in [
            (vec!["-name", "r.example/app:1"], "no -digest"),
            (vec!["-digest", ONE], "no -name"),
            (vec!["-name", "", "-digest", ONE], "no -name"),
            (vec!["-name", "r.example/app:1", "-digest"], "no -digest"),
            (vec!["-name", "oci:app:1", "-digest", ONE], "registry"),
            (vec!["-name", "r.example/APP", "-digest", ONE], "-name"),
            (vec!["-name", "r.example/app", "-digest", "md5:1"], "-digest"),
            (vec!["-name", &named, "-digest", ONE], "another digest"),
            (vec!["-name", "r.example/app", "-name", "r.example/app", "-digest", ONE], "-name twice"),
            (vec!["-new-flag", "1"], "-new-flag"),
        ] {
            let error = parse(&flags).unwrap_err();
            assert!(error.contains(part), "{flags:?}: {error}");
        }
        for (flags, part) in [(&[][..], "no -stdin-media-type"), (&["-stdin-media-type", "text/plain"], "text/plain")] {
            let error = parse_all(&[&["-name", "r.example/app", "-digest", ONE], flags].concat()).unwrap_err();
            assert!(error.contains(part), "{flags:?}: {error}");
        }
    }

    #[test]
    fn the_descriptor_is_the_digests() {
        let call = parse(&["-name", "r.example/app:1", "-digest", ONE]).unwrap();
        let descriptor = |digest: &str| format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":405}}{}"#, "\n");
        assert!(call.check(descriptor(ONE).as_bytes()).is_ok());
        for bad in [descriptor(TWO), String::new(), "[]".to_owned(), descriptor(ONE) + &" ".repeat(100_000)] {
            assert!(call.check(bad.as_bytes()).is_err(), "{bad:.80}");
        }
    }
}
