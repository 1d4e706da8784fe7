//! BuildKit's source policies: which images a build may pull, and by which digests (moby/buildkit, `sourcepolicy/pb`).

use crate::oci::{Digest, Reference};
use serde_json::{Value, json};

/// A policy under which a build pulls these images by these digests, and no others. BuildKit reads the rules in order, the
/// last that fits counts, and starts over once a name was converted.
#[must_use]
pub fn source_policy(images: &[(Reference, Digest)]) -> Value {
    let rule = |action: &str, name: &str| {
        let kind = if name.ends_with('*') { "WILDCARD" } else { "EXACT" };
        json!({ "action": action, "selector": { "identifier": format!("docker-image://{name}"), "matchType": kind } })
    };
    let mut rules = vec![rule("DENY", "*")];
    for (reference, digest) in images {
        let tag = reference.tag_or_latest().map(|tag| format!(":{tag}")).unwrap_or_default();
        let name = format!("{}{tag}", reference.repository);
        let pinned = format!("{name}@{digest}");
        rules.push(rule("ALLOW", &pinned));
        rules.push(rule("ALLOW", &format!("{}@{digest}", reference.repository)));
        if reference.digest.is_none() {
            let mut convert = rule("CONVERT", &name);
            if let Some(members) = convert.as_object_mut() {
                let update = json!({ "identifier": format!("docker-image://{pinned}") });
                members.insert("updates".to_owned(), update);
            }
            rules.push(convert);
        }
    }
    rules.dedup();
    json!({ "version": 1, "rules": rules })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_denied_first() {
        let digest = format!("sha256:{}", "1".repeat(64));
        let image = |text: &str| (text.parse().unwrap(), digest.parse().unwrap());
        let policy = source_policy(&[image("busybox:1"), image(&format!("r.example/a@{digest}"))]);
        let rules = policy["rules"].as_array().unwrap();
        let shown: Vec<_> = rules
            .iter()
            .map(|rule| format!("{} {}", rule["action"], rule["selector"]["identifier"]).replace('"', ""))
            .collect();
        let expected = [
            "DENY docker-image://*".to_owned(),
            format!("ALLOW docker-image://docker.io/library/busybox:1@{digest}"),
            format!("ALLOW docker-image://docker.io/library/busybox@{digest}"),
            "CONVERT docker-image://docker.io/library/busybox:1".to_owned(),
            format!("ALLOW docker-image://r.example/a@{digest}"),
        ];
        assert_eq!(shown, expected);
        assert_eq!(rules[3]["updates"]["identifier"], format!("docker-image://docker.io/library/busybox:1@{digest}"));
    }
}
