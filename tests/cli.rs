//! The command line as people type it: every case under tests/cmd is run and compared.

mod common;

#[test]
fn what_is_typed_is_answered_as_written_down() {
    let home = tempfile::tempdir().expect("a folder");
    trycmd::TestCases::new()
        .env("HOME", home.path().display().to_string())
        .env("XDG_CONFIG_HOME", home.path().join("config").display().to_string())
        .env("BOLTSEAL_PASSWORD", common::PASSWORD)
        .env("BOLTSEAL_POLICY", "")
        .env("BOLTSEAL_LOCK", "")
        .env("BOLTSEAL_STATE", home.path().join("state").display().to_string())
        .env("RUST_BACKTRACE", "0")
        .case("tests/cmd/*.trycmd");
}
