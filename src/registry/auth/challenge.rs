use http::{HeaderMap, header};

/// One challenge of a `WWW-Authenticate` header (RFC 9110, 11.6.1), names in lower case.
#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// A token of a token server (RFC 6750; distribution-spec's token authentication).
    Bearer {
        /// The token server's address.
        realm: String,
        /// The service that the token is for.
        service: Option<String>,
        /// The scopes that it has to have.
        scopes: Vec<String>,
    },
    /// User and password (RFC 7617).
    Basic,
}

impl Demand {
    /// The first challenge that can be met, a token before a password.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(header::WWW_AUTHENTICATE).iter();
        let challenges: Vec<Challenge> = values.filter_map(|value| value.to_str().ok()).flat_map(parse).collect();
        let bearer = challenges.iter().filter(|challenge| challenge.scheme == "bearer").find_map(|challenge| {
            let scopes = challenge.parameter("scope").unwrap_or_default();
            Some(Self::Bearer {
                realm: challenge.parameter("realm")?.to_owned(),
                service: challenge.parameter("service").map(str::to_owned),
                scopes: scopes.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect(),
            })
        });
        let basic = || challenges.iter().any(|challenge| challenge.scheme == "basic");
        bearer.or_else(|| basic().then_some(Self::Basic))
    }
}

impl Challenge {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Reads the challenges of one header. A comma separates challenges and parameters alike: a word with `=` behind it is
/// a parameter, any other begins a challenge. What can't be read is skipped up to the next comma.
fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return challenges;
        }
        let (word, after) = split_token(rest);
        let value = after.trim_start().strip_prefix('=');
        rest = match (value, challenges.last_mut()) {
            (None, _) if !word.is_empty() => {
                challenges.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: Vec::new() });
                skip_token68(after)
            }
            (Some(value), Some(challenge)) if !word.is_empty() => {
                let Some((value, after)) = split_value(value.trim_start()) else { return challenges };
                challenge.parameters.push((word.to_ascii_lowercase(), value));
                after
            }
            _ => rest.split_once(',').map_or("", |(_, after)| after),
        };
    }
}

/// Behind a scheme there may be one padded word in place of parameters (`Negotiate YII==`).
fn skip_token68(text: &str) -> &str {
    let after = text.trim_start().trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c));
    let unpadded = after.trim_start_matches('=');
    if unpadded.len() < after.len() && (unpadded.is_empty() || unpadded.starts_with(',')) { unpadded } else { text }
}

fn split_token(text: &str) -> (&str, &str) {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    text.split_at(text.find(|c| !token(c)).unwrap_or(text.len()))
}

/// A token, or a quoted string with its escapes taken out.
fn split_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return Some((value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, quoted.get(at + 1..).unwrap_or_default())),
            '\\' => value.push(characters.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(values: &[&str]) -> Option<Demand> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::WWW_AUTHENTICATE, value.parse().unwrap());
        }
        Demand::of(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>, scopes: &[&str]) -> Option<Demand> {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        Some(Demand::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned), scopes })
    }

    #[test]
    fn a_token_challenge_has_realm_service_and_scopes() {
        let asked = r#"Bearer realm="https://auth.example.com/token?a=b,c",service="registry.example.com",scope="repository:a/b:pull,push repository:c:pull""#;
        let expected = bearer(
            "https://auth.example.com/token?a=b,c",
            Some("registry.example.com"),
            &["repository:a/b:pull,push", "repository:c:pull"],
        );
        assert_eq!(demand(&[asked]), expected);
        assert_eq!(demand(&[&asked.replace("Bearer ", "bearer  ").replace(",s", " ,\t s")]), expected);
    }

    #[test]
    fn several_challenges_are_told_apart_and_a_token_is_preferred() {
        let token = bearer("https://t", None, &[]);
        assert_eq!(demand(&[r#"Basic realm="x, Bearer y", charset=UTF-8, Bearer realm="https://t""#]), token);
        assert_eq!(demand(&[r#"Basic realm="x""#, r#"Bearer realm="https://t""#]), token);
        assert_eq!(demand(&[r#"Negotiate, Basic realm="a \"quoted\" word""#]), Some(Demand::Basic));
        assert_eq!(demand(&[r#"Negotiate YIIabc==, Basic realm="x""#]), Some(Demand::Basic));
        assert_eq!(demand(&["Basic"]), Some(Demand::Basic));
        assert_eq!(demand(&["Bearer realm=https://t"]), token);
    }

    #[test]
    fn what_is_no_challenge_is_none() {
        for broken in [
            "",
            ",,,",
            "Digest realm=x",
            "Bearer",
            "=",
            "Bearer realm",
            "Bearer realm=\"open",
            "Bearer =x",
            "\"",
            "Bearer realm=\"a\\",
        ] {
            assert_eq!(demand(&[broken]), None, "{broken}");
        }
        assert_eq!(demand(&[]), None);
    }
}
