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
    #[arg(long, value_name = "KEY", requires = "attest_vsa", conflicts_with_all = ["vsa_keyless", "vsa_identity_token"])]
    pub vsa_key: Option<String>,
    /// Sign it as somebody, for whom an identity provider speaks.
    #[arg(long, requires = "attest_vsa")]
    pub vsa_keyless: bool,
    /// The identity token, or a file with it.
    #[arg(long, value_name = "FILE|TOKEN", requires = "attest_vsa", hide_env_values = true)]
    pub vsa_identity_token: Option<String>,
    /// Which services make certificate, log and timestamp: as `attest --signing-config`.
    #[arg(long, value_name = "NAME|FILE", env = "BOLTSEAL_SIGNING_CONFIG", hide_env_values = true)]
    pub vsa_signing_config: Option<String>,
    /// What their answers are verified by: as `attest --trusted-root`.
    #[arg(long, value_name = "NAME|FILE", env = "BOLTSEAL_TRUSTED_ROOT", hide_env_values = true)]
    pub vsa_trusted_root: Option<String>,
    #[command(flatten)]
    pub password: PasswordArgs,
}

impl SummaryArgs {
    /// The same as other verbs have it that sign.
    pub fn keyless(&self) -> KeylessArgs {
        KeylessArgs {
            keyless: self.vsa_keyless,
            identity_token: self.vsa_identity_token.clone(),
            signing_config: self.vsa_signing_config.clone(),
            trusted_root: self.vsa_trusted_root.clone(),
            log: LogArg::Required,
            login: LoginArg::Browser,
            oidc_client_id: "sigstore".to_owned(),
        }
    }
}
