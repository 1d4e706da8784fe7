//! The words of `docker trust` in boltseal's: keys have verbs of their own, and a signer's key is not the key that admits it.

use std::ffi::OsString;

/// The same command in boltseal's words. What docker has no word for, such as the key to sign with, is typed as boltseal
/// has it.
pub(super) fn translated(words: &[OsString]) -> Vec<OsString> {
    let text: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let parts: Vec<&str> = text.iter().map(AsRef::as_ref).collect();
    let owned = |parts: &[&str]| parts.iter().map(OsString::from).collect::<Vec<_>>();
    match parts.as_slice() {
        ["key", "generate", rest @ ..] => {
            let flag = ["key", "generate"];
            let named = rest
                .iter()
                .map(|word| if word.starts_with('-') { vec![*word] } else { vec!["--output-key-prefix", word] });
            owned(&flag.into_iter().chain(named.flatten()).collect::<Vec<_>>())
        }
        ["key", "load", rest @ ..] => {
            let mut all = vec!["key", "import"];
            let mut rest = rest.iter();
            while let Some(word) = rest.next() {
                match *word {
                    "--name" => all.extend(["--output-key-prefix"].into_iter().chain(rest.next().copied())),
                    flag if flag.starts_with('-') => all.push(flag),
                    file => all.extend(["--key", file]),
                }
            }
            owned(&all)
        }
        ["signer", "add", rest @ ..] => {
            let renamed = rest.iter().map(|word| match *word {
                "--key" => "--signer-key",
                "--admin-key" => "--key",
                word => word,
            });
            owned(&["trust", "signer", "add"].into_iter().chain(renamed).collect::<Vec<_>>())
        }
        ["help", rest @ ..] => owned(&["help", "trust"].into_iter().chain(rest.iter().copied()).collect::<Vec<_>>()),
        all => owned(&std::iter::once("trust").chain(all.iter().copied()).collect::<Vec<_>>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_words_are_understood() {
        for (typed, meant) in [
            ("sign --key k r.example/a:1", "trust sign --key k r.example/a:1"),
            ("inspect --pretty r.example/a", "trust inspect --pretty r.example/a"),
            ("revoke --key k r.example/a:1", "trust revoke --key k r.example/a:1"),
            ("key generate alice", "key generate --output-key-prefix alice"),
            ("key load k.pem --name alice", "key import --key k.pem --output-key-prefix alice"),
            (
                "signer add --key alice.pub --admin-key root.key alice r.example/a",
                "trust signer add --signer-key alice.pub --key root.key alice r.example/a",
            ),
            ("signer remove --key k alice r.example/a", "trust signer remove --key k alice r.example/a"),
            ("help sign", "help trust sign"),
            ("", "trust"),
        ] {
            let words: Vec<_> = typed.split_whitespace().map(OsString::from).collect();
            let joined: Vec<_> = translated(&words).iter().map(|word| word.to_string_lossy().into_owned()).collect();
            assert_eq!(joined.join(" "), meant);
        }
    }
}
