//! Holders of certificates, and the trusted root that they are verified by, out of flags.

use crate::{args::CertificateArgs, exit::Failure, output::Output};
use boltseal::{
    ops::trusted_root::TrustedRootFileError,
    policy::{CertificatePattern, Certificates, TextPattern, TextPatternError},
    trust::{Instance, TrustedRoot},
    verify::Demands,
};
use std::{collections::BTreeMap, sync::Arc};

/// The trusted root that `--trusted-root` names, else that cosign's variables make, else the public good instance's.
pub fn trusted_root(args: &CertificateArgs, output: &Output) -> Result<TrustedRoot, Failure> {
    let roots = super::roots();
    if let Some(name) = &args.trusted_root {
        return Ok(roots.load(name)?);
    }
    let variables = super::root_variables();
    let set = variables.set().join(", ");
    if set.is_empty() {
        return Ok(roots.load(Instance::PublicGood.name())?);
    }
    output.note(format_args!("trusted root: of {set}, and of public-good for what they don't name"));
    let unusable = |source| TrustedRootFileError::Unusable { name: set.clone(), source };
    Ok(TrustedRoot::decode(&set, &roots.of_variables(&variables)?).map_err(unusable)?)
}

/// Who the flags say has to hold the certificate; `None` where they name nobody.
pub fn certificate_pattern(args: &CertificateArgs, root: &TrustedRoot) -> Result<Option<CertificatePattern>, Failure> {
    let identity = pattern(args.certificate_identity.as_deref(), args.certificate_identity_regexp.as_deref());
    let Some(subject) = identity.map_err(|error| Failure::usage(format!("--certificate-identity: {error}")))? else {
        return Ok(None);
    };
    let issuer = pattern(args.certificate_oidc_issuer.as_deref(), args.certificate_oidc_issuer_regexp.as_deref());
    let issuer = issuer.map_err(|error| Failure::usage(format!("--certificate-oidc-issuer: {error}")))?;
    let usual = Demands::default();
    let demands = Demands {
        logs: if args.insecure_ignore_tlog { 0 } else { usual.logs },
        scts: if args.insecure_ignore_sct { 0 } else { usual.scts },
        ..usual
    };
    let root = (root.id(), root.name().to_owned());
    Ok(Some(CertificatePattern { root, issuer, subject, claims: BTreeMap::new(), demands }))
}

/// The same with its root, as a policy of flags takes it.
pub fn holders(args: &CertificateArgs, output: &Output) -> Result<Option<Certificates>, Failure> {
    if args.certificate_identity.is_none() && args.certificate_identity_regexp.is_none() {
        return Ok(None);
    }
    let root = trusted_root(args, output)?;
    let pattern = certificate_pattern(args, &root)?;
    Ok(pattern.map(|pattern| Certificates { pattern, root: Arc::new(root) }))
}

fn pattern(exact: Option<&str>, regexp: Option<&str>) -> Result<Option<TextPattern>, TextPatternError> {
    match (exact, regexp) {
        (Some(text), _) => TextPattern::exact(text).map(Some),
        (None, Some(text)) => TextPattern::regexp(text).map(Some),
        (None, None) => Ok(None),
    }
}
