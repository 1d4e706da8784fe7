//! `audit log`: decisions that were kept.

use crate::{
    args::{LogCommand, LogRotateArgs, LogVerifyArgs},
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output},
};
use boltseal::{
    format::decision_log::Head,
    ops::decisions::{LogReport, verify_log},
    store::rotate_decisions,
};
use jiff::Timestamp;
use serde_json::{Value, json};

pub fn run(command: LogCommand, output: &Output) -> Result<Exit, Failure> {
    match command {
        LogCommand::Verify(args) => verify(&args, output),
        LogCommand::Rotate(args) => rotate(&args, output),
    }
}

fn verify(args: &LogVerifyArgs, output: &Output) -> Result<Exit, Failure> {
    let report = verify_log(&args.files, &args.head)?;
    let LogReport { began, head, recovered, bytes } = report;
    let files: Vec<_> = args.files.iter().map(|file| file.display().to_string()).collect();
    let value = json!({
        "version": JSON_VERSION, "files": files, "began": at(began), "head": at(head), "recovered": recovered,
        "bytes": bytes, "heads": args.head.iter().map(ToString::to_string).collect::<Vec<_>>(), "exit": 0,
    });
    output.result(&value, || {
        let entries = head.seq - began.seq;
        let mut text = format!("whole  {}, {entries} entries\n", files.join(", "));
        if began != Head::START {
            text.push_str(&format!(
                "  follows  entry {}, {}: of a log that is not among these\n",
                began.seq, began.hash
            ));
        }
        if recovered > 0 {
            text.push_str(&format!("  cut off  by a crash, and told by the next entry: {recovered}\n"));
        }
        text.push_str(&format!("  head     entry {}, {}\n", head.seq, head.hash));
        text
    });
    Ok(Exit::Done)
}

fn rotate(args: &LogRotateArgs, output: &Output) -> Result<Exit, Failure> {
    let head = rotate_decisions(&args.file, &args.aside, Timestamp::now())?;
    let (file, aside) = (args.file.display().to_string(), args.aside.display().to_string());
    let value = json!({ "version": JSON_VERSION, "file": file, "aside": aside, "head": at(head), "exit": 0 });
    output.result(&value, || format!("{file} goes on from {aside}\n  head     entry {}, {}\n", head.seq, head.hash));
    Ok(Exit::Done)
}

fn at(head: Head) -> Value {
    json!({ "seq": head.seq, "hash": head.hash.to_string() })
}
