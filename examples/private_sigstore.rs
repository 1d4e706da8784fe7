//! A private Sigstore on 127.0.0.1 for trials by hand and for shell scripts; its keys end with it.
//!
//! `cargo run --example private_sigstore -- FOLDER [ADDRESS]` writes `trusted_root.json`, `signing_config.json` and a `token`
//! for the address into the folder, prints where the services are, and runs until standard input ends or it is interrupted:
//!
//! ```text
//! cosign sign-blob --yes --identity-token FOLDER/token --trusted-root FOLDER/trusted_root.json \
//!   --signing-config FOLDER/signing_config.json --bundle bundle.json FILE
//! ```

#[path = "../tests/common/sigstore/mod.rs"]
mod sigstore;

use sigstore::server::Sigstore;
use std::path::Path;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: private_sigstore FOLDER [ADDRESS]")?;
    let address = arguments.next().unwrap_or_else(|| "jane@example.com".to_owned());
    std::fs::create_dir_all(&folder)?;
    let sigstore = Sigstore::start().await;
    sigstore.write(Path::new(&folder), &address);
    println!("fulcio, rekor, issuer: {}", sigstore.url);
    println!("timestamps: {}", sigstore.services.timestamp_url());
    let (ended, end) = tokio::sync::oneshot::channel();
    // A thread that nobody waits for: standard input may never end.
    std::thread::spawn(move || ended.send(std::io::copy(&mut std::io::stdin(), &mut std::io::sink())));
    tokio::select! {
        _ = end => Ok(()),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}
