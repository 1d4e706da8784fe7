use super::{KeylessArgs, LogArg, LoginArg, PasswordArgs};
use clap::Args;

/// Attesting what was decided.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Verification summary")]
pub struct SummaryArgs {
    /// Attest each decision as a SLSA verification summary in the name of this verifier, a URI: PASSED or FAILED. What could
    /// not be told is not attested, nor what rests on another's summary.
    #[arg(long, value_name = "VERIFIER", conflicts_with_all = ["signer"])]
    pub attest_vsa: Option<String>,
    /// The private key that signs it: a file, or env://NAME.
    #[arg(long, value_name = "KEY", requires = "attest_vsa", conflicts_with = "vsa_keyless")]
    pub vsa_key: Option<String>,
    /// Sign it as somebody, for whom an identity provider speaks: the CI system's token, SIGSTORE_ID_TOKEN, or a login.
    #[arg(long, requires = "attest_vsa")]
    pub vsa_keyless: bool,
    /// Which services make certificate, log and timestamp: as `attest --signing-config`; else BOLTSEAL_SIGNING_CONFIG.
    #[arg(long, value_name = "NAME|FILE", requires = "attest_vsa", help_heading = "Keyless")]
    pub vsa_signing_config: Option<String>,
    /// What their answers are verified by: as `attest --trusted-root`; else BOLTSEAL_TRUSTED_ROOT.
    #[arg(long, value_name = "NAME|FILE", requires = "attest_vsa", help_heading = "Keyless")]
    pub vsa_trusted_root: Option<String>,
    #[command(flatten)]
    pub password: PasswordArgs,
}

impl SummaryArgs {
    /// The same as other verbs have it that sign.
    pub fn keyless(&self) -> KeylessArgs {
        let set = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        KeylessArgs {
            keyless: self.vsa_keyless,
            identity_token: None,
            signing_config: self.vsa_signing_config.clone().or_else(|| set("BOLTSEAL_SIGNING_CONFIG")),
            trusted_root: self.vsa_trusted_root.clone().or_else(|| set("BOLTSEAL_TRUSTED_ROOT")),
            log: LogArg::Required,
            login: LoginArg::Browser,
            oidc_client_id: "sigstore".to_owned(),
        }
    }
}
