//! The questions as a policy file writes them.

use crate::{
    format::predicate::Severity,
    policy::{
        Unsigned,
        document::{Entries, Identity, given},
    },
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// What is asked of how an image was built: SLSA provenance of any version. Texts are globs over the whole: `*` stands for any
/// text without a slash, `**` for any text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::policy) struct Provenance {
    /// The authorities whose provenance counts.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub from: Vec<Spanned<String>>,
    /// How many of the authorities have to have attested, as different principals; 1 where it is left out.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "u64", range(min = 1))]
    pub threshold: Option<Spanned<usize>>,
    /// What the reference that was signed with the digest has to say.
    #[serde(default)]
    pub identity: Identity,
    /// Which unsigned statements count that lie in the index, as BuildKit writes them: `refuse` (the default),
    /// `covered-by-index` or `covered-by-manifest`, as claims of the authority that signed the index, or the manifest that
    /// holds them, as an image. They are not the builder's own word.
    #[serde(default)]
    pub unsigned: Unsigned,
    /// The greatest age: `36h`, `7d`.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String", regex(pattern = "^[0-9]+[hd]$"))]
    pub max_age: Option<Spanned<String>>,
    /// Whether provenance counts that a newer one of the same authority supersedes.
    #[serde(default)]
    pub superseded: Superseded,
    /// Who built it: the builder's id.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String", length(min = 1))]
    pub builder: Option<Spanned<String>>,
    /// The build type, a URI.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String", length(min = 1))]
    pub build_type: Option<Spanned<String>>,
    /// The repository that it was built from, with or without `git+` and `.git`.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String", length(min = 1))]
    pub source: Option<Spanned<String>>,
    /// The full ref that it was built from: `refs/tags/*`.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String", length(min = 1))]
    pub r#ref: Option<Spanned<String>>,
    /// The workflow, job or pipeline that built it: `.github/workflows/release.yml`.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String", length(min = 1))]
    pub workflow: Option<Spanned<String>>,
    /// The SLSA build level that the builder is known to reach.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "u64", range(min = 1, max = 3))]
    pub level: Option<Spanned<u64>>,
    /// What is done about parameters that the build type does not define.
    #[serde(default)]
    pub parameters: Parameters,
}

/// Whether a document counts that a newer one of the same authority supersedes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::policy) enum Superseded {
    /// It does.
    #[default]
    Accept,
    /// Only the newest does.
    Refuse,
}

/// What is done about parameters that the build type does not define.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::policy) enum Parameters {
    /// They are accepted.
    #[default]
    Accept,
    /// They are refused.
    RefuseUnknown,
}

/// What is asked of what is in an image: an SBOM.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::policy) struct Sbom {
    /// The authorities whose SBOMs count.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub from: Vec<Spanned<String>>,
    /// How many of the authorities have to have attested, as different principals; 1 where it is left out.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "u64", range(min = 1))]
    pub threshold: Option<Spanned<usize>>,
    /// What the reference that was signed with the digest has to say.
    #[serde(default)]
    pub identity: Identity,
    /// Which unsigned statements count that lie in the index, as BuildKit writes them: `refuse` (the default),
    /// `covered-by-index` or `covered-by-manifest`, as claims of the authority that signed the index, or the manifest that
    /// holds them, as an image. They are not the builder's own word.
    #[serde(default)]
    pub unsigned: Unsigned,
    /// The greatest age: `36h`, `7d`.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String", regex(pattern = "^[0-9]+[hd]$"))]
    pub max_age: Option<Spanned<String>>,
    /// Whether an SBOM counts that a newer one of the same authority supersedes.
    #[serde(default)]
    pub superseded: Superseded,
    /// The formats that are accepted; both where it is left out.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Vec<Format>", length(min = 1))]
    pub formats: Option<Vec<Spanned<Format>>>,
    /// What it has to describe: `image`, the image's digest.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Describes")]
    pub describes: Option<Describes>,
    /// Packages that have to be listed: globs over their package URL (`pkg:…`), or over their name, with or without
    /// `@version`; each with the digest it has to have, or `any`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub must_list: Entries<Spanned<String>>,
    /// Packages that may not be listed, globs of the same kind.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub deny_packages: Vec<Spanned<String>>,
    /// Licences that no package may need, globs over SPDX ids: `AGPL-*`. A package that states none has `NOASSERTION`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub deny_licenses: Vec<Spanned<String>>,
}

/// A format of SBOMs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::policy) enum Format {
    /// SPDX 2 and 3.
    Spdx,
    /// CycloneDX 1.
    CycloneDx,
}

/// What an SBOM has to describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::policy) enum Describes {
    /// The image, by its digest.
    Image,
}

/// What is asked of what was found in an image: a vulnerability scan.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::policy) struct Vuln {
    /// The authorities whose scans, and whose VEX documents, count.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub from: Vec<Spanned<String>>,
    /// How many of the authorities have to have attested, as different principals; 1 where it is left out.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "u64", range(min = 1))]
    pub threshold: Option<Spanned<usize>>,
    /// What the reference that was signed with the digest has to say.
    #[serde(default)]
    pub identity: Identity,
    /// The greatest age: `36h`, `7d`.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String", regex(pattern = "^[0-9]+[hd]$"))]
    pub max_age: Option<Spanned<String>>,
    /// Whether a scan counts that a newer one of the same authority supersedes.
    #[serde(default)]
    pub superseded: Superseded,
    /// The worst severity that is accepted; left out, any.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Severity")]
    pub max_severity: Option<Severity>,
    /// What findings are passed over that are said to do no harm: `vex`, by VEX documents of the same authorities.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "IgnoreWith")]
    pub ignore_with: Option<Spanned<IgnoreWith>>,
    /// Findings that are accepted for a time.
    #[serde(default)]
    pub waivers: Vec<Waiver>,
}

/// By what findings are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::policy) enum IgnoreWith {
    /// VEX documents.
    Vex,
}

/// A finding that is accepted for a time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::policy) struct Waiver {
    /// The vulnerability's name: `CVE-2026-1234`.
    #[schemars(with = "String", length(min = 1))]
    pub id: Spanned<String>,
    /// The last day on which it is accepted (UTC): `2026-12-31`.
    #[schemars(with = "String", regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub until: Spanned<String>,
    /// Why it is accepted.
    #[schemars(with = "String", length(min = 1))]
    pub reason: Spanned<String>,
}

/// What is asked of an image's own configuration; of an index, of each image that it lists.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::policy) struct Config {
    /// Whether it has to run as somebody else than root.
    #[serde(default)]
    pub non_root: bool,
    /// Whether its history and environment may hold nothing that looks like a secret.
    #[serde(default)]
    pub no_secrets_in_history: bool,
    /// The most bytes of its layers, compressed: `500MB`, `1GiB`, `1000`.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String", regex(pattern = "^[0-9]+([kKMG]i?B)?$"))]
    pub max_size: Option<Spanned<String>>,
    /// The most layers.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "u64", range(min = 1))]
    pub max_layers: Option<Spanned<usize>>,
    /// Labels that it has to have, and globs for their values.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub labels: Entries<Spanned<String>>,
}
