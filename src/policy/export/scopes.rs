//! Scopes of containers-policy.json(5): a registry's host, or a name and all below it, or all hosts below a domain.

/// A scope in the other's words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Every registry.
    Everything,
    /// Every host below a domain: `*.example.com`, whatever its port.
    Domain(String),
    /// `host/path`, or a host alone, and all that lies below.
    Below(String),
}

/// What a scope of ours is: a place, or the half of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// All of it.
    All(Place),
    /// The hosts of a domain that are named without a port.
    WithoutPort(String),
    /// The hosts of a domain that are named with one.
    WithPort(String),
}

impl Place {
    /// The scope as containers-policy.json(5) writes it.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Everything => "",
            Self::Domain(text) | Self::Below(text) => text,
        }
    }

    /// Whether hosts fall into it that are not written out: in capitals they miss the scope that names them.
    pub(super) fn is_wide(&self) -> bool {
        !matches!(self, Self::Below(_))
    }
}

/// What a scope of ours is over there.
///
/// # Errors
/// Why there is no such scope.
pub(super) fn share(pattern: &str) -> Result<Share, &'static str> {
    if pattern.starts_with("oci:") {
        return Err("signatures are not looked for in image layouts there");
    }
    let components: Vec<&str> = pattern.split('/').collect();
    let Some((&"**", above)) = components.split_last() else {
        return Err(if pattern.contains('*') {
            GLOB
        } else {
            "what lies below this repository would be in the scope too; say `/**` behind it if that is meant"
        });
    };
    match above {
        [] => Ok(Share::All(Place::Everything)),
        [host] if host.starts_with("*.") => {
            let (domain, with_port) = match host.strip_suffix(":*") {
                Some(domain) => (domain, true),
                None => (*host, false),
            };
            if domain.trim_start_matches("*.").contains(['*', ':', '[']) {
                return Err(GLOB);
            }
            let domain = domain.to_owned();
            Ok(if with_port { Share::WithPort(domain) } else { Share::WithoutPort(domain) })
        }
        _ if above.iter().any(|component| component.contains('*')) => Err(GLOB),
        _ => Ok(Share::All(Place::Below(above.join("/")))),
    }
}

const GLOB: &str =
    "scopes there are a host or a name with all below it (`host/path/**`) or a domain (`*.example.com/**`)";
