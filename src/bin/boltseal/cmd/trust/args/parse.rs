//! What is typed, as what is meant.

use boltseal::{
    format::tuf::RoleName,
    oci::{Reference, ReferenceError, Repository, RepositoryName},
};
use jiff::SignedDuration;

/// An image in a registry.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its repository.
    pub repository: RepositoryName,
    /// All of it.
    pub reference: Reference,
}

pub fn image(text: &str) -> Result<Image, String> {
    let reference: Reference = text.parse().map_err(|error: ReferenceError| error.to_string())?;
    match &reference.repository {
        Repository::Registry(name) => Ok(Image { repository: name.clone(), reference }),
        Repository::Layout(_) => Err("content trust is about repositories of registries, not about layouts".to_owned()),
    }
}

pub fn repository(text: &str) -> Result<RepositoryName, String> {
    let image = image(text)?;
    match image.reference {
        Reference { tag: None, digest: None, .. } => Ok(image.repository),
        _ => Err("expected a repository, without tag and digest".to_owned()),
    }
}

pub fn role(text: &str) -> Result<RoleName, String> {
    match RoleName::from(text) {
        RoleName::Delegated(name) if !name.starts_with("targets/") => {
            Err("expected root, targets, snapshot, timestamp or targets/NAME".to_owned())
        }
        role => Ok(role),
    }
}

/// A signer's name, which is a part of a role's.
pub fn signer(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if !plain || text.is_empty() || ["releases", "revoked"].contains(&text) {
        return Err("expected letters, digits, `.`, `_` and `-`, and neither releases nor revoked".to_owned());
    }
    Ok(text.to_owned())
}

/// A signer's name and a key of it.
pub fn signer_key(text: &str) -> Result<(String, String), String> {
    let (name, key) = text.split_once('=').ok_or("expected NAME=KEY")?;
    Ok((signer(name)?, key.to_owned()))
}

/// Hours or days: 36h, 7d.
pub fn age(text: &str) -> Result<SignedDuration, String> {
    let wrong = || "expected hours or days, as 36h or 7d".to_owned();
    let (number, hours) = match (text.strip_suffix('h'), text.strip_suffix('d')) {
        (Some(number), _) => (number, 1),
        (_, Some(number)) => (number, 24),
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Ok(SignedDuration::from_hours(i64::from(number) * hours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_signers_and_ages_are_what_they_say() {
        assert_eq!(role("root"), Ok(RoleName::Root));
        assert_eq!(role("targets/qa"), Ok(RoleName::from("targets/qa")));
        assert!(role("qa").is_err() && role("").is_err());
        assert_eq!(signer_key("qa=qa.pub=1"), Ok(("qa".to_owned(), "qa.pub=1".to_owned())));
        for bad in ["", "releases", "revoked", "a/b", "a b", "ä"] {
            assert!(signer(bad).is_err(), "{bad}");
        }
        assert_eq!(age("36h"), Ok(SignedDuration::from_hours(36)));
        assert_eq!(age("7d"), Ok(SignedDuration::from_hours(168)));
        for bad in ["", "h", "7", "-1h", "7 d", "99999999999d"] {
            assert!(age(bad).is_err(), "{bad}");
        }
    }
}
