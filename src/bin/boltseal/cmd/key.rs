use crate::{
    args::{KeyCommand, PasswordArgs, SaveKeyArgs, SigningKeyArgs},
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output},
    settings::{self, key_source, new_password, private_key},
};
use boltseal::{
    crypto::{PrivateKey, PublicKey},
    store::{load_key_file, save_key_pair},
};
use serde_json::{Value, json};
use std::path::PathBuf;

pub fn run(command: KeyCommand, output: &Output) -> Result<Exit, Failure> {
    match command {
        KeyCommand::Generate { algorithm, save: to } => save(&PrivateKey::generate(algorithm)?, &to, output),
        KeyCommand::Import { key, key_password_file, insecure_key_permissions, save: to } => {
            let password = PasswordArgs { password_file: key_password_file, insecure_key_permissions };
            let key = private_key(&key, &password, output)?;
            save(&key, &to, output)
        }
        KeyCommand::Public(args) => public(&args, output),
        KeyCommand::Inspect { keys } => inspect(&keys, output),
    }
}

fn save(key: &PrivateKey, to: &SaveKeyArgs, output: &Output) -> Result<Exit, Failure> {
    let file = |extension: &str| {
        let mut name = to.output_key_prefix.clone().into_os_string();
        name.push(extension);
        PathBuf::from(name)
    };
    let (private, public) = (file(".key"), file(".pub"));
    let password = new_password(to.password_file.as_deref())?;
    save_key_pair(key, &password, &private, &public, to.force)?;
    let value = json!({
        "version": JSON_VERSION, "private": private.display().to_string(), "public": public.display().to_string(),
        "key": describe(key.public()), "exit": 0,
    });
    output.result(&value, || {
        format!(
            "{}  private key, encrypted\n{}  public key, {}\nfingerprint {}\n",
            private.display(),
            public.display(),
            key.public().algorithm(),
            key.public().fingerprint()
        )
    });
    Ok(Exit::Done)
}

fn public(args: &SigningKeyArgs, output: &Output) -> Result<Exit, Failure> {
    let key = settings::signer_key(args, output)?;
    let value =
        json!({ "version": JSON_VERSION, "key": describe(key.public()), "pem": key.public().to_pem(), "exit": 0 });
    output.result(&value, || key.public().to_pem());
    Ok(Exit::Done)
}

fn inspect(keys: &[String], output: &Output) -> Result<Exit, Failure> {
    let mut shown = Vec::new();
    for name in keys {
        let kind = load_key_file(&key_source(name)?)?;
        shown.push((name, kind));
    }
    let value = json!({
        "version": JSON_VERSION,
        "keys": shown.iter().map(|(name, file)| json!({
            "file": name, "kind": file.kind(), "encrypted": file.is_encrypted(), "key": file.public().map(describe),
        })).collect::<Vec<_>>(),
        "exit": 0,
    });
    output.result(&value, || {
        let line = |(name, file): &(&String, boltseal::store::KeyFile)| match file.public() {
            Some(key) => format!("{name}: {} ({}), fingerprint {}\n", file.kind(), key.algorithm(), key.fingerprint()),
            None => format!("{name}: {}, encrypted: `boltseal key public --key {name}` tells more\n", file.kind()),
        };
        shown.iter().map(line).collect()
    });
    Ok(Exit::Done)
}

fn describe(key: &PublicKey) -> Value {
    json!({ "algorithm": key.algorithm().to_string(), "fingerprint": key.fingerprint().to_string(), "hint": key.hint() })
}
