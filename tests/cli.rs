//! The command line as people type it: every case under tests/cmd is run and compared.

mod common;

#[test]
fn what_is_typed_is_answered_as_written_down() {
    let home = tempfile::tempdir().expect("a folder");
    trycmd::TestCases::new()
        .env("HOME", home.path().display().to_string())
        .env("XDG_CONFIG_HOME", home.path().join("config").display().to_string())
        .env("XDG_DATA_HOME", home.path().join("data").display().to_string())
        .env("BOLTSEAL_PASSWORD", common::PASSWORD)
        .env("BOLTSEAL_POLICY", "")
        .env("BOLTSEAL_LOCK", "")
        .env("BOLTSEAL_ROOTS", "")
        .env("SIGSTORE_ROOT_FILE", "")
        .env("SIGSTORE_REKOR_PUBLIC_KEY", "")
        .env("SIGSTORE_CT_LOG_PUBLIC_KEY_FILE", "")
        .env("SIGSTORE_TSA_CERTIFICATE_FILE", "")
        .env("BOLTSEAL_CACHE", home.path().join("cache").display().to_string())
        .env("BOLTSEAL_STATE", home.path().join("state").display().to_string())
        .env("RUST_BACKTRACE", "0")
        .case("tests/cmd/*.trycmd");
}
