//! notation's trustpolicy.json (trust store and trust policy specification, 1.0). Its signers are certificates, which have
//! no equal here; what it does not verify has one.

use super::{Draft, Node, Read, draft::disabled};

pub(super) fn read(root: Node, draft: &mut Draft) -> Read<()> {
    let mut root = root.fields()?;
    let version = root.need("version")?;
    if version.text()? != "1.0" {
        draft.lose(&version, "expected version 1.0");
    }
    for policy in root.need("trustPolicies")?.items()? {
        statement(policy, draft)?;
    }
    draft.lost.extend(root.rest());
    Ok(())
}

fn statement(policy: Node, draft: &mut Draft) -> Read<()> {
    let mut fields = policy.fields()?;
    fields.take("name");
    let scopes = fields.need("registryScopes")?.items()?;
    let mut verification = fields.need("signatureVerification")?.fields()?;
    let level = verification.need("level")?;
    let skip = level.text()? == "skip";
    if skip {
        // Neither of them has a meaning there.
        fields.take("trustStores");
        fields.take("trustedIdentities");
    } else {
        draft.lose(
            &level,
            format!(
                "level {}: signers are certificates there, which have no equal here; its scopes are left out",
                level.text()?
            ),
        );
    }
    draft.lost.extend(verification.rest());
    draft.lost.extend(fields.rest());
    for scope in scopes {
        let text = scope.text()?;
        let glob = if text == "*" { "**" } else { text };
        if skip {
            draft.scope(glob, disabled(), &scope);
        } else {
            draft.shadow(glob);
        }
    }
    Ok(())
}
