//! What is well written and can never be met.

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
