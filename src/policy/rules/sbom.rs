//! What is in an image.

use super::{
    Miss, licenses,
    purl::{self, Listed, PackagePattern},
};
use crate::{
    format::predicate::{Package, Sbom, SbomFormat},
    oci::Digest,
    policy::TextPattern,
};

/// What is asked of a bill of materials.
#[derive(Clone, Debug, Default)]
pub struct SbomRule {
    /// The formats; none for any.
    pub formats: Vec<SbomFormat>,
    /// Whether it has to describe the image by its digest.
    pub of_image: bool,
    /// Packages that have to be listed.
    pub must_list: Vec<MustList>,
    /// Packages that may not be listed.
    pub deny_packages: Vec<PackagePattern>,
    /// Licences that no package may need, in lower case.
    pub deny_licenses: Vec<TextPattern>,
}

/// A package that has to be listed.
#[derive(Clone, Debug)]
pub struct MustList {
    /// Which.
    pub package: PackagePattern,
    /// Its digest, where one is asked for.
    pub digest: Option<Digest>,
}

impl SbomRule {
    /// Whether an SBOM is as asked.
    ///
    /// # Errors
    /// What is not.
    pub fn judge(&self, sbom: &Sbom, digests: &[Digest]) -> Result<(), Miss> {
        if !self.formats.is_empty() && !self.formats.contains(&sbom.format) {
            return Err(Miss::Format { expected: self.formats.clone(), found: sbom.format });
        }
        if self.of_image {
            describes(sbom, digests)?;
        }
        let mut named = vec![Vec::new(); self.must_list.len()];
        for package in &sbom.packages {
            self.names(package, &mut named)?;
            self.licenses(package)?;
        }
        self.must_list.iter().zip(named).try_for_each(|(wanted, named)| wanted.judge(&named))
    }

    /// Whether a package is not denied by its name; where it is one that has to be listed, that is noted.
    fn names<'s>(&self, package: &'s Package, named: &mut [Vec<&'s Package>]) -> Result<(), Miss> {
        if self.deny_packages.is_empty() && self.must_list.is_empty() {
            return Ok(());
        }
        let listed = Listed::of(package);
        if let Some(pattern) = self.deny_packages.iter().find(|pattern| pattern.may_be(&listed)) {
            return Err(Miss::PackageDenied { pattern: pattern.to_string(), found: told(package) });
        }
        let wanted = self.must_list.iter().zip(named).filter(|(wanted, _)| wanted.package.is(&listed));
        wanted.for_each(|(_, named)| named.push(package));
        Ok(())
    }

    fn licenses(&self, package: &Package) -> Result<(), Miss> {
        // The image itself is under no licence that an SBOM could state.
        let unstated = [Box::from("NOASSERTION")];
        let licenses = match &*package.licenses {
            [] if package.is_subject => &[],
            [] => &unstated[..],
            stated => stated,
        };
        for license in licenses {
            if let Some(pattern) = licenses::denied(license, &self.deny_licenses) {
                let (pattern, found) = (pattern.to_string(), license.to_string());
                return Err(Miss::LicenseDenied { pattern, found, package: told(package) });
            }
        }
        Ok(())
    }
}

impl MustList {
    fn judge(&self, named: &[&Package]) -> Result<(), Miss> {
        if named.is_empty() {
            return Err(Miss::PackageMissing { expected: self.package.to_string() });
        }
        let Some(expected) = &self.digest else { return Ok(()) };
        let mut other = None;
        for package in named {
            match package.digests.iter().find(|(algorithm, _)| **algorithm == *expected.algorithm()) {
                Some((_, hex)) if hex.eq_ignore_ascii_case(&expected.hex()) => return Ok(()),
                found => other = found.map(|(algorithm, hex)| format!("{algorithm}:{hex}")),
            }
        }
        let (package, expected) = (self.package.to_string(), expected.to_string());
        Err(Miss::PackageDigest { package, expected, found: other })
    }
}

/// Whether what the document describes has one of these digests: as a checksum, or as the version of its package URL or its own.
fn describes(sbom: &Sbom, digests: &[Digest]) -> Result<(), Miss> {
    let is_image = |package: &Package| {
        digests.iter().any(|digest| {
            let version = |text: &str| text == digest.to_string();
            let listed =
                |(algorithm, hex): &(Box<str>, Box<str>)| **algorithm == *digest.algorithm() && **hex == digest.hex();
            package.digests.iter().any(listed)
                || version(&package.version)
                || purl::version(&package.purl).is_some_and(|of| version(&of))
        })
    };
    let mut described = sbom.packages.iter().filter(|package| package.is_subject);
    if described.clone().any(is_image) {
        return Ok(());
    }
    let expected = digests.first().map(Digest::to_string).unwrap_or_default();
    Err(Miss::Described { expected, found: described.next().map(told) })
}

fn told(package: &Package) -> String {
    match (package.purl.is_empty(), package.version.is_empty()) {
        (false, _) => package.purl.to_string(),
        (true, true) => package.name.to_string(),
        (true, false) => format!("{}@{}", package.name, package.version),
    }
}
