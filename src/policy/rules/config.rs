//! The habits of a hardened image, checked on its own configuration.

use super::Miss;
use crate::{format::image_config::ImageConfig, policy::TextPattern};
use regex::Regex;
use std::{collections::BTreeMap, sync::LazyLock};

/// What is asked of an image's configuration.
#[derive(Clone, Debug, Default)]
pub struct ConfigRule {
    /// Whether it has to run as somebody else than root.
    pub non_root: bool,
    /// Whether its history and environment may hold no secrets.
    pub no_secrets: bool,
    /// The most bytes of its layers, compressed.
    pub max_size: Option<u64>,
    /// The most layers.
    pub max_layers: Option<usize>,
    /// Labels, and what they have to be.
    pub labels: BTreeMap<String, TextPattern>,
}

impl ConfigRule {
    /// Whether a configuration is as asked; `size` are the bytes of its layers.
    ///
    /// # Errors
    /// What is not.
    pub fn judge(&self, config: &ImageConfig, size: u64) -> Result<(), Miss> {
        if self.non_root && is_root(&config.user) {
            return Err(Miss::RootUser { found: config.user.clone() });
        }
        if self.no_secrets {
            no_secrets(config)?;
        }
        if let Some(most) = self.max_size.filter(|most| size > *most) {
            return Err(Miss::TooLarge { found: size, most });
        }
        if let Some(most) = self.max_layers.filter(|most| config.layers > *most) {
            return Err(Miss::TooManyLayers { found: config.layers, most });
        }
        for (name, pattern) in &self.labels {
            let found = config.labels.get(name);
            if !found.is_some_and(|found| pattern.matches(found)) {
                let (name, expected) = (name.clone(), pattern.to_string());
                return Err(Miss::Label { name, expected, found: found.cloned() });
            }
        }
        Ok(())
    }
}

/// Whether a configured user is root: none is, and a number is whatever a reader of it makes of it.
fn is_root(user: &str) -> bool {
    let name = user.split(':').next().unwrap_or_default().trim();
    name.is_empty()
        || name == "root"
        || name.parse::<i64>().is_ok_and(|id| id <= 0)
        || name.trim_matches(['0', '+', '-']).is_empty()
}

/// What secrets look like: by their own form, or by the name that a value is given.
static SECRETS: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    let forms = [
        ("a private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
        ("an AWS access key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
        ("a GitHub token", r"\b(?:gh[pousr]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z_]{30,})"),
        ("a GitLab token", r"\bglpat-[0-9A-Za-z_-]{20}"),
        ("a Slack token", r"\bxox[abprs]-[0-9A-Za-z-]{10,}"),
        ("a credential in a URL", r"[a-z]+://[^/\s:@$]+:[^/\s:@$]{3,}@"),
        // A reference to a variable (`$TOKEN`), a file or an empty text is none.
        (
            "a password or token",
            r#"(?i)\b[a-z0-9_]*(?:passwo?r?d|passphrase|secret|token|api_?key|private_?key|access_?key)[a-z0-9_]*=["']?[^\s"'$/{(]{4,}"#,
        ),
    ];
    forms.into_iter().filter_map(|(name, form)| Some((name, Regex::new(form).ok()?))).collect()
});

fn no_secrets(config: &ImageConfig) -> Result<(), Miss> {
    let steps = config.history.iter().enumerate().map(|(at, step)| (format!("step {} of the history", at + 1), step));
    let variables = config.environment.iter().map(|variable| {
        let name = variable.split('=').next().unwrap_or_default();
        (format!("the environment's {name:?}"), variable)
    });
    for (place, text) in steps.chain(variables) {
        if let Some((looks_like, _)) = SECRETS.iter().find(|(_, form)| form.is_match(text)) {
            return Err(Miss::Secret { place, looks_like });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(change: impl FnOnce(&mut ImageConfig)) -> ImageConfig {
        let mut config = ImageConfig { user: "65532".to_owned(), layers: 2, ..ImageConfig::default() };
        change(&mut config);
        config
    }

    #[track_caller]
    fn missed(rule: &ConfigRule, config: &ImageConfig) -> &'static str {
        rule.judge(config, 1_000).expect_err("a miss").id()
    }

    // [V-171]
    #[test]
    fn root_by_any_spelling_is_root() {
        let rule = ConfigRule { non_root: true, ..ConfigRule::default() };
        for user in ["", "root", "0", "root:app", "0:0", "00", ":1000", "-0", "+0", " "] {
            assert_eq!(missed(&rule, &config(|c| c.user = user.to_owned())), "config-root-user", "{user:?}");
        }
        for user in ["1000", "app", "nonroot:nonroot", "10", "65532:0"] {
            assert_eq!(rule.judge(&config(|c| c.user = user.to_owned()), 0), Ok(()), "{user:?}");
        }
    }

    // [V-171]
    #[test]
    fn what_looks_like_a_secret_is_told_by_place_and_never_itself() {
        let rule = ConfigRule { no_secrets: true, ..ConfigRule::default() };
        assert_eq!(SECRETS.len(), 7, "every form is a regular expression");
        for step in [
            "RUN |1 NPM_TOKEN=abcd1234 /bin/sh -c npm ci",
            "ENV DB_PASSWORD=hunter22",
            "RUN echo -----BEGIN RSA PRIVATE KEY----- > /k",
            "RUN aws configure set aws_access_key_id AKIAABCDEFGHIJKLMNOP",
            "RUN git clone https://bob:s3cret@git.example.com/x",
            "COPY ghp_abcdefghijklmnopqrstuvwxyz0123456789 /t",
        ] {
            let error = rule.judge(&config(|c| c.history = vec!["FROM x".into(), step.into()]), 0).unwrap_err();
            assert_eq!(error.id(), "config-secret", "{step}");
            let told = error.to_string();
            assert!(told.contains("step 2"), "{told}");
            assert!(
                !["hunter22", "abcd1234", "s3cret", "AKIA", "ghp_"].iter().any(|secret| told.contains(secret)),
                "{told}"
            );
        }
        for step in [
            "RUN --mount=type=secret,id=npm npm ci",
            "ENV TOKEN_FILE=/run/secrets/token",
            "ENV PASSWORD=$PASSWORD",
            "RUN curl https://example.com/a:b",
            "ENV PATH=/usr/bin",
            "LABEL org.opencontainers.image.url=https://example.com/x",
        ] {
            assert_eq!(rule.judge(&config(|c| c.history = vec![step.to_owned()]), 0), Ok(()), "{step}");
        }
        assert_eq!(missed(&rule, &config(|c| c.environment = vec!["API_KEY=0123456789".into()])), "config-secret");
    }

    // [V-171]
    #[test]
    fn sizes_layers_and_labels_are_compared() {
        let size = ConfigRule { max_size: Some(999), ..ConfigRule::default() };
        assert_eq!(missed(&size, &config(|_| {})), "config-too-large");
        assert_eq!(size.judge(&config(|_| {}), 999), Ok(()));
        let layers = ConfigRule { max_layers: Some(1), ..ConfigRule::default() };
        assert_eq!(missed(&layers, &config(|_| {})), "config-too-many-layers");
        let label = TextPattern::glob("https://github.com/acme/*").unwrap();
        let labels = ConfigRule { labels: [("source".to_owned(), label)].into(), ..ConfigRule::default() };
        assert_eq!(missed(&labels, &config(|_| {})), "config-label");
        let with = |value: &str| config(|c| drop(c.labels.insert("source".to_owned(), value.to_owned())));
        assert_eq!(missed(&labels, &with("https://github.com/evil/cart")), "config-label");
        assert_eq!(labels.judge(&with("https://github.com/acme/cart"), 0), Ok(()));
    }
}
