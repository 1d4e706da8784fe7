use super::{
    args::{InspectTrustArgs, SignerListArgs},
    desk::Desk,
    report::Shown,
    view::{self, SignedTag, Signer},
};
use crate::{
    exit::{Exit, Failure},
    output::{Output, printable},
};
use boltseal::{crypto::Fingerprint, format::tuf::RoleName, trust::tuf::TrustState};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Who signed where no signer did: docker's word.
const REPO_ADMIN: &str = "Repo Admin";
/// Characters of a key's fingerprint in a table, as docker has them.
const SHORT: usize = 12;

pub async fn run(args: InspectTrustArgs, output: &Output) -> Result<Exit, Failure> {
    if args.image.reference.digest.is_some() {
        return Err(Failure::usage(format!(
            "{}: expected a repository or a tag, without digest",
            args.image.reference
        )));
    }
    let desk = Desk::reading(&args.read)?;
    let place = desk.look_at(&args.image.repository)?;
    let state = desk.writer(&place).state(false).await?;
    let tag = args.image.reference.tag.as_deref();
    let seen = Seen {
        name: args.image.reference.to_string(),
        tags: view::tags(&state, tag),
        signers: view::signers(&state),
        state: &state,
    };
    if args.pretty || !output.is_json() {
        output.raw(&seen.to_text());
    } else {
        output.raw(&format!("{:#}\n", seen.to_json()));
    }
    Ok(Exit::Done)
}

pub async fn list_signers(args: SignerListArgs, output: &Output) -> Result<Exit, Failure> {
    let desk = Desk::reading(&args.read)?;
    let place = desk.look_at(&args.repository)?;
    let signers = view::signers(&desk.writer(&place).state(false).await?);
    let value = json!({
        "repository": args.repository.to_string(),
        "signers": signers.iter().map(|signer| json!({
            "name": signer.name, "keys": signer.keys.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    });
    let lines =
        signers.iter().flat_map(|signer| signer.keys.iter().map(|key| format!("{key}  {}\n", printable(&signer.name))));
    let text = lines.collect();
    Ok(Shown::done(value, text).show(output))
}

/// What docker shows, in its words and shapes.
struct Seen<'s> {
    name: String,
    tags: Vec<SignedTag>,
    signers: Vec<Signer>,
    state: &'s TrustState,
}

impl Seen<'_> {
    fn to_json(&self) -> Value {
        let keys = |keys: &[Fingerprint]| keys.iter().map(|key| json!({ "ID": key.to_string() })).collect::<Vec<_>>();
        let admin = |name: &str, role| json!({ "Name": name, "Keys": keys(&self.keys(role)) });
        json!([{
            "Name": self.name,
            "SignedTags": self.tags.iter().map(|tag| json!({
                "SignedTag": tag.tag, "Digest": tag.digest.hex(),
                "Signers": if tag.signers.is_empty() { vec![REPO_ADMIN.to_owned()] } else { tag.signers.clone() },
            })).collect::<Vec<_>>(),
            "Signers": self.signers.iter()
                .map(|signer| json!({ "Name": signer.name, "Keys": keys(&signer.keys) })).collect::<Vec<_>>(),
            "AdministrativeKeys": [admin("Root", &RoleName::Root), admin("Repository", &RoleName::Targets)],
        }])
    }

    fn keys(&self, role: &RoleName) -> Vec<Fingerprint> {
        view::keys(self.state, role)
    }

    fn to_text(&self) -> String {
        let name = &self.name;
        let mut text = String::from("\n");
        if self.tags.is_empty() {
            let _ = writeln!(text, "No signatures for {name}\n");
        } else {
            let _ = writeln!(text, "Signatures for {name}\n");
            let row = |tag: &SignedTag| {
                let signers = tag.signers.join(", ");
                let signers = if signers.is_empty() { format!("({REPO_ADMIN})") } else { signers };
                [printable(&tag.tag), tag.digest.hex(), printable(&signers)]
            };
            text.push_str(&table(["SIGNED TAG", "DIGEST", "SIGNERS"], self.tags.iter().map(row).collect()));
        }
        if !self.signers.is_empty() {
            let _ = writeln!(text, "\nList of signers and their keys for {name}\n");
            let row = |signer: &Signer| {
                let short: Vec<_> = signer
                    .keys
                    .iter()
                    .map(|key| key.to_string().chars().take(SHORT).collect())
                    .collect::<Vec<String>>();
                [printable(&signer.name), short.join(", ")]
            };
            text.push_str(&table(["SIGNER", "KEYS"], self.signers.iter().map(row).collect()));
        }
        let _ = writeln!(text, "\nAdministrative keys for {name}\n");
        for (what, role) in [("Repository", RoleName::Targets), ("Root", RoleName::Root)] {
            let keys: Vec<_> = self.keys(&role).iter().map(ToString::to_string).collect();
            let _ = writeln!(text, "  {what} Key:\t{}", keys.join(", "));
        }
        text
    }
}

/// Columns as docker lays them out: three blanks after the widest word, and none narrower than ten.
fn table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) -> String {
    let rows: Vec<_> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let widest = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    let width = |at: usize| (widest(at).unwrap_or_default() + 3).max(10);
    let mut text = String::new();
    for row in &rows {
        let cells: String = row.iter().enumerate().map(|(at, cell)| format!("{cell:0$}", width(at))).collect();
        text.push_str(cells.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_line_up_and_lines_end_with_their_words() {
        let rows = vec![["alice".to_owned(), "7a8679c8ec6a".to_owned()], ["long-name".to_owned(), "b".to_owned()]];
        let text = table(["SIGNER", "KEYS"], rows);
        assert_eq!(text, "SIGNER      KEYS\nalice       7a8679c8ec6a\nlong-name   b\n");
        assert_eq!(
            table(["SIGNER", "KEYS"], vec![["bob".to_owned(), "f8".to_owned()]]),
            "SIGNER    KEYS\nbob       f8\n"
        );
    }
}
