//! From questions as written to such that can be answered.

use super::{
    BaseRule, ConfigRule, MustList, PackagePattern, ProvenanceRule, Question, SbomRule, Topic, VsaRule, VulnRule,
    Waiver, document,
    provenance::{HIGHEST_LEVEL, level},
    summary::track,
};
use crate::{
    format::predicate::{SbomFormat, Severity, is_uri, split_source, states_source, states_workflow},
    limits::CHAIN_DEPTH,
    oci::DigestError,
    policy::{PolicyError, Position, TextPattern, Unsigned, load::duration},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_saphyr::Spanned;
use std::collections::BTreeSet;

type Text = Spanned<String>;

fn refused(place: Position, field: &'static str, why: impl Into<String>) -> PolicyError {
    PolicyError::Rule { place, field, why: why.into() }
}

/// A glob that asks for something.
fn pattern(field: &'static str, text: &Text) -> Result<TextPattern, PolicyError> {
    let place = Position::of(text);
    if text.value.trim_matches('*').is_empty() && !text.value.is_empty() {
        return Err(refused(place, field, "matches anything; expected a text that tells something apart"));
    }
    if text.value.trim() != text.value {
        return Err(refused(place, field, format!("{:?} begins or ends with a space, which nothing does", text.value)));
    }
    TextPattern::glob(&text.value).map_err(|error| refused(place, field, error.to_string()))
}

fn package(field: &'static str, text: &Text) -> Result<PackagePattern, PolicyError> {
    pattern(field, text)?;
    let package = PackagePattern::parse(&text.value);
    let package = package.map_err(|error| refused(Position::of(text), field, error.to_string()))?;
    if package.is_nothing() {
        return Err(refused(Position::of(text), field, "names no package; expected such as `pkg:npm/event-stream@*`"));
    }
    Ok(package)
}

fn optional(field: &'static str, text: Option<&Text>) -> Result<Option<TextPattern>, PolicyError> {
    text.map(|text| pattern(field, text)).transpose()
}

/// A question, where it stands and whom it is asked of.
pub(in crate::policy) type Put = (Position, Question, document::Who);

fn put(place: Position, about: Topic, who: document::Who) -> Result<Put, PolicyError> {
    let max_age = who.max_age.as_ref().map(duration).transpose()?;
    Ok((place, Question { about, max_age, newest: who.superseded == document::Superseded::Refuse }, who))
}

/// What is asked of base images.
pub(in crate::policy) fn base(raw: &document::Base) -> Result<BaseRule, PolicyError> {
    let depth = raw.depth.as_ref().map_or(1, |depth| depth.value);
    match &raw.depth {
        Some(place) if !(1..=CHAIN_DEPTH).contains(&depth) => {
            let why = format!("{depth} levels can't be asked for; expected 1 to {CHAIN_DEPTH}");
            Err(refused(Position::of(place), "depth", why))
        }
        _ => Ok(BaseRule { depth }),
    }
}

/// That something has to stand beside `provenance`.
pub(in crate::policy) fn base_alone(place: Position) -> PolicyError {
    let why =
        "stands beside no `provenance`, so that nobody's word would count; expected `provenance: { from: […] }` too";
    refused(place, "base", why)
}

pub(in crate::policy) fn provenance(
    raw: Spanned<document::Provenance>,
    base: Option<BaseRule>,
) -> Result<Put, PolicyError> {
    let (place, raw) = (Position::of(&raw), raw.value);
    let level = match &raw.level {
        None => None,
        Some(level) => Some(match u8::try_from(level.value) {
            Ok(found @ 1..=HIGHEST_LEVEL) => found,
            _ => {
                let why = format!("no builder is known for level {}; expected 1 to {HIGHEST_LEVEL}", level.value);
                return Err(refused(Position::of(level), "level", why));
            }
        }),
    };
    let rule = ProvenanceRule {
        builder: optional("builder", raw.builder.as_ref())?,
        build_type: optional("build-type", raw.build_type.as_ref())?,
        source: raw.source.as_ref().map(source).transpose()?,
        reference: raw.r#ref.as_ref().map(reference).transpose()?,
        workflow: optional("workflow", raw.workflow.as_ref())?,
        level,
        refuse_unknown: raw.parameters == document::Parameters::RefuseUnknown,
        base,
    };
    contradictions(&rule, place)?;
    let unsigned = raw.unsigned;
    put(place, Topic::Provenance(rule), raw.who(unsigned))
}

/// What no builder, or no provenance of the build type, can say; patterns leave that open.
fn contradictions(rule: &ProvenanceRule, place: Position) -> Result<(), PolicyError> {
    let one = |pattern: &TextPattern| Some(pattern.to_string()).filter(|text| !text.contains('*'));
    if let (Some(builder), Some(asked)) = (rule.builder.as_ref().and_then(one), rule.level) {
        let reached = level(&builder);
        if reached < asked {
            let why = format!("{asked} is asked of {builder}, which is known for {reached}; expected at most that");
            return Err(refused(place, "level", why));
        }
    }
    let Some(build_type) = rule.build_type.as_ref().and_then(one) else { return Ok(()) };
    let asked = [("source", &rule.source), ("ref", &rule.reference), ("workflow", &rule.workflow)];
    for (field, _) in asked.into_iter().filter(|(_, pattern)| pattern.is_some()) {
        if !states_source(&build_type) || field == "workflow" && !states_workflow(&build_type) {
            let why =
                format!("is asked of builds of type {build_type}, in which none is known; no provenance can have it");
            return Err(refused(place, field, why));
        }
    }
    Ok(())
}

/// A repository, in the spelling that provenance is brought to.
fn source(text: &Text) -> Result<TextPattern, PolicyError> {
    let checked = pattern("source", text)?;
    match split_source(&text.value) {
        (place, None) if place == text.value => Ok(checked),
        (place, None) => TextPattern::glob(place).map_err(|e| refused(Position::of(text), "source", e.to_string())),
        (_, Some(part)) => {
            let why = format!("has the ref {part:?} in it; expected the repository alone, and the ref in `ref`");
            Err(refused(Position::of(text), "source", why))
        }
    }
}

/// A full ref: a short one would match none.
fn reference(text: &Text) -> Result<TextPattern, PolicyError> {
    let of_refs = text.value.strip_prefix("refs/").is_some_and(|rest| {
        rest.contains('*') || rest.split_once('/').is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty())
    });
    let whole = of_refs || text.value.starts_with('*');
    if !whole {
        let why = format!("{:?} is no full ref; expected `refs/heads/…` or `refs/tags/…`", text.value);
        return Err(refused(Position::of(text), "ref", why));
    }
    pattern("ref", text)
}

pub(in crate::policy) fn sbom(raw: Spanned<document::Sbom>) -> Result<Put, PolicyError> {
    let (place, raw) = (Position::of(&raw), raw.value);
    let formats = raw.formats.iter().flatten().map(|format| match format.value {
        document::Format::Spdx => SbomFormat::Spdx,
        document::Format::CycloneDx => SbomFormat::CycloneDx,
    });
    let formats: Vec<_> = formats.collect();
    if raw.formats.as_ref().is_some_and(Vec::is_empty) {
        return Err(PolicyError::Empty { place, field: "formats", expected: "`spdx`, `cyclonedx`, or both" });
    }
    if let Some(twice) =
        formats.iter().enumerate().find(|(at, format)| formats.iter().take(*at).any(|one| one == *format))
    {
        return Err(PolicyError::Repeated { place, what: "format", name: twice.1.to_string() });
    }
    let deny_packages: Vec<_> =
        raw.deny_packages.iter().map(|text| package("deny-packages", text)).collect::<Result<_, _>>()?;
    let mut must_list = Vec::new();
    for (text, digest) in &raw.must_list.0 {
        let package = package("must-list", text)?;
        if deny_packages.iter().any(|denied| denied.covers(&package)) {
            let why = format!("`{package}` is denied by `deny-packages`, too; no SBOM can have both");
            return Err(refused(Position::of(text), "must-list", why));
        }
        let digest = match digest.value.as_str() {
            "any" => None,
            text => Some(text.parse().map_err(|error: crate::oci::DigestError| {
                refused(Position::of(digest), "must-list", format!("{error}; expected a digest, or `any`"))
            })?),
        };
        must_list.push(MustList { package, digest });
    }
    let deny_licenses = raw.deny_licenses.iter().map(|text| {
        pattern("deny-licenses", text)?;
        if text.value.contains(char::is_whitespace) {
            let why = "has a space, and no identifier has one; expected one of SPDX's, as `GPL-3.0-only` or `GPL-*`";
            return Err(refused(Position::of(text), "deny-licenses", why));
        }
        TextPattern::glob(&text.value.to_ascii_lowercase())
            .map_err(|error| refused(Position::of(text), "deny-licenses", error.to_string()))
    });
    let rule = SbomRule {
        formats,
        of_image: raw.describes.is_some(),
        must_list,
        deny_licenses: deny_licenses.collect::<Result<_, _>>()?,
        deny_packages,
    };
    let unsigned = raw.unsigned;
    put(place, Topic::Sbom(rule), raw.who(unsigned))
}

pub(in crate::policy) fn vuln(raw: Spanned<document::Vuln>) -> Result<Put, PolicyError> {
    let (place, raw) = (Position::of(&raw), raw.value);
    // Without a limit nothing would be passed over, and without one below the worst neither.
    let limited = raw.max_severity.is_some_and(|most| most < Severity::Critical);
    let unused = "is never used; expected `max-severity` below `critical` beside it";
    if let Some(with) = raw.ignore_with.as_ref().filter(|_| !limited) {
        return Err(refused(Position::of(with), "ignore-with", unused));
    }
    let mut seen = BTreeSet::new();
    let mut waivers = Vec::new();
    for waiver in &raw.waivers {
        let place = Position::of(&waiver.id);
        if !limited {
            return Err(refused(place, "waivers", unused));
        }
        for (field, text) in [("id", &waiver.id), ("reason", &waiver.reason)] {
            if text.value.trim().is_empty() {
                return Err(PolicyError::Empty { place: Position::of(text), field, expected: "a text" });
            }
        }
        if waiver.id.value.contains(|c: char| c == '*' || c.is_whitespace()) {
            let why = format!(
                "{:?} is the name of no finding; expected one as it is, such as CVE-2026-1001",
                waiver.id.value
            );
            return Err(refused(place, "waivers", why));
        }
        if !seen.insert(&waiver.id.value) {
            return Err(PolicyError::Repeated { place, what: "waiver", name: waiver.id.value.clone() });
        }
        let (id, reason) = (waiver.id.value.clone(), waiver.reason.value.clone());
        waivers.push(Waiver { id, until: day_after(&waiver.until)?, reason });
    }
    let rule = VulnRule { most: raw.max_severity, with_vex: raw.ignore_with.is_some(), waivers };
    put(place, Topic::Vuln(rule), raw.who(Unsigned::Refuse))
}

pub(in crate::policy) fn summary(raw: Spanned<document::Summary>) -> Result<Put, PolicyError> {
    let (place, raw) = (Position::of(&raw), raw.value);
    if !is_uri(&raw.verifier.value) {
        let why = format!("{:?} is no URI; expected such as https://verify.example.com", raw.verifier.value);
        return Err(refused(Position::of(&raw.verifier), "verifier", why));
    }
    let policy = raw.policy.as_ref().map(|text| {
        let bad = |error| refused(Position::of(text), "policy", format!("{error}; expected the digest of a policy"));
        text.value.parse().map_err(|error: DigestError| bad(error))
    });
    let mut tracks = BTreeSet::new();
    for level in &raw.levels {
        let (place, text) = (Position::of(level), level.value.as_str());
        let is_slsa = text.starts_with("SLSA_");
        let is_over = track(text).is_some_and(|(track, level)| track == "BUILD" && level > HIGHEST_LEVEL);
        if text.trim().is_empty() || text == "FAILED" || is_slsa && track(text).is_none() || is_over {
            let why = format!("{text:?} is no level that can be met; expected such as SLSA_BUILD_LEVEL_3");
            return Err(refused(place, "levels", why));
        }
        if !tracks.insert(track(text).map_or(text, |(track, _)| track)) {
            return Err(PolicyError::Repeated { place, what: "level", name: text.to_owned() });
        }
    }
    let levels = raw.levels.iter().map(|level| level.value.clone()).collect();
    let rule = VsaRule { verifier: raw.verifier.value.clone(), policy: policy.transpose()?, levels };
    let who = document::Who {
        from: raw.from,
        threshold: None,
        identity: raw.identity,
        unsigned: Unsigned::Refuse,
        max_age: Some(raw.max_age),
        superseded: document::Superseded::Refuse,
    };
    put(place, Topic::Summary(rule), who)
}

/// The first moment after a day, in UTC.
fn day_after(text: &Text) -> Result<Timestamp, PolicyError> {
    let why = || {
        let why = format!("{:?} is no day; expected such as 2026-12-31", text.value);
        refused(Position::of(text), "until", why)
    };
    let day: Date = text.value.parse().map_err(|_| why())?;
    if text.value.len() != 10 {
        return Err(why());
    }
    let next = day.tomorrow().map_err(|_| why())?;
    Ok(next.to_zoned(TimeZone::UTC).map_err(|_| why())?.timestamp())
}

pub(in crate::policy) fn config(place: Position, raw: document::Config) -> Result<ConfigRule, PolicyError> {
    let max_layers = match raw.max_layers {
        Some(layers) if layers.value == 0 => {
            return Err(PolicyError::Zero { place: Position::of(&layers), field: "max-layers" });
        }
        layers => layers.map(|layers| layers.value),
    };
    let mut rule = ConfigRule {
        non_root: raw.non_root,
        no_secrets: raw.no_secrets_in_history,
        max_size: raw.max_size.as_ref().map(size).transpose()?,
        max_layers,
        ..ConfigRule::default()
    };
    for (name, value) in raw.labels.0 {
        let any = value.value == "**";
        let glob = if any { TextPattern::glob("**").ok() } else { Some(pattern("labels", &value)?) };
        rule.labels.extend(glob.map(|glob| (name.value, glob)));
    }
    let asks = rule.non_root || rule.no_secrets || rule.max_size.is_some() || max_layers.is_some();
    if !asks && rule.labels.is_empty() {
        return Err(PolicyError::Empty { place, field: "config", expected: "at least one thing that is asked" });
    }
    Ok(rule)
}

/// Bytes, with or without a unit.
fn size(text: &Text) -> Result<u64, PolicyError> {
    let digits = text.value.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor = match text.value.get(digits.len()..) {
        Some("") => Some(1),
        Some("kB") => Some(1_000),
        Some("MB") => Some(1_000_000),
        Some("GB") => Some(1_000_000_000),
        Some("KiB") => Some(1 << 10),
        Some("MiB") => Some(1 << 20),
        Some("GiB") => Some(1 << 30),
        _ => None,
    };
    let bytes = digits.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| {
        let why = format!("{:?} is no size; expected such as `500MB` or `1GiB`", text.value);
        refused(Position::of(text), "max-size", why)
    })
}
