//! What is well written and can never be met, or would not be kept.

use crate::policy::{IdentityRule, Pattern, PolicyError, Position, Requirement};

/// A layout has no repository name: a signed reference can be compared with what it is mapped to alone.
pub(super) fn identities<'r>(
    place: Position,
    scope: &Pattern,
    requirements: impl Iterator<Item = &'r Requirement>,
) -> Result<(), PolicyError> {
    if !scope.is_layout() {
        return Ok(());
    }
    for requirement in requirements {
        let meetable = match &requirement.identity {
            IdentityRule::Any => true,
            IdentityRule::Map(map) => map.keys().any(|asked| asked.starts_with("oci:")),
            IdentityRule::Repository | IdentityRule::Tag => false,
        };
        if !meetable {
            let why = format!(
                "`{}` is asked of layouts ({scope}), which have no repository name; expected `any`, or a `map` from the layout",
                requirement.identity
            );
            return Err(PolicyError::Rule { place, field: "identity", why });
        }
    }
    Ok(())
}

/// A summary in the place of what is bound to a tag has to be bound to it, too.
pub(super) fn dropped_tag(
    place: Position,
    vsa: Option<&Requirement>,
    requirements: &[Requirement],
) -> Result<(), PolicyError> {
    let is_of_tag = |one: &Requirement| one.identity == IdentityRule::Tag;
    match vsa {
        Some(vsa) if !is_of_tag(vsa) && requirements.iter().any(is_of_tag) => {
            let why = format!(
                "`{}` in `vsa` would drop the `tag` that is asked for beside it; expected `identity: tag` in `vsa`, too",
                vsa.identity
            );
            Err(PolicyError::Rule { place, field: "identity", why })
        }
        _ => Ok(()),
    }
}
